//! The result of a sweep in one sentence.

use crate::metrics::UntilDecided;
use crate::report::cell::{DIGITS, number, signed};
use crate::report::comparison::Comparison;
use crate::report::statistics::{JudgedDifference, Verdict};
use crate::report::table::{Table, TableRow};
use crate::screen::counted;

/// The most rows that a sentence names.
const NAMED: usize = 3;

/// The sentence about the comparisons of `table`, of whose rows `seeds` seeds are planned.
pub fn sentence(table: &Table, seeds: usize) -> String {
    let metric = &table.metric;
    let values = || {
        let rows = table.rows.iter();
        rows.filter_map(|row| Some((row, row.mean.get(metric)?)))
    };
    let Some(value) = values().map(|(_, value)| value).max_by(f64::total_cmp) else {
        return "No trial has a result yet.".to_string();
    };
    let best = values().filter(|(_, other)| *other == value);
    let best: Vec<&str> = best.map(|(row, _)| row.label.as_str()).collect();
    let best = match best[..] {
        _ if !table.ranks_means() => String::new(),
        [one] => format!("`{one}` has the highest {metric}, {}.", number(Some(value))),
        _ => format!(
            "{} have the highest {metric}, {}, equal to the last digit.",
            named(&best),
            number(Some(value))
        ),
    };
    let judged: Vec<(&TableRow, Verdict)> = table
        .rows
        .iter()
        .filter_map(|row| Some((row, row.judged?.verdict)))
        .collect();
    if judged.is_empty() {
        return format!("{best} Nothing is compared with a reference yet.")
            .trim_start()
            .to_string();
    }
    let of = |wanted: Verdict| -> Vec<&str> {
        let rows = judged.iter().filter(|(_, verdict)| *verdict == wanted);
        rows.map(|(row, _)| row.label.as_str()).collect()
    };
    let (helps, hurts) = (of(Verdict::Helps), of(Verdict::Hurts));
    let mut parts = Vec::new();
    if !helps.is_empty() {
        parts.push(format!(
            "{} significantly higher ({})",
            helps.len(),
            named(&helps)
        ));
    }
    if !hurts.is_empty() {
        parts.push(format!(
            "{} significantly lower ({})",
            hurts.len(),
            named(&hurts)
        ));
    }
    let found = match parts.is_empty() {
        true => "none is significant".to_string(),
        false => parts.join(" and "),
    };
    let comparisons = counted(judged.len(), "comparison");
    let seeds = self::seeds(table, seeds);
    let identical = of(Verdict::Identical);
    let identical = match identical.len() {
        0 => String::new(),
        _ => format!(" Identical to the reference: {}.", named(&identical)),
    };
    if let Some(rule) = &table.header.until {
        let same = of(Verdict::Same);
        let same = match same.len() {
            0 => String::new(),
            _ => format!(" The same as the reference: {}.", named(&same)),
        };
        let found = found
            .replace("significantly ", "")
            .replace("none is significant", "none is decided as higher or lower");
        return format!(
            "Of {comparisons} of the {metric}, {found}, by seeds until decided at 5 %, adjusted by Holm. {}.{same}{identical}",
            spent(table, rule)
        );
    }
    format!(
        "Of {comparisons} of the {metric}, {found} at the Holm-adjusted level of 5 %. {seeds}.{identical} {best}"
    )
}

/// The seeds that a table of seeds until decided has spent, in a sentence without its end.
fn spent(table: &Table, rule: &UntilDecided) -> String {
    let compared = table.rows.iter().filter(|row| row.judged.is_some());
    let seeds: Vec<usize> = compared.map(|row| row.seeds).collect();
    let (least, most) = (
        seeds.iter().min().unwrap_or(&0),
        seeds.iter().max().unwrap_or(&0),
    );
    let open = table
        .rounds
        .as_ref()
        .is_some_and(|rounds| !rounds.are_over());
    let so_far = if open { " so far" } else { "" };
    let seeds = match least == most {
        true => counted(*most, "seed"),
        false => format!("{least} to {most} seeds"),
    };
    format!(
        "The compared rows took {seeds}{so_far}, of at most {}",
        rule.at_most
    )
}

/// The number of finished seeds in a sentence without its end.
fn seeds(table: &Table, planned: usize) -> String {
    let counts = || table.rows.iter().map(|row| row.seeds);
    let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    let missing = match least < planned {
        true => format!(" of {planned} planned ones"),
        false => String::new(),
    };
    if most == 1 {
        let bound = if least == 1 { "" } else { "at most " };
        return format!(
            "Every row has {bound}one finished seed{missing}: one seed, no interval, so no difference can be judged"
        );
    }
    match least == most {
        true => format!("Every row has {most} finished seeds{missing}"),
        false => format!("The rows have {least} to {most} finished seeds{missing}"),
    }
}

/// The sentence about the differences of two folders.
pub fn compared(comparison: &Comparison) -> String {
    let Comparison {
        sweep,
        folders,
        metric,
        rows,
    } = comparison;
    let differences = || {
        rows.iter()
            .filter_map(|row| Some((row, row.judged.as_ref()?)))
    };
    let number = differences().count();
    if number == 0 {
        return format!("`{sweep}`: no row has a seed that finished in both folders.");
    }
    let of = |wanted: Verdict| -> Vec<&str> {
        let rows = differences().filter(|(_, judged)| judged.verdict == wanted);
        rows.map(|(row, _)| row.label.as_str()).collect()
    };
    let kinds = [
        (Verdict::Helps, "significantly higher"),
        (Verdict::Hurts, "significantly lower"),
        (Verdict::Identical, "identical"),
    ];
    let found = kinds.map(|(verdict, words)| (of(verdict), words));
    let found = found.iter().filter(|(labels, _)| !labels.is_empty());
    let found: Vec<String> = found
        .map(|(labels, words)| format!("{} {words} ({})", labels.len(), named(labels)))
        .collect();
    let found = match found.is_empty() {
        true => "none is significant".to_string(),
        false => found.join(", "),
    };
    let moved = differences().filter(|(_, judged)| judged.difference.mean != 0.0);
    let largest = moved.max_by(|(_, one), (_, other)| {
        let size = |judged: &JudgedDifference| judged.difference.mean.abs();
        size(one).total_cmp(&size(other))
    });
    let largest = largest.map_or(String::new(), |(row, judged)| {
        let mean = signed(Some(judged.difference.mean), DIGITS);
        format!(" The largest is that of `{}`, {mean}.", row.label)
    });
    format!(
        "`{sweep}`: of {} of the {metric}, `{}` (B) minus `{}` (A), {found} at the Holm-adjusted level of \
         5 %.{largest}",
        counted(number, "difference"),
        folders[1],
        folders[0]
    )
}

/// The first labels in quotes, and the number of the others.
fn named(labels: &[&str]) -> String {
    let first: Vec<String> = labels
        .iter()
        .take(NAMED)
        .map(|label| format!("`{label}`"))
        .collect();
    match labels.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Record;
    use crate::report::given::{Header, RowRecords};
    use crate::report::rounds::tests::{CLEAR, NONE, folder, made};
    use crate::report::tests::record;

    /// The sentence about rows with these values by seed.
    fn sentence_of(rows: &[(&str, &[Option<f64>])]) -> String {
        let records: Vec<Vec<Option<Record>>> = rows
            .iter()
            .map(|(_, values)| {
                let values = values.iter().enumerate();
                values
                    .map(|(seed, value)| value.map(|value| record("", seed as u64, Some(value))))
                    .collect()
            })
            .collect();
        let rows: Vec<RowRecords> = rows
            .iter()
            .zip(&records)
            .map(|((label, _), records)| RowRecords {
                label,
                paper: None,
                group: None,
                place: None,
                records: records.iter().map(Option::as_ref).collect(),
            })
            .collect();
        let header = Header {
            reference: Some("all".into()),
            ..Header::default()
        };
        sentence(&Table::new(header, &rows, None), records[0].len())
    }

    #[test]
    fn rows_with_the_same_highest_value_are_all_named() {
        let text = sentence_of(&[
            ("all", &[Some(1.0), Some(1.5)]),
            ("- a", &[Some(1.5), Some(1.0)]),
            ("- b", &[Some(0.5), Some(0.5)]),
        ]);
        let wanted = "`all`, `- a` have the highest mAP, 1.25, equal to the last digit.";
        assert!(text.ends_with(wanted), "{text}");
        assert!(text.contains("Every row has 2 finished seeds. "), "{text}");
    }

    #[test]
    fn seeds_that_have_not_finished_do_not_count() {
        let one = [Some(1.0), None, None];
        let text = sentence_of(&[("all", &one), ("- a", &[Some(2.0), None, None])]);
        assert!(
            text.contains(
                "Every row has one finished seed of 3 planned ones: one seed, no interval"
            ),
            "{text}"
        );
        let text = sentence_of(&[("all", &[Some(1.0), Some(2.0), None]), ("- a", &one)]);
        assert!(
            text.contains("The rows have 1 to 2 finished seeds of 3 planned ones."),
            "{text}"
        );
    }

    #[test]
    fn with_seeds_until_decided_no_mean_is_the_highest() {
        let (layout, records) = folder(&[("- a", &CLEAR), ("- b", &NONE)]);
        let text = sentence(&made(&layout, &records, None), 12);
        for part in [
            "1 lower (`- a`), by seeds until decided",
            "The compared rows took 6 to 9 seeds so far, of at most 12.",
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        assert!(!text.contains("highest"), "{text}");
    }
}
