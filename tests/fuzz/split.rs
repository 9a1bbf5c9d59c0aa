//! Lists of labelled images: indices by percentage and seed, names, and COCO annotations.

use crate::cases;
use crate::changes::{changed, changes, edited, edits};
use crate::memory::bounded;
use harness::data::split::{ListFormat, Percent, Split, SplitConfig};
use harness::data::{Dataset, Sample, Source};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Four images with files, of which the last has no object.
struct Frames(Vec<PathBuf>);

impl Frames {
    fn new() -> Self {
        let names = [
            "ulm_000001_000019",
            "ulm_000002_000019",
            "bonn_000001_000019",
            "other",
        ];
        let path = |name: &str| PathBuf::from(format!("train/{name}_leftImg8bit.png"));
        Self(names.map(path).to_vec())
    }
}

impl Source for Frames {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn classes_of(&self, index: usize) -> Vec<usize> {
        vec![0; usize::from(index < 3)]
    }
    fn file(&self, index: usize) -> Option<&Path> {
        Some(&self.0[index])
    }
    fn load(&self, _: usize) -> anyhow::Result<Sample> {
        anyhow::bail!("nothing to decode")
    }
}

fn dataset() -> Dataset {
    Dataset {
        classes: vec!["car".into()],
        train: Arc::new(Frames::new()),
        extra_unlabelled: None,
        val: Arc::new(Frames::new()),
        area_bounds: [1.0, 2.0],
        findings: Default::default(),
    }
}

fn indices() -> Value {
    json!({ "34.0": { "0": [2], "1": [0] }, "67": { "0": [0, 1] } })
}

fn images() -> Value {
    json!({
        "images": [{ "id": 1, "file_name": "ulm_000001_000019_leftImg8bit.png", "height": 4, "width": 4 }, { "id": 7, "file_name": "train/bonn_000001_000019_leftImg8bit.png" }],
        "annotations": [{ "id": 1, "image_id": 1, "segmentation": [[1, 2, 3]] }],
    })
}

const NAMES: &str = "ulm_000002_000019_gtFine_instanceIds.png\r\nbonn_000001_000019\n\ntrain/other_leftImg8bit.png\n";

const FORMATS: [ListFormat; 4] = [
    ListFormat::Auto,
    ListFormat::IndicesJson,
    ListFormat::Names,
    ListFormat::CocoJson,
];

/// Reads a list with these bytes. A split keeps its promises, and an error names the file.
fn read(bytes: &[u8], format: ListFormat) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.1@50.json");
    fs::write(&list, bytes).unwrap();
    let config = SplitConfig {
        list,
        format,
        percent: Percent::Number(34.0),
        ..SplitConfig::of_permutation(0.5, 0)
    };
    let dataset = dataset();
    match bounded(|| Split::new(&dataset, &config, 0)) {
        Ok(split) => {
            prop_assert!(!split.labelled.is_empty());
            prop_assert!(split.chosen.is_sorted() && split.chosen.iter().all(|image| *image < 4));
            prop_assert!(split.chosen.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(
                split
                    .labelled
                    .iter()
                    .all(|image| *image < 3 && split.chosen.contains(image))
            );
            prop_assert_eq!(split.sha256().len(), 64);
        }
        Err(error) => {
            let message = format!("{error:#}");
            prop_assert!(message.contains("list.1@50.json"), "{}", message);
        }
    }
    Ok(())
}

#[test]
fn the_lists_are_good_before_they_are_changed() {
    let dataset = dataset();
    let folder = tempfile::tempdir().unwrap();
    for (text, percent, chosen) in [
        (indices().to_string(), 34.0, vec![2]),
        (images().to_string(), 50.0, vec![0, 2]),
        (NAMES.to_string(), 75.0, vec![1, 2, 3]),
    ] {
        let list = folder.path().join("list");
        fs::write(&list, text).unwrap();
        let config = SplitConfig {
            list,
            percent: Percent::Number(percent),
            ..SplitConfig::of_permutation(0.5, 0)
        };
        let split = Split::new(&dataset, &config, 0).unwrap();
        assert_eq!(split.chosen, chosen);
    }
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn changed_indices_are_read_or_named(changes in changes(), format in select(FORMATS.to_vec())) {
        read(changed(&indices(), &changes).to_string().as_bytes(), format)?;
    }

    #[test]
    fn changed_images_are_read_or_named(changes in changes(), format in select(FORMATS.to_vec())) {
        read(changed(&images(), &changes).to_string().as_bytes(), format)?;
    }

    #[test]
    fn edited_lists_are_read_or_named(which in 0usize..3, edits in edits(), format in select(FORMATS.to_vec())) {
        let text = [indices().to_string(), images().to_string(), NAMES.to_string()][which].clone();
        read(&edited(text.as_bytes(), &edits), format)?;
    }
}
