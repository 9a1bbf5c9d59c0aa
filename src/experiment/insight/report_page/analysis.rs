//! The analyses of a sweep: what its figures show.

use super::super::analysed::{AnalysedRows, RowAnalyses};
use super::super::evidence::Evidence;
use crate::eval::analysis::{
    Analysis, Confusion, KINDS, MIN_SCORE, Prediction, correlation, kinds, reliability, shown,
    sides as places_of,
};
use crate::report::page::{Analysed, AnalysedRow, Scatter, SeedConfusions, SeedKinds};
use crate::rng::Stream;

/// Columns and rows of a histogram.
const CELLS: usize = 40;
/// The detections that are drawn as points.
const POINTS: usize = 500;
/// TIDE's overlap up to which a detection is on no object.
const OF_TIDE: f64 = 0.1;

/// A quality of a detection.
type Quality = (&'static str, fn(&Prediction) -> f64);
/// The qualities of Fig. 2.
const QUALITIES: [Quality; 3] = [
    ("score: class quality x mask quality", |one| one.score),
    ("mask quality", |one| one.mask_quality),
    ("class quality", |one| one.class_quality),
];

/// The figures of the analysed rows `found` of a sweep; none without any. `references`: for each row of the sweep, the
/// place of the one that it is compared with. `background`: the overlap up to which a detection is on no object.
pub fn analysed(
    rows: &[Evidence],
    found: &AnalysedRows,
    references: &[Option<usize>],
    background: f64,
) -> Option<Analysed> {
    let (_, first) = found.rows.first()?.own.first()?;
    let (classes, groups) = (&first.classes, &first.groups);
    let all = found.rows.iter().flat_map(RowAnalyses::analyses);
    let order = shown(&Confusion::of(classes.len(), all));
    let line = |row: &RowAnalyses| {
        let reference = references[row.place].and_then(|other| found.position(other));
        self::row(
            rows[row.place].label,
            reference,
            &row.own,
            &order,
            background,
        )
    };
    Some(Analysed {
        images: first.images.len(),
        similar: similar(classes, groups),
        sides: sides(classes, &order),
        min_score: MIN_SCORE,
        background,
        kinds: KINDS.iter().map(|(_, name)| *name).collect(),
        rows: found.rows.iter().map(line).collect(),
        more: found.more,
    })
}

/// The sides of the confusion matrices.
fn sides(classes: &[String], order: &[usize]) -> Vec<String> {
    let mut sides: Vec<String> = order.iter().map(|class| classes[*class].clone()).collect();
    if order.len() < classes.len() {
        sides.push("all other classes".into());
    }
    sides.push("background".into());
    sides
}

/// The groups of two or more similar classes, in words.
fn similar(classes: &[String], groups: &[usize]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for (first, group) in groups.iter().enumerate() {
        let members = || {
            groups
                .iter()
                .enumerate()
                .filter(|(_, other)| *other == group)
        };
        let begins = members().next().is_some_and(|(class, _)| class == first);
        if begins && members().count() > 1 {
            let names: Vec<&str> = members()
                .map(|(class, _)| classes[class].as_str())
                .collect();
            words.push(names.join(", "));
        }
    }
    words
}

fn row(
    label: &str,
    reference: Option<usize>,
    own: &[(u64, Analysis)],
    order: &[usize],
    background: f64,
) -> AnalysedRow {
    let analyses = || own.iter().map(|(_, analysis)| analysis);
    let first = &own[0].1;
    let mut images: Vec<Vec<Prediction>> = vec![Vec::new(); first.images.len()];
    let mut by_seed = Vec::new();
    for (seed, analysis) in own {
        let predictions = analysis.predictions();
        let [paper, tide] = [background, OF_TIDE]
            .map(|bound| kinds(&predictions, analysis.objects, &analysis.groups, bound));
        by_seed.push(SeedKinds {
            seed: *seed,
            objects: analysis.objects,
            counts: paper.counts.to_vec(),
            duplicates: paper.duplicates,
            counts_of_tide: tide.counts.to_vec(),
        });
        // Fig. 2 is about the class that a query stands for.
        for one in predictions
            .into_iter()
            .filter(|one| one.is_first && !one.is_ignored())
        {
            if let Some(image) = images.get_mut(one.image) {
                image.push(one);
            }
        }
    }
    let reliability = reliability(images.iter().flatten());
    let bins = reliability.bins.iter();
    let mean =
        |value: &dyn Fn(&Analysis) -> f64| analyses().map(value).sum::<f64>() / own.len() as f64;
    let deltas = first.tide.deltas.keys().map(|kind| {
        let value = |one: &Analysis| one.tide.deltas.get(kind).copied().unwrap_or(0.0);
        (kind.clone(), mean(&value))
    });
    AnalysedRow {
        label: label.to_string(),
        reference,
        scatters: QUALITIES
            .iter()
            .map(|quality| scatter(*quality, &images))
            .collect(),
        bins: bins
            .map(|bin| (bin.count, bin.quality, bin.right))
            .collect(),
        calibration: reliability.error,
        confusion: Confusion::of(first.classes.len(), analyses()).folded(order),
        confused: own
            .iter()
            .filter_map(|(seed, one)| confused(*seed, one, order))
            .collect(),
        kinds: by_seed,
        tide: (mean(&|one| one.tide.ap), deltas.collect()),
    }
}

/// The images of the confusions of a trial, in a matrix of the classes `order`; none if its analysis does not tell
/// them.
fn confused(seed: u64, analysis: &Analysis, order: &[usize]) -> Option<SeedConfusions> {
    let places = places_of(analysis.classes.len(), order);
    let mut found = SeedConfusions {
        seed,
        ..SeedConfusions::default()
    };
    for [image, truth, class] in analysis.confused.as_ref()? {
        let cell = (places[*truth], places[*class]);
        // Two of the classes that have one side together are no confusion in this matrix.
        if cell.0 == cell.1 {
            continue;
        }
        let images = found.cells.entry(cell).or_default();
        let id = analysis.images[*image];
        if images.last() != Some(&id) {
            images.push(id);
        }
    }
    Some(found)
}

/// A quality of the predictions against their overlaps.
fn scatter((name, quality): Quality, images: &[Vec<Prediction>]) -> Scatter {
    let pair = |one: &Prediction| (quality(one), one.overlap());
    let pairs: Vec<Vec<(f64, f64)>> = images
        .iter()
        .map(|found| found.iter().map(pair).collect())
        .collect();
    let all: Vec<(f64, f64)> = pairs.iter().flatten().copied().collect();
    let estimates = correlation(&pairs).map(|found| {
        [found.pearson, found.spearman].map(|estimate| (estimate.value, estimate.interval))
    });
    let mut order = Stream::new(all.len() as u64, "report/points").permutation(all.len());
    order.truncate(POINTS);
    Scatter {
        quality: name,
        cells: histogram(&all),
        points: order.into_iter().map(|at| all[at]).collect(),
        correlations: estimates,
    }
}

/// The number of pairs in each cell of the unit square. The last cells hold their upper bounds.
fn histogram(pairs: &[(f64, f64)]) -> Vec<usize> {
    let mut cells = vec![0; CELLS * CELLS];
    let cell = |value: f64| ((value * CELLS as f64) as usize).min(CELLS - 1);
    for (x, y) in pairs {
        cells[cell(*y) * CELLS + cell(*x)] += 1;
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_histogram_counts_every_pair_in_the_cell_of_its_values(pairs in proptest::collection::vec((0.0..=1.0f64, 0.0..=1.0f64), 0..200)) {
            let cells = histogram(&pairs);
            prop_assert_eq!(cells.iter().sum::<usize>(), pairs.len());
            let low = pairs.iter().filter(|(_, y)| *y < 0.5).count();
            prop_assert_eq!(cells[..CELLS * CELLS / 2].iter().sum::<usize>(), low, "rows are overlaps");
            let left = pairs.iter().filter(|(x, _)| *x < 0.5).count();
            let columns = cells.iter().enumerate().filter(|(at, _)| at % CELLS < CELLS / 2);
            prop_assert_eq!(columns.map(|(_, count)| *count).sum::<usize>(), left, "columns are qualities");
        }
    }

    #[test]
    fn the_images_of_folded_classes_stand_once_in_their_common_cell() {
        let analysis = Analysis {
            images: vec![70, 80],
            classes: ["a", "b", "c"].map(String::from).to_vec(),
            // Two of the classes have one side together; 3 is the background.
            confused: Some(vec![[0, 1, 0], [0, 2, 0], [0, 1, 2], [1, 2, 0], [1, 0, 3]]),
            ..Analysis::default()
        };
        let found = confused(4, &analysis, &[0]).unwrap();
        let cells = [((0, 2), vec![80]), ((1, 0), vec![70, 80])];
        assert_eq!((found.seed, found.cells), (4, cells.into()));
        assert!(confused(4, &Analysis::default(), &[]).is_none());
    }

    #[test]
    fn groups_and_sides_are_words() {
        let classes: Vec<String> = ["a", "b", "c", "d"].map(String::from).to_vec();
        assert_eq!(similar(&classes, &[0, 1, 0, 3]), ["a, c"]);
        assert!(similar(&classes, &[0, 1, 2, 3]).is_empty());
        assert_eq!(
            sides(&classes, &[2, 0]),
            ["c", "a", "all other classes", "background"]
        );
    }
}
