//! Makes one batch: chooses the images and their views.
//!
//! The images of every epoch are in a random order. Step `t` takes the positions `t B` to `t B + B - 1` of
//! the endless sequence of epochs. Position `j` of step `t` draws its augmentation from the stream
//! `t 2^16 + j`.

use super::{LabelledViews, LoaderConfig};
use crate::data::augment::{self, AugmentConfig};
use crate::data::split::Split;
use crate::data::{Batch, Dataset, Sample, Source, UnlabelledViews, View};
use crate::rng::Stream;
use anyhow::Result;
use std::sync::{Arc, Mutex, PoisonError};

/// The number of positions of a step that have augmentation streams of their own.
const POSITIONS: u64 = 1 << 16;

/// Maximum number of images of either kind in a batch. Each needs a position, and a larger batch would not
/// fit into any memory.
pub const MOST_IMAGES: usize = 4096;

/// Makes batches. The threads of a pool share it.
pub struct BatchMaker {
    train: Arc<dyn Source>,
    extra: Option<Arc<dyn Source>>,
    labelled: Order,
    unlabelled: Order,
    augment: AugmentConfig,
    config: LoaderConfig,
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
        let unlabelled = split.unlabelled_of(dataset);
        Self {
            train,
            extra,
            labelled: Order::new(split.labelled.clone(), seed, "order/labelled"),
            unlabelled: Order::new(unlabelled, seed, "order/unlabelled"),
            augment: augment.clone(),
            config: config.clone(),
            seed,
        }
    }

    /// The indices of the labelled images.
    #[cfg(test)]
    pub fn labelled_images(&self) -> &[usize] {
        &self.labelled.images
    }

    /// The number of unlabelled images.
    pub fn unlabelled_images(&self) -> usize {
        self.unlabelled.images.len()
    }

    /// The batch of `step`.
    ///
    /// # Errors
    /// An image cannot be read. The error names it.
    pub fn make(&self, step: usize, with_unlabelled: bool) -> Result<Batch> {
        let mut batch = Batch::default();
        let mut strong = Vec::new();
        for position in 0..self.config.labelled {
            let sample = self.load(self.labelled.at(step * self.config.labelled + position))?;
            let mut rng = self.stream("augment/labelled", step, position);
            let view = augment::weak(&sample, &self.augment, &mut rng);
            let views = self.config.labelled_views;
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
        if !with_unlabelled {
            return Ok(batch);
        }
        for position in 0..self.config.unlabelled {
            let sample = self.load(self.unlabelled.at(step * self.config.unlabelled + position))?;
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

/// An endless sequence of epochs, each a random order of the same images.
struct Order {
    images: Vec<usize>,
    seed: u64,
    name: &'static str,
    /// The order of the last used epoch. With 100,000 images, drawing it takes longer than making a batch.
    last: Mutex<Option<(usize, Arc<Vec<usize>>)>>,
}

impl Order {
    fn new(images: Vec<usize>, seed: u64, name: &'static str) -> Self {
        assert!(!images.is_empty(), "an order of no images");
        Self {
            images,
            seed,
            name,
            last: Mutex::new(None),
        }
    }

    /// The image at `position` of the sequence.
    fn at(&self, position: usize) -> usize {
        let (epoch, place) = (position / self.images.len(), position % self.images.len());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let order = match &*last {
            Some((drawn, order)) if *drawn == epoch => Arc::clone(order),
            _ => {
                let order = Arc::new(
                    Stream::at(self.seed, self.name, epoch as u64).permutation(self.images.len()),
                );
                *last = Some((epoch, Arc::clone(&order)));
                order
            }
        };
        self.images[order[place]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_holds_every_image_once_in_another_order() {
        let order = Order::new((10..17).collect(), 1, "order");
        let epoch = |epoch: usize| (0..7).map(|i| order.at(epoch * 7 + i)).collect::<Vec<_>>();
        let (first, second) = (epoch(0), epoch(1));
        assert_ne!(first, second);
        assert_eq!(epoch(0), first, "going back gives the same order");
        for mut drawn in [first, second] {
            drawn.sort_unstable();
            assert_eq!(drawn, (10..17).collect::<Vec<_>>());
        }
    }
}
