//! COCO's annotation files, as datasets and as the truth of `harness eval`, and its result files.

use crate::cases;
use crate::changes::{changed, changes, edited, edits};
use crate::memory::bounded;
use harness::data::load;
use harness::experiment::{EvalTruth, evaluate};
use image::RgbImage;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

/// The annotations of the training images and of the evaluated images.
const FILES: [&str; 2] = ["train.json", "val.json"];

/// Height and width of all pictures.
const SIZE: (u32, u32) = (12, 16);

/// Two pictures with objects of all kinds of regions.
fn annotations() -> Value {
    let (height, width) = SIZE;
    let object = |id: u64, image: u64, class: u64, region: Value| {
        json!({
            "id": id, "image_id": image, "category_id": class, "segmentation": region, "iscrowd": 0,
            "bbox": [2.0, 2.0, 6.0, 5.0], "area": 30.0, "attributes": { "occluded": false },
        })
    };
    let mut crowd = object(
        4,
        2,
        1,
        json!({ "size": [height, width], "counts": [20, 30, 142] }),
    );
    crowd["iscrowd"] = 1.into();
    json!({
        "info": { "year": 2026, "contributor": "" },
        "licenses": [{ "id": 1, "name": "", "url": "" }],
        "categories": [{ "id": 1, "name": "bolt", "supercategory": "" }, { "id": 3, "name": "nut" }],
        "images": [
            { "id": 1, "file_name": "a.png", "height": height, "width": width, "date_captured": "" },
            { "id": 2, "file_name": "b.png", "height": height, "width": width, "license": 1 },
        ],
        "annotations": [
            object(1, 1, 1, json!([[2, 2, 8, 2, 8, 7, 2, 7]])),
            object(2, 1, 3, json!([[9, 1, 14, 1, 14, 9], [1, 8, 4, 8, 4, 11, 1, 11]])),
            object(3, 2, 3, json!({ "size": [height, width], "counts": "o15700000000000]1" })),
            crowd,
            object(5, 2, 1, json!([[3.5, 2.5, 9.25, 2.5, 9.25, 7.75, 3.5, 7.75]])),
        ],
    })
}

/// Detections for [`annotations`].
fn results() -> Value {
    let (height, width) = SIZE;
    json!([
        { "image_id": 1, "category_id": 1, "score": 0.9, "segmentation": { "size": [height, width], "counts": [30, 30, 132] } },
        { "image_id": 2, "category_id": 3, "score": 0.4, "segmentation": { "size": [height, width], "counts": "o15700000000000]1" }, "bbox": [1, 2, 3, 4] },
        { "image_id": 2, "category_id": 1, "score": 0.7, "segmentation": [[3, 2, 9, 2, 9, 7, 3, 7]] },
    ])
}

/// A dataset whose file of annotations `file` has these bytes.
fn dataset(file: &str, bytes: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (height, width) = SIZE;
    let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7]));
    for name in ["a.png", "b.png"] {
        picture.save(folder.path().join(name)).unwrap();
    }
    for name in FILES {
        fs::write(folder.path().join(name), annotations().to_string()).unwrap();
    }
    fs::write(folder.path().join(file), bytes).unwrap();
    folder
}

/// Loads the dataset whose file `file` has these bytes, and every sample of it.
fn read(file: &str, bytes: &[u8], skip: bool) -> Result<(), TestCaseError> {
    let folder = dataset(file, bytes);
    let root = folder.path().display();
    let mode = if skip { "skip" } else { "error" };
    let table = format!(
        "name = 'coco'\nroot = '{root}'\ntrain-annotations = 'train.json'\ntrain-images = '.'\n\
         val-annotations = 'val.json'\nval-images = '.'\nunlabelled-images = ''\nclasses = 'all'\n\
         on-bad-annotation = '{mode}'\nskip-in-truth = false\nexif = true\ncheck = 'once'\ncache = 0\narea-bounds = [25.0, 81.0]"
    );
    let dataset = match bounded(|| load(table.parse().unwrap())) {
        Ok(dataset) => dataset,
        Err(errors) => {
            let message = errors.to_string();
            let key = file.replace(".json", "-annotations");
            let named = message.contains(file) || message.contains(&key);
            prop_assert!(named, "{}", message);
            return Ok(());
        }
    };
    for source in [&dataset.train, &dataset.val] {
        for index in 0..source.len() {
            let sample = bounded(|| source.truth(index).and_then(|_| source.load(index)));
            prop_assert!(sample.is_ok(), "{:#}", sample.err().unwrap());
            for class in source.classes_of(index) {
                prop_assert!(class < dataset.classes.len());
            }
        }
    }
    Ok(())
}

/// Evaluates two files. An error names one of them.
fn score(truth: &[u8], found: &[u8]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let [truth_path, found_path] =
        ["truth.json", "found.json"].map(|name| folder.path().join(name));
    fs::write(&truth_path, truth).unwrap();
    fs::write(&found_path, found).unwrap();
    let scores: Result<_, _> =
        bounded(|| evaluate(EvalTruth::Coco(&truth_path), &found_path, None));
    if let Err(error) = scores {
        let message = format!("{error:#}");
        let named = message.contains("truth.json") || message.contains("found.json");
        prop_assert!(named, "{}", message);
    }
    Ok(())
}

#[test]
fn the_files_are_good_before_they_are_changed() {
    let [truth, found] = [annotations(), results()].map(|json| json.to_string());
    let dataset = dataset(FILES[0], truth.as_bytes());
    let paths = ["train.json", "found.json"].map(|name| dataset.path().join(name));
    fs::write(&paths[1], &found).unwrap();
    let scores = evaluate(EvalTruth::Coco(&paths[0]), &paths[1], None).unwrap();
    assert_eq!(scores.warnings, Vec::<String>::new());
    read(FILES[0], truth.as_bytes(), false).unwrap();
}

proptest! {
    #![proptest_config(cases(5000))]

    #[test]
    fn changed_annotations_are_read_or_named(file in select(FILES.to_vec()), changes in changes(), skip in any::<bool>()) {
        read(file, changed(&annotations(), &changes).to_string().as_bytes(), skip)?;
    }

    #[test]
    fn edited_annotations_are_read_or_named(file in select(FILES.to_vec()), edits in edits(), skip in any::<bool>()) {
        read(file, &edited(annotations().to_string().as_bytes(), &edits), skip)?;
    }

    #[test]
    fn a_changed_truth_is_evaluated_or_named(changes in changes()) {
        let truth = changed(&annotations(), &changes).to_string();
        score(truth.as_bytes(), results().to_string().as_bytes())?;
    }

    #[test]
    fn changed_results_are_evaluated_or_named(changes in changes()) {
        let found = changed(&results(), &changes).to_string();
        score(annotations().to_string().as_bytes(), found.as_bytes())?;
    }

    #[test]
    fn edited_results_are_evaluated_or_named(edits in edits()) {
        let found = edited(results().to_string().as_bytes(), &edits);
        score(annotations().to_string().as_bytes(), &found)?;
    }
}
