//! What seeds until decided take in all: at most, and by what the results so far tell.

use crate::experiment::run::round::Round;
use crate::recipe::Plan;
use crate::report::statistics::{LEVEL, State, from_here};
use crate::screen::counted;
use serde::Serialize;

/// The outlook on all rounds of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SeedsOutlook {
    /// How far the rows are.
    pub round: String,
    /// The largest number of trials.
    pub at_most: usize,
    /// The expected number of trials; none as long as an open row has fewer than two differences.
    pub expected: Option<usize>,
}

impl SeedsOutlook {
    /// The outlook on `whole`, the plan with the trials of all seeds, of which `round` is needed so far; none if the
    /// seeds are fixed.
    pub fn new(whole: &Plan, round: &Round) -> Option<Self> {
        Some(Self {
            round: round.sentence()?,
            at_most: whole.trials.len(),
            expected: expected(whole, round),
        })
    }

    /// The outlook in a sentence.
    pub fn text(&self) -> String {
        let expected = match self.expected {
            Some(trials) => format!("about {trials} are expected by the differences so far"),
            None => {
                "how many are expected is told when every open row has two differences".to_string()
            }
        };
        format!(
            "{}; in all at most {}, and {expected}",
            self.round,
            counted(self.at_most, "trial")
        )
    }
}

/// The number of trials if every open row stops where a row with its differences stops in the mean.
fn expected(whole: &Plan, round: &Round) -> Option<usize> {
    let mut seeds = Vec::new();
    for ((sweep, layout), rounds) in whole
        .sweeps
        .iter()
        .zip(round.tables(&[]))
        .zip(&round.rounds)
    {
        let (Some(rule), Some(rounds)) = (sweep.until, rounds) else {
            seeds.push(sweep.rows.iter().map(|row| row.trials.len()).collect());
            continue;
        };
        let compared = rounds.standings.iter().flatten().count();
        let level = LEVEL / compared.max(1) as f64;
        let mut own = rounds.seeds.clone();
        for (row, reference) in layout.references().into_iter().enumerate() {
            let is_open = rounds.standings[row].is_some_and(|one| one.state == State::Open);
            if !is_open {
                continue;
            }
            let known = rounds.paired[row].filter(|paired| paired.count >= 2)?;
            let mean = from_here(&rule, known, level).seeds.round() as usize;
            own[row] = own[row].max(mean);
            if let Some(reference) = reference {
                own[reference] = own[reference].max(own[row]);
            }
        }
        seeds.push(own);
    }
    Some(whole.narrowed(&seeds).trials.len())
}
