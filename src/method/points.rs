//! The points at which masks are compared, in [0, 1) x [0, 1), stored (x, y).
//!
//! Importance sampling of PointRend (https://arxiv.org/abs/1912.08193) as Mask2Former uses it: of `oversample * P` uniform
//! points those with the smallest |logit| make up `importance * P`, fresh uniform points the rest. The choice depends on
//! the prediction only and passes no gradient.

use super::config::LossConfig;
use crate::rng::Stream;

/// What points are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The matching costs of an image of the part: one draw.
    Matching {
        /// Index into the part's images.
        image: usize,
    },
    /// The mask losses of a matched pair: one draw of points to choose from, one of fresh points.
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

/// A number of points to points: `[count, 2]`.
pub type Draw<'a> = dyn FnMut(usize) -> Vec<f32> + 'a;

/// Where uniform points come from: a random stream ([`Drawn`]), or in comparisons with other implementations the points that
/// these drew.
pub trait PointSource: Sync {
    /// The draws for one purpose in layer `layer`, in order.
    fn open(&self, layer: usize, purpose: Purpose) -> Box<Draw<'_>>;
}

/// Points of random streams of their own for every purpose, so that no draw depends on threads.
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
    fn open(&self, layer: usize, purpose: Purpose) -> Box<Draw<'_>> {
        let (matching, sampling) = self.seeds[layer];
        let mut stream = match purpose {
            Purpose::Matching { image } => Stream::at(matching, "matching", image as u64),
            Purpose::Sampling { pair, .. } => Stream::at(sampling, "points", pair as u64),
        };
        Box::new(move |count| uniform(count, &mut stream))
    }
}

/// `count` uniform points.
pub fn uniform(count: usize, stream: &mut Stream) -> Vec<f32> {
    (0..2 * count).map(|_| stream.uniform_f32()).collect()
}

/// The points of one pair before the prediction is looked at.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Uniform points to choose from, `[count, 2]`.
    pub points: Vec<f32>,
    /// How many are chosen.
    chosen: usize,
    /// Those that are taken anyway.
    fresh: Vec<f32>,
}

impl Pool {
    /// Draws the points to choose from, then those that are taken anyway.
    pub fn new(config: &LossConfig, draw: &mut Draw) -> Self {
        let total = config.points;
        let chosen = (config.importance * total as f32) as usize;
        Self {
            points: draw((config.oversample * total as f32) as usize),
            chosen,
            fresh: draw(total - chosen),
        }
    }

    /// The points where the prediction is undecided, and those anywhere. `logits`: of the mask at [`Self::points`].
    pub fn uncertain(self, logits: &[f32]) -> Vec<f32> {
        // The bits of non-negative floats sort as the floats do; the index behind them decides ties.
        let mut order: Vec<u64> = (0u64..)
            .zip(logits)
            .map(|(i, logit)| u64::from(logit.abs().to_bits()) << 32 | i)
            .collect();
        if self.chosen > 0 && self.chosen < order.len() {
            order.select_nth_unstable(self.chosen - 1);
        }
        let mut points = Vec::with_capacity(2 * self.chosen + self.fresh.len());
        for key in &order[..self.chosen] {
            let i = (*key as u32) as usize;
            points.extend_from_slice(&self.points[2 * i..2 * i + 2]);
        }
        points.extend(self.fresh);
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::sample_plane;
    use crate::registry;

    /// The points of a pair whose mask logits are `plane`, drawn from `stream`.
    fn uncertain(
        plane: &[f32],
        size: (usize, usize),
        config: &LossConfig,
        stream: &mut Stream,
    ) -> Vec<f32> {
        let pool = Pool::new(config, &mut |count| uniform(count, stream));
        let mut logits = vec![0.0; pool.points.len() / 2];
        sample_plane(plane, size, &pool.points, &mut logits);
        pool.uncertain(&logits)
    }

    fn config(points: usize, importance: f32) -> LossConfig {
        let table = super::super::config::tests::table("loss");
        LossConfig {
            points,
            importance,
            ..registry::options(table).unwrap()
        }
    }

    /// Logits that rise with x and cross 0 in the middle.
    fn ramp() -> Vec<f32> {
        (0..32 * 32).map(|i| (i % 32) as f32 - 15.5).collect()
    }

    #[test]
    fn the_chosen_points_lie_where_the_mask_is_undecided() {
        let mut stream = Stream::new(1, "points");
        let points = uncertain(&ramp(), (32, 32), &config(400, 0.75), &mut stream);
        assert_eq!(points.len(), 800);
        let (chosen, free) = points.split_at(600);
        // 300 of 1200 uniform points: the middle quarter of x. At the border logits fade to 0, because they are sampled as
        // 0 outside the image, so some of the points lie there, as in the reference.
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

    #[test]
    fn all_or_none_by_importance() {
        for importance in [0.0, 1.0] {
            let mut stream = Stream::new(1, "points");
            let points = uncertain(&ramp(), (32, 32), &config(10, importance), &mut stream);
            assert_eq!(points.len(), 20);
        }
    }

    #[test]
    fn points_repeat_with_the_stream() {
        let draw = || {
            uncertain(
                &ramp(),
                (32, 32),
                &config(50, 0.75),
                &mut Stream::new(4, "points"),
            )
        };
        assert_eq!(draw(), draw());
    }
}
