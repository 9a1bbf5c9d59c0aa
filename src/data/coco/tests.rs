//! Tests the dataset on files that the tests write: good ones in every format, and every kind of bad one.

mod cache;
mod odd;
mod refused;

use crate::data::findings::{Part, Reason};
use crate::data::{Dataset, Source, load};
use crate::structures::{InstanceSource, Mask};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A dataset of two images (a colour JPEG and a grey PNG, 8 x 6 pixels). Tests break it in one place.
struct Fixture {
    folder: TempDir,
    table: toml::Table,
}

/// The annotations of the fixture.
fn document() -> Value {
    json!({
        "info": {},
        "images": [
            { "id": 7, "file_name": "a.jpg", "height": 6, "width": 8 },
            { "id": 9, "file_name": "b.png", "height": 6, "width": 8 },
        ],
        "categories": [
            { "id": 44, "name": "bottle" },
            { "id": 3, "name": "car" },
            { "id": 90, "name": "toothbrush" },
        ],
        "annotations": [
            { "id": 1, "image_id": 7, "category_id": 44, "iscrowd": 0, "area": 6.5,
              "segmentation": [[2.0, 1.0, 5.0, 1.0, 5.0, 3.0, 2.0, 3.0]] },
            { "id": 2, "image_id": 7, "category_id": 3, "iscrowd": 1, "area": 12.0,
              "segmentation": { "size": [6, 8], "counts": [36, 12] } },
            { "id": 3, "image_id": 9, "category_id": 3, "iscrowd": 0,
              "segmentation": { "size": [6, 8], "counts": "06Z1" } },
        ],
    })
}

/// The table `[data]` of a dataset in `root`: the files of training and validation annotations, and the folder of all
/// images.
pub(crate) fn table(root: &Path, [train, val]: [&str; 2], images: &str) -> toml::Table {
    let text = format!(
        "name = 'coco'
        root = {root:?}
        train-annotations = '{train}'
        train-images = '{images}'
        val-annotations = '{val}'
        val-images = '{images}'
        unlabelled-images = ''
        classes = 'all'
        on-bad-annotation = 'error'
        skip-in-truth = false
        exif = true
        check = 'once'
        cache = 0
        area-bounds = [1024.0, 9216.0]"
    );
    text.parse().unwrap()
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let table = table(folder.path(), ["train.json", "val.json"], "pictures");
        let pictures = folder.path().join("pictures");
        fs::create_dir(&pictures).unwrap();
        let red = image::RgbImage::from_pixel(8, 6, image::Rgb([220, 30, 30]));
        red.save(pictures.join("a.jpg")).unwrap();
        image::GrayImage::from_pixel(8, 6, image::Luma([77]))
            .save(pictures.join("b.png"))
            .unwrap();
        let fixture = Self { folder, table };
        fixture.write("train.json", &document());
        fixture.write("val.json", &document());
        fixture
    }

    fn write(&self, file: &str, document: &Value) {
        fs::write(self.folder.path().join(file), document.to_string()).unwrap();
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.table.insert(key.into(), value.into());
        self
    }

    fn build(&self) -> Dataset {
        load(self.table.clone()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The key and the text of the error.
    fn error(&self) -> (String, String) {
        let error = load(self.table.clone())
            .err()
            .expect("the dataset is refused");
        (error[0].key.clone(), error[0].message.clone())
    }

    /// The error after `edit` has changed the training annotations.
    fn broken(edit: impl FnOnce(&mut Value)) -> String {
        let fixture = Self::new();
        let mut train = document();
        edit(&mut train);
        fixture.write("train.json", &train);
        let (key, message) = fixture.error();
        assert_eq!(key, "train-annotations", "{message}");
        assert!(message.contains("train.json"), "names the file: {message}");
        message
    }
}

#[test]
fn the_files_that_other_tools_make_of_cityscapes_are_found() {
    let frame = "ulm_000001_000019_leftImg8bit.png";
    // maskrcnn-benchmark leaves the city out, mmdetection writes it, and Detectron2 writes the whole path.
    for name in [
        frame.to_string(),
        format!("ulm/{frame}"),
        format!("/elsewhere/leftImg8bit/val/ulm/{frame}"),
    ] {
        let fixture = Fixture::new();
        let city = fixture.folder.path().join("pictures/ulm");
        fs::create_dir(&city).unwrap();
        fs::copy(city.with_file_name("b.png"), city.join(frame)).unwrap();
        let mut document = document();
        let id = format!("{name} as an id");
        document["images"][1]["file_name"] = json!(name);
        document["images"][1]["id"] = json!(id);
        document["annotations"][2]["image_id"] = json!(id);
        fixture.write("train.json", &document);
        let train = fixture.build().train;
        assert_eq!(train.file(1).unwrap(), city.join(frame), "{name}");
        assert_eq!(train.classes_of(1), [0], "{name}");
    }
}

#[test]
fn polygons_runs_and_crowds_become_instances() {
    let fixture = Fixture::new();
    let dataset = fixture.build();
    assert_eq!(
        dataset.classes,
        ["car", "bottle", "toothbrush"],
        "by ascending category id"
    );
    assert_eq!(dataset.train.len(), 2);
    assert_eq!(dataset.train.classes_of(0), [1, 0]);
    assert_eq!(dataset.train.objects_of(0), [1], "the crowd is no object");
    let sample = dataset.train.load(0).unwrap();
    assert_eq!(sample.image_id, 7);
    assert!(
        sample.picture.pixels[0] > 180 && sample.picture.pixels[1] < 70,
        "red"
    );
    let polygon = &sample.instances[0];
    let expected = |i: usize| (1..3).contains(&(i / 8)) && (2..5).contains(&(i % 8));
    let bits: Vec<u8> = (0..48).map(|i| u8::from(expected(i))).collect();
    assert_eq!(polygon.mask, Mask::new(6, 8, bits));
    let crowd = &sample.instances[1];
    assert_eq!(crowd.source, InstanceSource::Crowd);
    assert!(
        (0..48).all(|i| (crowd.mask.bits[i] == 1) == (i % 8 >= 6)),
        "runs go down the columns"
    );
    let grey = dataset.train.load(1).unwrap();
    assert_eq!(grey.picture.pixels, vec![77; 8 * 6 * 3]);
    assert!(
        (0..48).all(|i| (grey.instances[0].mask.bits[i] == 1) == (i % 8 == 0)),
        "the compressed runs"
    );
    let truth = dataset.val.truth(0).unwrap();
    assert_eq!(truth.areas, [6.5, 12.0], "the file's areas");
    assert_eq!(
        dataset.val.truth(1).unwrap().areas,
        [6.0],
        "pixels where it has none"
    );
}

#[test]
fn present_leaves_out_categories_without_objects() {
    let dataset = Fixture::new().with("classes", "present").build();
    assert_eq!(dataset.classes, ["car", "bottle"]);
}

#[test]
fn of_a_file_of_unlabelled_images_the_annotations_are_not_read() {
    let fixture = Fixture::new().with("unlabelled-images", "more.json");
    let mut more = document();
    more["images"].as_array_mut().unwrap().remove(0);
    more["annotations"] = json!("none of them is read");
    more["categories"] = json!(null);
    fixture.write("more.json", &more);
    let extra = fixture.build().extra_unlabelled.unwrap();
    assert_eq!((extra.len(), extra.objects_of(0)), (1, vec![]));
    assert!(extra.file(0).unwrap().ends_with("pictures/b.png"));
    assert!(extra.load(0).unwrap().instances.is_empty());
    more["images"][0]["file_name"] = json!("far.png");
    fixture.write("more.json", &more);
    let (key, message) = fixture.error();
    assert_eq!(key, "unlabelled-images");
    assert!(
        message.contains("no file `far.png`") && message.contains("more.json"),
        "{message}"
    );
}

#[test]
fn a_file_of_unlabelled_images_names_their_folder() {
    let fixture = Fixture::new().with("unlabelled-images", "image_info_further2017.json");
    let mut info = json!({ "images": document()["images"] });
    info["images"][0]["file_name"] = json!("far.jpg");
    info["images"].as_array_mut().unwrap().truncate(1);
    fixture.write("image_info_further2017.json", &info);
    let root = fixture.folder.path();
    fs::create_dir(root.join("further2017")).unwrap();
    let (_, message) = fixture.error();
    assert!(
        message.contains("name their folder in place of this file"),
        "{message}"
    );
    fs::copy(
        root.join("pictures/a.jpg"),
        root.join("further2017/far.jpg"),
    )
    .unwrap();
    let extra = fixture.build().extra_unlabelled.unwrap();
    assert!(extra.file(0).unwrap().ends_with("further2017/far.jpg"));
}

#[test]
fn images_that_are_trained_or_unlabelled_and_evaluated_are_told() {
    let dataset = Fixture::new().with("unlabelled-images", "pictures").build();
    let lines = dataset.findings.lines().join("\n");
    for part in ["train", "unlabelled"] {
        let told = format!("{part}: 2 pictures are evaluated as well: training sees what it is");
        assert!(lines.contains(&told), "{lines}");
    }
    let fixture = Fixture::new();
    let mut val = document();
    val["images"].as_array_mut().unwrap().remove(0);
    val["annotations"].as_array_mut().unwrap().drain(..2);
    fixture.write("val.json", &val);
    let one = fixture.build().findings.lines().join("\n");
    assert!(
        one.contains("train: 1 picture is evaluated as well"),
        "{one}"
    );
    assert!(!one.contains("unlabelled:"), "{one}");
}

#[test]
fn a_folder_of_unlabelled_images() {
    let fixture = Fixture::new().with("unlabelled-images", "pictures");
    fs::write(fixture.folder.path().join("pictures/notes.txt"), "no image").unwrap();
    let extra = fixture.build().extra_unlabelled.unwrap();
    assert_eq!(extra.len(), 2);
    assert!(extra.is_background(0));
    assert_eq!(extra.load(1).unwrap().picture.pixels[0], 77);
    let empty = Fixture::new().with("unlabelled-images", "empty");
    fs::create_dir(empty.folder.path().join("empty")).unwrap();
    let (key, message) = empty.error();
    assert_eq!(key, "unlabelled-images");
    assert!(message.contains("no image"), "{message}");
}
