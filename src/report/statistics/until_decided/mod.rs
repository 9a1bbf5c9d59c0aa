//! Seeds until decided: which rows of a table go on after a round of seeds, and what their verdicts are.
//!
//! A round gives one more seed to every row that is open, and to its reference. When a round is finished, each row's
//! differences have an e-value ([`Paired::e_value`]), and `$p = \min(1, 1/E)$` is adjusted by Holm over all compared
//! rows of the table: rows that have stopped keep the p of their own last seed. A row stops with a verdict if its
//! adjusted p is at most [`LEVEL`] (`helps` or `hurts`), or if its confidence sequence lies within ± `negligible` of no
//! difference (`same`), or if no setting of it acted in any seed (`identical`).
//!
//! The probability of any false `helps` or `hurts` in the table is at most [`LEVEL`]: the first false one needs a row
//! without an effect whose p has fallen to the level, divided by the number of rows not yet decided, at any time. That
//! number is at least the number of rows without an effect. `same` is judged for each row alone.
//!
//! Later seeds of other rows cannot undo a verdict: a p that falls below that of a decided row takes the place before
//! it, where the factor is larger, and moves the decided row to a smaller one.

use super::e_value::{Paired, p_of};
use super::holm::holm;
use super::{LEVEL, Verdict};
use crate::metrics::UntilDecided;

/// One seed of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seed {
    /// The row or its reference has not ended.
    Pending,
    /// The row or its reference has failed.
    Failed,
    /// The difference of the row to its reference.
    Difference(f64),
    /// All numbers of the row are those of its reference.
    Identical,
}

/// A verdict with the number of seeds at which it fell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The number of seeds.
    pub seeds: usize,
    /// The verdict.
    pub verdict: Verdict,
}

/// A row that is compared with a reference.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Its seeds, in their order. Those that are missing at the end are pending.
    pub seeds: Vec<Seed>,
    /// The decision that fell in an earlier run and stands; none if none has fallen.
    pub kept: Option<Decision>,
}

/// Why a row has the seeds that it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    /// It waits for the end of the round.
    Open,
    /// It has a verdict.
    Decided(Verdict),
    /// One of its trials, or of its reference's, has failed. It goes on when that has been done again.
    Stuck,
    /// It has the largest number of seeds and no verdict.
    Undecided,
}

/// How a row stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The number of seeds that it needs so far.
    pub seeds: usize,
    /// Why.
    pub state: State,
}

impl Compared {
    fn seed(&self, at: usize) -> Seed {
        self.seeds.get(at).copied().unwrap_or(Seed::Pending)
    }

    /// The summary of the first `count` seeds that have a difference, up to one that has none.
    pub fn paired(&self, count: usize) -> Option<Paired> {
        let known = (0..count).map_while(|at| match self.seed(at) {
            Seed::Difference(difference) => Some(difference),
            Seed::Identical => Some(0.0),
            Seed::Pending | Seed::Failed => None,
        });
        Paired::of(&known.collect::<Vec<_>>())
    }

    fn has(&self, wanted: Seed, count: usize) -> bool {
        (0..count).any(|at| self.seed(at) == wanted)
    }
}

impl UntilDecided {
    /// The p of a row, valid whenever one stops; 1 without a difference.
    pub fn p(&self, paired: Option<Paired>) -> f64 {
        paired.map_or(1.0, |paired| p_of(paired.e_value(0.0, self.effect_scale)))
    }

    /// Returns true if the confidence sequence of the differences lies within ± `negligible`.
    pub fn is_negligible(&self, paired: &Paired) -> bool {
        let sequence = paired.sequence(self.effect_scale, LEVEL);
        let bounds = sequence.zip(self.negligible);
        bounds.is_some_and(|((low, high), most)| -most <= low && high <= most)
    }

    /// The number of seeds from which on a confidence sequence has bounds; none if it is the whole line up to
    /// `at_most`.
    pub fn first_sequence(&self) -> Option<usize> {
        (2..=self.at_most).find(|count| {
            let paired = Paired {
                count: *count,
                mean: 0.0,
                squares: 1.0,
            };
            paired.half_width(self.effect_scale, LEVEL).is_some()
        })
    }

    /// The verdict on differences whose adjusted p is `adjusted`.
    pub fn verdict(&self, paired: &Paired, adjusted: f64) -> Verdict {
        match adjusted <= LEVEL {
            true if paired.mean > 0.0 => Verdict::Helps,
            true if paired.mean < 0.0 => Verdict::Hurts,
            _ if self.is_negligible(paired) => Verdict::Same,
            _ => Verdict::Inconclusive,
        }
    }

    /// How the compared rows of a table stand: the rounds are gone through as far as they are finished.
    pub fn standings(&self, rows: &[Compared]) -> Vec<Standing> {
        let first = Standing {
            seeds: self.at_least,
            state: State::Open,
        };
        let mut standings = vec![first; rows.len()];
        for count in self.at_least..=self.at_most {
            for (row, standing) in rows.iter().zip(&mut standings) {
                if standing.state != State::Open {
                    continue;
                }
                standing.seeds = count;
                match row.kept {
                    Some(kept) if kept.seeds <= count => {
                        standing.seeds = kept.seeds;
                        standing.state = State::Decided(kept.verdict);
                    }
                    _ if row.has(Seed::Failed, count) => standing.state = State::Stuck,
                    _ => {}
                }
            }
            let open = |standing: &Standing| standing.state == State::Open;
            let waits = |(row, standing): (&Compared, &Standing)| {
                open(standing) && row.has(Seed::Pending, count)
            };
            if !standings.iter().any(open) || rows.iter().zip(&standings).any(waits) {
                break;
            }
            self.look(count, rows, &mut standings);
            if count == self.at_most {
                // The last look has been: who is open now has no verdict.
                let undecided = standings.iter_mut().filter(|standing| open(standing));
                undecided.for_each(|standing| standing.state = State::Undecided);
            }
        }
        // Decisions that fell later than the round that has not ended.
        for (row, standing) in rows.iter().zip(&mut standings) {
            if let Some(kept) = row.kept.filter(|_| standing.state == State::Open) {
                standing.seeds = kept.seeds;
                standing.state = State::Decided(kept.verdict);
            }
        }
        standings
    }

    /// Looks at the rows after the round that gave the open ones `count` seeds.
    fn look(&self, count: usize, rows: &[Compared], standings: &mut [Standing]) {
        let paired: Vec<Option<Paired>> = rows
            .iter()
            .zip(&*standings)
            .map(|(row, standing)| row.paired(standing.seeds))
            .collect();
        let p: Vec<f64> = paired.iter().map(|one| self.p(*one)).collect();
        let found = rows.iter().zip(standings).zip(paired).zip(holm(&p));
        for (((row, standing), paired), adjusted) in found {
            // A decision that has fallen later than this look stands.
            let Some(paired) =
                paired.filter(|_| standing.state == State::Open && row.kept.is_none())
            else {
                continue;
            };
            let acted = (0..count).any(|at| row.seed(at) != Seed::Identical);
            let verdict = match acted {
                true => self.verdict(&paired, adjusted),
                false => Verdict::Identical,
            };
            if verdict != Verdict::Inconclusive {
                standing.state = State::Decided(verdict);
            }
        }
    }
}

#[cfg(test)]
mod tests;
