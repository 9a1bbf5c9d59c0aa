//! The costs of the matcher for some images of a batch: the mask costs of `mask_costs`, and
//!
//! `$$ p_{nq} = \mathrm{softmax}(z_q)_{c_n} $$`
//!
//! z are the class logits of the Q queries of the image, and c the classes of its N objects. Shapes: z
//! `[B*Q, K + 1]`, planes `[B*Q, h*w]`; points `[images, 2P]`, which the queries and objects of an image
//! share; the objects of all images at their points `[sum of N, P]` -> `[N, Q]` per image, no gradient. From
//! a GPU, the costs of all images are copied in one transfer while it keeps working.

#[allow(unsafe_code)]
mod cuda;
mod mask_costs;

pub use mask_costs::{MaskCosts, mask_costs};

use crate::ops::cpu::parallel::map;
use crate::ops::softmax_rows;
use crate::tensor::{Later, Tensor2};

/// An image whose queries and objects are matched.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The first query's row.
    pub first: usize,
    /// The classes of the objects.
    pub classes: Vec<usize>,
}

/// The parts of an image's matching costs, each `[N, Q]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MatchCosts {
    /// N.
    pub objects: usize,
    /// Of the masks.
    pub masks: MaskCosts,
    /// The probability that a query gives to an object's class.
    pub probability: Vec<f32>,
}

/// The costs of every image for its objects, whose masks at its row of `points` are the next rows of
/// `wanted`.
///
/// Panics where the shapes disagree or a class is none of the logits'.
pub fn match_costs(
    classes: &Tensor2,
    planes: &Tensor2,
    (queries, size): (usize, (usize, usize)),
    images: &[Compared],
    points: &Tensor2,
    wanted: &Tensor2,
) -> Later<Vec<MatchCosts>> {
    let area = planes.columns();
    assert_eq!(area, size.0 * size.1, "planes of {size:?}");
    assert_eq!(
        classes.rows(),
        planes.rows(),
        "classes and masks of every query"
    );
    let total: usize = images.iter().map(|image| image.classes.len()).sum();
    let count = points.columns() / 2;
    assert_eq!(
        (points.rows(), wanted.rows(), wanted.columns()),
        (images.len(), total, count),
        "points of {} images and {total} objects at {count} of them",
        images.len()
    );
    for image in images {
        assert!(
            image.first + queries <= planes.rows()
                && image.classes.iter().all(|class| *class < classes.columns()),
            "{queries} queries from {} on of {}, classes {:?} of {}",
            image.first,
            planes.rows(),
            image.classes,
            classes.columns()
        );
    }
    if total == 0 {
        return Later::ready(vec![MatchCosts::default(); images.len()]);
    }
    if let Some(gpu) = planes.gpu().filter(|_| queries * count > 0) {
        return cuda::match_costs(
            gpu,
            classes,
            planes,
            (queries, size),
            images,
            points,
            wanted,
        );
    }
    let mut first_object = 0;
    let numbered: Vec<(usize, &Compared, usize)> = (0..)
        .zip(images)
        .map(|(number, image)| {
            let first = first_object;
            first_object += image.classes.len();
            (number, image, first)
        })
        .collect();
    let of_image = |(number, image, first): (usize, &Compared, usize)| {
        let objects = image.classes.len();
        let costs = mask_costs(
            &planes.values()[image.first * area..][..queries * area],
            size,
            &points.values()[number * 2 * count..][..2 * count],
            &wanted.values()[first * count..][..objects * count],
        );
        let columns = classes.columns();
        let mut logits = classes.values()[image.first * columns..][..queries * columns].to_vec();
        softmax_rows(&mut logits, columns);
        let of_object = |class: &usize| logits.iter().skip(*class).step_by(columns);
        MatchCosts {
            objects,
            masks: costs,
            probability: image.classes.iter().flat_map(of_object).copied().collect(),
        }
    };
    Later::ready(map(numbered, of_image))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{on_every_place, parameter};
    use crate::rng::Stream;

    #[test]
    fn a_probability_is_that_of_the_objects_class() {
        let classes = Tensor2::constant(vec![0.0, 2.0, 1.0, 3.0, 0.0, 0.0], 2, 3);
        let planes = parameter(1, 2, 4, 1.0);
        let points = Tensor2::constant(vec![0.5, 0.5], 1, 2);
        let images = [Compared {
            first: 0,
            classes: vec![1, 0],
        }];
        let wanted = Tensor2::constant(vec![1.0, 0.0], 2, 1);
        let costs = match_costs(&classes, &planes, (2, (2, 2)), &images, &points, &wanted);
        let e = std::f32::consts::E;
        let (first, second) = (1.0 + e * e + e, e * e * e + 2.0);
        let expected = [e * e / first, 1.0 / second, 1.0 / first, e * e * e / second];
        for (found, expected) in costs.wait()[0].probability.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
    }

    on_every_place! {
        /// More points than a tile of the GPU's, more objects than a block has warps, more classes than a
        /// warp has lanes, and images of which one has no object.
        fn a_batch_costs_what_its_images_cost(place) {
            let (queries, count, size, kinds) = (3, 1500, (5, 7), 41);
            let mut stream = Stream::new(1, "mask costs");
            let planes = parameter(1, 4 * queries, 35, 3.0);
            let classes = parameter(2, 4 * queries, kinds, 3.0);
            let mut image = |first: usize, objects: usize| Compared {
                first: first * queries,
                classes: (0..objects).map(|_| stream.below(kinds)).collect(),
            };
            let images = [image(1, 2), image(3, 0), image(2, 19)];
            let mut values = |count: usize, low: f32| (0..count).map(|_| low + stream.uniform_f32()).collect();
            let points = Tensor2::constant(values(3 * 2 * count, -0.1), 3, 2 * count);
            let wanted = Tensor2::constant(values(21 * count, 0.0), 21, count);
            let found = match_costs(&classes.to(place), &planes.to(place), (queries, size), &images, &points.to(place), &wanted.to(place)).wait();
            let expected = match_costs(&classes, &planes, (queries, size), &images, &points, &wanted).wait();
            assert_eq!(found.len(), 3);
            for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let pairs = [
                    (&found.masks.bce, &expected.masks.bce),
                    (&found.masks.dice, &expected.masks.dice),
                    (&found.probability, &expected.probability),
                ];
                for (found, expected) in pairs {
                    assert_eq!(found.len(), images[number].classes.len() * queries);
                    assert_eq!(found.len(), expected.len());
                    for (found, expected) in found.iter().zip(expected) {
                        assert!((found - expected).abs() <= 1e-5 * expected.abs(), "{found}, not {expected}");
                    }
                }
            }
            let none = |rows: usize, columns: usize| Tensor2::constant(vec![], rows, columns).to(place);
            let nothing = match_costs(&classes.to(place), &planes.to(place), (queries, size), &[], &none(0, 2 * count), &none(0, count));
            assert_eq!(nothing.wait(), []);
            let image = Compared {
                first: 3,
                classes: vec![],
            };
            let points = Tensor2::constant(vec![0.5, 0.5], 1, 2).to(place);
            let wanted = none(0, 1);
            let nothing = match_costs(&classes.to(place), &planes.to(place), (queries, size), &[image], &points, &wanted);
            assert_eq!(nothing.wait(), [MatchCosts::default()]);
        }
    }
}
