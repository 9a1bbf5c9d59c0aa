//! An annotation with the id 0 as pycocotools counts it.
//!
//! pycocotools keeps for each detection the id of the annotation that it matches, and takes 0 for "none". A
//! detection that finds the annotation 0 therefore uses it up, but counts as a mistake (or as none, where its
//! own area is outside of the range). Files whose annotations count from 0 are common, and their published
//! numbers are pycocotools': the curves of the category concerned are made again as pycocotools makes them.

use hotcoco::{AccumulatedEval, COCO, COCOeval, EvalImg, Params};

/// The float after 1, less 1: keeps pycocotools' precision finite without any detection.
const SPACING: f64 = f64::EPSILON;

/// Rewrites the curves of the category of the annotation `zero`, which the file calls 0.
pub fn correct(curves: &mut AccumulatedEval, evaluation: &COCOeval, zero: u64) {
    let Some(annotation) = evaluation.coco_gt().get_ann(zero) else {
        return;
    };
    let category = annotation.category_id;
    let Some(slot) = curves.cat_ids.iter().position(|id| *id == category) else {
        return;
    };
    let params = &evaluation.params;
    let cells: Vec<&EvalImg> = evaluation
        .eval_imgs()
        .iter()
        .flatten()
        .filter(|cell| cell.category_id == category)
        .collect();
    for (area, range) in params.area_ranges.iter().enumerate() {
        let cells: Vec<&EvalImg> = cells
            .iter()
            .copied()
            .filter(|cell| cell.area_rng == range.range)
            .collect();
        let objects: usize = cells.iter().map(|cell| cell.num_gt_in_denominator()).sum();
        if objects == 0 {
            continue;
        }
        for (slot_of_most, most) in params.max_dets.iter().enumerate() {
            let ranked = ranked(&cells, *most);
            for t in 0..params.iou_thrs.len() {
                let counted = ranked
                    .iter()
                    .filter_map(|(cell, d)| counts(cell, *d, t, zero, evaluation.coco_dt()));
                let (precision, recall) = curve(counted, objects, params);
                for (r, value) in precision.into_iter().enumerate() {
                    let index = curves.precision_idx(t, r, slot, area, slot_of_most);
                    curves.precision[index] = value;
                }
                let index = curves.recall_idx(t, slot, area, slot_of_most);
                curves.recall[index] = recall;
            }
        }
    }
}

/// The `most` best detections of every image, best first; equal scores in the order of images and detections.
fn ranked<'a>(cells: &[&'a EvalImg], most: usize) -> Vec<(&'a EvalImg, usize)> {
    let of_cell = |cell: &&'a EvalImg| {
        let cell: &'a EvalImg = cell;
        (0..cell.dt_scores.len().min(most)).map(move |d| (cell, d))
    };
    let mut ranked: Vec<_> = cells.iter().flat_map(of_cell).collect();
    let score = |(cell, d): &(&EvalImg, usize)| cell.dt_scores[*d];
    ranked.sort_by(|a, b| score(b).partial_cmp(&score(a)).expect("finite scores"));
    ranked
}

/// Returns true if detection `d` is right at threshold `t`, false if it is wrong, and none if it does not
/// count.
fn counts(cell: &EvalImg, d: usize, t: usize, zero: u64, found: &COCO) -> Option<bool> {
    let matched = cell.dt_matched[(t, d)];
    let ignored = cell.dt_ignore[(t, d)];
    if !matched || cell.dt_matches[(t, d)] != zero || ignored {
        return (!ignored).then_some(matched);
    }
    let [low, high] = cell.area_rng;
    let area = found.get_ann(cell.dt_ids[d]).and_then(|found| found.area);
    let inside = area.is_some_and(|area| (low..=high).contains(&area));
    inside.then_some(false)
}

/// Precision at the recalls of `params`, and the highest recall, of detections that are right or wrong, best
/// first.
fn curve(counted: impl Iterator<Item = bool>, objects: usize, params: &Params) -> (Vec<f64>, f64) {
    let (mut right, mut wrong) = (0.0, 0.0);
    let mut points: Vec<(f64, f64)> = Vec::new();
    for is_right in counted {
        if is_right {
            right += 1.0;
        } else {
            wrong += 1.0;
        }
        points.push((right / objects as f64, right / (wrong + right + SPACING)));
    }
    for i in (1..points.len()).rev() {
        points[i - 1].1 = points[i - 1].1.max(points[i].1);
    }
    let at = |recall: &f64| {
        let first = points.partition_point(|(reached, _)| reached < recall);
        points.get(first).map_or(0.0, |(_, precision)| *precision)
    };
    let precision = params.rec_thrs.iter().map(at).collect();
    (precision, points.last().map_or(0.0, |(recall, _)| *recall))
}
