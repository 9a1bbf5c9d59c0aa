//! The pseudo-labels of a training by class, summed over its journal.

use super::journal::Line;

/// The pseudo-labels of some lines and the hidden objects, a number for each class of the dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelClasses {
    /// The pseudo-labels that trained the student, by their class after the correction.
    pub kept: Vec<f64>,
    /// Those that are right.
    pub right: Vec<f64>,
    /// The objects of the unlabelled images, which training does not see.
    pub objects: Vec<f64>,
    /// The steps of the lines.
    pub steps: u64,
}

impl LabelClasses {
    /// The sums over `lines`; none if no line tells them: those of trainings without a teacher, and of programs that
    /// did not count by class.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Option<Self> {
        let mut all = Self::default();
        for line in lines {
            let Some(kept) = counts(line, "kept-by-class") else {
                continue;
            };
            add(&mut all.kept, &kept);
            for (sums, key) in [
                (&mut all.right, "right-by-class"),
                (&mut all.objects, "objects-by-class"),
            ] {
                add(sums, &counts(line, key).unwrap_or_default());
            }
            all.steps += line.steps;
        }
        let count = all.kept.len();
        all.right.resize(count, 0.0);
        all.objects.resize(count, 0.0);
        (count > 0).then_some(all)
    }

    /// The classes that hidden objects have and no pseudo-label has.
    pub fn without(&self) -> Vec<usize> {
        let classes = 0..self.kept.len();
        classes
            .filter(|class| self.kept[*class] == 0.0 && self.objects[*class] > 0.0)
            .collect()
    }
}

/// The list of counts `key`; none if the line has none.
fn counts(line: &Line, key: &str) -> Option<Vec<f64>> {
    let list = line.readings.get(key)?.as_array()?;
    Some(
        list.iter()
            .map(|count| count.as_f64().unwrap_or(0.0))
            .collect(),
    )
}

/// Adds `counts` to `sums`, class by class.
fn add(sums: &mut Vec<f64>, counts: &[f64]) {
    sums.resize(sums.len().max(counts.len()), 0.0);
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count;
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::line;
    use super::*;

    #[test]
    fn classes_are_summed_over_the_lines_that_tell_them() {
        let lines = [
            line(20, r#"{"loss":1.0}"#),
            line(
                40,
                r#"{"kept":3,"kept-by-class":[3,0,0],"right-by-class":[2,0,0],"objects-by-class":[4,1,0]}"#,
            ),
            // A line of a program that did not count by class.
            line(60, r#"{"kept":9}"#),
            line(
                80,
                r#"{"kept":1,"kept-by-class":[1,0,0],"right-by-class":[0,0,0],"objects-by-class":[5,2,0]}"#,
            ),
        ];
        let found = LabelClasses::of(&lines).unwrap();
        let expected = LabelClasses {
            kept: vec![4.0, 0.0, 0.0],
            right: vec![2.0, 0.0, 0.0],
            objects: vec![9.0, 3.0, 0.0],
            steps: 40,
        };
        assert_eq!(found, expected);
        assert_eq!(found.without(), [1], "nothing shows the last class");
        assert_eq!(LabelClasses::of(&lines[..1]), None);
    }
}
