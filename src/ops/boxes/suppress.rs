//! Non-maximum suppression: of rectangles that overlap by more than a bound, the one with the highest score stays.
//!
//! Scores are visited from the highest to the lowest, equal ones in their order. A rectangle that is suppressed itself
//! suppresses nothing. Source: torchvision's `nms` and `batched_nms`, with the comparison `IoU > bound`.

use super::Bounds;

/// The numbers of the rectangles that stay, from the highest score to the lowest.
///
/// Panics unless every rectangle has a score.
pub fn suppress(boxes: &[Bounds], scores: &[f32], bound: f32) -> Vec<usize> {
    suppress_by_group(boxes, scores, &vec![0; boxes.len()], bound, boxes.len())
}

/// As [`suppress`], but a rectangle only suppresses those of its own group, such as a class or a level, and only the
/// best `most` that stay are returned. Memory grows with the largest number of a group.
///
/// Panics unless every rectangle has a score and a group.
pub fn suppress_by_group(
    boxes: &[Bounds],
    scores: &[f32],
    groups: &[usize],
    bound: f32,
    most: usize,
) -> Vec<usize> {
    assert_eq!(
        (scores.len(), groups.len()),
        (boxes.len(), boxes.len()),
        "scores and groups of the boxes"
    );
    let mut kept = Vec::new();
    let mut of_group: Vec<Vec<Bounds>> = vec![Vec::new(); groups.iter().max().map_or(0, |g| g + 1)];
    for index in top_k(scores, scores.len()) {
        if kept.len() == most {
            break;
        }
        let (bounds, better) = (boxes[index], &mut of_group[groups[index]]);
        if !better.iter().any(|better| better.iou(bounds) > bound) {
            better.push(bounds);
            kept.push(index);
        }
    }
    kept
}

/// The places of the `count` largest values, from the largest to the smallest; equal values keep their order.
pub fn top_k(values: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let before = |a: &usize, b: &usize| values[*b].total_cmp(&values[*a]).then(a.cmp(b));
    if count < order.len() {
        if count == 0 {
            return Vec::new();
        }
        order.select_nth_unstable_by(count - 1, before);
        order.truncate(count);
    }
    order.sort_unstable_by(before);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::golden;
    use proptest::prelude::*;

    #[test]
    fn an_overlap_of_exactly_the_bound_stays() {
        let whole = Bounds::new([0.0, 0.0, 10.0, 10.0]);
        let half = Bounds::new([0.0, 0.0, 10.0, 5.0]);
        assert_eq!(suppress(&[whole, half], &[0.9, 0.8], 0.5), [0, 1]);
        assert_eq!(suppress(&[whole, half], &[0.9, 0.8], 0.49), [0]);
        assert_eq!(
            suppress(&[whole, half], &[0.8, 0.9], 0.49),
            [1],
            "by score, not by order"
        );
        assert_eq!(suppress(&[whole, whole], &[0.8, 0.8], 0.5), [0], "a tie");
        assert_eq!(
            suppress_by_group(&[whole, whole], &[0.7, 0.8], &[1, 2], 0.5, 2),
            [1, 0]
        );
    }

    #[test]
    fn what_is_suppressed_suppresses_nothing() {
        let at = |x: f32| Bounds::new([x, 0.0, x + 10.0, 10.0]);
        // Neighbours overlap by 6 / 14, the first and the last by 2 / 18.
        let boxes = [at(0.0), at(4.0), at(8.0)];
        assert_eq!(suppress(&boxes, &[0.9, 0.8, 0.7], 0.4), [0, 2]);
    }

    /// The rule as it is told: every pair of a group, then the best ones.
    fn plainly(
        boxes: &[Bounds],
        scores: &[f32],
        groups: &[usize],
        bound: f32,
        most: usize,
    ) -> Vec<usize> {
        let mut order: Vec<usize> = (0..boxes.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let mut kept: Vec<usize> = Vec::new();
        for index in order {
            let same = |better: &&usize| groups[**better] == groups[index];
            let overlaps = |better: &usize| boxes[*better].iou(boxes[index]) > bound;
            if !kept.iter().filter(same).any(overlaps) {
                kept.push(index);
            }
        }
        kept.truncate(most);
        kept
    }

    proptest! {
        #[test]
        fn groups_change_only_the_time_it_takes(
            found in prop::collection::vec((0u8..20, 0u8..20, 1u8..12, 1u8..12, 0u8..6, 0usize..4), 0..50),
            bound in 0f32..1.0, most in 0usize..60,
        ) {
            let boxes: Vec<Bounds> = found
                .iter()
                .map(|&(x, y, w, h, ..)| Bounds::new([x, y, x + w, y + h].map(f32::from)))
                .collect();
            let scores: Vec<f32> = found.iter().map(|one| f32::from(one.4)).collect();
            let groups: Vec<usize> = found.iter().map(|one| one.5).collect();
            prop_assert_eq!(
                suppress_by_group(&boxes, &scores, &groups, bound, most),
                plainly(&boxes, &scores, &groups, bound, most)
            );
        }

        #[test]
        fn the_largest_come_first_and_ties_in_order(
            values in prop::collection::vec(0u8..9, 0..60), count in 0usize..70,
        ) {
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
            order.truncate(count);
            prop_assert_eq!(top_k(&values, count), order);
        }
    }

    #[test]
    fn parity_with_torchvision() {
        let tensors = golden::load("rcnn_ops");
        let boxes = tensors["nms.boxes"].1.chunks_exact(4);
        let boxes: Vec<Bounds> = boxes
            .map(|row| Bounds::new([row[0], row[1], row[2], row[3]]))
            .collect();
        let scores = &tensors["nms.scores"].1;
        let groups: Vec<usize> = tensors["nms.groups"]
            .1
            .iter()
            .map(|g| *g as usize)
            .collect();
        for bound in [0.3f32, 0.5, 0.7] {
            let golden = |kind: &str| -> Vec<usize> {
                let kept = &tensors[&format!("nms.{kind}.{bound}")].1;
                kept.iter().map(|index| *index as usize).collect()
            };
            assert_eq!(suppress(&boxes, scores, bound), golden("kept"));
            let by_group = suppress_by_group(&boxes, scores, &groups, bound, boxes.len());
            assert_eq!(by_group, golden("batched"));
        }
    }
}
