//! The table `[loader]`.

use crate::registry::{Check, Checked, MOST_WEIGHT, above, schema_of_word_or, word_or_number};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::ops::Range;
use toml::Value;

/// The table `[loader]`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LoaderConfig {
    /// The number of labelled images per step.
    pub labelled: usize,
    /// The number of unlabelled images per step.
    pub unlabelled: usize,
    /// The views of a labelled image that are used in training.
    pub labelled_views: LabelledViews,
    /// The student's view of an unlabelled image.
    pub unlabelled_view: UnlabelledView,
    /// The number of threads that make batches ahead of time. With 0, the caller's thread makes each batch on
    /// demand.
    pub threads: usize,
    /// The number of batches that the threads make ahead.
    pub prefetch: usize,
    /// The choice of labelled and unlabelled images of a step with both.
    pub mixing: Mixing,
    /// The number of times that a pool holds each labelled image.
    pub labelled_repeat: LabelledRepeat,
    /// The choice among the labelled images.
    pub labelled_sampler: LabelledSampler,
    /// The share of the labelled images below which a class is rare for the sampler `repeat-factor`.
    pub repeat_threshold: f64,
    /// The number of images of one kind that go through the student at a time; 0: all at once. Less memory, the same
    /// step: losses and gradients differ from those of the whole batch only as sums are rounded.
    pub micro_batch: usize,
    /// The number of machines whose training a step reproduces. Each has an equal share of the images and divides its
    /// losses by what it counts itself, but for the number of masks of Mask2Former, which is the mean over all; their
    /// gradients are averaged, as in PyTorch's DistributedDataParallel. Mask2Former and PL-DC are trained so, on 8. 1:
    /// the batch is one.
    pub replicas: usize,
}

/// The part of every batch that one of several processes has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The place of the process, from 0.
    pub rank: usize,
    /// The number of processes.
    pub of: usize,
}

impl Share {
    /// One process with whole batches.
    pub const WHOLE: Self = Self { rank: 0, of: 1 };

    /// The places of its images among the `count` images of a kind.
    ///
    /// Panics if the processes cannot have equally many.
    pub fn places(self, count: usize) -> Range<usize> {
        let Self { rank, of } = self;
        assert!(count.is_multiple_of(of), "{count} images of {of} processes");
        rank * count / of..(rank + 1) * count / of
    }
}

/// The division of the batch of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// The images of one kind that go through the student at a time; 0: all of a replica.
    pub images: usize,
    /// The parts of the batch whose losses are divided apart.
    pub replicas: usize,
    /// The views of a labelled image.
    pub labelled_views: usize,
}

impl Pieces {
    /// Numbers from 0 to `count`, as many at a time as a piece has images.
    pub fn of(self, count: usize) -> impl Iterator<Item = Range<usize>> {
        let size = if self.images == 0 { count } else { self.images };
        let starts = (0..count).step_by(size.max(1));
        starts.map(move |start| start..(start + size).min(count))
    }
}

/// The views of a labelled image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LabelledViews {
    /// The weak view.
    Weak,
    /// The strong view.
    Strong,
    /// The weak and the strong view in the same batch.
    WeakStrong,
}

/// The student's view of an unlabelled image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnlabelledView {
    /// The strong view.
    Strong,
    /// The weak view: that of the teacher, or one in the student's own geometry.
    Weak,
}

/// The choice of labelled and unlabelled images of a step with both. A step before a teacher appears has `labelled`
/// images, whatever the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mixing {
    /// `labelled` and `unlabelled` images in every step.
    Pairs,
    /// Each of the `labelled` + `unlabelled` places is labelled with the probability of their ratio. Every step has at
    /// least one image of each kind. As in Soft Teacher and PAIS.
    ByProbability,
    /// All images in one shuffled list, which holds each labelled one `labelled-repeat` times. Every step has at least
    /// one image of each kind. As in Noisy Boundaries.
    Pool,
}

/// The number of times that a pool holds each labelled image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelledRepeat {
    /// So often that there are about two labelled images for an unlabelled one.
    Auto,
    /// This often.
    Times(usize),
}

/// The choice among the labelled images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LabelledSampler {
    /// Every image once in an epoch.
    Uniform,
    /// Images with rare classes more often, by their repeat factors.
    RepeatFactor,
}

/// Most threads of a loader, and most batches that it holds ready.
const MOST_AHEAD: usize = 256;

/// Maximum number of images of either kind in a batch. Each needs a position, and a larger batch would not
/// fit into any memory.
const MOST_IMAGES: usize = 4096;

/// The largest number of times that a pool holds an image.
const MOST_REPEATS: usize = 10_000;

/// The word for [`LabelledRepeat::Auto`].
const AUTO: &str = "auto";

impl LabelledRepeat {
    /// The number of times for `labelled` and `unlabelled` images. `auto` is twice their ratio, rounded: 8 for 20 %
    /// of Cityscapes, as in Noisy Boundaries, and 18 for 10 % of COCO, where Noisy Boundaries has 19.
    pub fn times(self, labelled: usize, unlabelled: usize) -> usize {
        match self {
            Self::Auto => {
                let times = libm::round(2.0 * unlabelled as f64 / labelled.max(1) as f64);
                (times as usize).clamp(1, MOST_REPEATS)
            }
            Self::Times(times) => times,
        }
    }
}

impl<'de> Deserialize<'de> for LabelledRepeat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let times = |value: &Value| usize::try_from(value.as_integer()?).ok();
        let found = word_or_number(deserializer, AUTO, "a whole number from 0 on", times)?;
        Ok(found.map_or(Self::Auto, Self::Times))
    }
}

impl JsonSchema for LabelledRepeat {
    fn schema_name() -> Cow<'static, str> {
        "LabelledRepeat".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema_of_word_or(
            AUTO,
            &json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST_REPEATS }),
        )
    }
}

impl LoaderConfig {
    /// The division of the batch; none if it goes through the student as a whole.
    pub fn pieces(&self) -> Option<Pieces> {
        let pieces = Pieces {
            images: self.micro_batch,
            replicas: self.replicas,
            labelled_views: match self.labelled_views {
                LabelledViews::Weak | LabelledViews::Strong => 1,
                LabelledViews::WeakStrong => 2,
            },
        };
        (pieces.images > 0 || pieces.replicas > 1).then_some(pieces)
    }
}

impl Checked for LoaderConfig {
    fn check(&self, check: &mut Check) {
        check.range("micro-batch", self.micro_batch, 0..=MOST_IMAGES);
        check.range("replicas", self.replicas, 1..=MOST_IMAGES);
        let divides = self.labelled.is_multiple_of(self.replicas.max(1));
        if !divides {
            let (found, images) = (self.replicas, self.labelled);
            let message =
                format!("{found} does not fit; allowed: numbers that divide labelled = {images}");
            check.refuse("replicas", message);
        }
        let are_alike = self.replicas <= 1 || self.mixing == Mixing::Pairs;
        let allowed =
            "1 unless mixing = \"pairs\", because every replica has as many images of each kind";
        check.require(are_alike, "replicas", self.replicas, allowed);
        check.range("labelled", self.labelled, 1..=MOST_IMAGES);
        check.range("unlabelled", self.unlabelled, 0..=MOST_IMAGES);
        check.range("threads", self.threads, 0..=MOST_AHEAD);
        let least = usize::from(self.threads > 0);
        check.range("prefetch", self.prefetch, least..=MOST_AHEAD);
        if let LabelledRepeat::Times(times) = self.labelled_repeat {
            check.range("labelled-repeat", times, 1..=MOST_REPEATS);
        }
        let threshold = self.repeat_threshold;
        check.range("repeat-threshold", threshold, above(0.0, MOST_WEIGHT));
        let both =
            self.mixing == Mixing::Pool && self.labelled_sampler == LabelledSampler::RepeatFactor;
        let allowed = "`uniform` with mixing = \"pool\", because a pool is one shuffled list";
        check.require(!both, "labelled-sampler", "`repeat-factor`", allowed);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::registry;

    /// The defaults of `recipes/pl-dc.toml` with `more` over them.
    pub fn with(more: &str) -> Result<LoaderConfig, String> {
        let recipe: toml::Table = include_str!("../../../recipes/pl-dc.toml").parse().unwrap();
        let mut table = recipe["loader"].as_table().unwrap().clone();
        table.extend(more.parse::<toml::Table>().unwrap());
        registry::read(table).map_err(|errors| errors.to_string())
    }

    #[test]
    fn the_published_repeats_follow_from_the_numbers_of_images() {
        let auto = LabelledRepeat::Auto;
        assert_eq!(auto.times(595, 2975 - 595), 8);
        assert_eq!(auto.times(11_828, 118_287 - 11_828), 18);
        assert_eq!((auto.times(10, 1), auto.times(0, 3)), (1, 6));
        assert_eq!(LabelledRepeat::Times(19).times(11_828, 5), 19);
    }

    #[test]
    fn shares_cover_every_image_once() {
        let shares = (0..3).flat_map(|rank| Share { rank, of: 3 }.places(6));
        assert!(shares.eq(0..6));
        assert_eq!(Share::WHOLE.places(5), 0..5);
    }

    #[test]
    fn pieces_cover_every_image_once() {
        let of = |images: usize, count: usize| -> Vec<Range<usize>> {
            let pieces = Pieces {
                images,
                replicas: 1,
                labelled_views: 1,
            };
            pieces.of(count).collect()
        };
        assert_eq!(of(2, 5), [0..2, 2..4, 4..5]);
        assert_eq!(of(0, 3), std::slice::from_ref(&(0..3)));
        assert_eq!(of(7, 3), std::slice::from_ref(&(0..3)));
        assert!(of(2, 0).is_empty() && of(0, 0).is_empty());
        assert_eq!(with("").unwrap().pieces(), None);
        let both = with("micro-batch = 1\nreplicas = 2").unwrap().pieces();
        let expected = Pieces {
            images: 1,
            replicas: 2,
            labelled_views: 2,
        };
        assert_eq!(both, Some(expected));
    }

    #[test]
    fn wrong_values_are_named() {
        assert!(with("").is_ok());
        assert_eq!(
            with("labelled-repeat = 8").unwrap().labelled_repeat,
            LabelledRepeat::Times(8)
        );
        for (more, key) in [
            ("labelled-repeat = 0", "labelled-repeat: 0 is out of range"),
            (
                "labelled-repeat = 'often'",
                "labelled-repeat: expected \"auto\" or a whole number",
            ),
            (
                "repeat-threshold = 0.0",
                "repeat-threshold: 0 is out of range",
            ),
            (
                "mixing = 'pool'\nlabelled-sampler = 'repeat-factor'",
                "labelled-sampler: `repeat-factor` does not fit",
            ),
            ("mixing = 'both'", "mixing: unknown variant `both`"),
            ("replicas = 0", "replicas: 0 is out of range"),
            (
                "labelled = 6\nreplicas = 4",
                "replicas: 4 does not fit; allowed: numbers that divide labelled = 6",
            ),
            (
                "mixing = 'by-probability'\nreplicas = 2",
                "replicas: 2 does not fit; allowed: 1 unless mixing = \"pairs\"",
            ),
            ("micro-batch = -1", "micro-batch: "),
        ] {
            let message = with(more).unwrap_err();
            assert!(message.starts_with(key), "{message}");
        }
    }
}
