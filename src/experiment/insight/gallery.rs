//! The images that a report draws: for every analysed row those that differ most from its reference, and some others.

use super::analysed::{AnalysedRows, RowAnalyses};
use super::choice::Results;
use super::trial::KeptTrial;
use crate::eval::analysis::{Why, chosen};
use crate::experiment::store::pictures::PicturesPlace;
use toml::Value;

/// A row beside its reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The row, as its place among the analysed ones.
    pub row: usize,
    /// The reference, likewise.
    pub reference: usize,
    /// The first seed that both have.
    pub seed: u64,
    /// The images.
    pub images: Vec<ChosenImage>,
}

/// A chosen image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChosenImage {
    /// The place of the image in the analyses.
    pub image: usize,
    /// The reason why it is shown.
    pub why: Why,
    /// The mean F1 over the common seeds: of the reference, and of the row.
    pub f1: [f64; 2],
}

/// The analysed rows beside their references. `references`: for each row of the sweep, the place of the one that it is
/// compared with.
pub fn compared(found: &AnalysedRows, references: &[Option<usize>]) -> Vec<Compared> {
    let of_row = |(at, row): (usize, &RowAnalyses)| {
        let reference = found.position(references[row.place]?)?;
        (reference != at).then(|| of_pair(&found.rows, at, reference))?
    };
    found.rows.iter().enumerate().filter_map(of_row).collect()
}

/// A row beside another one; none without a common seed.
fn of_pair(rows: &[RowAnalyses], row: usize, reference: usize) -> Option<Compared> {
    let pairs = rows[row].own.iter();
    let pairs = pairs.filter_map(|(seed, own)| Some((*seed, rows[reference].of_seed(*seed)?, own)));
    let pairs: Vec<_> = pairs.collect();
    let (seed, first, _) = pairs.first()?;
    let mean = |image: usize| -> [f64; 2] {
        let both = pairs.iter();
        let both = both.map(|(_, other, own)| [other.drawn[image].f1(), own.drawn[image].f1()]);
        let sum = both.fold([0.0; 2], |sum, one| [sum[0] + one[0], sum[1] + one[1]]);
        sum.map(|value| value / pairs.len() as f64)
    };
    let f1: Vec<[f64; 2]> = (0..first.images.len()).map(mean).collect();
    let gains: Vec<f64> = f1.iter().map(|[other, own]| own - other).collect();
    let image = |(image, why)| ChosenImage {
        image,
        why,
        f1: f1[image],
    };
    Some(Compared {
        row,
        reference,
        seed: *seed,
        images: chosen(&first.images, &gains)
            .into_iter()
            .map(image)
            .collect(),
    })
}

/// The place of the pictures of a trial's dataset; none if its settings are unknown.
pub fn pictures(results: &Results, trial: &KeptTrial) -> Option<PicturesPlace> {
    let data = trial
        .settings
        .as_ref()?
        .get("data")
        .and_then(Value::as_table)?;
    Some(PicturesPlace::new(results.store.as_ref()?, data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::analysis::{Analysis, Drawn, DrawnDetection};
    use crate::structures::Mask;

    /// An analysis of two images with one object each: `right` tells in which it is found.
    fn analysis(right: [bool; 2]) -> Analysis {
        let mask = Mask::new(1, 1, vec![1]);
        let image = |right: bool| Drawn {
            objects: 1,
            found: vec![DrawnDetection::new(0, 0.9, right.then_some(0), &mask)],
        };
        Analysis {
            images: vec![5, 6],
            drawn: right.map(image).to_vec(),
            ..Analysis::default()
        }
    }

    #[test]
    fn gains_are_means_over_common_seeds_and_a_row_alone_has_none() {
        let row = |place, own: &[(u64, [bool; 2])]| RowAnalyses {
            place,
            own: own
                .iter()
                .map(|(seed, right)| (*seed, analysis(*right)))
                .collect(),
        };
        let rows = vec![
            row(1, &[(3, [true, false]), (4, [true, true])]),
            row(2, &[(2, [false; 2]), (3, [false, true]), (4, [true, true])]),
            row(4, &[(9, [true; 2])]),
        ];
        let found = AnalysedRows {
            rows,
            ..AnalysedRows::default()
        };
        let found = compared(&found, &[None, Some(1), Some(1), None, Some(1)]);
        assert_eq!(
            found.len(),
            1,
            "the reference and a row without a common seed have none"
        );
        assert_eq!((found[0].row, found[0].reference, found[0].seed), (1, 0, 3));
        let of = |wanted: Why| {
            let images = found[0].images.iter().filter(|one| one.why == wanted);
            images.map(|one| (one.image, one.f1)).collect::<Vec<_>>()
        };
        assert_eq!(of(Why::Gain), [(1, [0.5, 1.0])]);
        assert_eq!(of(Why::Loss), [(0, [1.0, 0.5])]);
        assert_eq!(of(Why::Fixed).len(), 2);
    }
}
