//! Tests of the page that need no browser and no store.

use super::frame::{SCRIPT, policy};
use super::*;
use crate::report::given::Header;
use crate::report::table::Table;

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
        images: 40.0,
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
        seeds: 2,
        windows: vec![window(20, 40.0), window(40, 0.0)],
        classes: Vec::new(),
        maps: Vec::new(),
    };
    let map = HeatMap {
        label: "a".into(),
        name: "thresholds.class".into(),
        seeds: "seed 7".into(),
        classes: vec!["cat".into(), "dog".into()],
        steps: vec![20, 40],
        values: vec![vec![Some(0.7), None], vec![Some(0.9), Some(0.5)]],
        marks: vec![("lower bound", 0.1), ("upper end of the start", 0.85)],
    };
    let masks = HeatMap {
        name: "thresholds.mask".into(),
        values: vec![vec![Some(0.2), None], vec![Some(0.3), Some(0.25)]],
        marks: Vec::new(),
        ..map.clone()
    };
    let classes = ClassTable {
        metric: "mAP".into(),
        labels: vec!["a".into(), "b".into()],
        references: vec![Some(0); 2],
        classes: vec![ClassValues {
            name: "cat".into(),
            labelled: None,
            values: vec![Some(10.0), Some(12.5)],
            differences: vec![None, Some(2.75)],
        }],
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
            badly: vec![(
                "a & b".into(),
                vec![
                    "`thresholds.class` ran away".into(),
                    "its loss diverged".into(),
                ],
            )],
            settings: None,
            curves: Vec::new(),
            burn_in: None,
            labels: vec![flow],
            snapshots: None,
            maps: vec![map, masks],
            fixed: vec![("b".into(), "coupled 0.765".into())],
            classes: Some(classes),
            analysed: None,
            gallery: None,
        }],
        ..Report::default()
    }
}

#[test]
fn the_head_has_the_rows_that_did_badly() {
    let page = render(&report_with_labels()).unwrap();
    let head = &page[..page.find("id=\"sweep-0\"").unwrap()];
    let line = "<strong>a &amp; b</strong></a>: <code>thresholds.class</code> ran away; its loss diverged.";
    assert!(
        head.contains("Rows that did badly, and why") && head.contains(line),
        "{head}"
    );
}

#[test]
fn pseudo_labels_are_summed_and_judged() {
    let page = render(&report_with_labels()).unwrap();
    for part in [
        "40 of 200 candidates became pseudo-labels in 2 seeds together; 100 were in the low tier, 4 were duplicates.",
        "Precision 0.250, recall 0.062.",
        "<title>medium, rejected up to step 20: 0.200 per unlabelled image</title>",
        "<title>low up to step 20: 1.250 per unlabelled image</title>",
        "<title>duplicates of these two up to step 40: 0.050 per unlabelled image</title>",
        "<title>broken up to step 40: 0.025 of 0.125 changed per unlabelled image</title>",
        "<title>neither up to step 40: 0.025 of 0.125 changed per unlabelled image</title>",
        ">per unlabelled image</text>",
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
    for part in [
        "<title>lower bound: 0.1</title>",
        "<title>upper end of the start: 0.85</title>",
        "<li>b: coupled 0.765</li>",
        // Each reading has a scale of its own.
        "<code>thresholds.class</code>: 0.500 ",
        "<code>thresholds.mask</code>: 0.200 ",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn classes_stand_beside_their_difference() {
    let page = render(&report_with_labels()).unwrap();
    assert!(page.contains("12.50 <small>+2.75</small>") && page.contains(">10.00</td>"));
    assert!(page.contains("in the order of the dataset, as no record tells"));
}

#[test]
fn classes_with_known_counts_have_a_head_and_a_tail() {
    let mut report = report_with_labels();
    let classes = &mut report.sweeps[0].classes.as_mut().unwrap().classes;
    let first = classes[0].clone();
    *classes = [("a", 9.0), ("b", 4.5), ("c", 1.0)]
        .map(|(name, count)| ClassValues {
            name: name.into(),
            labelled: Some(count),
            values: vec![Some(count), None],
            ..first.clone()
        })
        .to_vec();
    let page = render(&report).unwrap();
    for part in [
        "Head: mean of 2</th><td class=\"number\"></td><td class=\"number\" data-value=\"6.75\">6.75</td>",
        "Tail: mean of 1",
        "<td class=\"number\" data-value=\"4.5\">4.5</td>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

/// The analysis of two rows with one seed.
fn analysed() -> Analysed {
    let row = |label: &str, counts: [usize; 5]| AnalysedRow {
        label: label.into(),
        reference: Some(0),
        scatters: vec![Scatter {
            quality: "mask quality",
            cells: vec![1, 0, 2, 5],
            points: vec![(0.5, 0.25)],
            correlations: Some([(0.5, (0.4, 0.6)), (0.25, (0.1234, 0.5))]),
        }],
        bins: vec![(4, 0.25, 0.5), (0, 0.0, 0.0)],
        calibration: Some(0.25),
        confusion: vec![vec![6, 2, 1], vec![0, 3, 1], vec![2, 0, 0]],
        confused: Vec::new(),
        kinds: vec![SeedKinds {
            seed: 7,
            objects: 12,
            counts: counts.to_vec(),
            duplicates: 1,
            counts_of_tide: counts.to_vec(),
        }],
        tide: (36.5, vec![("Cls".into(), 4.25)]),
    };
    Analysed {
        images: 12,
        similar: vec!["<b>cat</b>, dog".into()],
        sides: vec!["<b>cat</b>".into(), "dog".into(), "background".into()],
        min_score: 0.5,
        background: 0.0,
        kinds: vec!["Cor", "Loc", "Sim", "Oth", "BG"],
        rows: vec![row("a", [5, 1, 2, 1, 1]), row("b", [6, 1, 1, 1, 1])],
        more: 3,
    }
}

#[test]
fn errors_of_networks_have_figures_tables_and_numbers() {
    let mut report = report_with_labels();
    report.sweeps[0].analysed = Some(analysed());
    let page = render(&report).unwrap();
    for part in [
        "8 detections: r = 0.50 [0.40, 0.60], rho = 0.25 [0.12, 0.50]",
        "ECE = 0.250",
        "most often, &lt;b&gt;cat&lt;/b&gt; is taken for dog: 2 of 9.",
        "<title>&lt;b&gt;cat&lt;/b&gt; as background: 1 of 9 (11 %)</title>",
        "60.0 <small>+10.0</small>",
        "<td class=\"number\" data-value=\"10\">10 of 12</td>",
        "Fewer detections than objects count in a, b: there are no more.",
        "Similar classes: &lt;b&gt;cat&lt;/b&gt;, dog.",
        "<td class=\"number\" data-value=\"4.25\">4.25</td>",
        "These are the first 2 of 5 analysed rows.",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<b>cat"), "names are text");
}
