//! The formulas of DICC on plain slices, PL-DC eq. 7 to 12.
//!
//! K classes, k descriptions per class, E the shared embedding.

use crate::detector::quality::{arg_max, softmax};

/// Eq. 8 as the released code runs it, on the logits of one region: the k logits of a class are averaged with their own
/// softmax as weights, so the descriptions that fit the region speak louder.
///
/// `$$ L_i = \sum_j \mathrm{softmax}(l_i)_j \, l_{ij} $$`
///
/// logits `[K * k]` -> `[K]`
pub fn aggregate_logits(logits: &[f32], descriptions: usize) -> Vec<f32> {
    let mean = |row: &[f32]| {
        softmax(row)
            .iter()
            .zip(row)
            .map(|(weight, logit)| weight * logit)
            .sum()
    };
    logits.chunks_exact(descriptions).map(mean).collect()
}

/// Eq. 8 as the paper prints it, on the text embeddings, once and for all regions.
///
/// `$$ t_e^i = \sum_j \mathrm{softmax}_j(t_{e_j}^i) \odot t_{e_j}^i $$`
///
/// The paper does not say along which axis its softmax of vectors runs; here it runs over the descriptions, for each
/// coordinate. The sum is normalised again, so that eq. 9 remains a cosine.
///
/// text `[K * k, E]` -> `[K, E]`
pub fn aggregate_embeddings(text: &[f32], descriptions: usize, width: usize) -> Vec<f32> {
    let mut classes = Vec::with_capacity(text.len() / descriptions);
    for rows in text.chunks_exact(descriptions * width) {
        let mut sum: Vec<f32> = (0..width)
            .map(|column| {
                let along: Vec<f32> = rows.iter().skip(column).step_by(width).copied().collect();
                softmax(&along)
                    .iter()
                    .zip(&along)
                    .map(|(weight, value)| weight * value)
                    .sum()
            })
            .collect();
        let length = sum
            .iter()
            .map(|value| value * value)
            .sum::<f32>()
            .sqrt()
            .max(SMALLEST_NORM);
        sum.iter_mut().for_each(|value| *value /= length);
        classes.append(&mut sum);
    }
    classes
}

/// Keeps the direction of a zero vector finite (PyTorch's `normalize`).
const SMALLEST_NORM: f32 = 1e-12;

/// Cosine similarity of one normalised region embedding with every normalised row of `text`, times `scale`.
///
/// region `[E]`, text `[n, E]` -> `[n]`
pub fn similarities(region: &[f32], text: &[f32], scale: f32) -> Vec<f32> {
    let dot = |row: &[f32]| scale * row.iter().zip(region).map(|(a, b)| a * b).sum::<f32>();
    text.chunks_exact(region.len()).map(dot).collect()
}

/// Eq. 10: the weight of the vision-language model, from `weight` at progress 0 down to 0 at progress 1.
///
/// `$$ w = \mathrm{weight} \cdot \tfrac12 (\cos(\pi \cdot \mathrm{progress}) + 1) $$`
pub fn schedule(weight: f32, progress: f32) -> f32 {
    let angle = std::f64::consts::PI * f64::from(progress.clamp(0.0, 1.0));
    (f64::from(weight) * 0.5 * (libm::cos(angle) + 1.0)) as f32
}

/// Eq. 11: `$w\,p^{clip} + (1 - w)\,\hat p$`.
pub fn fuse(vlm: &[f32], teacher: &[f32], weight: f32) -> Vec<f32> {
    assert_eq!(vlm.len(), teacher.len(), "both speak of the same classes");
    vlm.iter()
        .zip(teacher)
        .map(|(v, t)| weight * v + (1.0 - weight) * t)
        .collect()
}

/// Eq. 12: the class with the highest fused probability, ties to the lowest index, and that probability.
pub fn corrected_class(fused: &[f32]) -> (usize, f32) {
    let class = arg_max(fused);
    (class, fused[class])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any order of 0 to n - 1.
    fn order(n: usize) -> impl Strategy<Value = Vec<usize>> {
        Just((0..n).collect::<Vec<_>>()).prop_shuffle()
    }

    /// As many rows as there are in `order`, in that order.
    fn reordered(values: &[f32], order: &[usize]) -> Vec<f32> {
        let rows: Vec<&[f32]> = values.chunks(values.len() / order.len()).collect();
        order.iter().flat_map(|row| rows[*row]).copied().collect()
    }

    fn close(a: &[f32], b: &[f32], tolerance: f32) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
    }

    fn distribution(n: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-6.0f32..6.0, n).prop_map(|logits| softmax(&logits))
    }

    proptest! {
        #[test]
        fn eq_8_on_logits(logits in prop::collection::vec(-30.0f32..30.0, 12), classes in order(4), descriptions in order(3)) {
            let k = descriptions.len();
            let mean = aggregate_logits(&logits, k);
            let p = softmax(&mean);
            prop_assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            for (row, value) in logits.chunks(k).zip(&mean) {
                let (low, high) = row.iter().fold((f32::MAX, f32::MIN), |(l, h), x| (l.min(*x), h.max(*x)));
                prop_assert!(*value >= row.iter().sum::<f32>() / k as f32 - 1e-4, "at least the plain mean");
                prop_assert!((low - 1e-4..=high + 1e-4).contains(value));
            }
            // Classes permuted: the answer permuted. Descriptions permuted: the same answer.
            let moved = softmax(&aggregate_logits(&reordered(&logits, &classes), k));
            prop_assert!(close(&moved, &reordered(&p, &classes), 1e-6));
            let inner: Vec<f32> = logits.chunks(k).flat_map(|row| reordered(row, &descriptions)).collect();
            prop_assert!(close(&aggregate_logits(&inner, k), &mean, 1e-4));
            // One description: eq. 7.
            prop_assert!(close(&aggregate_logits(&logits, 1), &logits, 0.0));
        }

        #[test]
        fn eq_8_on_embeddings(values in prop::collection::vec(-1.0f32..1.0, 4 * 3 * 5), classes in order(4), descriptions in order(3)) {
            let (k, width) = (descriptions.len(), 5);
            let text: Vec<f32> = values.chunks(width).flat_map(unit).collect();
            let mean = aggregate_embeddings(&text, k, width);
            prop_assert_eq!(mean.len(), classes.len() * width);
            prop_assert!(mean.chunks(width).all(|row| (row.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4));
            let moved = aggregate_embeddings(&reordered(&text, &classes), k, width);
            prop_assert!(close(&moved, &reordered(&mean, &classes), 1e-6));
            let inner: Vec<f32> = text.chunks(k * width).flat_map(|rows| reordered(rows, &descriptions)).collect();
            prop_assert!(close(&aggregate_embeddings(&inner, k, width), &mean, 1e-4));
            prop_assert!(close(&aggregate_embeddings(&text, 1, width), &text, 1e-5));
        }

        #[test]
        fn eq_10_falls_from_the_weight_to_zero(a in 0.0f32..=1.0, b in 0.0f32..=1.0) {
            let (early, late) = (schedule(0.5, a.min(b)), schedule(0.5, a.max(b)));
            prop_assert!(early >= late && (0.0..=0.5).contains(&early) && (0.0..=0.5).contains(&late));
        }

        #[test]
        fn eq_11_is_a_convex_combination(v in distribution(7), t in distribution(7), w in 0.0f32..=1.0) {
            let fused = fuse(&v, &t, w);
            prop_assert!((fused.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            for i in 0..7 {
                prop_assert!(fused[i] >= v[i].min(t[i]) - 1e-6 && fused[i] <= v[i].max(t[i]) + 1e-6);
            }
            prop_assert_eq!(&fuse(&v, &t, 0.0), &t);
            let (class, p) = corrected_class(&fused);
            prop_assert!(fused.iter().all(|other| *other <= p));
            prop_assert!(fused[..class].iter().all(|other| *other < p), "ties go to the lowest index");
        }
    }

    fn unit(row: &[f32]) -> Vec<f32> {
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-3);
        row.iter().map(|x| x / length).collect()
    }

    #[test]
    fn eq_10_at_its_ends() {
        assert_eq!(schedule(0.5, 0.0), 0.5);
        assert_eq!(schedule(0.5, 0.5), 0.25);
        assert_eq!(schedule(0.5, 1.0), 0.0);
        assert_eq!(schedule(0.5, 1.5), 0.0);
    }

    #[test]
    fn similarity_is_a_scaled_cosine() {
        assert_eq!(
            similarities(&[1.0, 0.0], &[1.0, 0.0, 0.6, 0.8], 10.0),
            [10.0, 6.0]
        );
    }

    #[test]
    fn equal_classes_go_to_the_first() {
        assert_eq!(corrected_class(&fuse(&[0.6, 0.4], &[0.4, 0.6], 0.5)).0, 0);
    }
}
