//! Repeat factors: images with rare classes are drawn more often.
//!
//! `$$ r_c = \max(1, \sqrt{t / f_c}), \qquad r_i = \max_{c \in i} r_c $$`
//!
//! `$f_c$` is the share of the images that hold the class `$c$`, crowds included, `$t$` the threshold, and `$r_i$` the
//! factor of an image: the largest of its classes, and 1 for an image without any. With `$t > 1$` all classes are
//! below it, which makes the draw nearly balanced by class. Source: LVIS (<https://arxiv.org/abs/1908.03195>,
//! appendix B) and detectron2's `RepeatFactorTrainingSampler`; GuidedDistillation has `$t = 10$`.

use crate::data::Source;

/// The repeat factor of each of the `images` of `train`, at the threshold `threshold`.
pub fn factors(train: &dyn Source, images: &[usize], threshold: f64) -> Vec<f64> {
    let classes: Vec<Vec<usize>> = images
        .iter()
        .map(|image| {
            let mut classes = train.classes_of(*image);
            classes.sort_unstable();
            classes.dedup();
            classes
        })
        .collect();
    let most = classes.iter().flatten().max().map_or(0, |last| last + 1);
    let mut with = vec![0usize; most];
    classes.iter().flatten().for_each(|class| with[*class] += 1);
    let of_class = |class: &usize| {
        let share = with[*class] as f64 / images.len() as f64;
        libm::sqrt(threshold / share).max(1.0)
    };
    let of_image = |classes: &Vec<usize>| classes.iter().map(of_class).fold(1.0, f64::max);
    classes.iter().map(of_image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::listed::Listed;

    #[test]
    fn an_image_has_the_factor_of_its_rarest_class() {
        // Of four images, class 0 is in three, class 1 in one.
        let train = Listed(vec![vec![0, 0], vec![0], vec![0, 1], vec![], vec![1]]);
        let found = factors(&train, &[0, 1, 2, 3], 0.36);
        assert_eq!(found, [1.0, 1.0, 1.2, 1.0]);
        let all = factors(&train, &[0, 1, 2, 3], 3.0);
        assert_eq!(all, [2.0, 2.0, libm::sqrt(12.0), 1.0]);
    }

    /// The factors of class shares .54, .002 and 1 at the threshold 10, as detectron2 computes them.
    #[test]
    fn the_factors_are_detectron2_s() {
        let images = 500;
        let classes = |image| {
            let mut classes = vec![2];
            classes.extend((image < 270).then_some(0));
            classes.extend((image == 499).then_some(1));
            classes
        };
        let train = Listed((0..images).map(classes).collect());
        let all: Vec<usize> = (0..images).collect();
        let found = factors(&train, &all, 10.0);
        for (image, expected) in [(0, 4.303), (499, 70.71), (300, 3.162)] {
            assert!(
                (found[image] - expected).abs() < 5e-4 * expected,
                "{}",
                found[image]
            );
        }
    }
}
