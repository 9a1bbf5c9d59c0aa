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
                let (deviation, pairs) = match (known, asked.deviation) {
                    (Some((deviation, pairs)), _) => (deviation, Some(pairs)),
                    (None, Some(deviation)) => (deviation, None),
                    (None, None) => bail!(
                        "--power: the row `{}` of the sweep `{}` has no two differences to its reference yet, so their \
                         standard deviation is unknown; --deviation D gives it, in points of the metric",
                        row.label,
                        sweep.name
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
        writeln!(
            f,
            "until decided: the mean number of seeds at which the row stops, simulated; decided: how often it then has a \
             verdict. fixed: the number of seeds, chosen beforehand, with which the paired t test finds the effect in 80 % \
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
        let fixed = |row: &RowPower| row.fixed.map_or("> 2000".into(), |seeds| seeds.to_string());
        let columns = vec![
            Column::text("row", cells(&|row| row.label.clone())).breaks_to(14),
            Column::numbers("deviation", cells(&|row| format!("{:.2}", row.deviation))),
            Column::numbers("pairs", cells(&pairs)),
            Column::numbers(
                "until decided",
                cells(&|row| format!("{:.1}", row.expected.seeds)),
            ),
            Column::numbers(
                "decided",
                cells(&|row| format!("{:.0} %", 100.0 * row.expected.decided)),
            ),
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
        Grid::new(columns, &["its time", "time", "pairs"])
    }
}

/// The mean; none of nothing.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    crate::report::statistics::mean(&values)
}
