//! The pseudo-labels of a row over the steps.

use super::super::evidence::Evidence;
use crate::report::page::{LabelFlow, LabelWindow};
use std::collections::BTreeMap;

/// The pseudo-labels of a row, sums over its seeds; none without a teacher.
pub fn flow(row: &Evidence) -> Option<LabelFlow> {
    let mut windows: BTreeMap<(u64, usize), LabelWindow> = BTreeMap::new();
    let lines = row.lines.iter().flatten();
    for line in lines.filter(|line| line.number("kept").is_some()) {
        let of = |key: &str| line.number(key).unwrap_or(0.0);
        let window = windows.entry((line.step, line.stage)).or_default();
        window.step = line.step;
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
    let windows: Vec<LabelWindow> = windows.into_values().collect();
    (!windows.is_empty()).then(|| LabelFlow {
        label: row.label.to_string(),
        windows,
    })
}
