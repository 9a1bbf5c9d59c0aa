//! Tests the dataset on files that the tests write: good ones in every format, and every kind of bad one.

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

#[test]
fn a_missing_path_is_named_with_its_key() {
    for key in [
        "root",
        "train-images",
        "val-annotations",
        "unlabelled-images",
    ] {
        let (found, message) = Fixture::new().with(key, "nowhere").error();
        assert_eq!(found, key);
        assert!(
            message.contains("nowhere") && message.contains("nothing there"),
            "{message}"
        );
    }
}

#[test]
fn files_that_are_not_coco() {
    let fixture = Fixture::new();
    fs::write(fixture.folder.path().join("val.json"), "{ \"images\": [").unwrap();
    let (key, message) = fixture.error();
    assert_eq!(key, "val-annotations");
    assert!(
        message.contains("val.json") && message.contains("not COCO"),
        "{message}"
    );
    assert!(Fixture::broken(|train| *train = json!({ "images": [] })).contains("annotations"));
    assert!(
        Fixture::broken(|train| train["annotations"][1]["image_id"] = json!("x"))
            .contains("annotations[1].image_id")
    );
    assert!(Fixture::broken(|train| train["images"] = json!([])).contains("`images` is empty"));
}

#[test]
fn every_bad_annotation_is_reported() {
    let bad =
        |key: &str, value: Value| Fixture::broken(|train| train["annotations"][0][key] = value);
    assert!(bad("image_id", json!(8)).contains("annotation 1: unknown image id 8"));
    assert!(bad("category_id", json!(5)).contains("annotation 1: image 7: unknown category id 5"));
    assert!(bad("segmentation", json!([])).contains("annotation 1: image 7: no polygon"));
    assert!(bad("segmentation", json!([[]])).contains("polygon of 0 numbers"));
    assert!(bad("segmentation", json!([[1, 1, 2, 2]])).contains("polygon of 4 numbers"));
    assert!(bad("segmentation", json!([1, 1, 4, 1, 4, 4])).contains("a list of numbers"));
    assert!(bad("segmentation", json!([[20, 1, 30, 2, 25, 3]])).contains("cover no pixel"));
    assert!(
        bad("segmentation", json!({ "size": [8, 6], "counts": [48] })).contains("RLE of 8 x 6")
    );
    assert!(bad("id", json!(3)).contains("annotation id 3 occurs twice"));
    assert!(
        Fixture::broken(|train| train["images"][1]["id"] = json!(7))
            .contains("image id 7 occurs twice")
    );
    assert!(
        Fixture::broken(|train| train["categories"][1]["id"] = json!(44))
            .contains("category id 44 occurs twice")
    );
    assert!(
        Fixture::broken(|train| train["images"][0]["file_name"] = json!("c.jpg"))
            .contains("no file `c.jpg`")
    );
}

/// The fixture's document with outlines and flags of every odd kind in its annotations.
fn odd_document() -> Value {
    let mut document = document();
    let template = document["annotations"][0].clone();
    let mut add = |id: u64, edit: &dyn Fn(&mut Value)| {
        let mut annotation = template.clone();
        annotation["id"] = json!(id);
        edit(&mut annotation);
        document["annotations"]
            .as_array_mut()
            .unwrap()
            .push(annotation);
    };
    add(4, &|a| a["segmentation"] = json!([]));
    add(5, &|a| a["segmentation"] = json!([1, 1, 4, 1, 4, 4]));
    add(6, &|a| {
        a["segmentation"] = json!([[5, 1, 20, 1, 20, 4, 5, 4]])
    });
    add(7, &|a| {
        a["segmentation"] = json!([[5, 1, 7, 1, 7, 4, 5, 4], [1, 1, 2, 2]])
    });
    add(8, &|a| a["iscrowd"] = Value::Null);
    add(9, &|a| a["image_id"] = json!(77));
    add(9, &|_| {});
    document
}

#[test]
fn what_is_left_out_clipped_or_odd_is_counted() {
    let fixture = Fixture::new().with("on-bad-annotation", "skip");
    fixture.write("train.json", &odd_document());
    fixture.write("val.json", &odd_document());
    let dataset = fixture.build();
    let found = |part| {
        let found = dataset.findings.iter().filter(|(of, ..)| *of == part);
        let found = found.map(|(_, reason, finding)| (reason, finding.names.join(" and ")));
        found.collect::<Vec<_>>()
    };
    let same = [
        (Reason::Unlisted, "annotation 9"),
        (Reason::Clipped, "annotation 6"),
        (Reason::BadPart, "annotation 7"),
        (Reason::Crowd, "annotation 2"),
        (Reason::NoCrowdFlag, "annotation 8"),
        (Reason::RepeatedId, "annotation 9"),
    ]
    .map(|(reason, names)| (reason, names.to_string()));
    let with = |reason| {
        [
            &[(reason, "annotation 4 and annotation 5".to_string())],
            &same[..],
        ]
        .concat()
    };
    assert_eq!(found(Part::Train), with(Reason::LeftOut));
    assert_eq!(found(Part::Val), with(Reason::EmptyMask));
    let sizes = |part: &dyn Source| -> Vec<usize> {
        part.truth(0)
            .unwrap()
            .instances
            .iter()
            .map(|instance| instance.mask.area())
            .collect()
    };
    assert_eq!(sizes(&*dataset.train), [6, 12, 9, 6, 6, 6]);
    assert_eq!(
        sizes(&*dataset.val),
        [6, 12, 0, 0, 9, 6, 6, 6],
        "nothing is lost in the truth"
    );
}

#[test]
fn objects_are_left_out_of_the_truth_on_demand_only() {
    let mut fixture = Fixture::new().with("on-bad-annotation", "skip");
    fixture.write("val.json", &odd_document());
    fixture.table.insert("skip-in-truth".into(), true.into());
    let dataset = fixture.build();
    assert_eq!(dataset.val.truth(0).unwrap().instances.len(), 6);
    assert_eq!(dataset.findings.count(Part::Val, Reason::LeftOut), 2);
}

#[test]
fn odd_names_are_told() {
    let fixture = Fixture::new();
    let mut train = document();
    train["categories"][0]["name"] = json!("car");
    train["categories"][2]["name"] = Value::Null;
    fixture.write("val.json", &train);
    train["annotations"].as_array_mut().unwrap().remove(0);
    train["images"][0]["file_name"] = json!(".\\a.jpg");
    fixture.write("train.json", &train);
    let dataset = fixture.build();
    assert_eq!(dataset.classes, ["car", "car", "90"]);
    let lines = dataset.findings.lines().join("\n");
    for part in [
        "train: 1 category with the same name as another: `car` (ids 44 and 3)",
        "train: 1 category without a name; the id stands for it: category 90",
        "val: 1 class without an object in the training images: `car`",
        "train: 1 file with backslashes in the name found with slashes: ",
    ] {
        assert!(lines.contains(part), "`{part}` is not in\n{lines}");
    }
    train["images"][0]["file_name"] = json!("sub\\a.jpg");
    fixture.write("train.json", &train);
    let (_, message) = fixture.error();
    assert!(
        message.contains("written with backslashes, as on Windows"),
        "{message}"
    );
}

#[test]
fn images_are_numbered_where_their_ids_are_no_numbers() {
    let numbers = |ids: [Value; 2]| {
        let fixture = Fixture::new();
        let mut train = document();
        for (annotation, image) in [(0, 0), (1, 0), (2, 1)] {
            train["annotations"][annotation]["image_id"] = ids[image].clone();
        }
        for (image, id) in ids.into_iter().enumerate() {
            train["images"][image]["id"] = id;
        }
        fixture.write("train.json", &train);
        let train = fixture.build().train;
        [0, 1].map(|index| train.load(index).unwrap().image_id)
    };
    assert_eq!(numbers([json!(u64::MAX), json!(9.0)]), [u64::MAX, 9]);
    assert_eq!(numbers([json!("b"), json!("a")]), [2, 1]);
    assert_eq!(numbers([json!("b"), json!(-4)]), [2, 1]);
}

#[test]
fn a_size_that_is_absent_is_that_of_the_file() {
    let fixture = Fixture::new();
    let mut train = document();
    train["images"][0].as_object_mut().unwrap().remove("width");
    train["images"][0]["height"] = json!("6");
    fixture.write("train.json", &train);
    assert_eq!(fixture.build().train.truth(0).unwrap().width, 8);
}

#[test]
fn a_category_has_one_name_in_both_files() {
    let fixture = Fixture::new();
    let mut val = document();
    val["categories"][1]["name"] = json!("truck");
    fixture.write("val.json", &val);
    let (key, message) = fixture.error();
    assert_eq!(key, "val-annotations");
    assert!(message.contains("category 3 is `car` in"), "{message}");
}

#[test]
fn images_that_are_none_are_named_before_they_are_read() {
    let fixture = Fixture::new();
    let picture = fixture.folder.path().join("pictures/a.jpg");
    for bad in [&b"no image at all"[..], b""] {
        fs::write(&picture, bad).unwrap();
        let (key, message) = fixture.error();
        assert_eq!(key, "train-annotations");
        assert!(message.contains("image 7: "), "{message}");
        assert!(
            message.contains("a.jpg: needed: a JPEG or PNG file"),
            "{message}"
        );
    }
    image::RgbImage::new(6, 8).save(&picture).unwrap();
    let (_, message) = fixture.error();
    assert!(
        message.contains("a.jpg: 6 x 8 pixels (width x height); its annotations say 8 x 6"),
        "{message}"
    );
    let elsewhere = fixture.folder.path().join("more");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("c.png"), b"no image at all").unwrap();
    let (key, message) = Fixture {
        folder: fixture.folder,
        table: Fixture::new().table,
    }
    .with("unlabelled-images", "more")
    .error();
    assert_eq!(key, "unlabelled-images", "{message}");
}

#[test]
fn corrupt_images_are_named_when_they_are_read() {
    let fixture = Fixture::new();
    let picture = fixture.folder.path().join("pictures/a.jpg");
    let bytes = fs::read(&picture).unwrap();
    let dataset = fixture.build();
    for bad in [&bytes[..bytes.len() / 4], b"no image at all", b""] {
        fs::write(&picture, bad).unwrap();
        let message = format!("{:#}", dataset.train.load(0).unwrap_err());
        assert!(message.contains("a.jpg: cannot be decoded"), "{message}");
    }
    fs::remove_file(&picture).unwrap();
    assert!(format!("{:#}", dataset.train.load(0).unwrap_err()).contains("a.jpg"));
    image::RgbImage::new(6, 8).save(&picture).unwrap();
    let message = format!("{:#}", dataset.train.load(0).unwrap_err());
    assert!(
        message.contains("a.jpg: 6 x 8 pixels (width x height); its annotations say 8 x 6"),
        "{message}"
    );
}
