//! Tests of the labelled split.

use super::*;
use crate::data::Sample;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// Images with ids and files: every third has no object.
struct Filed(Vec<(u64, PathBuf)>);

impl Filed {
    /// Images with these paths; their ids fall.
    fn new(paths: &[&str]) -> Self {
        let ids = (0..paths.len() as u64).rev();
        Self(
            ids.map(|id| 10 * id)
                .zip(paths.iter().map(PathBuf::from))
                .collect(),
        )
    }
}

impl Source for Filed {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn classes_of(&self, index: usize) -> Vec<usize> {
        vec![0; usize::from(index % 3 != 2)]
    }
    fn id(&self, index: usize) -> u64 {
        self.0[index].0
    }
    fn file(&self, index: usize) -> Option<&Path> {
        Some(&self.0[index].1)
    }
    fn load(&self, _: usize) -> Result<Sample> {
        bail!("nothing to decode")
    }
}

/// The split of a list with this text, or the message of its refusal without the folder of the list.
fn listed(
    paths: &[&str],
    name: &str,
    text: &str,
    edit: fn(&mut SplitConfig),
) -> Result<Split, String> {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join(name);
    std::fs::write(&list, text).unwrap();
    let mut config = SplitConfig {
        list,
        ..config(0.5, 0)
    };
    edit(&mut config);
    let split = Split::new(&dataset(Filed::new(paths), 1, 0), &config, 0);
    split
        .map_err(|error| format!("{error:#}").replace(&format!("{}/", folder.path().display()), ""))
}

const PATHS: [&str; 6] = [
    "d/a.png", "d/b.png", "d/c.png", "e/a.png", "e/d.png", "e/f.png",
];

#[test]
fn indices_count_the_images_with_an_object_by_id() {
    // By id: f, d, a, c, b, a; c and f have no object.
    let lists = r#"{"50": {"0": [0, 3], "1": [1, 2]}, "25.0": {"0": [2]}}"#;
    let chosen = |edit| listed(&PATHS, "lists.txt", lists, edit).unwrap().chosen;
    assert_eq!(chosen(|_| ()), [0, 4]);
    assert_eq!(chosen(|config| config.seed = SplitSeed::Fixed(1)), [1, 3]);
    assert_eq!(chosen(|config| config.labelled = 0.25), [1]);
    assert_eq!(chosen(|config| config.percent = Percent::Number(25.0)), [1]);
}

#[test]
fn a_list_of_indices_that_does_not_fit_says_what_it_needs() {
    let refused = |lists: &str, edit: fn(&mut SplitConfig)| {
        listed(&PATHS, "l.json", lists, edit).unwrap_err()
    };
    let lists = r#"{"50": {"0": [0, 4]}}"#;
    let message = refused(lists, |_| ());
    assert!(
        message.starts_with(
            "split.list: l.json: [\"50\"][\"0\"][1]: index 4 of 4 images; allowed: below 4"
        ),
        "{message}"
    );
    assert!(
        message.contains("no image id") && message.contains("117266"),
        "{message}"
    );
    let message = refused(r#"{"50": {"0": [0]}}"#, |_| ());
    assert!(
        message.contains("1 indices; 50 % of the 4 training images with an object are 2"),
        "{message}"
    );
    let message = refused(lists, |config| config.labelled = 0.1);
    assert!(message.contains("no list for 10 %; known: 50"), "{message}");
    let message = refused(lists, |config| config.seed = SplitSeed::Fixed(3));
    assert!(
        message.contains("no seed 3 for 50 %; known: 0"),
        "{message}"
    );
    let message = refused(r#"{"50": {"0": [-1]}}"#, |_| ());
    assert!(
        message.contains("l.json") && message.contains("-1"),
        "{message}"
    );
    let message = refused("[0, 3]", |_| ());
    assert!(message.contains("an object of percentages"), "{message}");
}

#[test]
fn names_are_found_by_path_name_stem_or_frame() {
    let chosen = |text: &str| listed(&PATHS, "l.txt", text, |_| ()).unwrap().chosen;
    assert_eq!(chosen("d/a.png\r\n\r\nother/b.png\n"), [0, 1]);
    assert_eq!(chosen("\u{feff}d.jpg\ne\\a.png"), [3, 4]);
    let message = listed(&PATHS, "l.txt", "d/b.png\na.png", |_| ()).unwrap_err();
    assert_eq!(
        message,
        "split.list: l.txt: line 2: `a.png` fits several training images, such as d/a.png and e/a.png; needed: more of the path"
    );
    let message = listed(&PATHS, "l.txt", "x\nd/a.png\ny\nz\nw", |_| ()).unwrap_err();
    assert_eq!(
        message,
        "split.list: l.txt: 4 of 5 names are of no training image: line 1 `x`, line 3 `y`, line 4 `z`, ..."
    );
    let cities = [
        "leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png",
        "leftImg8bit/train/ulm/ulm_000002_000019_leftImg8bit.png",
    ];
    let split = listed(
        &cities,
        "l.txt",
        "ulm_000002_000019_gtFine_instanceIds.png\n",
        |_| (),
    )
    .unwrap();
    assert_eq!(split.chosen, [1]);
    assert_eq!(
        listed(&cities, "l.txt", "ulm_000001_000019", |_| ())
            .unwrap()
            .chosen,
        [0]
    );
    let message = listed(&cities, "l.txt", "bonn_000001_000019", |_| ()).unwrap_err();
    assert!(
        message.ends_with("the training images have none of the cities bonn"),
        "{message}"
    );
}

#[test]
fn a_list_that_names_an_image_twice_counts_it_once() {
    let split = listed(&PATHS, "l.txt", "d/b.png\nb.png\n", |_| ()).unwrap();
    assert_eq!(split.chosen, [1]);
    assert!(
        split.notes[0].ends_with("1 of 2 entries repeat an image and count once"),
        "{:?}",
        split.notes
    );
    assert!(
        listed(&PATHS, "l.txt", "\n\n", |_| ())
            .unwrap_err()
            .contains("no image")
    );
}

#[test]
fn of_coco_annotations_only_the_images_are_read() {
    let text = r#"{"annotations": 7, "images": [{"id": 1, "file_name": "d/b.png"}, {"id": 9, "file_name": "train/f.png"}]}"#;
    let split = listed(&PATHS, "x.1@33.json", text, |_| ()).unwrap();
    assert_eq!((split.chosen, split.labelled), (vec![1, 5], vec![1]));
    assert_eq!(
        split.notes,
        [
            "split.list: x.1@33.json: the name tells 33 %, which is 1 of 6 images; the file lists 2 (33.33 %)"
        ]
    );
    let message = listed(&PATHS, "x.json", r#"{"images": [{"id": 1}]}"#, |_| ()).unwrap_err();
    assert_eq!(message, "split.list: x.json: images[0]: no `file_name`");
    let message = listed(&PATHS, "x.1@10-unlabeled.json", text, |_| ()).unwrap_err();
    assert!(message.contains("lists the unlabelled images"), "{message}");
}

#[test]
fn a_list_with_another_format_than_told_is_refused() {
    for (format, text) in [
        (ListFormat::IndicesJson, "a.png"),
        (ListFormat::CocoJson, "a.png"),
    ] {
        let edit: fn(&mut SplitConfig) = match format {
            ListFormat::CocoJson => |config| config.format = ListFormat::CocoJson,
            _ => |config| config.format = ListFormat::IndicesJson,
        };
        let message = listed(&PATHS, "l.txt", text, edit).unwrap_err();
        assert!(
            message.contains("l.txt") && message.contains("not"),
            "{message}"
        );
    }
    let absent = SplitConfig {
        list: PathBuf::from("no/such.txt"),
        ..config(0.5, 0)
    };
    let message = Split::new(&dataset(Filed::new(&PATHS), 1, 0), &absent, 0).unwrap_err();
    assert!(
        format!("{message:#}").contains("split.list: no/such.txt"),
        "{message:#}"
    );
}
