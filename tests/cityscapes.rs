//! Tests Cityscapes' path through the program: its layout, its official AP, and exports from it and to it.

use assert_cmd::Command;
use harness::data::{Dataset, load};
use image::{GrayImage, ImageBuffer, Luma, RgbImage};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

const TOLERANCE: f64 = 1e-12;
/// Rows and columns of the golden frames.
const SIZE: [u32; 2] = [64, 112];
const LABELS: [&str; 8] = [
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
];

/// The golden frames in Cityscapes' layout, with predictions in both formats.
struct Fixture {
    folder: tempfile::TempDir,
    golden: Value,
}

/// The values of runs of `value, length, value, length ...`.
fn values(runs: &Value) -> Vec<u16> {
    let runs: Vec<u64> = serde_json::from_value(runs.clone()).unwrap();
    let runs = runs.as_chunks::<2>().0.iter();
    let values = runs.flat_map(|[value, length]| vec![*value as u16; *length as usize]);
    values.collect()
}

/// COCO's runs, down the columns, of a mask of rows.
fn coco_runs(mask: &[u16]) -> Value {
    let [height, width] = SIZE.map(|side| side as usize);
    let pixels = (0..width).flat_map(|x| (0..height).map(move |y| mask[y * width + x]));
    let (mut counts, mut last) = (vec![0u32], 0);
    for pixel in pixels {
        if pixel != last {
            counts.push(0);
            last = pixel;
        }
        *counts.last_mut().unwrap() += 1;
    }
    json!({ "size": SIZE, "counts": counts })
}

impl Fixture {
    fn new() -> Self {
        let text = include_str!("golden/cityscapes.json");
        let fixture = Self {
            folder: tempfile::tempdir().unwrap(),
            golden: serde_json::from_str(text).unwrap(),
        };
        fixture.write();
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self) {
        let [height, width] = SIZE;
        let mut results = Vec::new();
        for frame in self.golden["frames"].as_array().unwrap() {
            let name = frame["name"].as_str().unwrap();
            let city = name.split('_').next().unwrap();
            let ids: ImageBuffer<Luma<u16>, _> =
                ImageBuffer::from_raw(width, height, values(&frame["ids"])).unwrap();
            ids.save(self.path(&format!("gtFine/val/{city}/{name}_gtFine_instanceIds.png")))
                .unwrap();
            RgbImage::new(width, height)
                .save(self.path(&format!("leftImg8bit/val/{city}/{name}_leftImg8bit.png")))
                .unwrap();
            let mut lines = String::new();
            for (index, one) in frame["predictions"].as_array().unwrap().iter().enumerate() {
                let mask = values(&one["mask"]);
                // Any value above 0 is set.
                let grey = mask
                    .iter()
                    .map(|bit| (*bit * if index % 2 == 0 { 1 } else { 255 }) as u8);
                let grey = GrayImage::from_raw(width, height, grey.collect()).unwrap();
                let file = format!("masks/{name}_{index}.png");
                grey.save(self.path(&format!("results/{file}"))).unwrap();
                lines += &format!("{file} {} {}\n", one["label"], one["score"]);
                results.push(json!({
                    "image_id": format!("{city}/{name}_leftImg8bit.png"), "category_id": one["label"],
                    "score": one["score"], "segmentation": coco_runs(&mask),
                }));
            }
            fs::write(self.path(&format!("results/{name}_any.txt")), lines).unwrap();
        }
        fs::write(self.path("results.json"), Value::from(results).to_string()).unwrap();
    }

    /// The results of `results.json` with the ids of the annotations in the file `name`.
    fn renumbered(&self, name: &Path) -> PathBuf {
        let read = |path: &Path| -> Value {
            serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
        };
        let (annotations, mut results) = (read(name), read(&self.path("results.json")));
        let images = annotations["images"].as_array().unwrap();
        let stem = |name: &Value| {
            name.as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_string()
        };
        let ids: BTreeMap<String, &Value> = images
            .iter()
            .map(|image| (stem(&image["file_name"]), &image["id"]))
            .collect();
        // COCO's metric counts an empty mask.
        let results = results.as_array_mut().unwrap();
        results.retain(|one| one["segmentation"]["counts"].as_array().unwrap().len() > 1);
        for one in results.iter_mut() {
            one["image_id"] = ids[&stem(&one["image_id"])].clone();
        }
        let path = self.path("renumbered.json");
        fs::write(&path, Value::from(results.clone()).to_string()).unwrap();
        path
    }

    fn dataset(&self) -> Dataset {
        let table = format!(
            "name = 'cityscapes'\nroot = {:?}\ntrain = 'val'\nval = 'val'\nunlabelled-images = ''\ntruth = 'masks'\n\
             check = 'once'\ncache = 0\narea-bounds = [1024.0, 9216.0]",
            self.folder.path()
        );
        load(table.parse().unwrap()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Compares the numbers of `harness eval` with the official script's.
    fn judged(&self, arguments: &[&str]) {
        let found = self.numbers(arguments);
        let expected = &self.golden["cityscapes"];
        let mut wanted = vec![
            ("AP".to_string(), &expected["ap"]),
            ("AP50".to_string(), &expected["ap50"]),
        ];
        for (class, name) in LABELS.iter().enumerate() {
            let numbers = &expected["classes"][class];
            wanted.push((format!("AP:{name}"), &numbers[0]));
            wanted.push((format!("AP50:{name}"), &numbers[1]));
            for (index, value) in expected["matrix"][class]
                .as_array()
                .unwrap()
                .iter()
                .enumerate()
            {
                wanted.push((format!("AP@0.{}:{name}", 50 + 5 * index), value));
            }
        }
        assert_eq!(found.len(), wanted.len(), "{arguments:?}");
        for (metric, value) in wanted {
            let found = found[&format!("cityscapes,{metric}")];
            let close = match value.as_f64() {
                Some(value) => (found - value).abs() <= TOLERANCE,
                None => found.is_nan(),
            };
            assert!(close, "{arguments:?}: {metric} is {found}, not {value}");
        }
    }

    /// The numbers in the CSV file of `harness eval`, by type and metric.
    fn numbers(&self, arguments: &[&str]) -> BTreeMap<String, f64> {
        let output = self.eval(&[arguments, &["--csv", "scores.csv"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let csv = fs::read_to_string(self.path("scores.csv")).unwrap();
        let lines = csv.lines().skip(1).map(|line| {
            let (name, value) = line.rsplit_once(',').unwrap();
            (name.to_string(), value.parse().unwrap())
        });
        lines.collect()
    }

    fn eval(&self, arguments: &[&str]) -> Output {
        let mut harness = Command::new(env!("CARGO_BIN_EXE_harness"));
        harness.current_dir(self.folder.path()).arg("eval");
        harness.args(arguments).output().unwrap()
    }

    /// The message of an evaluation that is refused.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.eval(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        text(&output.stderr)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(arguments: &[&str]) -> String {
    let mut harness = Command::new(env!("CARGO_BIN_EXE_harness"));
    let output = harness.args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn files_have_the_numbers_of_the_official_script_parity() {
    let fixture = Fixture::new();
    fixture.judged(&["--cityscapes", ".", "--dt", "results"]);
    fixture.judged(&["--cityscapes", "gtFine/val", "--dt", "results"]);
    fixture.judged(&["--cityscapes", ".", "--dt", "results.json"]);
    let output = fixture.eval(&["--cityscapes", ".", "--dt", "results"]);
    let lines = text(&output.stdout);
    let average = lines.lines().last().unwrap();
    assert!(average.starts_with("average "), "{lines}");
    let train = lines
        .lines()
        .find(|line| line.starts_with("train"))
        .unwrap();
    assert!(train.ends_with("nan"), "no train is drawn: {lines}");
}

#[test]
fn mistakes_in_files_are_named() {
    let fixture = Fixture::new();
    let both = fixture.refused(&[
        "--cityscapes",
        ".",
        "--dt",
        "results",
        "--gt",
        "results.json",
    ]);
    assert!(both.contains("needed: no --gt"), "{both}");
    let none = fixture.refused(&["--dt", "results.json"]);
    assert!(none.contains("--gt"), "{none}");
    let empty = fixture.refused(&["--cityscapes", "results", "--dt", "results"]);
    assert!(
        empty.contains("results: no ground truth; needed"),
        "{empty}"
    );
    let detection = |image: Value, category: Value| {
        let mask = coco_runs(&[1; 64 * 112]);
        let found = json!([{ "image_id": image, "category_id": category, "score": 0.5, "segmentation": mask }]);
        fs::write(fixture.path("one.json"), found.to_string()).unwrap();
        fixture.refused(&["--cityscapes", ".", "--dt", "one.json"])
    };
    let number = detection(json!(1), json!(26));
    assert!(
        number.contains("one.json: detection 1: `image_id` 1 names no picture"),
        "{number}"
    );
    let elsewhere = detection(json!("ulm_000009_000019"), json!(26));
    assert!(
        elsewhere.contains("no detection is of a picture of the ground truth"),
        "{elsewhere}"
    );
    let category = detection(json!("ulm_000002_000029"), json!("car"));
    assert!(
        category.contains("needed: a label of Cityscapes"),
        "{category}"
    );
    fs::remove_file(fixture.path("results/ulm_000002_000029_any.txt")).unwrap();
    let missing = fixture.refused(&["--cityscapes", ".", "--dt", "results"]);
    assert!(
        missing.contains("results: no predictions of ulm_000002_000029"),
        "{missing}"
    );
}

#[test]
fn what_is_exported_in_either_layout_has_the_same_numbers() {
    use harness::data::export::{Layout, export};
    let fixture = Fixture::new();
    let dataset = fixture.dataset();
    export(&dataset, &fixture.path("city"), Layout::Cityscapes).unwrap();
    fixture.judged(&["--cityscapes", "city", "--dt", "results"]);
    export(&dataset, &fixture.path("coco"), Layout::Coco).unwrap();
    let annotations = fixture.path("coco/annotations/instances_val2017.json");
    let results = fixture.renumbered(&annotations);
    let (gt, dt) = (annotations.to_str().unwrap(), results.to_str().unwrap());
    fixture.judged(&["--cityscapes", ".", "--gt", gt, "--dt", dt]);
    let found = fixture.numbers(&["--gt", gt, "--dt", dt]);
    for (metric, value) in ["AP", "AP50", "AP75"]
        .iter()
        .zip(fixture.golden["coco"].as_array().unwrap())
    {
        let found = found[&format!("segm,{metric}")];
        assert!(
            (found - value.as_f64().unwrap()).abs() <= TOLERANCE,
            "{metric}: {found}"
        );
    }
    let document: Value = serde_json::from_str(&fs::read_to_string(&annotations).unwrap()).unwrap();
    assert_eq!(
        document["categories"][5],
        json!({ "id": 31, "name": "train", "supercategory": "vehicle" })
    );
    let name = document["images"][0]["file_name"].as_str().unwrap();
    assert_eq!(name, "frankfurt/frankfurt_000000_000019_leftImg8bit.png");
}

#[test]
fn the_drawn_recipe_goes_the_whole_path() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (data, out) = (at("drawn"), at("out"));
    let told = run(&[
        "data",
        "export",
        "recipes/pl-dc.toml",
        "--layout",
        "cityscapes",
        "--out",
        &data,
        "--set",
        "data.train-images=60",
        "--set",
        "data.val-images=8",
    ]);
    assert!(told.contains("68 images with "), "{told}");
    assert!(
        told.contains("classes in Cityscapes' labels: disc is person, rect is rider"),
        "{told}"
    );
    assert!(
        told.contains("classes that are void: triangle, tee"),
        "{told}"
    );
    let root = format!("data.root={data}");
    run(&[
        "plan",
        "recipes/cityscapes-drawn.toml",
        "--set",
        &root,
        "--out",
        &out,
    ]);
    let table = run(&[
        "sweep",
        "recipes/cityscapes-drawn.toml",
        "--set",
        &root,
        "--out",
        &out,
        "--quiet",
        "--set",
        "train.steps=6",
        "--set",
        "method.burn-in=3",
        "--set",
        "train.warm-up=2",
        "--set",
        "train.checkpoint=3",
    ]);
    for heading in [
        "mAP (COCO)",
        "AP50 (COCO)",
        "AP (Cityscapes)",
        "AP50 (Cityscapes)",
    ] {
        assert!(table.contains(heading), "{heading}: {table}");
    }
    let records = fs::read_to_string(folder.path().join("out/records.jsonl")).unwrap();
    let record: Value = serde_json::from_str(records.lines().next().unwrap()).unwrap();
    assert_eq!(record["status"], "ok");
    assert!(record["metrics"]["AP (Cityscapes)"].is_f64(), "{record}");
}
