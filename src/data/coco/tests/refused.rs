//! Files that are refused, each with its message.

use super::*;

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
