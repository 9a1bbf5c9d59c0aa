//! The confusion matrix (Fig. 3 of PL-DC): rows are the classes of objects, columns those of detections. The last
//! row and column are the background.

use super::kept::Analysis;

/// The most classes that a figure shows.
const MOST: usize = 30;

/// Counts by class of the object and class of the detection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// The number of classes K.
    classes: usize,
    /// `[K + 1, K + 1]`.
    counts: Vec<usize>,
}

impl Confusion {
    /// The sum of the matrices of several analyses, which have the same classes.
    pub fn of<'a>(classes: usize, analyses: impl IntoIterator<Item = &'a Analysis>) -> Self {
        let mut counts = vec![0; (classes + 1) * (classes + 1)];
        for [truth, found, count] in analyses.into_iter().flat_map(|one| &one.confusion) {
            counts[truth * (classes + 1) + found] += count;
        }
        Self { classes, counts }
    }

    /// The count of objects of class `truth` with a detection of class `found`; K is the background.
    pub fn at(&self, truth: usize, found: usize) -> usize {
        self.counts[truth * (self.classes + 1) + found]
    }

    /// How often the two classes are confused, in both directions.
    fn between(&self, one: usize, other: usize) -> usize {
        self.at(one, other) + self.at(other, one)
    }

    /// The matrix of the classes `shown`, of all others together (if there are any), and of the background.
    pub fn folded(&self, shown: &[usize]) -> Vec<Vec<usize>> {
        let places = sides(self.classes, shown);
        let sides = places[self.classes] + 1;
        let mut folded = vec![vec![0; sides]; sides];
        for truth in 0..=self.classes {
            for found in 0..=self.classes {
                folded[places[truth]][places[found]] += self.at(truth, found);
            }
        }
        folded
    }
}

/// The side of each of `classes` classes, and of the background behind them, in a matrix of the classes `shown`: all
/// others have one side together, and the background has the last one.
pub fn sides(classes: usize, shown: &[usize]) -> Vec<usize> {
    let others = shown.len() < classes;
    let place = |class: usize| match shown.iter().position(|one| *one == class) {
        Some(place) => place,
        None if class == classes => shown.len() + usize::from(others),
        None => shown.len(),
    };
    (0..=classes).map(place).collect()
}

/// The classes of a figure, in its order. Up to 30 classes: all, in the order of the dataset. Of more, the 29 that are
/// most often confused with other classes, each behind the one that it is confused with most.
pub fn shown(confusion: &Confusion) -> Vec<usize> {
    let classes = confusion.classes;
    if classes <= MOST {
        return (0..classes).collect();
    }
    let mass = |class: usize| -> usize {
        let others = (0..classes).filter(|other| *other != class);
        others.map(|other| confusion.between(class, other)).sum()
    };
    let mut left: Vec<usize> = (0..classes).collect();
    left.sort_by_key(|class| (std::cmp::Reverse(mass(*class)), *class));
    left.truncate(MOST - 1);
    let mut chain = vec![left.remove(0)];
    while !left.is_empty() {
        let last = chain[chain.len() - 1];
        let rank = |(place, class): &(usize, &usize)| {
            (confusion.between(last, **class), std::cmp::Reverse(*place))
        };
        let next = left.iter().enumerate().max_by_key(rank);
        chain.push(left.remove(next.map_or(0, |(place, _)| place)));
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matrix(classes: usize, cells: &[[usize; 3]]) -> Confusion {
        let analysis = Analysis {
            confusion: cells.to_vec(),
            ..Analysis::default()
        };
        Confusion::of(classes, [&analysis])
    }

    proptest! {
        /// Rows keep their sums, whatever is folded, and nothing moves between detections and background.
        #[test]
        fn folding_keeps_rows_columns_and_background(
            cells in proptest::collection::vec((0..41usize, 0..41usize, 1..9usize), 0..200), classes in 2..41usize,
        ) {
            let cells: Vec<[usize; 3]> = cells.into_iter().filter(|(t, f, _)| t.max(f) <= &classes)
                .map(|(truth, found, count)| [truth, found, count]).collect();
            let all = matrix(classes, &cells);
            let order = shown(&all);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), order.len());
            prop_assert_eq!(order.len(), if classes <= 30 { classes } else { 29 });
            let folded = all.folded(&order);
            for (place, class) in order.iter().enumerate() {
                let row: usize = (0..=classes).map(|found| all.at(*class, found)).sum();
                prop_assert_eq!(folded[place].iter().sum::<usize>(), row);
                let column: usize = (0..=classes).map(|truth| all.at(truth, *class)).sum();
                prop_assert_eq!(folded.iter().map(|row| row[place]).sum::<usize>(), column);
                prop_assert_eq!(folded[place].last().copied(), Some(all.at(*class, classes)), "missed");
            }
            let total: usize = folded.iter().flatten().sum();
            prop_assert_eq!(total, cells.iter().map(|cell| cell[2]).sum::<usize>());
        }
    }

    #[test]
    fn the_most_confused_classes_are_shown_beside_each_other() {
        // Of 40 classes, 5 and 31 are confused most, then 31 with 9; class 7 is only missed.
        let found = shown(&matrix(
            40,
            &[[5, 31, 9], [31, 5, 4], [9, 31, 6], [7, 40, 99]],
        ));
        assert_eq!(found[..3], [31, 5, 9]);
        assert_eq!(found.len(), 29);
        let sums = matrix(2, &[[0, 1, 3], [0, 1, 2]]);
        assert_eq!(sums.at(0, 1), 5, "analyses add up");
    }
}
