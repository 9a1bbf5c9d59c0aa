//! The truth that a training evaluates against: pycocotools' AP of a file with outlines of every odd kind.

use harness::data::findings::{Part, Reason};
use harness::data::{Dataset, load};
use harness::eval::{Evaluators, Found};
use harness::structures::{Detection, Mask};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/coco_truth.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The golden file as the training and as the validation part of a dataset, with `on-bad-annotation = "skip"`.
fn dataset(golden: &Value, folder: &Path) -> Dataset {
    let side = |key: &str| golden[key].as_u64().unwrap() as u32;
    let picture = image::RgbImage::new(side("width"), side("height"));
    for image in golden["truth"]["images"].as_array().unwrap() {
        picture
            .save(folder.join(image["file_name"].as_str().unwrap()))
            .unwrap();
    }
    std::fs::write(folder.join("truth.json"), golden["truth"].to_string()).unwrap();
    let table = format!(
        "name = 'coco'\nroot = '{}'\ntrain-annotations = 'truth.json'\ntrain-images = '.'\n\
         val-annotations = 'truth.json'\nval-images = '.'\nunlabelled-images = ''\nclasses = 'all'\n\
         on-bad-annotation = 'skip'\nskip-in-truth = false\nexif = true\ncheck = 'never'\ncache = 0\narea-bounds = {}",
        folder.display(),
        golden["area_bounds"]
    );
    load(table.parse().unwrap()).unwrap()
}

/// The mask of packed runs.
fn mask(segmentation: &Value) -> Mask {
    let side = |index: usize| segmentation["size"][index].as_u64().unwrap() as usize;
    let counts = segmentation["counts"].as_str().unwrap();
    let (height, width) = (side(0), side(1));
    let runs = hotcoco::mask::rle_from_string(counts, height as u32, width as u32).unwrap();
    let columns = hotcoco::mask::decode(&runs);
    let bits = (0..height * width).map(|i| columns[i % width * height + i / width]);
    Mask::new(height, width, bits.collect())
}

#[test]
fn parity_of_the_truth_of_a_training_with_pycocotools() {
    let golden = golden();
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(&golden, folder.path());
    let evaluators = Evaluators::new(&["coco".to_string()], &dataset).unwrap();
    // The images are numbered in the order of their ids, which are texts.
    let mut ids: Vec<&str> = golden["truth"]["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    let mut by_image: BTreeMap<u64, Vec<Detection>> = BTreeMap::new();
    for found in golden["detections"].as_array().unwrap() {
        let place = ids.iter().position(|id| found["image_id"] == *id).unwrap();
        by_image
            .entry(place as u64 + 1)
            .or_default()
            .push(Detection {
                class: found["category_id"].as_u64().unwrap() as usize - 1,
                score: found["score"].as_f64().unwrap() as f32,
                bounds: None,
                mask: mask(&found["segmentation"]),
            });
    }
    let mut found = Found::default();
    for (image, detections) in &by_image {
        evaluators.add(&mut found, *image, detections).unwrap();
    }
    let scores = evaluators.evaluate(found).unwrap();
    let names = ["mAP", "AP50", "AP75", "APs", "APm", "APl"];
    for (name, expected) in names.iter().zip(golden["stats"].as_array().unwrap()) {
        let value = scores.metrics.get(name).unwrap();
        let expected = 100.0 * expected.as_f64().unwrap();
        assert_eq!(
            value.to_bits(),
            expected.to_bits(),
            "{name}: {value} for {expected}"
        );
    }
}

#[test]
fn no_object_is_left_out_of_the_truth() {
    let golden = golden();
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(&golden, folder.path());
    let count = |source: &dyn harness::data::Source| -> usize {
        (0..source.len())
            .map(|index| source.classes_of(index).len())
            .sum()
    };
    let all = golden["truth"]["annotations"].as_array().unwrap().len();
    assert_eq!(count(&*dataset.val), all);
    let findings = &dataset.findings;
    assert_eq!(findings.count(Part::Val, Reason::LeftOut), 0);
    let left_out = findings.count(Part::Train, Reason::LeftOut);
    assert!(left_out > 0 && left_out == findings.count(Part::Val, Reason::EmptyMask));
    assert_eq!(count(&*dataset.train), all - left_out);
    assert!(findings.count(Part::Val, Reason::Clipped) > 5);
}
