//! `harness plan --power EFFECT`: how many seeds it takes to see an effect, row by row: with seeds until decided, and
//! with a number of seeds that is fixed beforehand.
//!
//! The deviation of a row's paired differences comes from its results. Each row is judged at 5 % divided by the number
//! of compared rows of its table, the first step of Holm's correction, so the numbers are rather too large.

use crate::experiment::run::forecast::readable;
use crate::metrics::UntilDecided;
use crate::recipe::Plan;
use crate::report::statistics::{Expected, LEVEL, fixed_number, until_decided};
use crate::report::{JsonLines, Record, TableLayout, Timing};
use crate::screen::{Column, Grid, Page, Screen, counted};
use anyhow::{Result, bail};
use std::fmt::{self, Write};
use std::time::Duration;

/// The probability with which a fixed number of seeds finds the effect.
const POWER: f64 = 0.8;
/// The place of the column `same`: behind `found`.
const SAME_AT: usize = 5;
/// The rule of rows whose recipe has a fixed list of seeds.
const USUAL: UntilDecided = UntilDecided {
    at_least: 3,
    at_most: 100,
    effect_scale: 1.0,
    negligible: None,
};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct PowerRequest {
    /// The effect in points of the metric.
    pub effect: f64,
    /// The standard deviation of the paired differences of rows without two results.
    pub deviation: Option<f64>,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct PowerOutlook {
    effect: f64,
    sweeps: Vec<SweepPower>,
}

#[derive(Clone, Debug)]
struct SweepPower {
    name: String,
    metric: String,
    rule: UntilDecided,
    rows: Vec<RowPower>,
}

#[derive(Clone, Debug)]
struct RowPower {
    label: String,
    deviation: f64,
    /// The number of differences that the deviation is of; none if it was given.
    pairs: Option<usize>,
    expected: Expected,
    fixed: Option<usize>,
    /// The mean seconds of a trial; none if no trial has been timed.
    seconds: Option<f64>,
}

impl PowerOutlook {
    /// The seeds that the rows of `plan` take, whose tables are `tables` and whose results are `records`.
    ///
    /// # Errors
    /// No row is compared, or a row has fewer than two differences and no deviation is given.
    pub fn new(
        plan: &Plan,
        tables: &[TableLayout],
        records: &JsonLines<Record>,
        timing: &JsonLines<Timing>,
        asked: PowerRequest,
    ) -> Result<Self> {
        let mut sweeps = Vec::new();
        let all = mean(timing.iter().map(|one| one.seconds));
        for (sweep, table) in plan.sweeps.iter().zip(tables) {
            let rule = sweep.until.unwrap_or(USUAL);
            let (metric, paired) = table.paired(|hash| records.get(hash));
            let references = table.references();
            let compared = (0..table.rows.len())
                .filter(|row| references[*row].is_some_and(|other| other != *row));
            let compared: Vec<usize> = compared.collect();
            let level = LEVEL / compared.len().max(1) as f64;
            let row = |at: usize| -> Result<RowPower> {
                let row = &table.rows[at];
                let known = paired[at].and_then(|one| Some((one.deviation()?, one.count)));
                // Of a setting that never acted, all differences are 0: they tell nothing of those of one that acts.
                let spread = known.filter(|(deviation, _)| *deviation > 0.0);
                let (deviation, pairs) = match (spread, asked.deviation) {
                    (Some((deviation, pairs)), _) => (deviation, Some(pairs)),
                    (None, Some(deviation)) => (deviation, None),
                    (None, None) => bail!(
                        "--power: the row `{}` of the sweep `{}` has {}, so their standard deviation is unknown; \
                         --deviation D gives it, in points of the metric",
                        row.label,
                        sweep.name,
                        match known {
                            Some(_) => "the same difference to its reference in every seed",
                            None => "no two differences to its reference yet",
                        }
                    ),
                };
                let own = row.trials.iter().filter_map(|hash| timing.get(hash));
                Ok(RowPower {
                    label: row.label.clone(),
                    deviation,
                    pairs,
                    expected: until_decided(&rule, asked.effect, deviation, level),
                    fixed: fixed_number(asked.effect / deviation, level, POWER),
                    seconds: mean(own.map(|one| one.seconds)).or(all),
                })
            };
            let rows = compared.into_iter().map(row).collect::<Result<Vec<_>>>()?;
            if !rows.is_empty() {
                sweeps.push(SweepPower {
                    name: sweep.name.clone(),
                    metric,
                    rule,
                    rows,
                });
            }
        }
        if sweeps.is_empty() {
            bail!(
                "--power: no row of the recipe is compared with another; a sweep with a `reference` does that"
            );
        }
        Ok(Self {
            effect: asked.effect,
            sweeps,
        })
    }

    /// The answer for people, in lines that fit `screen`.
    pub fn text(&self, screen: Screen) -> String {
        let mut page = Page::new(screen);
        self.write(&mut page).expect("a text in memory");
        page.finish()
    }

    fn write(&self, f: &mut Page) -> fmt::Result {
        for sweep in &self.sweeps {
            let SweepPower {
                name, metric, rule, ..
            } = sweep;
            let rows = counted(sweep.rows.len(), "compared row");
            writeln!(
                f,
                "{name}: seeds to see an effect of {} {metric}, with {rows} at 5 % together, at most {} seeds",
                self.effect, rule.at_most
            )?;
            f.grid(&sweep.grid());
        }
        let same = match self.sweeps.iter().any(|one| one.rule.negligible.is_some()) {
            true => " same: how often it then is said to be the same, with this effect.",
            false => "",
        };
        writeln!(
            f,
            "until decided: the mean number of seeds at which the row stops, simulated; found: how often it then helps or \
             hurts.{same} fixed: the number of seeds, chosen beforehand, with which the paired t test finds the effect in 80 % \
             of all cases. The time is that of the row's own trials, one after the other."
        )
    }
}

impl SweepPower {
    fn grid(&self) -> Grid {
        let cells = |cell: &dyn Fn(&RowPower) -> String| self.rows.iter().map(cell).collect();
        let time = |row: &RowPower, seeds: f64| {
            row.seconds.map_or(String::new(), |seconds| {
                readable(Duration::from_secs_f64(seconds * seeds))
            })
        };
        let pairs = |row: &RowPower| row.pairs.map_or("given".into(), |pairs| pairs.to_string());
        let share = |share: f64| format!("{:.0} %", 100.0 * share);
        let fixed = |row: &RowPower| row.fixed.map_or("> 2000".into(), |seeds| seeds.to_string());
        let mut columns = vec![
            Column::text("row", cells(&|row| row.label.clone())).breaks_to(14),
            Column::numbers("deviation", cells(&|row| format!("{:.2}", row.deviation))),
            Column::numbers("pairs", cells(&pairs)),
            Column::numbers(
                "until decided",
                cells(&|row| format!("{:.1}", row.expected.seeds)),
            ),
            Column::numbers("found", cells(&|row| share(row.expected.found))),
            Column::numbers("time", cells(&|row| time(row, row.expected.seeds))),
            Column::numbers("fixed", cells(&fixed)),
            Column::numbers(
                "its time",
                cells(&|row| {
                    row.fixed
                        .map_or(String::new(), |seeds| time(row, seeds as f64))
                }),
            ),
        ];
        if self.rule.negligible.is_some() {
            let same = cells(&|row| share(row.expected.same));
            columns.insert(SAME_AT, Column::numbers("same", same));
        }
        Grid::new(columns, &["its time", "time", "pairs", "same"])
    }
}

/// The mean; none of nothing.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    crate::report::statistics::mean(&values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::run::results::frozen;
    use crate::recipe::made_up;
    use serde_json::json;

    const RULE: UntilDecided = UntilDecided {
        at_least: 3,
        at_most: 24,
        effect_scale: 1.0,
        negligible: None,
    };

    /// Records of these rows: the differences to the reference `all`.
    fn records(rows: &[(&str, &[f64])]) -> JsonLines<Record> {
        let mut records = JsonLines::default();
        for (label, differences) in rows.iter().copied().chain([("all", &[0.0; 4][..])]) {
            for (seed, difference) in differences.iter().enumerate() {
                let map = 20.0 + [0.3, -1.2, 2.1][seed % 3] + difference;
                let record = json!({
                    "recipe": "r", "hash": format!("{label}-{seed}"), "label": label, "seed": seed, "steps": 1,
                    "status": "ok", "metrics": { "mAP": map },
                });
                records.insert(serde_json::from_value(record).unwrap());
            }
        }
        records
    }

    fn asked(
        labels: &[&str],
        rule: UntilDecided,
        rows: &[(&str, &[f64])],
        deviation: Option<f64>,
    ) -> Result<PowerOutlook> {
        let plan = made_up(labels, rule);
        let ask = PowerRequest {
            effect: 1.0,
            deviation,
        };
        let timing = JsonLines::default();
        PowerOutlook::new(&plan, &frozen(&plan, &[]), &records(rows), &timing, ask)
    }

    const SOME: [f64; 4] = [0.5, -0.5, 0.7, 0.1];
    const EQUAL: [f64; 4] = [0.0; 4];

    #[test]
    fn a_known_deviation_goes_before_a_given_one() {
        let labels = ["all", "a", "b"];
        let found = asked(&labels, RULE, &[("a", &SOME)], Some(2.0)).unwrap();
        let rows = &found.sweeps[0].rows;
        let known = crate::report::statistics::sample_deviation(&SOME).unwrap();
        assert!((rows[0].deviation - known).abs() < 1e-9, "{rows:?}");
        assert_eq!((rows[0].pairs, rows[1].pairs), (Some(4), None));
        assert_eq!(rows[1].deviation, 2.0);
        // Two rows share the level.
        assert_eq!(rows[1].fixed, fixed_number(0.5, LEVEL / 2.0, POWER));
        assert_eq!(
            rows[1].expected,
            until_decided(&RULE, 1.0, 2.0, LEVEL / 2.0)
        );
    }

    #[test]
    fn what_is_unknown_is_told_with_the_way_out() {
        let told = |labels: &[&str], rows: &[(&str, &[f64])]| {
            format!("{:#}", asked(labels, RULE, rows, None).unwrap_err())
        };
        let text = told(&["all", "a"], &[("a", &SOME[..1])]);
        for part in [
            "`a` of the sweep `s` has no two differences",
            "--deviation D",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let text = told(&["all", "a"], &[("a", &EQUAL)]);
        for part in [
            "the same difference to its reference in every seed",
            "--deviation D",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let found = asked(&["all", "a"], RULE, &[("a", &EQUAL)], Some(1.5)).unwrap();
        let row = &found.sweeps[0].rows[0];
        assert_eq!((row.deviation, row.pairs), (1.5, None));
        let text = told(&["all"], &[]);
        assert!(text.contains("no row of the recipe is compared"), "{text}");
    }

    /// An effect of 1 with a deviation of 1 that is said to be the same is not an effect that is seen.
    #[test]
    fn who_is_told_to_be_the_same_is_not_found() {
        let rule = UntilDecided {
            negligible: Some(1.5),
            ..RULE
        };
        let found = asked(&["all", "a"], rule, &[], Some(1.0)).unwrap();
        let expected = found.sweeps[0].rows[0].expected;
        assert!(expected.same > 0.02, "{expected:?}");
        assert!(expected.found + expected.same <= 1.0, "{expected:?}");
        let text = |found: &PowerOutlook| found.text(Screen::of_stdout());
        assert!(text(&found).contains("same: how often"), "{}", text(&found));
        let without = asked(&["all", "a"], RULE, &[], Some(1.0)).unwrap();
        assert!(!text(&without).contains("same"), "{}", text(&without));
    }
}
