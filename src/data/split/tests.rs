//! Tests of the labelled split.

mod list;

use super::*;
use crate::data::Sample;
use crate::data::listed::Listed;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| format!("class {class}")).collect()
}

fn config(labelled: f64, min_instances: usize) -> SplitConfig {
    SplitConfig::of_permutation(labelled, min_instances)
}

/// A dataset of `train`, with `further` images without annotations.
fn dataset(train: impl Source + 'static, classes: usize, further: usize) -> Dataset {
    let extra = || Arc::new(Listed(vec![vec![]; further])) as Arc<dyn Source>;
    Dataset {
        classes: names(classes),
        train: Arc::new(train),
        extra_unlabelled: (further > 0).then(extra),
        val: Arc::new(Listed(Vec::new())),
        area_bounds: [1.0, 2.0],
        findings: Default::default(),
    }
}

proptest! {
    #[test]
    fn disjoint_covering_and_stable(images in 1usize..200, fraction in 0.01f64..0.99, seed in any::<u64>()) {
        let source = Listed((0..images).map(|image| if image % 5 == 4 { vec![] } else { vec![image % 3] }).collect());
        let data = dataset(source, 3, 0);
        let split = |seed| Split::new(&data, &config(fraction, 0), seed);
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
        let split = Split::new(&dataset(source, 5, 0), &config(0.5, least), seed).unwrap();
        prop_assert_eq!(split.labelled.len(), 30);
        prop_assert!(split.counts.objects.iter().all(|count| *count >= least));
    }
}

#[test]
fn another_seed_is_another_split() {
    let data = dataset(Listed(vec![vec![0]; 100]), 1, 0);
    let labelled = |seed| Split::new(&data, &config(0.29, 1), seed).unwrap().labelled;
    assert_eq!(labelled(0).len(), 29);
    assert_ne!(labelled(0), labelled(1));
}

#[test]
fn all_labelled_leaves_all_unlabelled_too() {
    let data = dataset(Listed(vec![vec![0], vec![], vec![0]]), 1, 0);
    let split = Split::new(&data, &config(1.0, 1), 3).unwrap();
    assert_eq!(
        (split.labelled, split.unlabelled),
        (vec![0, 2], vec![0, 1, 2])
    );
}

#[test]
fn backgrounds_can_be_left_out_of_the_unlabelled_images() {
    let data = dataset(
        Listed(vec![vec![0], vec![], vec![0], vec![], vec![0]]),
        1,
        0,
    );
    let mut config = config(0.4, 0);
    let with = Split::new(&data, &config, 3).unwrap();
    config.unlabelled_backgrounds = false;
    let without = Split::new(&data, &config, 3).unwrap();
    assert_eq!(with.labelled, without.labelled);
    assert!(with.unlabelled.contains(&1) && with.unlabelled.contains(&3));
    assert!(without.unlabelled.iter().all(|image| image % 2 == 0));
    assert_eq!(without.unlabelled.len() + 2, with.unlabelled.len());
}

/// The value is that of `printf '0,2' | sha256sum`.
#[test]
fn the_identity_of_a_split_is_the_hash_of_its_labelled_images() {
    let data = dataset(Listed(vec![vec![0], vec![], vec![0]]), 1, 0);
    let split = Split::new(&data, &config(1.0, 1), 3);
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
        let split = Split::new(&dataset(Crowds(7), 1, 0), &config(1.0, least), 0);
        let message = split.unwrap_err().to_string();
        assert!(message.ends_with("not objects: 7"), "{message}");
    }
}

#[test]
fn errors_name_what_lacks() {
    let data = |classes| dataset(Listed(vec![vec![0, 0], vec![0]]), classes, 0);
    let error = |classes, config| {
        let split = Split::new(&data(classes), &config, 0);
        split.unwrap_err().to_string()
    };
    assert!(error(1, config(0.3, 0)).contains("no labelled image is left of 2"));
    assert!(error(2, config(0.5, 1)).contains("`class 1` (0)"));
    assert!(error(1, config(1.0, 4)).contains("`class 0` (3)"));
    assert!(error(1, config(0.5, 3)).contains("not reached in 1000 draws"));
    assert!(error(1, config(0.0, 0)).contains("split.labelled: 0"));
    assert!(
        Split::new(&data(2), &config(0.5, 0), 0).is_ok(),
        "0 allows absent classes"
    );
}

/// The number of images of COCO's train2017.
const COCO: usize = 118_287;

/// COCO's train2017, as far as a split needs it: every image has an object.
fn coco() -> Dataset {
    dataset(Listed(vec![vec![0]; COCO]), 1, 0)
}

fn published(rule: Rule, labelled: f64, seed: u64) -> SplitConfig {
    SplitConfig {
        rule,
        seed: SplitSeed::Fixed(seed),
        ..config(labelled, 0)
    }
}

/// The hashes and sizes were computed with NumPy 2.4.6.
#[test]
fn published_splits_of_coco_are_drawn_again() {
    let data = coco();
    type Expected = (usize, &'static str);
    let cases: [(Rule, u64, [Expected; 4]); 4] = [
        (
            Rule::Numpy,
            1,
            [
                (1182, "b524a7727040f133"),
                (2365, "f97db940b2a46a38"),
                (5914, "ec34add451d736e2"),
                (11828, "7f483cb73c4398d5"),
            ],
        ),
        (
            Rule::Numpy,
            2,
            [
                (1182, "347026cb3c04076d"),
                (2365, "0d24918e131671a9"),
                (5914, "24e0fd97ccb411ea"),
                (11828, "7e093f726779b18e"),
            ],
        ),
        (
            Rule::NumpyReplace,
            1,
            [
                (1174, "a3868b725693c80c"),
                (2329, "1180d7c1548322ba"),
                (5764, "c06c4555af9fd00b"),
                (11285, "631ef1ddb8aac48c"),
            ],
        ),
        (
            Rule::NumpyReplace,
            2,
            [
                (1175, "6109aedd07128bd5"),
                (2346, "46d5916f25bc68e2"),
                (5772, "59527491b423a1a7"),
                (11261, "2f472b02285ca61f"),
            ],
        ),
    ];
    for (rule, seed, expected) in cases {
        for (labelled, (size, hash)) in [0.01, 0.02, 0.05, 0.1].into_iter().zip(expected) {
            let split = Split::new(&data, &published(rule, labelled, seed), 77).unwrap();
            let found = (split.chosen.len(), &split.sha256()[..16]);
            assert_eq!(found, (size, hash), "{rule:?}, seed {seed}, {labelled}");
            assert_eq!(split.unlabelled.len(), COCO - size);
        }
    }
}

/// Of the 2,975 training images of Cityscapes, by the same rule.
#[test]
fn the_splits_of_sorted_cityscapes_are_drawn_again() {
    let data = dataset(Listed(vec![vec![0]; 2975]), 1, 0);
    for (labelled, size, hash) in [
        (0.05, 148, "996ed156a34fa8af"),
        (0.1, 297, "692074d94983d71d"),
        (0.2, 595, "d41275eff51124e6"),
        (0.3, 892, "5eed039e3aaefccc"),
    ] {
        let split = Split::new(&data, &published(Rule::Numpy, labelled, 1), 0).unwrap();
        assert_eq!((split.chosen.len(), &split.sha256()[..16]), (size, hash));
    }
}

#[test]
fn a_published_split_keeps_its_images_without_an_object_apart() {
    let data = dataset(
        Listed((0..40).map(|image| vec![0; image % 2]).collect()),
        1,
        0,
    );
    let split = Split::new(&data, &published(Rule::Numpy, 0.5, 1), 0).unwrap();
    assert_eq!(split.chosen.len(), 20);
    assert!(split.labelled.len() < 20 && split.labelled.iter().all(|image| image % 2 == 1));
    assert_eq!(split.unlabelled.len(), 20, "none of the chosen ones");
    assert!(
        split
            .unlabelled
            .iter()
            .all(|image| !split.chosen.contains(image))
    );
}

#[test]
fn the_seed_of_a_split_is_the_trial_s_or_its_own() {
    let data = dataset(Listed(vec![vec![0]; 60]), 1, 0);
    let chosen = |seed, trial| {
        let config = SplitConfig {
            seed,
            ..published(Rule::Numpy, 0.5, 0)
        };
        Split::new(&data, &config, trial).map(|split| split.chosen)
    };
    assert_ne!(
        chosen(SplitSeed::Trial, 3).unwrap(),
        chosen(SplitSeed::Trial, 4).unwrap()
    );
    assert_eq!(
        chosen(SplitSeed::Trial, 3).unwrap(),
        chosen(SplitSeed::Fixed(3), 9).unwrap()
    );
    let message = chosen(SplitSeed::Trial, 1 << 32).unwrap_err().to_string();
    assert!(
        message.contains("split.seed: 4294967296 is out of range"),
        "{message}"
    );
}

#[test]
fn the_unlabelled_images_are_the_rest_or_all_or_further_ones() {
    let unlabelled = |labelled, unlabelled, further| {
        let data = dataset(Listed(vec![vec![0]; 4]), 1, further);
        let config = SplitConfig {
            unlabelled,
            ..config(labelled, 0)
        };
        Split::new(&data, &config, 5).map(|split| (split.labelled, split.unlabelled))
    };
    let (labelled, rest) = unlabelled(0.5, Unlabelled::Rest, 2).unwrap();
    assert!(rest.iter().all(|image| !labelled.contains(image)));
    assert_eq!((rest.len(), &rest[2..]), (4, &[4, 5][..]));
    let of = |labelled, which, further| unlabelled(labelled, which, further).unwrap().1;
    assert_eq!(of(0.5, Unlabelled::All, 0), [0, 1, 2, 3]);
    assert_eq!(of(0.5, Unlabelled::All, 1), [0, 1, 2, 3, 4]);
    assert_eq!(of(0.5, Unlabelled::Extra, 2), [4, 5]);
    assert_eq!(of(1.0, Unlabelled::Rest, 0), [0, 1, 2, 3]);
    assert_eq!(of(1.0, Unlabelled::Rest, 2), [4, 5]);
    assert_eq!(of(1.0, Unlabelled::All, 2), [0, 1, 2, 3, 4, 5]);
    let message = unlabelled(0.5, Unlabelled::Extra, 0)
        .unwrap_err()
        .to_string();
    assert!(message.contains("data.unlabelled-images"), "{message}");
}

#[test]
fn a_published_split_is_not_drawn_again_for_rare_classes() {
    let data = dataset(
        Listed((0..40).map(|image| vec![usize::from(image == 7)]).collect()),
        2,
        0,
    );
    let config = SplitConfig {
        min_instances: 1,
        ..published(Rule::Numpy, 0.1, 1)
    };
    let message = Split::new(&data, &config, 0).unwrap_err().to_string();
    let expected =
        "fewer of `class 1` (0); a split by rule `numpy`, seed 1 in every trial is not drawn again";
    assert!(message.contains(expected), "{message}");
}
