//! Tests what tables of seeds until decided say in words: the same in every format, and what is the case.

use super::super::{FORMATS, Look, Table, TableLayout};
use super::tests::{CLEAR, NONE, RULE, folder, made};
use crate::metrics::UntilDecided;

/// One row that hurts at six seeds, and one that is open with nine.
fn table() -> Table {
    let (layout, records) = folder(&[("- a", &CLEAR), ("- b", &NONE)]);
    made(&layout, &records, None)
}

fn rendered(name: &str, table: &Table, compact: bool) -> String {
    let format = FORMATS.iter().find(|format| format.name == name).unwrap();
    let look = Look {
        compact,
        ..Look::default()
    };
    (format.render)(std::slice::from_ref(table), &look).unwrap()
}

#[test]
fn every_format_for_people_tells_the_rule_as_it_is() {
    let table = table();
    for name in ["md", "latex", "text"] {
        for compact in [false, true] {
            let text = rendered(name, &table, compact);
            for part in [
                "at least 2 and at most 12 seeds",
                "1/E, adjusted by Holm, was at most 0.05",
                "are not ranked",
            ] {
                assert!(text.contains(part), "{name}, `{part}`: {text}");
            }
            assert!(!text.contains("reached 20"), "{name}: {text}");
            assert!(!text.contains("(`same`)"), "no `negligible`: {text}");
        }
    }
    // The columns that give way to the width are explained where they stand.
    for name in ["md", "latex", "text"] {
        let look = Look {
            columns: ["label", "sequence"].map(String::from).into(),
            ..Look::default()
        };
        let format = FORMATS.iter().find(|format| format.name == name).unwrap();
        let text = (format.render)(std::slice::from_ref(&table), &look).unwrap();
        assert!(text.contains("It begins at 5 seeds"), "{name}: {text}");
    }
    let caption = |compact| {
        let latex = rendered("latex", &table, compact);
        let lines = latex.lines().filter(|line| !line.starts_with('%'));
        lines.collect::<String>()
    };
    assert!(![false, true].map(caption).concat().contains('`'));
}

#[test]
fn a_star_stands_at_rows_that_help_or_hurt_and_its_meaning_beside() {
    let table = table();
    let latex = rendered("latex", &table, true);
    assert_eq!(latex.matches("$^{*}$").count(), 1, "{latex}");
    assert!(
        latex.contains(
            "*: helps or hurts ($1/E$, adjusted by Holm, at most 0.05 when the row stopped)."
        ),
        "{latex}"
    );
    assert!(
        !latex.contains('`') && !latex.contains("decided."),
        "{latex}"
    );
    let text = rendered("text", &table, true);
    assert!(text.contains("`*`: `helps` or `hurts` (1/E"), "{text}");
    // A row that is the same is decided, too, and has no star.
    let (mut layout, records) = folder(&[("- a", &[0.01, -0.01, 0.02, -0.02, 0.01, 0.0])]);
    layout.until = Some(UntilDecided {
        negligible: Some(0.5),
        ..RULE
    });
    let same = made(&layout, &records, None);
    let text = rendered("latex", &same, true);
    assert!(!text.contains("$^{*}$"), "{text}");
    assert!(rendered("md", &same, false).contains("| same |"));
}

#[test]
fn what_may_mislead_stands_in_every_format_for_people() {
    let table = table();
    let caution = "May mislead: each row stopped at a number of seeds of its own, 6 to 9:";
    for format in FORMATS {
        let text = rendered(format.name, &table, false);
        assert_eq!(
            text.contains(caution),
            format.cautions,
            "{}: {text}",
            format.name
        );
    }
    let latex = rendered("latex", &table, false);
    assert!(latex.contains(&format!("% {caution}")), "{latex}");
}

#[test]
fn a_table_whose_means_are_not_ranked_has_no_tau() {
    let (mut layout, records) = folder(&[("- a", &CLEAR), ("- b", &NONE)]);
    for (row, paper) in [21.0, 20.0, 20.5].into_iter().enumerate() {
        layout.rows[row].paper = Some(paper);
    }
    let tau = |text: &str| text.contains("Kendall's tau-b");
    let ranked = |layout: &TableLayout| {
        let table = made(layout, &records, None);
        ["md", "text"].map(|name| tau(&rendered(name, &table, false)))
    };
    assert_eq!(ranked(&layout), [false; 2]);
    layout.until = None;
    assert_eq!(ranked(&layout), [true; 2]);
}
