//! What seeds until decided take in all: at most, and by what the results so far tell.

use crate::experiment::run::round::Round;
use crate::recipe::Plan;
use crate::report::Rounds;
use crate::report::statistics::{LEVEL, State, from_here};
use crate::screen::counted;
use serde::Serialize;

/// The outlook on all rounds of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SeedsOutlook {
    /// How far the rows are.
    pub round: String,
    /// The number of rows that get another seed.
    pub open: usize,
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
            open: round.rounds.iter().flatten().map(Rounds::open).sum(),
            at_most: whole.trials.len(),
            expected: expected(whole, round),
        })
    }

    /// The outlook in a sentence.
    pub fn text(&self) -> String {
        let expected = match self.expected {
            _ if self.open == 0 => return format!("{}; no row gets another seed", self.round),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::run::round::Known;
    use crate::experiment::store::reused::ReusedResults;
    use crate::metrics::UntilDecided;
    use crate::recipe::made_up;
    use crate::report::RECORDS;
    use crate::report::statistics::Paired;
    use serde_json::json;

    const RULE: UntilDecided = UntilDecided {
        at_least: 2,
        at_most: 20,
        effect_scale: 1.0,
        negligible: None,
    };

    /// The outlook on a plan of the reference `all` and the row `a` with these differences.
    fn outlook(differences: &[f64]) -> SeedsOutlook {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::new();
        for (seed, difference) in differences.iter().enumerate() {
            for (label, more) in [("all", 0.0), ("a", *difference)] {
                let map = 20.0 + [0.3, -1.2, 2.1][seed % 3] + more;
                let record = json!({
                    "recipe": "r", "hash": format!("{label}-{seed}"), "label": label, "seed": seed, "steps": 1,
                    "status": "ok", "metrics": { "mAP": map },
                    "code_version": crate::experiment::store::root::CODE_VERSION,
                });
                text.push_str(&format!("{record}\n"));
            }
        }
        std::fs::write(folder.path().join(RECORDS), text).unwrap();
        let whole = made_up(&["all", "a"], RULE);
        let known = Known {
            folder: folder.path(),
            store: None,
            reused: &ReusedResults::default(),
        };
        SeedsOutlook::new(&whole, &Round::new(&whole, &known).unwrap()).unwrap()
    }

    #[test]
    fn as_many_trials_are_expected_as_the_differences_tell() {
        let none = outlook(&[]);
        assert_eq!((none.open, none.at_most, none.expected), (1, 40, None));
        assert!(
            none.text()
                .contains("in all at most 40 trials, and how many are expected")
        );
        let known = [0.5, -0.5, 0.4, -0.6];
        let found = outlook(&known);
        let mean = from_here(&RULE, Paired::of(&known).unwrap(), LEVEL).seeds;
        // As many of the row as of its reference.
        assert_eq!(found.expected, Some(2 * mean.round() as usize));
        assert!((5..=20).contains(&(mean.round() as usize)), "{mean}");
        let text = found.text();
        assert!(
            text.contains("trials, and about ") && text.contains("1 of 1 compared"),
            "{text}"
        );
        let clear = outlook(&[-1.0, -1.1, -0.9, -1.0]).expected.unwrap();
        assert!(clear < found.expected.unwrap() && clear >= 10, "{clear}");
    }

    #[test]
    fn a_finished_sweep_expects_nothing_more() {
        let over = outlook(&[-1.0, -1.1, -0.9, -1.0, -1.1]);
        assert_eq!((over.open, over.expected), (0, Some(10)));
        assert!(
            over.text().ends_with("; no row gets another seed"),
            "{}",
            over.text()
        );
    }
}
