//! The errors of detections by masks: confused classes, and TIDE's kinds (<https://arxiv.org/abs/2008.08115>).

use super::{Coco, Found, Pair};
use anyhow::{Context, Result};
use hotcoco::{COCOeval, IouType};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The IoU from which a detection is on an object.
const FITS: f64 = 0.5;
/// The IoU up to which TIDE calls a detection background.
const BACKGROUND: f64 = 0.1;
/// The decimals of a number in percent: sums over classes have no fixed order.
const DECIMALS: f64 = 1e6;

/// The errors of one network's detections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Errors {
    /// Class of the object, class of the detection, and how often, where it happened. The number of classes stands
    /// for the background: a missed object, an invented one.
    pub confusion: Vec<[usize; 3]>,
    /// AP at IoU 0.5 in percent.
    pub ap: f64,
    /// By TIDE's kind, the points of AP that a network without these errors would have more.
    pub deltas: BTreeMap<String, f64>,
}

impl Coco {
    /// The errors of `found`. Detections below `min_score` are in no cell of the confusion matrix. Each detection,
    /// the best score first, gets the free object with the largest IoU of at least 0.5, whatever its class. Groups
    /// get none.
    ///
    /// # Errors
    /// The metric fails.
    pub fn errors(&self, found: Found, min_score: f64) -> Result<Errors> {
        of(&self.pair(found), min_score)
    }
}

/// The errors of the detections of `pair`.
fn of(pair: &Pair, min_score: f64) -> Result<Errors> {
    let (truth, found) = (Arc::clone(&pair.truth), Arc::clone(&pair.found));
    let mut evaluation = COCOeval::new(truth, found, IouType::Segm);
    evaluation.evaluate().context("the COCO metric")?;
    let tide = evaluation.tide_errors(FITS, BACKGROUND).context("TIDE")?;
    let matrix = evaluation.confusion_matrix(FITS, None, Some(min_score));
    let percent = |value: f64| (value * 100.0 * DECIMALS).round() / DECIMALS;
    let sides = matrix.num_cats + 1;
    let cells = matrix.matrix.iter().enumerate();
    let cells = cells.filter(|(_, count)| **count > 0);
    Ok(Errors {
        confusion: cells
            .map(|(at, count)| [at / sides, at % sides, *count as usize])
            .collect(),
        ap: percent(tide.ap_base),
        deltas: tide
            .delta_ap
            .into_iter()
            .map(|(kind, value)| (kind, percent(value)))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotcoco::{Annotation, COCO, Dataset};
    use serde_json::Value;

    /// The numbers of tidecv 1.0.1 for the same masks (`tests/golden/tide.py`).
    #[test]
    fn numbers_are_tidecvs() {
        let golden: Value =
            serde_json::from_str(include_str!("../../../tests/golden/tide.json")).unwrap();
        let truth: Dataset = serde_json::from_value(golden["truth"].clone()).unwrap();
        let found = golden["detections"].as_array().unwrap().iter().zip(1u64..);
        let found = found.map(|(detection, id)| -> Annotation {
            let mut detection = detection.clone();
            detection["id"] = id.into();
            serde_json::from_value(detection).unwrap()
        });
        let found = Dataset {
            images: truth.images.clone(),
            categories: truth.categories.clone(),
            annotations: found.collect(),
            ..Dataset::default()
        };
        let pair = Pair {
            truth: Arc::new(COCO::from_dataset(truth)),
            found: Arc::new(COCO::from_dataset(found)),
            zero: None,
        };
        let errors = of(&pair, 0.0).unwrap();
        assert!(
            (errors.ap - golden["ap"].as_f64().unwrap()).abs() < 1e-3,
            "{errors:?}"
        );
        let expected = golden["deltas"].as_object().unwrap();
        assert_eq!(errors.deltas.len(), expected.len());
        for (kind, delta) in &errors.deltas {
            let wanted = expected[kind].as_f64().unwrap();
            assert!(
                (delta - wanted).abs() < 1e-3,
                "{kind}: {delta} and {wanted}"
            );
        }
        // Every object is in one row: 48 of them.
        let objects = errors.confusion.iter().filter(|cell| cell[0] < 4);
        assert_eq!(objects.map(|cell| cell[2]).sum::<usize>(), 48);
    }
}
