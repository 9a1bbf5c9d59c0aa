//! The pseudo-labels of a row by class, together and over the steps.

use super::super::evidence::Evidence;
use super::super::journal::Line;
use super::super::label_classes::LabelClasses;
use super::class_order::ClassOrder;
use crate::report::page::{HeatMap, LabelClass};
use crate::screen::counted;
use std::collections::BTreeMap;

/// The most columns of a map; neighbouring windows are summed.
const COLUMNS: usize = 60;

/// The classes of a row with the sums over its seeds, in the order of the page; empty if no journal counts by class.
pub fn classes(
    row: &Evidence,
    name: &dyn Fn(usize) -> String,
    order: &dyn Fn(usize) -> ClassOrder,
) -> Vec<LabelClass> {
    let Some(all) = LabelClasses::of(row.lines.iter().flatten()) else {
        return Vec::new();
    };
    let order = order(all.kept.len());
    let class = |class: &usize| LabelClass {
        name: name(*class),
        labelled: order.labelled(*class),
        kept: all.kept[*class],
        right: all.right[*class],
        objects: all.objects[*class],
    };
    order.classes.iter().map(class).collect()
}

/// The pseudo-labels of each class for every step, means over the seeds, and their precision, which a column without
/// any does not have. Labels that were made before any step have no such maps: they do not change with the steps.
pub fn maps(
    row: &Evidence,
    name: &dyn Fn(usize) -> String,
    order: &dyn Fn(usize) -> ClassOrder,
) -> Vec<HeatMap> {
    let mut windows: BTreeMap<(usize, u64), Vec<&Line>> = BTreeMap::new();
    let mut seeds = 0;
    for lines in &row.lines {
        let own = lines.iter();
        let own = own.filter(|line| line.steps > 0 && LabelClasses::of([*line]).is_some());
        let before: usize = windows.values().map(Vec::len).sum();
        own.for_each(|line| {
            windows
                .entry((line.stage, line.step))
                .or_default()
                .push(line)
        });
        seeds += usize::from(windows.values().map(Vec::len).sum::<usize>() > before);
    }
    let windows: Vec<(u64, Vec<&Line>)> = windows
        .into_iter()
        .map(|((_, step), lines)| (step, lines))
        .collect();
    let columns = windows.chunks(windows.len().div_ceil(COLUMNS).max(1));
    let columns: Vec<(u64, LabelClasses)> = columns
        .filter_map(|part| {
            let sums = LabelClasses::of(part.iter().flat_map(|(_, lines)| lines.iter().copied()))?;
            Some((part.last()?.0, sums))
        })
        .collect();
    let count = columns.iter().map(|(_, sums)| sums.kept.len()).max();
    let Some(count) = count else {
        return Vec::new();
    };
    let order = order(count).classes;
    let map = |reading: &str, value: &dyn Fn(&LabelClasses, usize) -> Option<f64>| HeatMap {
        label: row.label.to_string(),
        name: reading.to_string(),
        seeds: counted(seeds, "seed"),
        classes: order.iter().map(|class| name(*class)).collect(),
        steps: columns.iter().map(|(step, _)| *step).collect(),
        values: columns
            .iter()
            .map(|(_, sums)| order.iter().map(|class| value(sums, *class)).collect())
            .collect(),
        marks: Vec::new(),
    };
    let kept = |sums: &LabelClasses, class: usize| {
        let kept = sums.kept.get(class)?;
        (sums.steps > 0).then(|| kept / sums.steps as f64)
    };
    let precision = |sums: &LabelClasses, class: usize| {
        let kept = sums.kept.get(class).filter(|kept| **kept > 0.0)?;
        Some(sums.right[class] / kept)
    };
    vec![map("kept per step", &kept), map("precision", &precision)]
}

#[cfg(test)]
mod tests {
    use super::super::super::journal::tests::line;
    use super::*;

    fn row(lines: Vec<Vec<Line>>) -> Evidence<'static> {
        Evidence {
            label: "a",
            trials: Vec::new(),
            lines,
            labels: None,
            per_class: Vec::new(),
        }
    }

    fn at(step: u64, kept: [u64; 2], right: [u64; 2]) -> Line {
        let text = format!(
            r#"{{"kept-by-class":{kept:?},"right-by-class":{right:?},"objects-by-class":[8,4]}}"#
        );
        line(step, &text)
    }

    /// The second class has the most labelled objects.
    fn order(_: usize) -> ClassOrder {
        ClassOrder {
            classes: vec![1, 0],
            labelled: Some(vec![3.0, 7.0]),
        }
    }

    fn name(class: usize) -> String {
        format!("c{class}")
    }

    #[test]
    fn the_class_with_the_most_labelled_objects_is_first() {
        let seeds = vec![vec![at(20, [4, 0], [3, 0])], vec![at(20, [2, 1], [0, 1])]];
        let found = classes(&row(seeds), &name, &order);
        let expected = [("c1", 7.0, [1.0, 1.0, 8.0]), ("c0", 3.0, [6.0, 3.0, 16.0])];
        let expected = expected.map(|(name, labelled, [kept, right, objects])| LabelClass {
            name: name.into(),
            labelled: Some(labelled),
            kept,
            right,
            objects,
        });
        assert_eq!(found, expected);
        assert!(classes(&row(vec![vec![line(20, "{}")]]), &name, &order).is_empty());
    }

    #[test]
    fn maps_are_means_over_steps_and_seeds() {
        let seeds = vec![
            vec![at(20, [4, 0], [3, 0]), at(40, [0, 0], [0, 0])],
            vec![at(20, [2, 1], [0, 1])],
        ];
        let maps = maps(&row(seeds), &name, &order);
        let [kept, precision] = &maps[..] else {
            panic!("two readings: {maps:?}");
        };
        assert_eq!(
            (&kept.classes[..], &kept.steps[..]),
            (&["c1".into(), "c0".into()][..], &[20, 40][..])
        );
        assert_eq!(kept.seeds, "2 seeds");
        // Two seeds of 20 steps: 1 and 6 of 40 steps.
        assert_eq!(
            kept.values,
            [[Some(0.025), Some(0.15)], [Some(0.0), Some(0.0)]]
        );
        assert_eq!(precision.values, [[Some(1.0), Some(0.5)], [None, None]]);
    }

    #[test]
    fn labels_before_any_step_have_no_maps() {
        let pool = Line {
            steps: 0,
            ..at(20, [4, 0], [3, 0])
        };
        let row = row(vec![vec![pool]]);
        assert!(maps(&row, &name, &order).is_empty());
        assert_eq!(classes(&row, &name, &order)[1].kept, 4.0);
    }

    #[test]
    fn many_windows_are_summed_and_none_is_lost() {
        let lines: Vec<Line> = (1..=150)
            .map(|place| at(20 * place, [2, 1], [1, 0]))
            .collect();
        let maps = maps(&row(vec![lines]), &name, &order);
        assert_eq!(maps[0].steps.len(), 50);
        assert_eq!(maps[0].steps.last(), Some(&3000));
        assert!(
            maps[0]
                .values
                .iter()
                .all(|values| values[..] == [Some(0.05), Some(0.1)])
        );
    }
}
