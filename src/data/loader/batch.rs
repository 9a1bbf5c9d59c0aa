//! Makes one batch: chooses the images and their views.
//!
//! Image `j` of step `t` draws its augmentation from the stream `t 2^16 + j`.

use super::config::{LabelledViews, LoaderConfig};
use super::mixing::Mixer;
use crate::data::augment::{self, AugmentConfig};
use crate::data::split::Split;
use crate::data::{Batch, Dataset, Sample, Source, UnlabelledViews, View};
use crate::rng::Stream;
use anyhow::Result;
use std::sync::Arc;

/// The number of positions of a step that have augmentation streams of their own.
const POSITIONS: u64 = 1 << 16;

/// Makes batches. The threads of a pool share it.
pub struct BatchMaker {
    train: Arc<dyn Source>,
    extra: Option<Arc<dyn Source>>,
    mixer: Mixer,
    augment: AugmentConfig,
    labelled_views: LabelledViews,
    seed: u64,
}

impl BatchMaker {
    pub fn new(
        dataset: &Dataset,
        split: &Split,
        augment: &AugmentConfig,
        config: &LoaderConfig,
        seed: u64,
    ) -> Self {
        let train = Arc::clone(&dataset.train);
        let extra = dataset.extra_unlabelled.clone();
        Self {
            train,
            extra,
            mixer: Mixer::new(dataset, split, config, seed),
            augment: augment.clone(),
            labelled_views: config.labelled_views,
            seed,
        }
    }

    /// The choice of the images of each step.
    pub fn mixer(&self) -> &Mixer {
        &self.mixer
    }

    /// The batch of `step`.
    ///
    /// # Errors
    /// An image cannot be read. The error names it.
    pub fn make(&self, step: usize, with_unlabelled: bool) -> Result<Batch> {
        let mut batch = Batch::default();
        let mut strong = Vec::new();
        let images = self.mixer.images(step, with_unlabelled);
        for (position, image) in images.labelled.into_iter().enumerate() {
            let sample = self.load(image)?;
            let mut rng = self.stream("augment/labelled", step, position);
            let view = augment::weak(&sample, &self.augment, &mut rng);
            let views = self.labelled_views;
            if views != LabelledViews::Weak {
                let picture = augment::strong(&view.picture, &self.augment, &mut rng);
                strong.push(View {
                    picture,
                    instances: view.instances.clone(),
                });
            }
            if views != LabelledViews::Strong {
                batch.labelled.push(view);
            }
        }
        batch.labelled.extend(strong);
        for (position, image) in images.unlabelled.into_iter().enumerate() {
            let sample = self.load(image)?;
            let mut rng = self.stream("augment/unlabelled", step, position);
            let view = augment::weak(&sample, &self.augment, &mut rng);
            let strong = augment::strong(&view.picture, &self.augment, &mut rng);
            batch.unlabelled.push(UnlabelledViews {
                weak: view.picture,
                strong,
                hidden_truth: view.instances,
            });
        }
        Ok(batch)
    }

    fn stream(&self, name: &str, step: usize, position: usize) -> Stream {
        Stream::at(self.seed, name, step as u64 * POSITIONS + position as u64)
    }

    /// Image `index` of the training images followed by the extra ones.
    fn load(&self, index: usize) -> Result<Sample> {
        match &self.extra {
            Some(extra) if index >= self.train.len() => extra.load(index - self.train.len()),
            _ => self.train.load(index),
        }
    }
}
