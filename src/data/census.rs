//! Counts the images and the instances of each class that a trial has: with labels, without labels, and for the
//! evaluation. Crowds are not counted: training and evaluation ignore them.

use super::split::Split;
use super::{Dataset, Source};
use serde::Serialize;

/// Images and their instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The number of images; of a class, those with an instance of it.
    pub images: usize,
    /// The number of instances.
    pub instances: usize,
}

/// The counts of the three parts of a dataset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// The training images with labels.
    pub labelled: Count,
    /// The images that a teacher labels. Their instances are hidden from it.
    pub unlabelled: Count,
    /// The images of the evaluation.
    pub evaluated: Count,
}

/// The counts of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassParts {
    /// Its name.
    pub name: String,
    /// Its counts.
    #[serde(flatten)]
    pub parts: Parts,
}

/// The counts of a dataset under a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Census {
    /// The number of training images, with and without labels.
    pub training_images: usize,
    /// The counts of all classes together.
    pub all: Parts,
    /// The counts of each class, in the order of the dataset.
    pub classes: Vec<ClassParts>,
}

impl Census {
    /// Counts the images and instances of `dataset` under `split`.
    pub fn new(dataset: &Dataset, split: &Split) -> Self {
        let train = &*dataset.train;
        let unlabelled = &split.unlabelled;
        let labelled = Tally::new(dataset, train, &split.labelled);
        // Nothing is known of the objects in extra images.
        let known = unlabelled.partition_point(|image| *image < train.len());
        let mut hidden = Tally::new(dataset, train, &unlabelled[..known]);
        hidden.all.images = unlabelled.len();
        let evaluated: Vec<usize> = (0..dataset.val.len()).collect();
        let evaluated = Tally::new(dataset, &*dataset.val, &evaluated);
        let parts = |count: &dyn Fn(&Tally) -> Count| Parts {
            labelled: count(&labelled),
            unlabelled: count(&hidden),
            evaluated: count(&evaluated),
        };
        let names = dataset.classes.iter().enumerate();
        Self {
            training_images: train.len(),
            all: parts(&|tally| tally.all),
            classes: names
                .map(|(class, name)| ClassParts {
                    name: name.clone(),
                    parts: parts(&|tally| tally.classes[class]),
                })
                .collect(),
        }
    }
}

/// The counts of one part.
struct Tally {
    all: Count,
    classes: Vec<Count>,
}

impl Tally {
    fn new(dataset: &Dataset, source: &dyn Source, images: &[usize]) -> Self {
        let mut classes = vec![Count::default(); dataset.classes.len()];
        let mut instances = 0;
        for image in images {
            let mut objects = source.objects_of(*image);
            instances += objects.len();
            for class in &objects {
                classes[*class].instances += 1;
            }
            objects.sort_unstable();
            objects.dedup();
            for class in objects {
                classes[class].images += 1;
            }
        }
        let images = images.len();
        Self {
            all: Count { images, instances },
            classes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::listed::Listed;
    use crate::data::split::SplitConfig;
    use std::sync::Arc;

    fn listed(images: &[&[usize]]) -> Listed {
        Listed(images.iter().map(|classes| classes.to_vec()).collect())
    }

    fn census(labelled: f64, extra: Option<&[&[usize]]>) -> Census {
        let dataset = Dataset {
            classes: vec!["cup".into(), "pen".into()],
            train: Arc::new(listed(&[&[0, 0, 1], &[1], &[0], &[0, 1]])),
            extra_unlabelled: extra.map(|images| Arc::new(listed(images)) as Arc<dyn Source>),
            val: Arc::new(listed(&[&[0, 1, 1], &[]])),
            area_bounds: [1.0, 2.0],
            findings: Default::default(),
        };
        let config = SplitConfig::of_permutation(labelled, 0);
        let split = Split::new(&dataset, &config, 5).unwrap();
        Census::new(&dataset, &split)
    }

    fn count(images: usize, instances: usize) -> Count {
        Count { images, instances }
    }

    #[test]
    fn every_part_counts_the_images_and_instances_of_each_class() {
        let half = census(0.5, None);
        let (labelled, unlabelled) = (half.all.labelled, half.all.unlabelled);
        assert_eq!((labelled.images, unlabelled.images), (2, 2));
        assert_eq!(labelled.instances + unlabelled.instances, 7);
        let cup = half.classes[0].parts;
        assert_eq!(cup.labelled.images + cup.unlabelled.images, 3);
        assert_eq!(cup.labelled.instances + cup.unlabelled.instances, 4);
        assert_eq!(half.all.evaluated, count(2, 3));
        assert_eq!(half.classes[1].parts.evaluated, count(1, 2));
    }

    #[test]
    fn extra_images_count_without_instances() {
        let all = census(1.0, None);
        assert_eq!((all.training_images, all.all.labelled), (4, count(4, 7)));
        assert_eq!(all.all.unlabelled, count(4, 7), "all images again");
        let extra = census(1.0, Some(&[&[], &[], &[]]));
        assert_eq!(extra.all.unlabelled, count(3, 0), "the extra ones only");
        assert_eq!(census(0.5, Some(&[&[]])).all.unlabelled.images, 3);
    }
}
