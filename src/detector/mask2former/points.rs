//! The points at which masks are compared, in [0, 1) x [0, 1), stored (x, y).
//!
//! Importance sampling of PointRend (https://arxiv.org/abs/1912.08193) as Mask2Former uses it: of `oversample * P`
//! uniform points those with the smallest |logit| make up `importance * P`, fresh uniform points the rest. The choice
//! depends on the prediction only and passes no gradient.

use super::loss::LossConfig;
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Place, Tensor2};
use std::ops::Range;

/// The use of some points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The matching costs of an image of the part.
    Matching {
        /// Index into the part's images.
        image: usize,
    },
    /// The mask losses of a matched pair: first points to choose from, then fresh ones.
    Sampling {
        /// Number of the pair in the part.
        pair: usize,
        /// Index into the part's images.
        image: usize,
        /// The query.
        query: usize,
        /// The object of the image.
        object: usize,
    },
}

/// A source of uniform points: random streams ([`Drawn`]), or in comparisons with another implementation the points
/// that it drew.
pub trait PointSource {
    /// Points for each of the `purposes` of layer `layer`, in the memory `place`: `[purposes, 2 * numbers]`. `numbers`:
    /// the positions of the wanted points in the sequence of their purpose.
    fn points(
        &self,
        place: &Place,
        layer: usize,
        purposes: &[Purpose],
        numbers: Range<usize>,
    ) -> Tensor2;
}

/// Points from one random stream per purpose. No draw depends on the number of threads.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Seeds of matching and sampling, by layer.
    seeds: Vec<(u64, u64)>,
}

impl Drawn {
    /// Takes the seeds of `layers` layers from `stream`.
    pub fn new(layers: usize, stream: &mut Stream) -> Self {
        let seeds = (0..layers).map(|_| (stream.bits(), stream.bits()));
        Self {
            seeds: seeds.collect(),
        }
    }
}

impl PointSource for Drawn {
    fn points(
        &self,
        place: &Place,
        layer: usize,
        purposes: &[Purpose],
        numbers: Range<usize>,
    ) -> Tensor2 {
        let (matching, sampling) = self.seeds[layer];
        let stream = |purpose: &Purpose| match purpose {
            Purpose::Matching { image } => Stream::at(matching, "matching", *image as u64),
            Purpose::Sampling { pair, .. } => Stream::at(sampling, "points", *pair as u64),
        };
        let seeds: Vec<[u8; 32]> = purposes.iter().map(|one| stream(one).seed()).collect();
        ops::random_points(place, &seeds, numbers.start, numbers.len())
    }
}

/// The points of a loss where the predictions are undecided, and those anywhere, for n masks: `[n, 2 * config.points]`.
///
/// `draw`: the uniform points of these numbers for each mask; `logits`: of each mask at such points, `[n, P]`.
pub(super) fn important(
    config: &LossConfig,
    draw: impl Fn(Range<usize>) -> Tensor2,
    logits: impl Fn(&Tensor2) -> Tensor2,
) -> Tensor2 {
    let total = config.points;
    let chosen = (config.importance * total as f32) as usize;
    let many = (config.oversample * total as f32) as usize;
    let pool = draw(0..many);
    let fresh = draw(many..many + total - chosen);
    ops::undecided_points(&pool, &logits(&pool), chosen, &fresh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::on_every_place;
    use crate::tensor::Tape;

    /// The points of one mask whose logits are `plane`.
    fn undecided(
        plane: &[f32],
        size: (usize, usize),
        config: &LossConfig,
        place: &Place,
    ) -> Vec<f32> {
        let plane = Tensor2::constant(plane.to_vec(), 1, plane.len()).to(place);
        let drawn = Drawn::new(1, &mut Stream::new(1, "points"));
        let purpose = Purpose::Sampling {
            pair: 0,
            image: 0,
            query: 0,
            object: 0,
        };
        let points = important(
            config,
            |numbers| drawn.points(place, 0, &[purpose], numbers),
            |points| ops::point_sample(&mut Tape::off(), &plane, &[0], size, points),
        );
        points.host_values().into_owned()
    }

    fn config(points: usize, importance: f32) -> LossConfig {
        LossConfig {
            points,
            importance,
            ..crate::detector::mask2former::loss::tests::loss()
        }
    }

    /// Logits that rise with x and cross 0 in the middle.
    fn ramp() -> Vec<f32> {
        (0..32 * 32).map(|i| (i % 32) as f32 - 15.5).collect()
    }

    on_every_place! {
        fn the_chosen_points_lie_where_the_mask_is_undecided(place) {
            let points = undecided(&ramp(), (32, 32), &config(400, 0.75), place);
            assert_eq!(points.len(), 800);
            let (chosen, free) = points.split_at(600);
            // 300 of 1200 uniform points: the middle quarter of x. At the border logits fade to 0, because they are
            // sampled as 0 outside the image, so some of the points lie there, as in the reference.
            let inner = |p: &&[f32]| p.iter().all(|at| (0.05..0.95).contains(at));
            let close = |p: &[f32]| (p[0] - 0.5).abs() < 0.17;
            assert!(
                chosen.chunks(2).filter(inner).all(close),
                "a decided point was chosen"
            );
            assert!(chosen.chunks(2).filter(inner).count() > 200);
            let far = free.chunks(2).filter(|p| (p[0] - 0.5).abs() > 0.25).count();
            assert!(
                (30..70).contains(&far),
                "{far} of 100 fresh points in the outer half"
            );
        }
    }

    on_every_place! {
        fn fresh_points_are_none_of_those_chosen_from(place) {
            let all = undecided(&ramp(), (32, 32), &config(50, 0.0), place);
            let chosen = undecided(&ramp(), (32, 32), &config(50, 1.0), place);
            assert_eq!((all.len(), chosen.len()), (100, 100));
            assert!(all.chunks(2).all(|fresh| chosen.chunks(2).all(|point| point != fresh)));
        }
    }

    #[test]
    fn points_repeat_with_the_stream() {
        let draw = || undecided(&ramp(), (32, 32), &config(50, 0.75), &Place::Host);
        assert_eq!(draw(), draw());
    }
}
