//! Makes one batch: chooses the images and their views.
//!
//! Image `j` of step `t` draws its augmentation from the stream `t 2^16 + j` of its kind; the geometry of a student's
//! own view has a kind of its own.

use super::config::{LabelledViews, LoaderConfig, Share, UnlabelledView};
use super::mixing::Mixer;
use crate::data::augment::{self, AugmentConfig, TeacherGeometry};
use crate::data::pool_labels::PoolLabels;
use crate::data::split::Split;
use crate::data::{Batch, Dataset, PseudoView, Sample, Source, UnlabelledViews};
use crate::rng::Stream;
use crate::structures::InstanceSource;
use anyhow::Result;
use std::sync::Arc;

/// The number of positions of a step that have augmentation streams of their own.
const POSITIONS: u64 = 1 << 16;

/// The least side in pixels of a pseudo-label's rectangle in a view, as in STAC.
const LEAST_SIDE: f32 = 1.0;

/// Makes batches. The threads of a pool share it.
pub struct BatchMaker {
    train: Arc<dyn Source>,
    extra: Option<Arc<dyn Source>>,
    mixer: Mixer,
    augment: AugmentConfig,
    labelled_views: LabelledViews,
    unlabelled_view: UnlabelledView,
    /// The pseudo-labels of the unlabelled images, if they were made before the training.
    labels: Option<PoolLabels>,
    seed: u64,
    share: Share,
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
            unlabelled_view: config.unlabelled_view,
            labels: None,
            seed,
            share: Share::WHOLE,
        }
    }

    /// The same for one of several processes.
    pub fn of_share(mut self, share: Share) -> Self {
        self.share = share;
        self
    }

    /// The same with pseudo-labels of the unlabelled images.
    pub fn with_labels(mut self, labels: PoolLabels) -> Self {
        self.labels = Some(labels);
        self
    }

    /// The choice of the images of each step.
    pub fn mixer(&self) -> &Mixer {
        &self.mixer
    }

    /// The batch of `step`, or the share of it.
    ///
    /// # Errors
    /// An image cannot be read. The error names it.
    pub fn make(&self, step: usize, with_unlabelled: bool) -> Result<Batch> {
        let mut batch = Batch::default();
        let mut strong = Vec::new();
        let images = self.mixer.images(step, with_unlabelled);
        for position in self.share.places(images.labelled.len()) {
            let sample = self.load(images.labelled[position])?;
            let mut rng = self.stream("augment/labelled", step, position);
            let weak = augment::weak(&sample, &self.augment, &mut rng);
            let views = self.labelled_views;
            if views != LabelledViews::Weak {
                strong.push(augment::strong(&weak, &self.augment, &mut rng).view);
            }
            if views != LabelledViews::Strong {
                batch.labelled.push(weak.view);
            }
        }
        batch.labelled.extend(strong);
        for position in self.share.places(images.unlabelled.len()) {
            let image = images.unlabelled[position];
            let mut sample = self.load(image)?;
            match &self.labels {
                None => batch
                    .unlabelled
                    .push(self.unlabelled(&sample, step, position)),
                Some(labels) => {
                    sample.instances = labels.instances(image);
                    let view = self.pseudo(&sample, (labels, image), step, position);
                    batch.pseudo.push(view);
                }
            }
        }
        Ok(batch)
    }

    /// The student's view of an unlabelled image with the pseudo-labels of image `index` of `labels`, which stand in
    /// the place of its annotations: they follow into every geometry, as annotations do. A pseudo-label without enough
    /// pixels left, or with a rectangle that is too thin, is dropped.
    fn pseudo(
        &self,
        sample: &Sample,
        (labels, index): (&PoolLabels, usize),
        step: usize,
        position: usize,
    ) -> PseudoView {
        let mut rng = self.stream("augment/unlabelled", step, position);
        let weak = augment::weak(sample, &self.augment, &mut rng);
        let mut placed = match self.unlabelled_view {
            UnlabelledView::Strong => augment::strong(&weak, &self.augment, &mut rng),
            UnlabelledView::Weak => weak,
        };
        let objects = labels.objects(index);
        let (mut instances, mut qualities, mut bounds) = (Vec::new(), Vec::new(), Vec::new());
        for instance in std::mem::take(&mut placed.view.instances) {
            let InstanceSource::Pseudo(number) = instance.source else {
                unreachable!("all objects are pseudo-labels");
            };
            let sides = placed.around(objects[number].bounds);
            let [x1, y1, x2, y2] = sides;
            if x2 - x1 >= LEAST_SIDE && y2 - y1 >= LEAST_SIDE {
                instances.push(instance);
                qualities.push(objects[number].qualities);
                bounds.push(sides);
            }
        }
        placed.view.instances = instances;
        PseudoView {
            view: placed.view,
            qualities,
            bounds,
        }
    }

    /// The views of an unlabelled image. The student's view is made without its annotations.
    fn unlabelled(&self, sample: &Sample, step: usize, position: usize) -> UnlabelledViews {
        let mut rng = self.stream("augment/unlabelled", step, position);
        let mut teacher = augment::weak(sample, &self.augment, &mut rng);
        let hidden_truth = std::mem::take(&mut teacher.view.instances);
        let own = match self.augment.teacher_geometry {
            TeacherGeometry::Shared => None,
            TeacherGeometry::Independent => {
                let mut rng = self.stream("augment/student", step, position);
                let mut own = augment::weak(sample, &self.augment, &mut rng);
                own.view.instances.clear();
                Some(own)
            }
        };
        let own = own.as_ref().unwrap_or(&teacher);
        let student = match self.unlabelled_view {
            UnlabelledView::Strong => augment::strong(own, &self.augment, &mut rng),
            UnlabelledView::Weak => own.clone(),
        };
        UnlabelledViews {
            moved: teacher.to(&student),
            strong: student.view.picture,
            weak: teacher.view.picture,
            hidden_truth,
        }
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
