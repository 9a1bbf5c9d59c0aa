//! The COCO metric, <https://cocodataset.org/#detection-eval>: matched and accumulated by the `hotcoco`
//! crate, averaged here.
//!
//! Precision is interpolated at 101 recalls, recall is the highest one reached; both by IoU threshold,
//! category, area range and number of detections per image. A summary number is the mean of those of them
//! that are defined:
//!
//! `$$ \mathrm{mean}(s) = \frac{1}{|\{i : s_i > -1\}|} \sum_{i : s_i > -1} s_i $$`
//!
//! The mean adds in numpy's order, so that it is the reference's (`pycocotools`) to the last bit.

use super::summary::{METRICS, Measure, Metric, Summary, UNDEFINED};
use super::zero_id;
use anyhow::{Context, Result};
use hotcoco::{AccumulatedEval, COCO, COCOeval, IouType, Params};
use std::sync::Arc;

/// Precision and recall of detections, before any average.
pub struct Curves {
    accumulated: AccumulatedEval,
    params: Params,
}

/// The truth and the detections that are compared.
pub struct Pair {
    /// The annotations.
    pub truth: Arc<COCO>,
    /// The detections.
    pub found: Arc<COCO>,
    /// The annotation of `truth` that its file calls 0.
    pub zero: Option<u64>,
}

impl Curves {
    /// Compares the detections with the annotations, by box or by mask. `area_bounds`: upper bounds of
    /// `small` and `medium`.
    ///
    /// # Errors
    /// The metric refuses its input.
    pub fn new(pair: &Pair, by: IouType, area_bounds: [f64; 2]) -> Result<Self> {
        let mut evaluation = COCOeval::new(Arc::clone(&pair.truth), Arc::clone(&pair.found), by);
        let [small, medium] = area_bounds;
        for area in &mut evaluation.params.area_ranges {
            let [low, high] = &mut area.range;
            match area.label.as_str() {
                "small" => *high = small,
                "medium" => (*low, *high) = (small, medium),
                "large" => *low = medium,
                _ => {}
            }
        }
        evaluation.evaluate().context("the COCO metric")?;
        evaluation.accumulate();
        let accumulated = evaluation.accumulated();
        let mut accumulated = accumulated
            .context("the COCO metric has no curves")?
            .clone();
        if let Some(zero) = pair.zero {
            zero_id::correct(&mut accumulated, &evaluation, zero);
        }
        Ok(Self {
            accumulated,
            params: evaluation.params.clone(),
        })
    }

    /// The twelve numbers.
    pub fn summary(&self) -> Summary {
        Summary(METRICS.each_ref().map(|metric| self.average(metric)))
    }

    /// Precision of one category, over all IoU thresholds and areas; -1 if nothing defines it.
    pub fn category_precision(&self, category: u64) -> f64 {
        let mut slots = self.accumulated.cat_ids.iter();
        let Some(slot) = slots.position(|id| *id == category) else {
            return UNDEFINED;
        };
        let thresholds = 0..self.accumulated.shape.t;
        let (area, most) = (self.params.all_area_idx(), self.params.max_det_idx());
        mean_of_defined(self.precisions(thresholds, slot..slot + 1, area, most))
    }

    fn average(&self, metric: &Metric) -> f64 {
        let shape = self.accumulated.shape;
        let thresholds = match metric.iou {
            None => 0..shape.t,
            Some(iou) => {
                let mut all = self.params.iou_thrs.iter();
                let index = all.position(|threshold| *threshold == iou);
                let index = index.expect("COCO's thresholds");
                index..index + 1
            }
        };
        let area = self.params.area_range_idx(metric.area);
        let area = area.expect("COCO's area ranges");
        let mut counts = self.params.max_dets.iter();
        let most = counts.position(|count| *count == metric.detections);
        let most = most.expect("COCO's numbers of detections");
        match metric.measure {
            Measure::Precision => {
                mean_of_defined(self.precisions(thresholds, 0..shape.k, area, most))
            }
            Measure::Recall => {
                let cells = thresholds.flat_map(|t| (0..shape.k).map(move |k| (t, k)));
                let index = |(t, k)| self.accumulated.recall_idx(t, k, area, most);
                mean_of_defined(cells.map(|cell| self.accumulated.recall[index(cell)]))
            }
        }
    }

    /// In the order of numpy's `precision[thresholds, :, categories, area, most]`.
    fn precisions(
        &self,
        thresholds: std::ops::Range<usize>,
        categories: std::ops::Range<usize>,
        area: usize,
        most: usize,
    ) -> impl Iterator<Item = f64> {
        let recalls = 0..self.accumulated.shape.r;
        let cells = thresholds.flat_map(move |t| recalls.clone().map(move |r| (t, r)));
        let cells = cells.flat_map(move |(t, r)| categories.clone().map(move |k| (t, r, k)));
        cells.map(move |(t, r, k)| {
            let index = self.accumulated.precision_idx(t, r, k, area, most);
            self.accumulated.precision[index]
        })
    }
}

fn mean_of_defined(values: impl Iterator<Item = f64>) -> f64 {
    let defined: Vec<f64> = values.filter(|value| *value > UNDEFINED).collect();
    if defined.is_empty() {
        return UNDEFINED;
    }
    pairwise_sum(&defined) / defined.len() as f64
}

/// Values that numpy adds with eight running sums, before it splits the list.
const BLOCK: usize = 128;
/// Its running sums.
const LANES: usize = 8;

/// The sum in the order of numpy's `add.reduce` on a contiguous array of `f64`.
fn pairwise_sum(values: &[f64]) -> f64 {
    let in_order = |start: f64, values: &[f64]| values.iter().fold(start, |sum, value| sum + value);
    if values.len() < LANES {
        return in_order(0.0, values);
    }
    if values.len() > BLOCK {
        let half = values.len() / 2;
        let (first, second) = values.split_at(half - half % LANES);
        return pairwise_sum(first) + pairwise_sum(second);
    }
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut r = chunks[0];
    for chunk in &chunks[1..] {
        r.iter_mut()
            .zip(chunk)
            .for_each(|(sum, value)| *sum += value);
    }
    let sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    in_order(sum, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_added_in_pairs() {
        // One large value swallows each small one that is added to it alone, but not their sum.
        let mut values = vec![1e-16; 16];
        values[0] = 1.0;
        assert_eq!(values.iter().sum::<f64>(), 1.0);
        assert_eq!(
            pairwise_sum(&values),
            1.0 + 7.0 * f64::EPSILON,
            "as numpy.sum"
        );
        let ones = vec![1.0; 1000];
        assert_eq!(pairwise_sum(&ones), 1000.0);
        assert_eq!(pairwise_sum(&[0.5; 3]), 1.5);
    }

    #[test]
    fn undefined_values_do_not_count() {
        assert_eq!(mean_of_defined([0.5, -1.0, 1.0].into_iter()), 0.75);
        assert_eq!(mean_of_defined([-1.0].into_iter()), UNDEFINED);
    }
}
