//! The failures of a run. A stage that several trials share is told once, with the rows that it costs.

use crate::experiment::trial::key::StageKey;
use crate::report::counted;

/// The number of rows that are named; further ones are counted.
const NAMED: usize = 12;

/// A failure and the trials that it costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The stage that failed; none if it is unknown.
    pub stage: Option<StageKey>,
    /// The reason.
    pub reason: String,
    /// The indices of the trials, in the order in which they ended.
    pub trials: Vec<usize>,
}

/// All failures of a run, in the order in which they happened.
#[derive(Clone, Debug, Default)]
pub struct Failures(Vec<Failure>);

impl Failures {
    /// Adds the failure of a trial. Returns true if the failure is new, false if another trial had it before.
    pub fn add(&mut self, trial: usize, stage: Option<&StageKey>, reason: &str) -> bool {
        let same = |known: &&mut Failure| {
            known.stage.is_some() && known.stage.as_ref() == stage && known.reason == reason
        };
        match self.0.iter_mut().find(same) {
            Some(known) => {
                known.trials.push(trial);
                false
            }
            None => {
                self.0.push(Failure {
                    stage: stage.cloned(),
                    reason: reason.to_string(),
                    trials: vec![trial],
                });
                true
            }
        }
    }

    /// Every failure.
    pub fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.0.iter()
    }
}

/// The rows that a failure costs, one line each: `sweep: label (seed 0)`. `trials` are its trials, each with the
/// rows that use it and its seed.
pub fn rows<'a>(trials: impl Iterator<Item = (&'a [String], u64)>) -> Vec<String> {
    let mut found: Vec<(&str, Vec<u64>)> = Vec::new();
    for (rows, seed) in trials {
        for row in rows {
            match found.iter_mut().find(|(known, _)| known == row) {
                Some((_, seeds)) => seeds.push(seed),
                None => found.push((row, vec![seed])),
            }
        }
    }
    let line = |(row, seeds): &(&str, Vec<u64>)| {
        let word = if seeds.len() == 1 { "seed" } else { "seeds" };
        let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
        format!("{row} ({word} {})", seeds.join(", "))
    };
    let mut lines: Vec<String> = found.iter().take(NAMED).map(line).collect();
    if let Some(more) = found.len().checked_sub(NAMED).filter(|more| *more > 0) {
        lines.push(format!("and {}", counted(more, "more row")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_stage_fails_once() {
        let mut failures = Failures::default();
        let [shared, own] = ["burn-in-1", "distill-2"].map(|key| key.parse::<StageKey>().unwrap());
        assert!(failures.add(0, Some(&shared), "no luck"));
        assert!(failures.add(1, Some(&own), "no luck"));
        assert!(!failures.add(2, Some(&shared), "no luck"));
        assert!(failures.add(3, None, "no luck") && failures.add(4, None, "no luck"));
        let trials: Vec<&[usize]> = failures.iter().map(|one| one.trials.as_slice()).collect();
        assert_eq!(trials, [&[0, 2][..], &[1], &[3], &[4]]);
    }

    #[test]
    fn the_rows_are_named_with_their_seeds() {
        let [one, both] = [
            vec!["s: a".to_string()],
            vec!["s: a".to_string(), "t: b".into()],
        ];
        let trials = [(&one[..], 0), (&both[..], 1)];
        assert_eq!(
            rows(trials.into_iter()),
            ["s: a (seeds 0, 1)", "t: b (seed 1)"]
        );
        let many: Vec<Vec<String>> = (0..14).map(|row| vec![format!("s: {row}")]).collect();
        let lines = rows(many.iter().map(|row| (&row[..], 0)));
        assert_eq!(lines.len(), NAMED + 1);
        assert_eq!(lines[NAMED], "and 2 more rows");
    }
}
