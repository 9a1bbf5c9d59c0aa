//! What is done to the bins of regions before an auxiliary head sees them. Each perturbation multiplies the bins by
//! constants.
//!
//! | kind | factor of a bin's channel |
//! |---|---|
//! | `spatial-dropout` | 0 or 2, each with probability 1/2, for a region's channel as a whole |
//! | `feature-noise` | 1 + u, u uniform in [-0.3, 0.3), for a bin's channel, the same in all regions |
//! | `feature-drop` | 0 where the mean of the channels is at least g times its largest value in the region, g uniform in [0.7, 0.9), one for all regions; else 1 |
//! | `guided-cutout` | 0 in a rectangle inside the mask's: its sides are 0.4 of these, its place is drawn for each region; else 1 |
//! | `context-mask` | the probability of the mask there |
//! | `object-mask` | 1 less this |
//!
//! A region without a mask stays as it is under the last three. Source: CCT (yassouali/CCT 65d4e5b,
//! `models/decoders.py`) with its numbers, for whole feature maps; the bins of regions are our definition. CCT's
//! adversarial perturbation (I-VAT) needs a second backward pass inside of a step and is left out.
//!
//! Shapes: R regions of P x P bins, C channels, S pixels along a side of a mask.

use crate::rng::Stream;
use crate::tensor::{Map, Tensor2};
use schemars::JsonSchema;
use serde::Deserialize;

/// What is done to the bins of regions.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Perturbation {
    /// Half of a region's channels are 0, the others twice as large.
    SpatialDropout,
    /// Every value changes by up to 30 %.
    FeatureNoise,
    /// The most active bins are 0.
    FeatureDrop,
    /// A rectangle inside the object is 0.
    GuidedCutout,
    /// What is around the object is 0.
    ContextMask,
    /// The object is 0.
    ObjectMask,
}

/// The part of the channels that spatial dropout drops.
const DROPPED: f64 = 0.5;
/// The largest noise, as a part of the value.
const NOISE: f64 = 0.3;
/// The bounds of the part of the largest activity from which feature drop drops a bin.
const ACTIVE: [f64; 2] = [0.7, 0.9];
/// The sides of a cut as a part of those of the mask's rectangle.
const CUT: f64 = 0.4;
/// A pixel of a mask has a probability of at least this.
const PIXEL: f32 = 0.5;

/// The mask of a region: its probabilities, S x S.
pub type MaskOf<'a> = Option<&'a [f32]>;

/// Random numbers of one perturbation of some regions, for both heads alike where they look at the same region.
pub struct Drawn {
    kind: Perturbation,
    /// Spatial dropout: for each region which of its channels stay.
    channels: Vec<Vec<bool>>,
    /// Feature noise: what draws the noise of a head's bins.
    noise: Stream,
    /// Feature drop.
    active: f32,
    /// Guided cutout: the rectangle of each region, x1, y1, x2, y2 as parts of its sides.
    cuts: Vec<Option<[f32; 4]>>,
}

impl Drawn {
    /// Draws what `kind` needs for regions of `channels` channels with these `masks` of `side` x `side` pixels.
    pub fn new(
        kind: Perturbation,
        masks: &[MaskOf],
        (channels, side): (usize, usize),
        mut draws: Stream,
    ) -> Self {
        let mut drawn = Self {
            kind,
            channels: Vec::new(),
            noise: draws.clone(),
            active: 1.0,
            cuts: Vec::new(),
        };
        match kind {
            Perturbation::SpatialDropout => {
                let mut of_region = || (0..channels).map(|_| !draws.chance(DROPPED)).collect();
                drawn.channels = masks.iter().map(|_| of_region()).collect();
            }
            Perturbation::FeatureDrop => drawn.active = draws.range(ACTIVE[0], ACTIVE[1]) as f32,
            Perturbation::GuidedCutout => {
                let mut of_region = |mask: &MaskOf| cut((*mask)?, side, &mut draws);
                drawn.cuts = masks.iter().map(&mut of_region).collect();
            }
            Perturbation::FeatureNoise | Perturbation::ContextMask | Perturbation::ObjectMask => {}
        }
        drawn
    }

    /// The same numbers for the regions at these `places` among those that were drawn for.
    pub fn of(mut self, places: &[usize]) -> Self {
        if !self.channels.is_empty() {
            let own = places.iter().map(|place| self.channels[*place].clone());
            self.channels = own.collect();
        }
        if !self.cuts.is_empty() {
            self.cuts = places.iter().map(|place| self.cuts[*place]).collect();
        }
        self
    }

    /// The factors of the `bins` of the first regions of those that were drawn for, `[R * P * P, C]`. `masks` and
    /// `side` are those of [`Self::new`].
    ///
    /// Panics if there are more regions than masks.
    pub fn factors(&self, bins: &Map, masks: &[MaskOf], side: usize) -> Tensor2 {
        let (pixels, channels) = (bins.pixels(), bins.channels());
        let mut factors = vec![1.0; bins.data.len()];
        let regions = factors.chunks_exact_mut((pixels * channels).max(1));
        match self.kind {
            Perturbation::SpatialDropout => {
                for (region, stays) in regions.zip(&self.channels) {
                    for bin in region.chunks_exact_mut(channels) {
                        for (factor, stays) in bin.iter_mut().zip(stays) {
                            *factor = f32::from(u8::from(*stays)) / (1.0 - DROPPED) as f32;
                        }
                    }
                }
            }
            Perturbation::FeatureNoise => {
                let mut draws = self.noise.clone();
                let noise = (0..pixels * channels).map(|_| 1.0 + draws.range(-NOISE, NOISE) as f32);
                let noise: Vec<f32> = noise.collect();
                regions.for_each(|region| region.copy_from_slice(&noise));
            }
            Perturbation::FeatureDrop => {
                let values = bins.data.host_values();
                let seen = values.chunks_exact((pixels * channels).max(1));
                for (region, seen) in regions.zip(seen) {
                    let mean = |bin: &[f32]| bin.iter().sum::<f32>() / channels as f32;
                    let activity: Vec<f32> = seen.chunks_exact(channels).map(mean).collect();
                    let most = activity.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    for (bin, own) in region.chunks_exact_mut(channels).zip(activity) {
                        if own >= self.active * most {
                            bin.fill(0.0);
                        }
                    }
                }
            }
            Perturbation::GuidedCutout => {
                for (region, cut) in regions.zip(&self.cuts) {
                    let Some([x1, y1, x2, y2]) = *cut else {
                        continue;
                    };
                    let places = centres(bins);
                    for (bin, (x, y)) in region.chunks_exact_mut(channels).zip(places) {
                        if (x1..x2).contains(&x) && (y1..y2).contains(&y) {
                            bin.fill(0.0);
                        }
                    }
                }
            }
            Perturbation::ContextMask | Perturbation::ObjectMask => {
                for (region, mask) in regions.zip(masks) {
                    let Some(mask) = mask else {
                        continue;
                    };
                    let places = centres(bins);
                    for (bin, (x, y)) in region.chunks_exact_mut(channels).zip(places) {
                        let at = |part: f32| (part * side as f32) as usize;
                        let probability = mask[at(y) * side + at(x)];
                        bin.fill(match self.kind {
                            Perturbation::ContextMask => probability,
                            _ => 1.0 - probability,
                        });
                    }
                }
            }
        }
        assert!(
            bins.batch <= masks.len(),
            "a mask, or none, for every region"
        );
        Tensor2::constant(factors, bins.data.rows(), channels)
    }
}

/// The centres (x, y) of the bins of a region, row by row, as parts of its sides.
fn centres(bins: &Map) -> impl Iterator<Item = (f32, f32)> {
    let (height, width) = (bins.height, bins.width);
    let at = |place: usize, side: usize| (place as f32 + 0.5) / side as f32;
    (0..height * width).map(move |bin| (at(bin % width, width), at(bin / width, height)))
}

/// A rectangle inside that of the `mask`, as parts of the sides of the region; none without a pixel.
fn cut(mask: &[f32], side: usize, draws: &mut Stream) -> Option<[f32; 4]> {
    let pixels: Vec<usize> = (0..mask.len()).filter(|i| mask[*i] >= PIXEL).collect();
    let mut along = |place: fn(usize, usize) -> usize| {
        let places = || pixels.iter().map(|pixel| place(*pixel, side));
        let (first, last) = (places().min()?, places().max()?);
        let length = (last + 1 - first) as f64;
        let start = first as f64 + draws.range(0.0, (1.0 - CUT) * length);
        let part = |place: f64| (place / side as f64) as f32;
        Some((part(start), part(start + CUT * length)))
    };
    let (x1, x2) = along(|pixel, side| pixel % side)?;
    let (y1, y2) = along(|pixel, side| pixel / side)?;
    Some([x1, y1, x2, y2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use Perturbation::{
        ContextMask, FeatureDrop, FeatureNoise, GuidedCutout, ObjectMask, SpatialDropout,
    };

    const SIDE: usize = 20;
    const CHANNELS: usize = 40;

    /// The left half of a region is the object.
    fn left() -> Vec<f32> {
        let probability = |i: usize| if i % SIDE < SIDE / 2 { 0.9 } else { 0.2 };
        (0..SIDE * SIDE).map(probability).collect()
    }

    /// `regions` regions of 10 x 10 bins whose channels are 1 but for the bin at (7, 2): 2 there.
    fn bins(regions: usize) -> Map {
        let values = (0..regions * 100).flat_map(|i| {
            let value = if i % 100 == 27 { 2.0 } else { 1.0 };
            std::iter::repeat_n(value, CHANNELS)
        });
        let data = Tensor2::constant(values.collect(), regions * 100, CHANNELS);
        Map::new(data, regions, 10, 10)
    }

    /// The factors of two regions, of which the first has a mask.
    fn factors(kind: Perturbation, seed: u64) -> Vec<f32> {
        let mask = left();
        let masks = [Some(&mask[..]), None];
        let drawn = Drawn::new(kind, &masks, (CHANNELS, SIDE), Stream::new(seed, "p"));
        let factors = drawn.factors(&bins(2), &masks, SIDE);
        assert!(!factors.requires_grad());
        factors.values().to_vec()
    }

    fn of(factors: &[f32], region: usize, x: usize, y: usize, channel: usize) -> f32 {
        factors[(region * 100 + y * 10 + x) * CHANNELS + channel]
    }

    /// Where all channels of a bin have this factor.
    fn places(factors: &[f32], region: usize, factor: f32) -> Vec<(usize, usize)> {
        let all = (0..100).map(|bin| (bin % 10, bin / 10));
        let is = |(x, y): &(usize, usize)| {
            (0..CHANNELS).all(|channel| of(factors, region, *x, *y, channel) == factor)
        };
        all.filter(is).collect()
    }

    #[test]
    fn spatial_dropout_drops_whole_channels_of_a_region() {
        let found = factors(SpatialDropout, 1);
        let first = |region: usize| -> Vec<f32> {
            (0..CHANNELS)
                .map(|channel| of(&found, region, 0, 0, channel))
                .collect()
        };
        for region in 0..2 {
            let own = first(region);
            assert!(
                own.iter().all(|factor| [0.0, 2.0].contains(factor)),
                "{own:?}"
            );
            let dropped = own.iter().filter(|factor| **factor == 0.0).count();
            assert!((8..=32).contains(&dropped), "{dropped} of {CHANNELS}");
            for (channel, factor) in own.iter().enumerate() {
                assert_eq!(of(&found, region, 7, 3, channel), *factor);
            }
        }
        assert_ne!(first(0), first(1), "each region has its own");
    }

    #[test]
    fn feature_noise_is_one_draw_for_all_regions() {
        let found = factors(FeatureNoise, 1);
        let (first, second) = found.split_at(found.len() / 2);
        assert_eq!(first, second);
        assert!(first.iter().all(|factor| (0.7..1.3).contains(factor)));
        let low = first.iter().filter(|factor| **factor < 0.85).count() as f64;
        assert!((low / first.len() as f64 - 0.25).abs() < 0.05, "uniform");
        assert_ne!(of(&found, 0, 0, 0, 0), of(&found, 0, 1, 0, 0));
        assert_ne!(of(&found, 0, 0, 0, 0), of(&found, 0, 0, 0, 1));
    }

    #[test]
    fn feature_drop_drops_the_most_active_bins() {
        let found = factors(FeatureDrop, 1);
        assert_eq!(places(&found, 0, 0.0), [(7, 2)]);
        assert_eq!(places(&found, 0, 1.0).len(), 99);
        // All others are half as active, less than 0.7 of the largest. Where all are alike, all are dropped.
        let mut even = bins(1);
        even.data = Tensor2::constant(vec![1.0; 100 * CHANNELS], 100, CHANNELS);
        let drawn = Drawn::new(FeatureDrop, &[None], (CHANNELS, SIDE), Stream::new(1, "p"));
        let factors = drawn.factors(&even, &[None], SIDE);
        assert!(factors.values().iter().all(|factor| *factor == 0.0));
        let bounds: Vec<f32> = (0..200)
            .map(|seed| Drawn::new(FeatureDrop, &[], (1, 1), Stream::new(seed, "p")).active)
            .collect();
        assert!(bounds.iter().all(|bound| (0.7..0.9).contains(bound)));
        assert!(
            bounds.iter().any(|bound| *bound < 0.72) && bounds.iter().any(|bound| *bound > 0.88)
        );
    }

    #[test]
    fn a_cut_lies_in_the_rectangle_of_the_mask_and_a_region_without_one_stays() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let found = factors(GuidedCutout, seed);
            let cut = places(&found, 0, 0.0);
            // The mask is 5 x 10 bins large, so a cut is 2 x 4.
            assert_eq!(cut.len(), 8, "{cut:?}");
            assert!(cut.iter().all(|(x, _)| *x < 5), "{cut:?}");
            assert_eq!(places(&found, 0, 1.0).len(), 92);
            assert_eq!(places(&found, 1, 1.0).len(), 100);
            seen.extend(cut);
        }
        assert_eq!(seen.len(), 50, "every bin of the mask is cut at times");
        let empty = vec![0.4; SIDE * SIDE];
        assert_eq!(cut(&empty, SIDE, &mut Stream::new(1, "p")), None);
    }

    #[test]
    fn context_and_object_are_the_mask_and_the_rest() {
        let (context, object) = (factors(ContextMask, 1), factors(ObjectMask, 1));
        for (x, expected) in [(0, 0.9), (4, 0.9), (5, 0.2), (9, 0.2)] {
            assert_eq!(of(&context, 0, x, 6, 3), expected);
            assert!((of(&object, 0, x, 6, 3) - (1.0 - expected)).abs() < 1e-6);
        }
        for factors in [context, object] {
            assert_eq!(places(&factors, 1, 1.0).len(), 100, "no mask");
        }
    }

    #[test]
    fn both_heads_see_a_region_perturbed_alike_and_streams_differ() {
        let mask = left();
        let masks = [Some(&mask[..])];
        let drawn = |kind, seed| Drawn::new(kind, &masks, (CHANNELS, SIDE), Stream::new(seed, "p"));
        let fine = Map::new(
            Tensor2::constant(vec![1.0; 400 * CHANNELS], 400, CHANNELS),
            1,
            20,
            20,
        );
        for kind in [SpatialDropout, GuidedCutout] {
            let drawn = drawn(kind, 3);
            let (coarse, fine) = (
                drawn.factors(&bins(1), &masks, SIDE),
                drawn.factors(&fine, &masks, SIDE),
            );
            let zeros = |factors: &Tensor2| {
                let zeros = factors
                    .values()
                    .iter()
                    .filter(|factor| **factor == 0.0)
                    .count();
                zeros as f64 / factors.len() as f64
            };
            assert!((zeros(&coarse) - zeros(&fine)).abs() < 0.02, "{kind:?}");
        }
        for kind in [SpatialDropout, FeatureNoise, GuidedCutout] {
            assert_eq!(factors(kind, 5), factors(kind, 5));
            assert_ne!(factors(kind, 5), factors(kind, 6), "{kind:?}");
        }
    }
}
