//! The rows of a sweep whose trials have analyses.

use super::analysis::analysis;
use super::choice::Results;
use super::trial::KeptTrial;
use crate::eval::analysis::Analysis;

/// The most rows with figures.
const ROWS: usize = 8;

/// The analysed rows. All have the same classes, groups and images.
#[derive(Default)]
pub struct AnalysedRows {
    /// The first eight of them.
    pub rows: Vec<RowAnalyses>,
    /// The number of further ones.
    pub more: usize,
    /// The finished trials without an analysis: the places of their rows, and their seeds.
    pub absent: Vec<(usize, Vec<u64>)>,
    /// The places of the rows with an analysis on another dataset than that of the first.
    pub apart: Vec<usize>,
}

/// The analyses of a row.
pub struct RowAnalyses {
    /// The place of the row in its sweep.
    pub place: usize,
    /// Seeds and analyses: one at least.
    pub own: Vec<(u64, Analysis)>,
}

impl AnalysedRows {
    /// Reads the analyses of `rows`, each of which is given by its trials.
    pub fn read<'a>(results: &Results, rows: impl Iterator<Item = &'a [KeptTrial<'a>]>) -> Self {
        let (mut found, mut more): (Vec<RowAnalyses>, usize) = (Vec::new(), 0);
        let mut absent = Vec::new();
        for (place, trials) in rows.enumerate() {
            let own = trials.iter();
            let own = own.filter_map(|trial| Some((trial.seed, analysis(results, trial)?)));
            let own: Vec<(u64, Analysis)> = own.collect();
            let lacks = |trial: &&KeptTrial| {
                trial.is_finished() && own.iter().all(|(seed, _)| *seed != trial.seed)
            };
            let seeds: Vec<u64> = trials
                .iter()
                .filter(lacks)
                .map(|trial| trial.seed)
                .collect();
            if !seeds.is_empty() {
                absent.push((place, seeds));
            }
            match own.is_empty() {
                true => {}
                false if found.len() < ROWS => found.push(RowAnalyses { place, own }),
                false => more += 1,
            }
        }
        let Some(first) = found.first().map(|row| row.own[0].1.clone()) else {
            return Self::default();
        };
        // Rows on another dataset have no common figure.
        let is_common = |one: &Analysis| {
            (&one.classes, &one.groups, &one.images)
                == (&first.classes, &first.groups, &first.images)
        };
        for row in &mut found {
            row.own.retain(|(_, one)| is_common(one));
        }
        let apart = found.iter().filter(|row| row.own.is_empty());
        let apart = apart.map(|row| row.place).collect();
        found.retain(|row| !row.own.is_empty());
        Self {
            rows: found,
            more,
            absent,
            apart,
        }
    }

    /// Where the row with this place in its sweep is among the analysed ones.
    pub fn position(&self, place: usize) -> Option<usize> {
        self.rows.iter().position(|row| row.place == place)
    }
}

impl RowAnalyses {
    /// The analyses.
    pub fn analyses(&self) -> impl Iterator<Item = &Analysis> {
        self.own.iter().map(|(_, analysis)| analysis)
    }

    /// The analysis of a seed.
    pub fn of_seed(&self, seed: u64) -> Option<&Analysis> {
        let found = self.own.iter().find(|(own, _)| *own == seed);
        found.map(|(_, analysis)| analysis)
    }
}
