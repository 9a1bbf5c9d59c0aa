//! CenterMask, <https://arxiv.org/abs/1911.06667>, in the form of CenterMask2: backbone, feature pyramid, the head of
//! FCOS (<https://arxiv.org/abs/1904.01355>), and for each region a mask head with spatial attention and a head that
//! predicts the IoU of the mask.
//!
//! Shapes: B images of H x W, L locations of an image over all levels, R regions, K classes. Which regions there are is
//! not decided here (`detector::centermask`). Parameters have the names of CenterMask2's files.

mod attention;
mod config;
mod fcos_head;
mod levels;
mod locations;
mod mask_head;
mod operations;
mod parameters;
mod region_level;

use crate::graph::input::Normaliser;
use crate::graph::regional::{DOUBLING, IouPredictions, Region, ScoringHead, of_own_class};
use crate::graph::trunk::Trunk;
use crate::graph::weights;
use crate::nn::params::{Param, Parameters, join};
use crate::ops::{self, Roi, RoiPool};
use crate::registry::Checked;
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};
use fcos_head::FcosHead;
use levels::Levels;
use mask_head::MaskHead;
use region_level::{REGION_LEVELS, level_of};

#[cfg(test)]
pub(crate) use config::tests::published;
pub use config::{CenterMaskConfig, DetectionConfig, HeadConfig};
pub use fcos_head::LocationPredictions;
pub use levels::LEVELS;
pub use locations::Location;

/// The network. A clone shares the values of its parameters until either is written.
#[derive(Clone, Debug)]
pub struct CenterMask {
    trunk: Trunk,
    levels: Levels,
    fcos_head: FcosHead,
    mask_head: MaskHead,
    iou_head: ScoringHead,
    config: CenterMaskConfig,
}

/// The masks of some regions, each of its own class.
#[derive(Clone, Debug)]
pub struct RegionMasks {
    /// Their logits, `[R * S * S, 1]` with S = [`CenterMask::mask_side`].
    pub logits: Tensor2,
    /// Their predicted IoU with their objects.
    pub iou: IouPredictions,
}

impl CenterMask {
    /// A network for `classes` object classes. Its values are drawn from `rng` or read from `config.weights` or
    /// `config.backbone.weights`.
    ///
    /// # Errors
    /// The sizes do not fit together, or weights are missing or do not fit.
    pub fn new(
        config: &CenterMaskConfig,
        classes: usize,
        rng: &mut Stream,
    ) -> anyhow::Result<Self> {
        config.checked()?;
        let (backbone, width) = (&config.backbone, config.fpn_width);
        let normaliser = Normaliser::new(
            (config.pixel_mean, config.pixel_std),
            config.channel_order,
            backbone.coarsest_stride(),
        );
        let mut model = Self {
            trunk: Trunk::new(backbone, normaliser, classes, rng)?,
            levels: Levels::new(backbone.channels(), width, rng),
            fcos_head: FcosHead::new(&config.heads, width, classes, rng),
            mask_head: MaskHead::new(&config.heads, width, classes, rng),
            iou_head: ScoringHead::new(config.heads.scoring(width), classes, rng),
            config: config.clone(),
        };
        if !config.weights.as_os_str().is_empty() {
            weights::load_centermask(&mut model, &config.weights)?;
        }
        Ok(model)
    }

    /// The preparation of its input, its backbone and the number of its classes.
    pub fn trunk(&self) -> &Trunk {
        &self.trunk
    }

    /// The same, to set the values of the backbone.
    pub fn trunk_mut(&mut self) -> &mut Trunk {
        &mut self.trunk
    }

    /// The number of object classes K.
    pub fn classes(&self) -> usize {
        self.trunk.classes
    }

    /// Its sizes.
    pub fn config(&self) -> &CenterMaskConfig {
        &self.config
    }

    /// Pixels along a side of a region's mask.
    pub fn mask_side(&self) -> usize {
        DOUBLING * self.config.heads.mask_side
    }

    /// Normalised images of 3 channels -> p3 to p7.
    pub fn levels(&self, tape: &mut Tape, images: &Map) -> [Map; LEVELS] {
        let features = self.trunk.backbone.forward(tape, images);
        self.levels.forward(tape, &features)
    }

    /// p3 to p7 -> the predictions for all locations.
    pub fn location_predictions(
        &self,
        tape: &mut Tape,
        levels: &[Map; LEVELS],
    ) -> LocationPredictions {
        self.fcos_head.forward(tape, levels)
    }

    /// The locations of an image, in the order of the predictions.
    pub fn locations(&self, levels: &[Map; LEVELS]) -> Vec<Location> {
        let sizes = levels.each_ref().map(|level| (level.height, level.width));
        locations::locations(&sizes, &self.config.strides())
    }

    /// The masks of `regions`, each of its own class, which is in `classes`. `sizes`: rows and columns of each image of
    /// the batch without the padding, by which a region is read from one level or another.
    ///
    /// Panics unless there is a class for every region.
    pub fn region_masks(
        &self,
        tape: &mut Tape,
        levels: &[Map; LEVELS],
        regions: &[Region],
        sizes: &[(usize, usize)],
        classes: &[usize],
    ) -> RegionMasks {
        let bins = self.pooled(tape, levels, regions, sizes);
        let masks = self.mask_head.forward(tape, &bins);
        let logits = of_own_class(tape, &masks, classes);
        RegionMasks {
            iou: self.iou_head.forward(tape, &bins, &logits, classes),
            logits,
        }
    }

    /// `regions` of the levels that suit their sizes, resampled to bins: a map of R images.
    fn pooled(
        &self,
        tape: &mut Tape,
        levels: &[Map; LEVELS],
        regions: &[Region],
        sizes: &[(usize, usize)],
    ) -> Map {
        let maps: Vec<&Map> = levels.iter().take(REGION_LEVELS).collect();
        let strides = self.config.strides();
        let scales: Vec<f32> = strides[..REGION_LEVELS]
            .iter()
            .map(|stride| 1.0 / *stride as f32)
            .collect();
        let roi = |region: &Region| Roi {
            map: level_of(region.bounds.area(), sizes[region.image]),
            image: region.image,
            bounds: region.bounds,
        };
        let rois: Vec<Roi> = regions.iter().map(roi).collect();
        let pool = RoiPool {
            side: self.config.heads.mask_side,
            sampling: 0,
            aligned: true,
        };
        ops::roi_align(tape, &maps, &scales, &rois, pool)
    }
}

impl Parameters for CenterMask {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        let backbone = join(prefix, "backbone");
        let bottom_up = &mut self.trunk.backbone;
        bottom_up.parameters(&join(&backbone, "bottom_up"), visit);
        self.levels.parameters(&backbone, visit);
        self.fcos_head
            .parameters(&join(prefix, "proposal_generator.fcos_head"), visit);
        let heads = join(prefix, "roi_heads");
        self.mask_head.parameters(&join(&heads, "mask_head"), visit);
        self.iou_head
            .parameters(&join(&heads, "maskiou_head"), visit);
    }
}

#[cfg(test)]
mod tests;
