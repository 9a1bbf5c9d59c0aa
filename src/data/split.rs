//! The labelled split: chooses the training images that keep their annotations.
//!
//! As in Unbiased Teacher and later work, the seed determines a permutation, and its first
//! `floor(fraction * N)` images are labelled. In addition, a split can be drawn again until every class has
//! enough labelled instances. With 25 labelled images, a class without any labelled instance would turn a
//! comparison of methods into one of luck.

use super::{Dataset, Source};
use crate::registry::{Check, Checked, above};
use crate::rng::Stream;
use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The table `[split]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SplitConfig {
    /// The fraction of the training images with labels. With 1, all are labelled, and all are used as
    /// unlabelled too.
    pub labelled: f64,
    /// The minimum number of instances of every class in the labelled part, without crowds.
    pub min_instances: usize,
    /// True if images without any object are among the unlabelled ones. Only the hidden labels show which
    /// images these are.
    pub unlabelled_backgrounds: bool,
}

impl Checked for SplitConfig {
    fn check(&self, check: &mut Check) {
        check.range("labelled", self.labelled, above(0.0, 1.0));
    }
}

/// Indices of the training images, each list in ascending order.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The images with labels. Each has an object that is not a crowd.
    pub labelled: Vec<usize>,
    /// The images without labels: all others, or every image if all are labelled.
    pub unlabelled: Vec<usize>,
    /// The class counts of the labelled part.
    pub counts: ClassCounts,
}

/// Numbers by class in the labelled part.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassCounts {
    /// The annotations, including crowds.
    pub annotations: Vec<usize>,
    /// The annotations that are not a crowd.
    pub objects: Vec<usize>,
}

/// The number of permutations that are tried for `min-instances`.
const TRIES: u64 = 1000;

/// Rounding tolerance: 0.29 of 100 images gives 28.999..., but 29 is meant.
const ROUNDING: f64 = 1e-9;

impl Split {
    /// Splits the images of `train` by `seed`. Images without any object are never labelled.
    ///
    /// # Errors
    /// The fraction leaves no labelled image, or classes do not reach `min-instances`. The error names them.
    pub fn new(
        train: &dyn Source,
        classes: &[String],
        config: &SplitConfig,
        seed: u64,
    ) -> Result<Self> {
        config.checked().map_err(|errors| errors.within("split"))?;
        let images = train.len();
        let count = (config.labelled * images as f64 + ROUNDING) as usize;
        if count == 0 {
            bail!(
                "split.labelled = {}: no labelled image is left of {images}; allowed: at least {}",
                config.labelled,
                1.0 / images.max(1) as f64
            );
        }
        let objects: Vec<Vec<usize>> = (0..images).map(|image| train.objects_of(image)).collect();
        let least = config.min_instances;
        let lacking = too_rare(&objects, 0..images, classes, least);
        if !lacking.is_empty() {
            bail!(
                "split.min-instances = {least}: the training images hold fewer of {}; lower the key (0 allows absent classes){}",
                lacking.join(", "),
                crowds(train)
            );
        }
        let mut closest = Vec::new();
        for attempt in 0..TRIES {
            let mut labelled = Stream::at(seed, "split", attempt).permutation(images);
            labelled.truncate(count);
            labelled.retain(|image| !train.is_background(*image));
            labelled.sort_unstable();
            let lacking = too_rare(&objects, labelled.iter().copied(), classes, least);
            if lacking.is_empty() && !labelled.is_empty() {
                return Ok(Self::of(
                    train,
                    classes.len(),
                    config,
                    labelled,
                    count == images,
                ));
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
            "split.min-instances = {least}: not reached in {TRIES} draws of {count} labelled images of {images}; the closest \
             draw lacked {}; raise split.labelled or lower split.min-instances",
            closest.join(", ")
        )
    }

    /// The images that a teacher labels: those without labels, then the dataset's extra ones. If every
    /// training image is labelled and there are extra ones, only the extra ones are used. Indices from
    /// `dataset.train.len()` on are those of the extra images.
    pub fn unlabelled_of(&self, dataset: &Dataset) -> Vec<usize> {
        let train = dataset.train.len();
        let Some(extra) = &dataset.extra_unlabelled else {
            return self.unlabelled.clone();
        };
        let all_labelled = self.unlabelled.len() == train;
        let rest = self.unlabelled.iter().filter(|_| !all_labelled);
        rest.copied().chain(train..train + extra.len()).collect()
    }

    /// The identity of the split: the SHA-256, in hexadecimal digits, of the indices of the labelled images in
    /// ascending order, in decimal digits, joined by commas.
    pub fn sha256(&self) -> String {
        let indices: Vec<String> = self.labelled.iter().map(usize::to_string).collect();
        let bytes = Sha256::digest(indices.join(","));
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn of(
        train: &dyn Source,
        classes: usize,
        config: &SplitConfig,
        labelled: Vec<usize>,
        all: bool,
    ) -> Self {
        let counted = |of_image: &dyn Fn(usize) -> Vec<usize>| {
            let mut counts = vec![0; classes];
            for class in labelled.iter().flat_map(|image| of_image(*image)) {
                counts[class] += 1;
            }
            counts
        };
        let counts = ClassCounts {
            annotations: counted(&|image| train.classes_of(image)),
            objects: counted(&|image| train.objects_of(image)),
        };
        let unlabelled = (0..train.len())
            .filter(|image| all || labelled.binary_search(image).is_err())
            .filter(|image| config.unlabelled_backgrounds || !train.is_background(*image))
            .collect();
        Self {
            labelled,
            unlabelled,
            counts,
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

/// The classes with fewer than `least` objects in `images`, each with its count, for a message.
fn too_rare(
    objects: &[Vec<usize>],
    images: impl Iterator<Item = usize>,
    classes: &[String],
    least: usize,
) -> Vec<String> {
    let mut counts = vec![0; classes.len()];
    for class in images.flat_map(|image| &objects[image]) {
        counts[*class] += 1;
    }
    let rare = classes
        .iter()
        .zip(counts)
        .filter(|(_, count)| *count < least);
    rare.map(|(name, count)| format!("`{name}` ({count})"))
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::Sample;
    use proptest::prelude::*;

    /// Images by the classes of their objects.
    pub(in crate::data) struct Listed(pub Vec<Vec<usize>>);

    impl Source for Listed {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn classes_of(&self, index: usize) -> Vec<usize> {
            self.0[index].clone()
        }
        fn load(&self, _: usize) -> Result<Sample> {
            bail!("nothing to decode")
        }
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class {class}")).collect()
    }

    fn config(labelled: f64, min_instances: usize) -> SplitConfig {
        SplitConfig {
            labelled,
            min_instances,
            unlabelled_backgrounds: true,
        }
    }

    proptest! {
        #[test]
        fn disjoint_covering_and_stable(images in 1usize..200, fraction in 0.01f64..0.99, seed in any::<u64>()) {
            let source = Listed((0..images).map(|image| if image % 5 == 4 { vec![] } else { vec![image % 3] }).collect());
            let split = |seed| Split::new(&source, &names(3), &config(fraction, 0), seed);
            let Ok(first) = split(seed) else {
                prop_assert!(fraction * (images as f64) < 1.0, "refused only without a labelled image");
                return Ok(());
            };
            let mut all: Vec<usize> = first.labelled.iter().chain(&first.unlabelled).copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..images).collect::<Vec<_>>());
            prop_assert!(first.labelled.len() as f64 <= fraction * images as f64 + 1e-6);
            prop_assert!(first.labelled.iter().all(|image| image % 5 != 4), "backgrounds stay unlabelled");
            prop_assert_eq!(first.counts.annotations.iter().sum::<usize>(), first.labelled.len());
            prop_assert_eq!(split(seed).unwrap(), first);
        }

        #[test]
        fn every_class_reaches_the_least_count(seed in any::<u64>(), least in 1usize..4) {
            let source = Listed((0..60).map(|image| vec![image % 4, 4 * usize::from(image % 7 == 0)]).collect());
            let split = Split::new(&source, &names(5), &config(0.5, least), seed).unwrap();
            prop_assert_eq!(split.labelled.len(), 30);
            prop_assert!(split.counts.objects.iter().all(|count| *count >= least));
        }
    }

    #[test]
    fn another_seed_is_another_split() {
        let source = Listed(vec![vec![0]; 100]);
        let labelled = |seed| {
            Split::new(&source, &names(1), &config(0.29, 1), seed)
                .unwrap()
                .labelled
        };
        assert_eq!(labelled(0).len(), 29);
        assert_ne!(labelled(0), labelled(1));
    }

    #[test]
    fn all_labelled_leaves_all_unlabelled_too() {
        let source = Listed(vec![vec![0], vec![], vec![0]]);
        let split = Split::new(&source, &names(1), &config(1.0, 1), 3).unwrap();
        assert_eq!(
            (split.labelled, split.unlabelled),
            (vec![0, 2], vec![0, 1, 2])
        );
    }

    #[test]
    fn backgrounds_can_be_left_out_of_the_unlabelled_images() {
        let source = Listed(vec![vec![0], vec![], vec![0], vec![], vec![0]]);
        let mut config = config(0.4, 0);
        let with = Split::new(&source, &names(1), &config, 3).unwrap();
        config.unlabelled_backgrounds = false;
        let without = Split::new(&source, &names(1), &config, 3).unwrap();
        assert_eq!(with.labelled, without.labelled);
        assert!(with.unlabelled.contains(&1) && with.unlabelled.contains(&3));
        assert!(without.unlabelled.iter().all(|image| image % 2 == 0));
        assert_eq!(without.unlabelled.len() + 2, with.unlabelled.len());
    }

    /// The value is that of `printf '0,2' | sha256sum`.
    #[test]
    fn the_identity_of_a_split_is_the_hash_of_its_labelled_images() {
        let split = Split::new(
            &Listed(vec![vec![0], vec![], vec![0]]),
            &names(1),
            &config(1.0, 1),
            3,
        );
        let expected = "a7841ea775e1dff3e5b22dd5f4b66487299bda2f6dc0b7932dc4d375e2ace554";
        assert_eq!(split.unwrap().sha256(), expected);
    }

    /// Images with one crowd each.
    struct Crowds(usize);

    impl Source for Crowds {
        fn len(&self) -> usize {
            self.0
        }
        fn classes_of(&self, _: usize) -> Vec<usize> {
            vec![0]
        }
        fn objects_of(&self, _: usize) -> Vec<usize> {
            Vec::new()
        }
        fn load(&self, _: usize) -> Result<Sample> {
            bail!("nothing to decode")
        }
    }

    #[test]
    fn crowds_are_named_where_objects_lack() {
        for least in [0, 1] {
            let split = Split::new(&Crowds(7), &names(1), &config(1.0, least), 0);
            let message = split.unwrap_err().to_string();
            assert!(message.ends_with("not objects: 7"), "{message}");
        }
    }

    #[test]
    fn errors_name_what_lacks() {
        let source = Listed(vec![vec![0, 0], vec![0]]);
        let error = |classes, config| {
            Split::new(&source, &names(classes), &config, 0)
                .unwrap_err()
                .to_string()
        };
        assert!(error(1, config(0.3, 0)).contains("no labelled image is left of 2"));
        assert!(error(2, config(0.5, 1)).contains("`class 1` (0)"));
        assert!(error(1, config(1.0, 4)).contains("`class 0` (3)"));
        assert!(error(1, config(0.5, 3)).contains("not reached in 1000 draws"));
        assert!(error(1, config(0.0, 0)).contains("split.labelled: 0"));
        assert!(
            Split::new(&source, &names(2), &config(0.5, 0), 0).is_ok(),
            "0 allows absent classes"
        );
    }
}
