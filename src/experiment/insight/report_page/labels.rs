//! The pseudo-labels of a row over the steps.

use super::super::evidence::Evidence;
use super::super::journal::Line;
use super::super::trial::KeptTrial;
use super::class_order::ClassOrder;
use super::labels_by_class;
use crate::report::page::{LabelFlow, LabelWindow};
use std::collections::BTreeMap;

/// The pseudo-labels of a row, sums over its seeds; none without a teacher. `name` names a class by its index, and
/// `order` is that of so many classes.
pub fn flow(
    row: &Evidence,
    name: &dyn Fn(usize) -> String,
    order: &dyn Fn(usize) -> ClassOrder,
) -> Option<LabelFlow> {
    let mut windows: BTreeMap<(u64, usize), LabelWindow> = BTreeMap::new();
    let mut seeds = 0;
    for (place, lines) in row.lines.iter().enumerate() {
        let own: Vec<&Line> = lines
            .iter()
            .filter(|line| line.number("kept").is_some())
            .collect();
        seeds += usize::from(!own.is_empty());
        let images = images(&own, row.trials.get(place));
        for line in own {
            let of = |key: &str| line.number(key).unwrap_or(0.0);
            let window = windows.entry((line.step, line.stage)).or_default();
            window.step = line.step;
            // Labels that were made before any step tell their images.
            let pool = line.number("pool-images");
            window.images += pool.unwrap_or(images * line.steps as f64);
            window.high += of("high");
            window.medium += of("medium");
            window.low += of("low");
            window.accepted += of("accepted");
            window.duplicates += of("duplicates");
            window.kept += of("kept");
            window.objects += of("objects");
            window.matched += of("matched");
            window.right += of("right");
            window.flips += of("flips");
            window.flips_right += of("flips-right");
            window.flips_broken += of("flips-broken");
        }
    }
    let windows: Vec<LabelWindow> = windows.into_values().collect();
    (!windows.is_empty()).then(|| LabelFlow {
        label: row.label.to_string(),
        seeds,
        windows,
        classes: labels_by_class::classes(row, name, order),
        maps: labels_by_class::maps(row, name, order),
    })
}

/// The unlabelled images of a step: that of the settings, or the number that the pseudo-labels of a window and those of
/// an image give; 0 if both are missing.
fn images(lines: &[&Line], trial: Option<&KeptTrial>) -> f64 {
    let setting = trial.and_then(|trial| trial.settings.as_ref()?.get("loader")?.get("unlabelled"));
    if let Some(count) = setting.and_then(toml::Value::as_integer) {
        return count as f64;
    }
    let sum = |value: &dyn Fn(&Line) -> f64| lines.iter().map(|line| value(line)).sum::<f64>();
    let kept = sum(&|line| line.number("kept").unwrap_or(0.0));
    let per_image = sum(&|line| line.number("kept-per-image").unwrap_or(0.0) * line.steps as f64);
    match per_image > 0.0 {
        true => kept / per_image,
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::journal::tests::line;
    use super::*;

    #[test]
    fn labels_of_a_pool_are_of_its_images() {
        let text = r#"{"kept":8,"high":9,"kept-per-image":2.0,"pool-images":4}"#;
        let row = Evidence {
            label: "a",
            trials: Vec::new(),
            lines: vec![vec![
                line(20, "{}"),
                Line {
                    steps: 0,
                    ..line(20, text)
                },
            ]],
            labels: None,
            per_class: Vec::new(),
        };
        let order = |count| ClassOrder::new([].into_iter(), count);
        let found = flow(&row, &|class| class.to_string(), &order).unwrap();
        assert_eq!((found.windows[0].images, found.windows[0].kept), (4.0, 8.0));
        assert!(found.maps.is_empty());
    }

    #[test]
    fn windows_know_their_images_and_seeds() {
        let text = r#"{"kept":80,"high":90,"kept-per-image":2.0}"#;
        let row = Evidence {
            label: "a",
            trials: Vec::new(),
            lines: vec![vec![line(20, text)], vec![line(20, text)]],
            labels: None,
            per_class: Vec::new(),
        };
        let order = |count| ClassOrder::new([].into_iter(), count);
        let found = flow(&row, &|class| class.to_string(), &order).unwrap();
        assert_eq!((found.seeds, found.windows.len()), (2, 1));
        // 20 steps of two images in each of two seeds.
        assert_eq!(
            (found.windows[0].images, found.windows[0].high),
            (80.0, 180.0)
        );
    }
}
