//! Tests how rows of seeds until decided stand by their records, and what their tables say.

use super::super::statistics::LEVEL;
use super::super::tests::record;
use super::super::{FORMATS, Look, Table, layout::TableLayout};
use super::*;
use crate::metrics::{RowGroup, Verdict};
use crate::report::layout::RowLayout;
use std::collections::BTreeMap;

pub(in crate::report) const RULE: UntilDecided = UntilDecided {
    at_least: 2,
    at_most: 12,
    effect_scale: 1.0,
    negligible: None,
};

/// A table with rows of these differences to the reference `all`, whose results go up and down.
pub(in crate::report) fn folder(
    rows: &[(&str, &[f64])],
) -> (TableLayout, BTreeMap<String, Record>) {
    let hash = |label: &str, seed: usize| format!("{label}-{seed}");
    let mut records = BTreeMap::new();
    let base = |seed: usize| 20.0 + [0.3, -1.2, 2.1][seed % 3];
    let seeds = rows.iter().map(|(_, row)| row.len()).max().unwrap();
    let none = vec![0.0; seeds];
    for (label, differences) in rows.iter().copied().chain([("all", &none[..])]) {
        for (seed, difference) in differences.iter().enumerate() {
            let hash = hash(label, seed);
            let found = record(&hash, seed as u64, Some(base(seed) + difference));
            records.insert(hash, found);
        }
    }
    let labels = ["all"]
        .into_iter()
        .chain(rows.iter().map(|(label, _)| *label));
    let layout = TableLayout {
        name: "t".into(),
        recipe: "r".into(),
        question: "Which?".into(),
        reference: Some("all".into()),
        paper: None,
        columns: Vec::new(),
        provenance: Vec::new(),
        seeds: (0..RULE.at_most as u64).collect(),
        until: Some(RULE),
        decisions: Vec::new(),
        rows: labels
            .map(|label| RowLayout {
                label: label.into(),
                paper: None,
                trials: (0..RULE.at_most).map(|seed| hash(label, seed)).collect(),
                group: None,
                place: None,
            })
            .collect(),
    };
    (layout, records)
}

pub(in crate::report) const CLEAR: [f64; 9] = [-1.0, -1.1, -0.9, -1.0, -1.1, -0.9, -1.0, 7.0, 7.0];
pub(in crate::report) const NONE: [f64; 9] = [0.5, -0.5, 0.4, -0.6, 0.5, -0.4, 0.6, -0.5, 0.4];

pub(in crate::report) fn made(
    layout: &TableLayout,
    records: &BTreeMap<String, Record>,
    metric: Option<&str>,
) -> Table {
    layout.table(|hash| records.get(hash), metric)
}

#[test]
fn a_decided_row_shows_the_seeds_of_its_verdict_alone() {
    let (layout, records) = folder(&[("- a", &CLEAR), ("- b", &NONE)]);
    let rounds = layout.rounds(|hash| records.get(hash)).unwrap();
    assert_eq!(
        (&*rounds.metric, &rounds.seeds[..]),
        ("mAP", &[10, 6, 10][..])
    );
    let decided = rounds.decisions(["all", "- a", "- b"].into_iter());
    let known = RowDecision {
        row: "- a".into(),
        seeds: 6,
        verdict: Verdict::Hurts,
    };
    assert_eq!(decided, [known]);
    let table = made(&layout, &records, None);
    let seeds: Vec<usize> = table.rows.iter().map(|row| row.seeds).collect();
    assert_eq!(seeds, [9, 6, 9]);
    let judged = table.rows[1].judged.unwrap();
    assert_eq!(
        (judged.verdict, judged.difference.pairs),
        (Verdict::Hurts, 6)
    );
    assert_eq!(table.rows[1].status, "ok");
    assert_eq!(table.rows[2].status, "open (9 of at most 12)");
    // The e-value of the six differences, adjusted as the smaller of two.
    let paired = crate::report::statistics::Paired::of(&CLEAR[..6]).unwrap();
    let evidence = judged.sequential.unwrap();
    assert!((evidence.e / paired.e_value(0.0, 1.0) - 1.0).abs() < 1e-9);
    assert!((evidence.adjusted * evidence.e - 2.0).abs() < 1e-9);
    assert_eq!(table.rows[2].judged.unwrap().verdict, Verdict::Inconclusive);
}

#[test]
fn what_is_kept_stands_and_another_metric_has_verdicts_of_the_same_seeds() {
    let (mut layout, records) = folder(&[("- a", &CLEAR), ("- b", &NONE)]);
    layout.decisions = vec![RowDecision {
        row: "- a".into(),
        seeds: 5,
        verdict: Verdict::Hurts,
    }];
    let table = made(&layout, &records, None);
    let row = &table.rows[1];
    assert_eq!(
        (row.seeds, row.judged.unwrap().verdict),
        (5, Verdict::Hurts)
    );
    let other = made(&layout, &records, Some("AP50"));
    assert_eq!(other.rows[1].seeds, 5);
    // AP50 is twice the mAP here, so its e-value is the same, which is not enough for two rows at five seeds.
    assert_eq!(other.rows[1].judged.unwrap().verdict, Verdict::Inconclusive);
}

/// A row that waits for another one shows the seeds that it has.
#[test]
fn an_open_row_keeps_its_seeds_while_another_one_catches_up() {
    let (layout, mut records) = folder(&[("- a", &NONE), ("- b", &NONE)]);
    records.remove("- b-3");
    let rounds = layout.rounds(|hash| records.get(hash)).unwrap();
    assert_eq!(rounds.seeds, [9, 9, 4]);
    let standing = rounds.standings[1].unwrap();
    assert_eq!((standing.state, standing.seeds), (State::Open, 4));
    assert_eq!(rounds.paired[1].unwrap().count, 9);
    // Results of the row alone, as those of another sweep, ask for none of the reference.
    for seed in 5..9 {
        records.remove(&format!("all-{seed}"));
    }
    let rounds = layout.rounds(|hash| records.get(hash)).unwrap();
    assert_eq!(rounds.seeds, [5, 5, 4]);
}

#[test]
fn seeds_after_one_that_failed_are_no_evidence() {
    let (mut layout, mut records) = folder(&[("- a", &CLEAR), ("- b", &NONE)]);
    layout.until = Some(UntilDecided {
        at_least: 5,
        ..RULE
    });
    for (hash, seed) in [("- a-0", 0), ("- b-2", 2)] {
        records.insert(hash.into(), record(hash, seed, None));
    }
    let table = made(&layout, &records, None);
    let [a, b] = [1, 2].map(|row| table.rows[row].judged.unwrap());
    // Four pairs are left of five seeds, and the t test is sure of them; none of them comes before the failed one.
    assert!(
        a.difference.pairs == 4 && a.adjusted.unwrap() < LEVEL,
        "{a:?}"
    );
    assert_eq!((a.sequential, a.verdict), (None, Verdict::Inconclusive));
    let known = Paired::of(&NONE[..2]).unwrap().e_value(0.0, 1.0);
    let found = b.sequential.unwrap();
    assert!((found.e / known - 1.0).abs() < 1e-9, "{b:?}");
    // Another metric is read over the same seeds: AP50 is twice the mAP here.
    let other = made(&layout, &records, Some("AP50"));
    let [a, b] = [1, 2].map(|row| other.rows[row].judged.unwrap());
    assert_eq!((a.sequential, a.verdict), (None, Verdict::Inconclusive));
    assert!(
        (b.sequential.unwrap().e / known - 1.0).abs() < 1e-9,
        "{b:?}"
    );
}

#[test]
fn every_group_has_its_own_reference() {
    let (mut layout, records) = folder(&[("- a", &CLEAR), ("b", &NONE), ("- b", &CLEAR)]);
    layout.reference = None;
    for (row, (title, reference)) in [("1", "all"), ("1", "all"), ("2", "b"), ("2", "b")]
        .into_iter()
        .enumerate()
    {
        layout.rows[row].group = Some(RowGroup {
            title: title.into(),
            reference: reference.into(),
        });
    }
    let rounds = layout.rounds(|hash| records.get(hash)).unwrap();
    let compared: Vec<bool> = rounds.standings.iter().map(Option::is_some).collect();
    assert_eq!(compared, [false, true, false, true]);
    // Against `b` the row `- b` differs by -1.5, -0.6, ...: less clear, so that it takes a seed more.
    assert_eq!(rounds.seeds[..2], [6, 6]);
    assert_eq!(rounds.seeds[2..], [7, 7]);
    let paired = rounds.paired[3].unwrap();
    let differences = CLEAR.iter().zip(NONE).map(|(one, other)| one - other);
    let differences: Vec<f64> = differences.take(7).collect();
    let known = Paired::of(&differences).unwrap();
    assert!(
        (paired.mean - known.mean).abs() < 1e-9 && paired.count == 7,
        "{paired:?}"
    );
    // Holm counts the compared rows of both groups.
    let table = made(&layout, &records, None);
    let evidence = table.rows[1].judged.unwrap().sequential.unwrap();
    assert!(
        (evidence.adjusted * evidence.e - 2.0).abs() < 1e-9,
        "{evidence:?}"
    );
}

#[test]
fn means_over_different_seeds_are_not_ranked() {
    let (mut layout, records) = folder(&[("- a", &CLEAR), ("- b", &NONE)]);
    for (row, paper) in [21.0, 20.0, 20.5].into_iter().enumerate() {
        layout.rows[row].paper = Some(paper);
    }
    let best = |layout: &TableLayout| {
        let table = made(layout, &records, None);
        let latex = FORMATS
            .iter()
            .find(|format| format.name == "latex")
            .unwrap();
        let text = (latex.render)(std::slice::from_ref(&table), &Look::default()).unwrap();
        (table.agreement.is_some(), text.contains("\\textbf{2"))
    };
    assert_eq!(best(&layout), (false, false));
    layout.until = None;
    assert_eq!(best(&layout), (true, true));
}

#[test]
fn a_failed_reference_stops_its_rows_and_one_alone_is_no_rule() {
    let (mut layout, mut records) = folder(&[("- a", &NONE)]);
    let failed = record("all-3", 3, None);
    records.insert(failed.hash.clone(), failed);
    let rounds = layout.rounds(|hash| records.get(hash)).unwrap();
    assert!(rounds.are_over());
    assert_eq!(rounds.seeds, [4, 4]);
    // That it is to be done again opens the row.
    records.remove("all-3");
    let rounds = layout.rounds(|hash| records.get(hash)).unwrap();
    assert!(!rounds.are_over());
    layout.until = None;
    assert_eq!(layout.rounds(|hash| records.get(hash)), None);
    let table = made(&layout, &records, None);
    assert_eq!(table.rows[1].judged.unwrap().sequential, None);
}
