//! The labelled split: chooses the training images that keep their annotations.
//!
//! A rule draws them, or a list names them. The program's own rule is a permutation by its own random numbers, whose
//! first `floor(fraction * N)` images are labelled; it is drawn again until every class has enough labelled instances.
//! With 25 labelled images, a class without any labelled instance would turn a comparison of methods into one of luck.
//! The other rules and the lists are those of published splits, and are taken as they are.

mod config;
mod list;
mod numpy;

pub use config::{ListFormat, Percent, Rule, SplitConfig, SplitSeed, Unlabelled, percent_text};

use super::{Dataset, Source};
use crate::registry::Checked;
use crate::rng::Stream;
use anyhow::{Context, Result, bail};
use numpy::NumpyRandom;
use sha2::{Digest, Sha256};

/// Indices of the training images, each list in ascending order.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The images that the rule or the list chose. Some of a published split have no object.
    pub chosen: Vec<usize>,
    /// The chosen images that have an object that is not a crowd: those that a training learns from.
    pub labelled: Vec<usize>,
    /// The images of a teacher: the training images without labels, then the dataset's further images, as
    /// [`SplitConfig::unlabelled`] says. Indices from the number of training images on are those of further images.
    pub unlabelled: Vec<usize>,
    /// The rule or the list that chose the images, in words: see [`SplitConfig::origin`].
    pub origin: String,
    /// The percentage of the training images that the rule or the list tells; the true one, if it tells none.
    pub percent: f64,
    /// The class counts of the labelled part.
    pub counts: ClassCounts,
    /// What the reader of a list should know of it, one line each.
    pub notes: Vec<String>,
}

/// Numbers by class in the labelled part.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassCounts {
    /// The labelled images.
    pub images: usize,
    /// The annotations, including crowds.
    pub annotations: Vec<usize>,
    /// The annotations that are not a crowd.
    pub objects: Vec<usize>,
}

/// The number of permutations that are tried for `min-instances`.
const TRIES: u64 = 1000;

/// Rounding tolerance: 0.29 of 100 images gives 28.999..., but 29 is meant.
const ROUNDING: f64 = 1e-9;

/// Images that a rule or a list chose.
struct Choice {
    /// Their indices in ascending order.
    images: Vec<usize>,
    /// True if every training image is meant.
    all: bool,
    /// The percentage that is told of them, if any is.
    percent: Option<f64>,
    notes: Vec<String>,
}

impl Split {
    /// Splits the images of `dataset` in a trial with the seed `trial`. Images without any object are never labelled.
    ///
    /// # Errors
    /// No labelled image is left, classes do not reach `min-instances`, or a list cannot be read or does not fit the
    /// images. The error names the key.
    pub fn new(dataset: &Dataset, config: &SplitConfig, trial: u64) -> Result<Self> {
        config.checked().map_err(|errors| errors.within("split"))?;
        let (train, seed) = (&*dataset.train, config.seed.of(trial));
        let least = Least::new(dataset, config.min_instances)?;
        let choice = match config.rule {
            _ if config.is_listed() => {
                let listed = list::read(train, config, seed)?;
                let all = listed.images.len() == train.len();
                Choice {
                    all,
                    percent: listed.percent,
                    images: listed.images,
                    notes: listed.notes,
                }
            }
            Rule::Permutation => permutation(train, config, seed, &least)?,
            Rule::Numpy | Rule::NumpyReplace => numpy(train, config, seed)?,
        };
        let labelled: Vec<usize> = choice
            .images
            .iter()
            .copied()
            .filter(|image| !train.is_background(*image))
            .collect();
        if labelled.is_empty() {
            let key = match config.is_listed() {
                true => format!("split.list: {}", config.list_file().display()),
                false => format!("split.labelled = {}", config.labelled),
            };
            bail!(
                "{key}: none of the {} labelled images has an object{}",
                choice.images.len(),
                crowds(train)
            );
        }
        // A list without percentages has no seeds either.
        let origin = config.origin(choice.percent.is_some());
        let lacking = least.lacking(&labelled);
        if !lacking.is_empty() {
            bail!(
                "split.min-instances = {}: the {} labelled images hold fewer of {}; a split by {} is not drawn again; lower \
                 the key (0 allows absent classes)",
                config.min_instances,
                labelled.len(),
                lacking.join(", "),
                origin
            );
        }
        let unlabelled = unlabelled(dataset, config, &choice)?;
        let share = || 100.0 * choice.images.len() as f64 / train.len() as f64;
        Ok(Self {
            origin,
            percent: choice.percent.unwrap_or_else(share),
            counts: ClassCounts::new(train, dataset.classes.len(), &labelled),
            unlabelled,
            labelled,
            chosen: choice.images,
            notes: choice.notes,
        })
    }

    /// The identity of the split: the SHA-256, in hexadecimal digits, of the indices of the chosen images in
    /// ascending order, in decimal digits, joined by commas.
    pub fn sha256(&self) -> String {
        let indices: Vec<String> = self.chosen.iter().map(usize::to_string).collect();
        let bytes = Sha256::digest(indices.join(","));
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The program's own rule. Only images with an object are chosen.
fn permutation(
    train: &dyn Source,
    config: &SplitConfig,
    seed: u64,
    least: &Least,
) -> Result<Choice> {
    let images = train.len();
    let count = (config.labelled * images as f64 + ROUNDING) as usize;
    at_least_one(config, count, images)?;
    let mut closest = Vec::new();
    for attempt in 0..TRIES {
        let mut chosen = Stream::at(seed, "split", attempt).permutation(images);
        chosen.truncate(count);
        chosen.retain(|image| !train.is_background(*image));
        chosen.sort_unstable();
        let lacking = least.lacking(&chosen);
        if lacking.is_empty() && !chosen.is_empty() {
            return Ok(Choice {
                images: chosen,
                all: count == images,
                percent: Some(100.0 * config.labelled),
                notes: Vec::new(),
            });
        }
        if closest.is_empty() || lacking.len() < closest.len() {
            closest = lacking;
        }
    }
    if closest.is_empty() {
        bail!(
            "split.labelled = {}: none of the {count} labelled images has an object{}",
            config.labelled,
            crowds(train)
        );
    }
    bail!(
        "split.min-instances = {}: not reached in {TRIES} draws of {count} labelled images of {images}; the closest \
         draw lacked {}; raise split.labelled or lower split.min-instances",
        config.min_instances,
        closest.join(", ")
    )
}

/// The rules of published splits: `int(fraction * N)` images, as Python computes it, of all images in their order.
fn numpy(train: &dyn Source, config: &SplitConfig, seed: u64) -> Result<Choice> {
    let images = train.len();
    let count = (config.labelled * images as f64) as usize;
    at_least_one(config, count, images)?;
    let state = u32::try_from(seed).ok();
    let state = state.with_context(|| {
        format!(
            "split.seed: {seed} is out of range; allowed by NumPy's generator: 0 to {}",
            u32::MAX
        )
    })?;
    let below =
        u32::try_from(images).context("split.rule: NumPy's generator counts up to 2^32 images")?;
    let mut random = NumpyRandom::new(state);
    let mut chosen = match config.rule {
        Rule::NumpyReplace => random.with_replacement(below, count),
        _ => {
            let mut order = random.permutation(below);
            order.truncate(count);
            order
        }
    };
    chosen.sort_unstable();
    chosen.dedup();
    Ok(Choice {
        all: chosen.len() == images,
        percent: Some(100.0 * config.labelled),
        images: chosen,
        notes: Vec::new(),
    })
}

/// Refuses a share of `images` that is less than one image.
fn at_least_one(config: &SplitConfig, count: usize, images: usize) -> Result<()> {
    if count == 0 {
        bail!(
            "split.labelled = {}: no labelled image is left of {images}; allowed: at least {}",
            config.labelled,
            1.0 / images.max(1) as f64
        );
    }
    Ok(())
}

/// The images that a teacher labels.
fn unlabelled(dataset: &Dataset, config: &SplitConfig, choice: &Choice) -> Result<Vec<usize>> {
    let train = &*dataset.train;
    let further = dataset
        .extra_unlabelled
        .as_ref()
        .map_or(0, |extra| extra.len());
    let of_training: Vec<usize> = match config.unlabelled {
        Unlabelled::Extra if further == 0 => bail!(
            "split.unlabelled = \"extra\": the dataset has no further images; name them in data.unlabelled-images"
        ),
        Unlabelled::Extra => Vec::new(),
        // If all are labelled and there are further images, only these are used.
        Unlabelled::Rest if choice.all && further > 0 => Vec::new(),
        Unlabelled::Rest if !choice.all => {
            let rest = 0..train.len();
            rest.filter(|image| choice.images.binary_search(image).is_err())
                .collect()
        }
        Unlabelled::Rest | Unlabelled::All => (0..train.len()).collect(),
    };
    let kept = of_training
        .into_iter()
        .filter(|image| config.unlabelled_backgrounds || !train.is_background(*image));
    Ok(kept.chain(train.len()..train.len() + further).collect())
}

impl ClassCounts {
    /// The counts of `classes` classes in the images `labelled` of `train`.
    fn new(train: &dyn Source, classes: usize, labelled: &[usize]) -> Self {
        let counted = |of_image: &dyn Fn(usize) -> Vec<usize>| {
            let mut counts = vec![0; classes];
            for class in labelled.iter().flat_map(|image| of_image(*image)) {
                counts[class] += 1;
            }
            counts
        };
        Self {
            images: labelled.len(),
            annotations: counted(&|image| train.classes_of(image)),
            objects: counted(&|image| train.objects_of(image)),
        }
    }
}

/// The end of a message about missing objects: the number of the crowds in `source`, if there are any.
pub fn crowds(source: &dyn Source) -> String {
    let crowds = |image| source.classes_of(image).len() - source.objects_of(image).len();
    match (0..source.len()).map(crowds).sum::<usize>() {
        0 => String::new(),
        count => format!("; annotations that are crowds (`iscrowd` = 1), not objects: {count}"),
    }
}

/// The least number of objects of every class that a split needs.
struct Least<'a> {
    classes: &'a [String],
    /// The classes of the objects of each training image.
    objects: Vec<Vec<usize>>,
    least: usize,
}

impl<'a> Least<'a> {
    /// At least `least` objects of every class of `dataset`.
    ///
    /// # Errors
    /// All training images together have fewer of a class.
    fn new(dataset: &'a Dataset, least: usize) -> Result<Self> {
        let train = &*dataset.train;
        let all: Vec<usize> = (0..train.len()).collect();
        let new = Self {
            classes: &dataset.classes,
            objects: all.iter().map(|image| train.objects_of(*image)).collect(),
            least,
        };
        let lacking = new.lacking(&all);
        if !lacking.is_empty() {
            bail!(
                "split.min-instances = {least}: the training images hold fewer of {}; lower the key (0 allows absent classes){}",
                lacking.join(", "),
                crowds(train)
            );
        }
        Ok(new)
    }

    /// The classes with too few objects in `images`, each with its count, for a message.
    fn lacking(&self, images: &[usize]) -> Vec<String> {
        let mut counts = vec![0; self.classes.len()];
        for class in images.iter().flat_map(|image| &self.objects[*image]) {
            counts[*class] += 1;
        }
        let counted = self.classes.iter().zip(counts);
        let rare = counted.filter(|(_, count)| *count < self.least);
        rare.map(|(name, count)| format!("`{name}` ({count})"))
            .collect()
    }
}

#[cfg(test)]
mod tests;
