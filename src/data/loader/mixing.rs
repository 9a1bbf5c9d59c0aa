//! The labelled and the unlabelled images of each step.

use super::config::{LabelledSampler, LoaderConfig, Mixing};
use super::factors::factors;
use super::order::Order;
use crate::data::Dataset;
use crate::data::split::Split;
use crate::rng::Stream;
use anyhow::{Result, ensure};
use std::sync::{Mutex, PoisonError};

/// The images of a step: indices of the training images, followed by the dataset's further ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepImages {
    /// The images whose labels are used.
    pub labelled: Vec<usize>,
    /// The images that a teacher labels.
    pub unlabelled: Vec<usize>,
}

/// Chooses the images of each step. They depend on the seed and the step alone.
pub struct Mixer {
    labelled: Order,
    unlabelled: Order,
    way: Way,
    /// The numbers of labelled and of unlabelled images of a step, or their ratio.
    counts: [usize; 2],
    seed: u64,
}

/// How the images of a step with both kinds are chosen.
enum Way {
    Pairs,
    ByProbability {
        /// For each step, as far as they were needed: the number of labelled images in all steps before.
        before: Mutex<Vec<usize>>,
    },
    Pool {
        /// The places of all images: those of the labelled ones, as often as the pool holds them, then those of the
        /// unlabelled ones.
        order: Order,
        labelled: Vec<usize>,
        /// The number of places of the labelled ones.
        of_labelled: usize,
        unlabelled: Vec<usize>,
        /// The number of places.
        places: usize,
    },
}

/// The most images of an epoch: their order is held in memory.
const MOST_PLACES: f64 = 1e8;

/// Checks that an epoch of the images of `split` fits into memory, with all repeats that `config` asks for.
///
/// # Errors
/// It does not. The error names the key and tells the number of images.
pub fn check_epoch(dataset: &Dataset, split: &Split, config: &LoaderConfig) -> Result<()> {
    let [labelled, unlabelled] = [&split.labelled, &split.unlabelled].map(|images| images.len());
    let (key, places) = match (config.mixing, config.labelled_sampler) {
        (Mixing::Pool, _) => {
            let times = config.labelled_repeat.times(labelled, unlabelled) as f64;
            (
                "labelled-repeat",
                times * labelled as f64 + unlabelled as f64,
            )
        }
        (_, LabelledSampler::RepeatFactor) => {
            let factors = factors(&*dataset.train, &split.labelled, config.repeat_threshold);
            ("repeat-threshold", factors.iter().sum())
        }
        _ => return Ok(()),
    };
    ensure!(
        places <= MOST_PLACES,
        "loader.{key}: an epoch has {places:.0} images; needed: at most {MOST_PLACES:.0}"
    );
    Ok(())
}

impl Mixer {
    /// The choice of `config` among the images of `split`.
    pub fn new(dataset: &Dataset, split: &Split, config: &LoaderConfig, seed: u64) -> Self {
        let mut labelled = Order::new(split.labelled.clone(), seed, "order/labelled");
        if config.labelled_sampler == LabelledSampler::RepeatFactor {
            let threshold = config.repeat_threshold;
            labelled = labelled.repeated(factors(&*dataset.train, &split.labelled, threshold));
        }
        let way = match config.mixing {
            Mixing::Pairs => Way::Pairs,
            Mixing::ByProbability => Way::ByProbability {
                before: Mutex::new(vec![0]),
            },
            Mixing::Pool => Way::pool(split, config, seed),
        };
        Self {
            labelled,
            unlabelled: Order::new(split.unlabelled.clone(), seed, "order/unlabelled"),
            way,
            counts: [config.labelled, config.unlabelled],
            seed,
        }
    }

    /// The number of unlabelled images.
    pub fn unlabelled_images(&self) -> usize {
        self.unlabelled.images()
    }

    /// The number of steps in which every unlabelled image is expected once.
    pub fn epoch_steps(&self) -> usize {
        let [labelled, unlabelled] = self.counts;
        match &self.way {
            Way::Pairs | Way::ByProbability { .. } => {
                self.unlabelled_images().div_ceil(unlabelled.max(1))
            }
            Way::Pool { places, .. } => places.div_ceil(labelled + unlabelled),
        }
    }

    /// The images of `step`. Without `with_unlabelled`, there are labelled ones only, in a number that is the same for
    /// every step.
    pub fn images(&self, step: usize, with_unlabelled: bool) -> StepImages {
        let [labelled, unlabelled] = self.counts;
        if !with_unlabelled {
            return StepImages {
                labelled: take(&self.labelled, step * labelled, labelled),
                unlabelled: Vec::new(),
            };
        }
        match &self.way {
            Way::Pairs => StepImages {
                labelled: take(&self.labelled, step * labelled, labelled),
                unlabelled: take(&self.unlabelled, step * unlabelled, unlabelled),
            },
            Way::ByProbability { before } => {
                let all = labelled + unlabelled;
                let [from, to] = self.labelled_before(step, before);
                StepImages {
                    labelled: take(&self.labelled, from, to - from),
                    unlabelled: take(&self.unlabelled, step * all - from, all - (to - from)),
                }
            }
            Way::Pool {
                order,
                labelled: list,
                of_labelled,
                unlabelled: rest,
                ..
            } => {
                let all = labelled + unlabelled;
                let mut images = StepImages::default();
                for place in take(order, step * all, all) {
                    match place.checked_sub(*of_labelled) {
                        None => images.labelled.push(list[place % list.len()]),
                        Some(place) => images.unlabelled.push(rest[place]),
                    }
                }
                // The networks need one image of each kind.
                if images.labelled.is_empty() {
                    images.unlabelled.pop();
                    images.labelled.push(self.labelled.at(step));
                } else if images.unlabelled.is_empty() {
                    images.labelled.pop();
                    images.unlabelled.push(self.unlabelled.at(step));
                }
                images
            }
        }
    }

    /// The numbers of labelled images before `step` and up to its end, if each place of a step is labelled with the
    /// probability of the ratio, and one image of each kind is in every step.
    fn labelled_before(&self, step: usize, before: &Mutex<Vec<usize>>) -> [usize; 2] {
        let [labelled, unlabelled] = self.counts;
        let (all, ratio) = (
            labelled + unlabelled,
            labelled as f64 / (labelled + unlabelled) as f64,
        );
        let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
        while before.len() <= step + 1 {
            let drawn = before.len() - 1;
            let mut stream = Stream::at(self.seed, "mixing", drawn as u64);
            let count = (0..all).filter(|_| stream.chance(ratio)).count();
            let count = count.clamp(1, (all - 1).max(1));
            let sum = before[drawn] + count;
            before.push(sum);
        }
        [before[step], before[step + 1]]
    }
}

impl Way {
    /// One shuffled list of all images of `split`.
    fn pool(split: &Split, config: &LoaderConfig, seed: u64) -> Self {
        let times = config
            .labelled_repeat
            .times(split.labelled.len(), split.unlabelled.len());
        let of_labelled = split.labelled.len() * times;
        let places = of_labelled + split.unlabelled.len();
        Self::Pool {
            order: Order::new((0..places).collect(), seed, "order/pool"),
            labelled: split.labelled.clone(),
            of_labelled,
            unlabelled: split.unlabelled.clone(),
            places,
        }
    }
}

/// The `count` images of `order` from the position `from` on.
fn take(order: &Order, from: usize, count: usize) -> Vec<usize> {
    (from..from + count)
        .map(|position| order.at(position))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::config::tests::with;
    use super::*;
    use crate::data::split::ClassCounts;
    use crate::data::{Sample, Source};
    use anyhow::bail;
    use std::sync::Arc;

    /// Images of which every tenth has a class of its own.
    struct Classed(usize);

    impl Source for Classed {
        fn len(&self) -> usize {
            self.0
        }
        fn classes_of(&self, index: usize) -> Vec<usize> {
            vec![usize::from(index.is_multiple_of(10))]
        }
        fn load(&self, _: usize) -> Result<Sample> {
            bail!("nothing to decode")
        }
    }

    /// A dataset whose first fifth of `images` images is labelled.
    fn drawn(images: usize) -> (Dataset, Split) {
        let labelled = images / 5;
        let dataset = Dataset {
            classes: vec!["cup".into(), "pen".into()],
            train: Arc::new(Classed(images)),
            extra_unlabelled: None,
            val: Arc::new(Classed(0)),
            area_bounds: [1.0, 2.0],
            findings: Default::default(),
        };
        let split = Split {
            chosen: (0..labelled).collect(),
            labelled: (0..labelled).collect(),
            unlabelled: (labelled..images).collect(),
            origin: String::new(),
            percent: 20.0,
            counts: ClassCounts {
                images: 2,
                annotations: Vec::new(),
                objects: Vec::new(),
            },
            notes: Vec::new(),
        };
        (dataset, split)
    }

    /// The choice among 20 labelled images, 0 to 19, and 80 unlabelled ones.
    fn mixer(more: &str) -> Mixer {
        let (dataset, split) = drawn(100);
        Mixer::new(&dataset, &split, &with(more).unwrap(), 6)
    }

    #[test]
    fn an_epoch_that_fits_into_no_memory_is_refused() {
        let (dataset, split) = drawn(100_000);
        let check = |more: &str| {
            let found = check_epoch(&dataset, &split, &with(more).unwrap());
            found.map_err(|error| error.to_string())
        };
        assert_eq!(check("mixing = 'pool'"), Ok(()));
        assert_eq!(check("labelled-repeat = 10000"), Ok(()), "nobody reads it");
        let told = check("mixing = 'pool'\nlabelled-repeat = 10000").unwrap_err();
        let expected =
            "loader.labelled-repeat: an epoch has 200080000 images; needed: at most 100000000";
        assert_eq!(told, expected);
        let repeated = "labelled-sampler = 'repeat-factor'\nrepeat-threshold = ";
        assert_eq!(check(&format!("{repeated}10.0")), Ok(()));
    }

    fn counts(mixer: &Mixer, steps: usize) -> Vec<[usize; 2]> {
        let count = |step| {
            let images = mixer.images(step, true);
            assert!(images.labelled.iter().all(|image| *image < 20));
            assert!(images.unlabelled.iter().all(|image| *image >= 20));
            [images.labelled.len(), images.unlabelled.len()]
        };
        (0..steps).map(count).collect()
    }

    #[test]
    fn pairs_have_fixed_numbers() {
        let mixer = mixer("labelled = 1\nunlabelled = 3");
        assert_eq!(counts(&mixer, 50), [[1, 3]; 50]);
        assert_eq!(mixer.epoch_steps(), 27);
    }

    #[test]
    fn by_probability_the_ratio_holds_on_average_and_every_image_comes_in_turn() {
        let by_probability = || mixer("labelled = 1\nunlabelled = 3\nmixing = 'by-probability'");
        let chosen = by_probability();
        let found = counts(&chosen, 4000);
        assert!(found.iter().all(|[labelled, unlabelled]| *labelled > 0
            && *unlabelled > 0
            && labelled + unlabelled == 4));
        let labelled: usize = found.iter().map(|[labelled, _]| labelled).sum();
        // Four places with probability 1/4; none becomes one (81 of 256), four become three (1 of 256).
        let expected = 4000.0 * (1.0 + 81.0 / 256.0 - 1.0 / 256.0);
        assert!(
            (labelled as f64 - expected).abs() < 120.0,
            "{labelled}, {expected}"
        );
        assert!(found.contains(&[3, 1]) && found.contains(&[2, 2]));
        let mut first: Vec<usize> = (0..4000)
            .flat_map(|step| chosen.images(step, true).labelled)
            .take(20)
            .collect();
        first.sort_unstable();
        assert_eq!(
            first,
            (0..20).collect::<Vec<_>>(),
            "an epoch holds every image once"
        );
        assert_eq!(by_probability().images(77, true), chosen.images(77, true));
    }

    #[test]
    fn a_pool_holds_labelled_images_again_and_again() {
        let pool = |repeat: &str| {
            mixer(&format!(
                "labelled = 2\nunlabelled = 2\nmixing = 'pool'\nlabelled-repeat = {repeat}"
            ))
        };
        let auto = pool("'auto'");
        assert_eq!(auto.epoch_steps(), 60, "8 x 20 and 80 images, 4 a step");
        let of_epoch = counts(&auto, 60);
        let labelled: usize = of_epoch.iter().map(|[labelled, _]| labelled).sum();
        assert!(labelled.abs_diff(160) < 15, "{labelled}");
        assert!(of_epoch.iter().all(|[labelled, unlabelled]| *labelled > 0
            && *unlabelled > 0
            && labelled + unlabelled == 4));
        let rare = pool("1");
        assert_eq!(rare.epoch_steps(), 25);
        assert!(counts(&rare, 200).contains(&[1, 3]));
    }

    #[test]
    fn without_unlabelled_images_every_step_has_the_same_number_of_labelled_ones() {
        let alone = |more: &str| -> Vec<StepImages> {
            let mixer = mixer(&format!("labelled = 2\nunlabelled = 2\n{more}"));
            (0..30).map(|step| mixer.images(step, false)).collect()
        };
        let pairs = alone("");
        assert!(
            pairs
                .iter()
                .all(|images| images.labelled.len() == 2 && images.unlabelled.is_empty())
        );
        assert_eq!(alone("mixing = 'by-probability'"), pairs);
        assert_eq!(alone("mixing = 'pool'"), pairs);
    }

    #[test]
    fn rare_classes_come_more_often_by_their_repeat_factors() {
        let mixer =
            mixer("labelled = 2\nlabelled-sampler = 'repeat-factor'\nrepeat-threshold = 10.0");
        let drawn: Vec<usize> = (0..5000)
            .flat_map(|step| mixer.images(step, true).labelled)
            .collect();
        let rare = drawn.iter().filter(|image| **image % 10 == 0).count() as f64;
        // Two of 20 images with factor 10, 18 with sqrt(10 / 0.9).
        let expected = 20.0 / (20.0 + 18.0 * (10.0f64 / 0.9).sqrt());
        assert!(
            (rare / 10_000.0 - expected).abs() < 0.02,
            "{rare}, {expected}"
        );
    }
}
