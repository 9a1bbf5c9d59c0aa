//! Tests of the page that need no browser and no store.

use super::frame::{SCRIPT, policy};
use super::*;
use crate::report::table::{Header, Table};

#[test]
fn the_policy_forbids_every_request_and_names_the_script() {
    let policy = policy();
    assert!(
        policy.starts_with("default-src 'none'; img-src data:;"),
        "{policy}"
    );
    assert!(
        policy.contains("script-src 'sha256-") && !policy.contains("http"),
        "{policy}"
    );
    let page = render(&Report::default()).unwrap();
    assert!(page.contains(SCRIPT), "the script stands as it was hashed");
}

#[test]
fn records_cannot_end_their_element() {
    let report = Report {
        records: "{\"label\":\"</script><script>alert(1)</script><!--\"}\n".into(),
        ..Report::default()
    };
    let page = render(&report).unwrap();
    assert!(
        !page.contains("alert(1)</script>") && page.contains("\\u003c/script>"),
        "{page}"
    );
}

/// A report of one sweep with a window of pseudo-labels, thresholds of two classes, and their values.
fn report_with_labels() -> Report {
    let window = |step, kept| LabelWindow {
        step,
        high: 30.0,
        medium: 20.0,
        low: 50.0,
        accepted: 12.0,
        duplicates: 2.0,
        kept,
        objects: 80.0,
        matched: kept / 2.0,
        right: kept / 4.0,
        flips: 5.0,
        flips_right: 3.0,
        flips_broken: 1.0,
    };
    let flow = LabelFlow {
        label: "a".into(),
        windows: vec![window(20, 40.0), window(40, 0.0)],
    };
    let map = HeatMap {
        label: "a".into(),
        name: "thresholds.class".into(),
        seed: 7,
        classes: vec!["cat".into(), "dog".into()],
        steps: vec![20, 40],
        values: vec![vec![Some(0.7), None], vec![Some(0.9), Some(0.5)]],
    };
    let classes = ClassTable {
        metric: "mAP".into(),
        labels: vec!["a".into(), "b".into()],
        references: vec![Some(0); 2],
        classes: vec![("cat".into(), vec![Some(10.0), Some(12.5)])],
    };
    let view = View {
        table: Table::new(Header::default(), &[], None),
        by_seed: Vec::new(),
    };
    Report {
        sweeps: vec![Sweep {
            seeds: 1,
            views: vec![view],
            trials: Vec::new(),
            reasons: Vec::new(),
            settings: None,
            curves: Vec::new(),
            burn_in: None,
            labels: vec![flow],
            maps: vec![map],
            classes: Some(classes),
            analysed: None,
        }],
        ..Report::default()
    }
}

#[test]
fn pseudo_labels_are_summed_and_judged() {
    let page = render(&report_with_labels()).unwrap();
    for part in [
        "40 of 200 candidates became pseudo-labels; 100 were in the low tier, 4 were duplicates.",
        "Precision 0.250, recall 0.062.",
        "<title>medium, rejected up to step 20: 8</title>",
        "<title>broken up to step 40: 1 of 5 changed</title>",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn readings_by_class_have_cells_and_values() {
    let page = render(&report_with_labels()).unwrap();
    // The lightest cell is the smallest value, the darkest the largest, and the gap has none.
    let cells = page.matches(" class=\"q").count() + page.matches("<path class=\"q").count();
    assert!(
        cells >= 3 && page.contains("<path class=\"q0\"") && page.contains("<path class=\"q15\"")
    );
    let row =
        "<th scope=\"row\">dog</th><td class=\"number\">–</td><td class=\"number\">0.500</td>";
    assert!(page.contains(row), "{page}");
}

#[test]
fn classes_stand_beside_their_difference() {
    let page = render(&report_with_labels()).unwrap();
    assert!(page.contains("12.50 <small>+2.50</small>") && page.contains(">10.00</td>"));
}
