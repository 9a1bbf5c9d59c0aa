//! Tests `harness eval`: pycocotools' numbers to the last bit, and the messages for files that are not
//! COCO's.

use harness::eval::score_files;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Two files in a folder of their own.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new(gt: &str, dt: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("gt.json"), gt).unwrap();
        std::fs::write(folder.path().join("dt.json"), dt).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The exit code, standard output and standard error of `harness eval` on the files.
    fn run(&self) -> (Option<i32>, String, String) {
        let path = |name| self.path(name).to_str().unwrap().to_string();
        let output = Command::new(env!("CARGO_BIN_EXE_harness"))
            .args(["eval", "--gt", &path("gt.json"), "--dt", &path("dt.json")])
            .args(["--csv", &path("scores.csv")])
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// The pair must be refused with one line that contains `parts`, and no file is written.
    fn refused(&self, parts: &[&str]) {
        let (code, out, error) = self.run();
        assert_eq!(code, Some(2), "{error}");
        assert_eq!(out, "");
        assert!(
            error.starts_with("error: ") && error.lines().count() == 1,
            "{error}"
        );
        assert!(!error.contains("panicked"), "{error}");
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
        let left = std::fs::read_dir(self.folder.path()).unwrap().count();
        assert_eq!(left, 2, "no other file than the two");
    }
}

fn golden() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/coco_eval.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn coco_eval_parity_with_pycocotools_to_the_last_bit() {
    let cases = golden();
    assert!(cases.len() > 15);
    for case in cases {
        let files = Files::new(&case["gt"].to_string(), &case["dt"].to_string());
        let scores = score_files(&files.path("gt.json"), &files.path("dt.json"))
            .unwrap_or_else(|error| panic!("seed {}: {error:#}", case["seed"]));
        for (kind, summary) in [("segm", scores.segm), ("bbox", scores.bbox)] {
            let expected = case["expected"][kind].as_array().unwrap();
            assert_eq!(expected.len(), 12);
            for ((name, value), expected) in summary.named().zip(expected) {
                let expected = expected.as_f64().unwrap();
                assert_eq!(
                    value.to_bits(),
                    expected.to_bits(),
                    "seed {}, {kind} {name}: {value} for {expected}",
                    case["seed"]
                );
            }
        }
    }
}

#[test]
fn coco_eval_parity_of_the_csv_file() {
    let case = &golden()[0];
    let files = Files::new(&case["gt"].to_string(), &case["dt"].to_string());
    let (code, out, error) = files.run();
    assert_eq!(code, Some(0), "{error}");
    let lines = out.lines().filter(|line| line.contains("Average"));
    assert_eq!(lines.count(), 24);
    let table = std::fs::read_to_string(files.path("scores.csv")).unwrap();
    let mut rows = table.lines();
    assert_eq!(rows.next(), Some("type,metric,value"));
    for kind in ["segm", "bbox"] {
        for (index, name) in harness::eval::METRICS.iter().map(|m| m.name).enumerate() {
            let row: Vec<&str> = rows.next().unwrap().split(',').collect();
            assert_eq!(row[..2], [kind, name]);
            let expected = case["expected"][kind][index].as_f64().unwrap();
            assert_eq!(row[2].parse::<f64>().unwrap().to_bits(), expected.to_bits());
        }
    }
    assert_eq!(rows.next(), None);
}

/// One image of 10 x 10 pixels with one object that covers its left half.
fn gt() -> Value {
    json!({
        "images": [{"id": 1, "height": 10, "width": 10}],
        "categories": [{"id": 3, "name": "thing"}],
        "annotations": [{
            "id": 1, "image_id": 1, "category_id": 3, "iscrowd": 0, "area": 50.0, "bbox": [0, 0, 5, 10],
            "segmentation": [[0, 0, 5, 0, 5, 10, 0, 10]],
        }],
    })
}

fn dt() -> Value {
    let runs = json!({"size": [10, 10], "counts": [0, 50, 50]});
    json!([{"image_id": 1, "category_id": 3, "score": 0.5, "segmentation": runs}])
}

fn scored(gt: &Value, dt: &Value) -> [f64; 2] {
    let files = Files::new(&gt.to_string(), &dt.to_string());
    let scores = score_files(&files.path("gt.json"), &files.path("dt.json")).unwrap();
    [scores.segm.0[0], scores.bbox.0[0]]
}

#[test]
fn what_pycocotools_needs_beyond_the_masks_may_be_absent() {
    let mut bare = gt();
    let annotation = bare["annotations"][0].as_object_mut().unwrap();
    for key in ["iscrowd", "area", "bbox"] {
        annotation.remove(key);
    }
    // pycocotools adds 2^-52 to the divisor.
    assert_eq!(scored(&bare, &dt()), [1.0 - f64::EPSILON; 2]);
    assert_eq!(scored(&gt(), &json!([])), [0.0, 0.0]);
    let mut empty = gt();
    empty["annotations"] = json!([]);
    assert_eq!(scored(&empty, &dt()), [-1.0, -1.0]);
}

#[test]
fn what_may_be_a_mistake_is_reported_and_does_not_stop() {
    let mut from_zero = gt();
    from_zero["annotations"][0]["id"] = 0.into();
    let files = Files::new(&from_zero.to_string(), &dt().to_string());
    let (code, out, error) = files.run();
    assert_eq!(code, Some(0), "{error}");
    assert!(
        error.starts_with("warning: ") && error.contains("id 0"),
        "{error}"
    );
    assert!(
        out.contains("maxDets=100 ] = 0.000"),
        "as pycocotools counts it: {out}"
    );

    let mut foreign = dt();
    foreign[0]["category_id"] = 4.into();
    let (code, _, error) = Files::new(&gt().to_string(), &foreign.to_string()).run();
    assert!(
        code == Some(0) && error.contains("1 of 1 detections"),
        "{error}"
    );

    let mut small = dt();
    small[0]["segmentation"] = json!({"size": [5, 10], "counts": [0, 25, 25]});
    let (code, _, error) = Files::new(&gt().to_string(), &small.to_string()).run();
    assert!(code == Some(0) && error.contains("another size"), "{error}");
}

#[test]
fn a_file_that_is_not_there_or_no_json_is_named() {
    let (good_gt, good_dt) = (gt().to_string(), dt().to_string());
    let absent = Files::new(&good_gt, &good_dt);
    std::fs::rename(absent.path("dt.json"), absent.path("other.json")).unwrap();
    absent.refused(&["dt.json", "No such file"]);
    Files::new("not JSON", &good_dt).refused(&["gt.json", "not JSON"]);
    Files::new(&good_gt, "").refused(&["dt.json", "cut off"]);
    Files::new(&good_gt[..good_gt.len() / 2], &good_dt).refused(&["gt.json", "cut off"]);
    Files::new(&good_gt, &good_dt[..good_dt.len() - 1]).refused(&["dt.json", "cut off"]);
    Files::new(&good_gt, &format!("{good_dt}]")).refused(&["dt.json", "not JSON"]);
    Files::new(&good_gt, &good_dt.replace("0.5", "NaN")).refused(&["dt.json", "not JSON"]);
}

#[test]
fn json_that_is_not_coco_is_reported_with_what_it_lacks() {
    let (good_gt, good_dt) = (gt().to_string(), dt().to_string());
    // The two files swapped.
    Files::new(&good_dt, &good_gt).refused(&["gt.json", "a list", "`annotations`"]);
    Files::new(&good_gt, &good_gt).refused(&["dt.json", "an object", "list of detections"]);
    for key in ["images", "annotations", "categories"] {
        let mut lacking = gt();
        lacking.as_object_mut().unwrap().remove(key);
        Files::new(&lacking.to_string(), &good_dt).refused(&["gt.json", "missing field", key]);
    }
    for key in ["id", "image_id", "category_id"] {
        let mut lacking = gt();
        lacking["annotations"][0]
            .as_object_mut()
            .unwrap()
            .remove(key);
        Files::new(&lacking.to_string(), &good_dt).refused(&["gt.json", "annotation", key]);
    }
    for key in ["image_id", "category_id", "score", "segmentation"] {
        let mut lacking = dt();
        lacking[0].as_object_mut().unwrap().remove(key);
        Files::new(&good_gt, &lacking.to_string()).refused(&["dt.json", key]);
    }
}

/// The AP by masks and by boxes and the warnings for one good object and one of the same box whose `segmentation` is
/// `outline`; none is a key that is absent.
fn with_outline(outline: Option<Value>) -> ([f64; 2], String) {
    let mut truth = gt();
    let mut second = truth["annotations"][0].clone();
    second["id"] = 2.into();
    second["category_id"] = 4.into();
    match outline {
        Some(outline) => second["segmentation"] = outline,
        None => drop(second.as_object_mut().unwrap().remove("segmentation")),
    }
    truth["annotations"].as_array_mut().unwrap().push(second);
    let categories = truth["categories"].as_array_mut().unwrap();
    categories.push(json!({"id": 4, "name": "other"}));
    let mut found = dt();
    let mut second = found[0].clone();
    second["category_id"] = 4.into();
    found.as_array_mut().unwrap().push(second);
    let files = Files::new(&truth.to_string(), &found.to_string());
    let scores = score_files(&files.path("gt.json"), &files.path("dt.json")).unwrap();
    (
        [scores.segm.0[0], scores.bbox.0[0]],
        scores.warnings.join("\n"),
    )
}

#[test]
fn an_object_without_a_mask_is_missed_by_masks_and_found_by_its_box() {
    for (outline, reason) in [
        (None, "no `segmentation`"),
        (Some(Value::Null), "no `segmentation`"),
        (Some(json!([])), "no polygon"),
        (Some(json!([[1, 2]])), "polygon of 2 numbers"),
        (Some(json!([1, 2, 3, 4, 5, 6])), "a list of numbers"),
        (Some(json!("here")), "the text \"here\""),
        (
            Some(json!({"size": [10, 10], "counts": [90]})),
            "add up to 90; its size 10 x 10 needs 100",
        ),
        (
            Some(json!({"size": [10, 10], "counts": "\u{1}"})),
            "annotation 2",
        ),
    ] {
        let (scores, warnings) = with_outline(outline.clone());
        assert_eq!(
            scores,
            [(1.0 - f64::EPSILON) / 2.0, 1.0 - f64::EPSILON],
            "{outline:?}"
        );
        for part in [
            "gt.json: 1 of 2 annotations have no usable mask",
            "(annotation 2: ",
            reason,
        ] {
            assert!(warnings.contains(part), "{outline:?}: {warnings}");
        }
    }
}

#[test]
fn annotations_without_any_mask_have_numbers_by_boxes_alone() {
    let mut boxes = gt();
    boxes["annotations"][0]["segmentation"] = json!([]);
    let found = json!([{"image_id": 1, "category_id": 3, "score": 0.5, "bbox": [0, 0, 5, 10]}]);
    assert_eq!(scored(&boxes, &found), [-1.0, 1.0 - f64::EPSILON]);
    let image = boxes["images"][0].as_object_mut().unwrap();
    image.remove("height");
    assert_eq!(
        scored(&boxes, &found),
        [-1.0, 1.0 - f64::EPSILON],
        "boxes need no size"
    );
    let files = Files::new(&boxes.to_string(), &found.to_string());
    let (code, _, error) = files.run();
    assert!(
        code == Some(0) && error.contains("there are no numbers by masks"),
        "{error}"
    );
    let mut odd = found.clone();
    odd[0]["segmentation"] = json!([[1, 2]]);
    let files = Files::new(&gt().to_string(), &odd.to_string());
    let (code, out, error) = files.run();
    assert!(
        code == Some(0) && error.contains("dt.json: detections with a box whose `segmentation` is no mask, so that by masks they match nothing: 1 ("),
        "{out}{error}"
    );
}

#[test]
fn ids_that_are_hashes_are_ids() {
    let (mut truth, mut found) = (gt(), dt());
    for id in [
        json!(u64::MAX),
        json!(1u64 << 63),
        json!(-7),
        json!("img-1"),
    ] {
        truth["images"][0]["id"] = id.clone();
        truth["annotations"][0]["image_id"] = id.clone();
        found[0]["image_id"] = id;
        assert_eq!(scored(&truth, &found), [1.0 - f64::EPSILON; 2]);
    }
}

#[test]
fn outlines_and_ids_that_cannot_be_are_reported_by_their_place() {
    let (good_gt, good_dt) = (gt().to_string(), dt().to_string());
    let mut foreign = dt();
    foreign[0]["image_id"] = 99.into();
    Files::new(&good_gt, &foreign.to_string()).refused(&["dt.json", "detection 1", "image 99"]);
    let mut half = gt();
    half["annotations"][0]["image_id"] = 1.5.into();
    Files::new(&half.to_string(), &good_dt).refused(&[
        "gt.json",
        "annotations[0]",
        "`image_id` is 1.5",
    ]);
    let mut outline = dt();
    outline[0]["segmentation"] = json!([[1, 2]]);
    Files::new(&good_gt, &outline.to_string()).refused(&["detection 1", "polygon of 2 numbers"]);
    let mut box_of_three = dt();
    box_of_three[0]["bbox"] = json!([1, 2, 3]);
    Files::new(&good_gt, &box_of_three.to_string()).refused(&["dt.json", "`bbox` of 3 numbers"]);
    let mut later = dt();
    later[0]["bbox"] = json!([0, 0, 5, 10]);
    later.as_array_mut().unwrap().push(dt()[0].clone());
    Files::new(&good_gt, &later.to_string()).refused(&["detection 2", "no `bbox`"]);
}
