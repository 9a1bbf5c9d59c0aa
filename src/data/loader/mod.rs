//! Batches in order. Batch `t` depends only on (recipe, seed, t), not on the thread that makes it.

mod batch;
mod config;
mod factors;
mod mixing;
mod order;
mod pool;

pub use config::{
    LabelledRepeat, LabelledSampler, LabelledViews, LoaderConfig, Mixing, Pieces, Share,
    UnlabelledView,
};
pub use mixing::{StepImages, check_epoch};

use super::augment::AugmentConfig;
use super::pool_labels::PoolLabels;
use super::split::Split;
use super::{Batch, Dataset};
use anyhow::Result;
use batch::BatchMaker;
use pool::Pool;
use std::sync::Arc;

/// Makes the batches of a trial.
pub struct Loader {
    maker: Arc<BatchMaker>,
    pool: Option<Pool>,
    pieces: Option<Pieces>,
}

impl Loader {
    /// A loader of `dataset` under `split`.
    pub fn new(
        dataset: &Dataset,
        split: &Split,
        augment: &AugmentConfig,
        config: &LoaderConfig,
        seed: u64,
    ) -> Self {
        Self::of_share(dataset, split, augment, config, seed, None, Share::WHOLE)
    }

    /// The same for one of several processes: its batches are its share of the same batches. `labels`: as for
    /// [`Self::with_labels`].
    pub fn of_share(
        dataset: &Dataset,
        split: &Split,
        augment: &AugmentConfig,
        config: &LoaderConfig,
        seed: u64,
        labels: Option<PoolLabels>,
        share: Share,
    ) -> Self {
        let mut maker = BatchMaker::new(dataset, split, augment, config, seed).of_share(share);
        if let Some(labels) = labels {
            maker = maker.with_labels(labels);
        }
        let maker = Arc::new(maker);
        let pool = (config.threads > 0).then(|| Pool::new(&maker, config.threads, config.prefetch));
        Self {
            maker,
            pool,
            pieces: config.pieces(),
        }
    }

    /// The same for unlabelled images whose pseudo-labels are known: batches have [`Batch::pseudo`] in the place of
    /// [`Batch::unlabelled`].
    pub fn with_labels(
        dataset: &Dataset,
        split: &Split,
        augment: &AugmentConfig,
        config: &LoaderConfig,
        seed: u64,
        labels: PoolLabels,
    ) -> Self {
        let (labels, share) = (Some(labels), Share::WHOLE);
        Self::of_share(dataset, split, augment, config, seed, labels, share)
    }

    /// The division of every batch; none if it goes through the student as a whole.
    pub fn pieces(&self) -> Option<Pieces> {
        self.pieces
    }

    /// The number of steps in which every unlabelled image is expected once.
    pub fn epoch_steps(&self) -> usize {
        self.maker.mixer().epoch_steps()
    }

    /// The images of the batch of `step`, in its order.
    pub fn images(&self, step: usize, with_unlabelled: bool) -> StepImages {
        self.maker.mixer().images(step, with_unlabelled)
    }

    /// The batch of `step`. Without `with_unlabelled`, its unlabelled part is empty; its labelled part is the same if
    /// every step has as many labelled images ([`Mixing::Pairs`]). Steps may be requested in any order. In ascending
    /// order, they are made ahead of time.
    ///
    /// # Errors
    /// An image cannot be read. The error names it.
    pub fn batch(&mut self, step: usize, with_unlabelled: bool) -> Result<Batch> {
        match &mut self.pool {
            Some(pool) => pool.batch(step, with_unlabelled),
            None => self.maker.make(step, with_unlabelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::augment::{ImageSize, TeacherGeometry};
    use crate::data::split::SplitConfig;
    use crate::data::{Sample, Source};
    use anyhow::bail;

    /// The pixels of an image contain its index.
    struct Numbered {
        images: usize,
        broken: Option<usize>,
    }

    impl Source for Numbered {
        fn len(&self) -> usize {
            self.images
        }
        fn classes_of(&self, _: usize) -> Vec<usize> {
            vec![0]
        }
        fn load(&self, index: usize) -> Result<Sample> {
            if self.broken == Some(index) {
                bail!("images/{index}.jpg: corrupt");
            }
            let picture = crate::structures::Picture::new(8, 8, vec![index as u8; 192]);
            let mask = crate::structures::Mask::new(8, 8, vec![1; 64]);
            let source = crate::structures::InstanceSource::Annotation;
            let instances = vec![crate::structures::Instance {
                class: 0,
                mask,
                source,
            }];
            Ok(Sample {
                image_id: index as u64,
                picture,
                instances,
            })
        }
    }

    fn loader(threads: usize, broken: Option<usize>) -> Loader {
        made(threads, broken, |_, _| {})
    }

    /// The loader of the defaults with some keys changed.
    fn made(
        threads: usize,
        broken: Option<usize>,
        change: impl Fn(&mut AugmentConfig, &mut LoaderConfig),
    ) -> Loader {
        made_for(Share::WHOLE, threads, broken, change)
    }

    /// The same for one of several processes.
    fn made_for(
        share: Share,
        threads: usize,
        broken: Option<usize>,
        change: impl Fn(&mut AugmentConfig, &mut LoaderConfig),
    ) -> Loader {
        let recipe: toml::Table = include_str!("../../../recipes/pl-dc.toml").parse().unwrap();
        let mut augment: AugmentConfig = recipe["augment"].clone().try_into().unwrap();
        (augment.size, augment.min_area) = (ImageSize::square(8), 1);
        let mut config: LoaderConfig = recipe["loader"].clone().try_into().unwrap();
        config.threads = threads;
        change(&mut augment, &mut config);
        let train = Arc::new(Numbered { images: 20, broken });
        let classes = vec!["thing".to_string()];
        let dataset = Dataset {
            classes,
            train,
            extra_unlabelled: Some(Arc::new(Numbered {
                images: 3,
                broken: None,
            })),
            val: Arc::new(Numbered {
                images: 0,
                broken: None,
            }),
            area_bounds: [1.0, 2.0],
            findings: Default::default(),
        };
        let split = Split::new(&dataset, &SplitConfig::of_permutation(0.25, 1), 4).unwrap();
        Loader::of_share(&dataset, &split, &augment, &config, 4, None, share)
    }

    /// Every pixel and mask of a batch.
    fn bytes(batch: &Batch) -> Vec<u8> {
        let views = batch
            .labelled
            .iter()
            .map(|view| (&view.picture, &view.instances));
        let weak = batch
            .unlabelled
            .iter()
            .map(|view| (&view.weak, &view.hidden_truth));
        let strong = batch
            .unlabelled
            .iter()
            .map(|view| (&view.strong, &view.hidden_truth));
        let parts = views.chain(weak).chain(strong);
        parts
            .flat_map(|(p, i)| {
                p.pixels
                    .iter()
                    .chain(i.iter().flat_map(|i| &i.mask.bits))
                    .copied()
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn the_same_batches_whatever_the_threads() {
        let run = |threads| {
            let mut loader = loader(threads, None);
            (0..12)
                .map(|step| bytes(&loader.batch(step, step >= 5).unwrap()))
                .collect::<Vec<_>>()
        };
        let inline = run(0);
        assert_eq!(run(1), inline);
        assert_eq!(run(3), inline);
        assert_ne!(inline[0], inline[1]);
    }

    /// The student's own geometry and its view change nothing of what the teacher sees.
    #[test]
    fn the_teacher_s_view_stays_whatever_the_student_sees() {
        let batch = |geometry, view| {
            let mut loader = made(0, None, |augment, config| {
                (augment.teacher_geometry, config.unlabelled_view) = (geometry, view);
            });
            loader.batch(7, true).unwrap()
        };
        let plain = batch(TeacherGeometry::Shared, UnlabelledView::Strong);
        let weak = batch(TeacherGeometry::Shared, UnlabelledView::Weak);
        let own = batch(TeacherGeometry::Independent, UnlabelledView::Strong);
        let own_weak = batch(TeacherGeometry::Independent, UnlabelledView::Weak);
        let (mut moved, mut changed) = (0, 0);
        for place in 0..4 {
            let views = [&plain, &weak, &own, &own_weak].map(|batch| &batch.unlabelled[place]);
            for other in &views[1..] {
                assert_eq!(other.weak, views[0].weak);
                assert_eq!(other.hidden_truth, views[0].hidden_truth);
            }
            assert!(views[0].moved.is_none() && views[1].moved.is_none());
            assert_eq!(views[1].strong, views[1].weak);
            changed += usize::from(views[0].strong != views[0].weak);
            assert_eq!(views[2].moved, views[3].moved);
            moved += usize::from(views[2].moved.is_some());
        }
        assert!(moved > 0 && changed > 0);
        assert_eq!(plain.labelled[0].picture, own_weak.labelled[0].picture);
    }

    /// The shares of the processes, in their order, are the batch, view by view.
    #[test]
    fn shares_are_the_parts_of_the_same_batch() {
        let config = |_: &mut AugmentConfig, config: &mut LoaderConfig| {
            (config.labelled, config.unlabelled) = (2, 4);
        };
        let whole = made(0, None, config).batch(3, true).unwrap();
        let parts = [0, 1].map(|rank| {
            let mut part = made_for(Share { rank, of: 2 }, 0, None, config);
            part.batch(3, true).unwrap()
        });
        let [first, second] = &parts;
        for (place, part) in [(0, first), (1, second)] {
            assert_eq!(part.labelled.len(), 2, "one image in two views");
            assert_eq!(part.labelled[0].picture, whole.labelled[place].picture);
            assert_eq!(part.labelled[1].picture, whole.labelled[2 + place].picture);
        }
        let unlabelled = [&first.unlabelled[..], &second.unlabelled[..]].concat();
        assert_eq!(unlabelled.len(), 4);
        for (found, expected) in unlabelled.iter().zip(&whole.unlabelled) {
            assert!((&found.weak, &found.strong) == (&expected.weak, &expected.strong));
        }
    }

    #[test]
    fn a_batch_does_not_depend_on_those_before() {
        let mut first = loader(0, None);
        for step in 0..7 {
            first.batch(step, false).unwrap();
        }
        let again = loader(2, None).batch(7, true).unwrap();
        assert_eq!(bytes(&first.batch(7, true).unwrap()), bytes(&again));
        assert_eq!(
            (again.labelled.len(), again.unlabelled.len()),
            (4, 4),
            "2 images in two views, 4 unlabelled"
        );
        let bare = first.batch(7, false).unwrap();
        assert_eq!(bare.labelled[0].picture, again.labelled[0].picture);
        assert!(bare.unlabelled.is_empty());
    }

    #[test]
    fn a_broken_image_is_named_and_the_pool_goes_on() {
        let broken = loader(0, None).maker.mixer().images(3, false).labelled[0];
        for threads in [0, 2] {
            let mut loader = loader(threads, Some(broken));
            let outcomes: Vec<_> = (0..6).map(|step| loader.batch(step, false)).collect();
            let errors: Vec<_> = outcomes
                .iter()
                .filter_map(|outcome| outcome.as_ref().err())
                .collect();
            assert!(!errors.is_empty() && errors.len() < 6);
            assert!(format!("{:#}", errors[0]).contains(&format!("images/{broken}.jpg: corrupt")));
        }
    }
}
