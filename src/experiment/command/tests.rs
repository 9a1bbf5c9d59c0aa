//! One file of annotations, four readers: training, `eval`, `predict --annotations` and `data export` must give the
//! same answer to every oddity that tools write.

use super::predict::ids::Ids;
use crate::data::export::export;
use crate::data::{Source, load};
use crate::eval::score_files;
use crate::structures::{Instance, InstanceSource, rle};
use anyhow::Result;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use toml::Table;

/// The images, by their place in the file.
const NAMES: [&str; 2] = ["p1.png", "p2.png"];
/// The classes, by their id.
const CLASSES: [&str; 2] = ["nut", "bolt"];

/// Two images of 12 x 10 pixels with three objects and a crowd.
fn document() -> Value {
    let image = |id: u64, name| json!({"id": id, "file_name": name, "width": 12, "height": 10});
    let object = |id: u64, image: u64, category: u64, crowd: u64, [x, y, w, h]: [u64; 4]| {
        let outline = [x, y, x + w, y, x + w, y + h, x, y + h];
        json!({"id": id, "image_id": image, "category_id": category, "iscrowd": crowd, "area": w * h,
               "bbox": [x, y, w, h], "segmentation": [outline]})
    };
    json!({
        "images": [image(1, NAMES[0]), image(2, NAMES[1])],
        "annotations": [
            object(1, 1, 1, 0, [1, 1, 4, 5]),
            object(2, 1, 2, 0, [6, 2, 5, 5]),
            object(3, 2, 2, 0, [0, 0, 6, 4]),
            object(4, 2, 2, 1, [7, 5, 5, 5]),
        ],
        "categories": [{"id": 1, "name": CLASSES[0]}, {"id": 2, "name": CLASSES[1]}],
    })
}

/// A change of the document that changes no object.
type Edit = fn(&mut Value);

/// Gives the images new ids.
fn image_ids(document: &mut Value, ids: [Value; 2]) {
    let place = |id: &Value| id.as_u64().unwrap() as usize - 1;
    for annotation in document["annotations"].as_array_mut().unwrap() {
        annotation["image_id"] = ids[place(&annotation["image_id"])].clone();
    }
    for image in document["images"].as_array_mut().unwrap() {
        image["id"] = ids[place(&image["id"])].clone();
    }
}

/// Gives the categories new ids.
fn category_ids(document: &mut Value, ids: [Value; 2]) {
    let place = |id: &Value| id.as_u64().unwrap() as usize - 1;
    for annotation in document["annotations"].as_array_mut().unwrap() {
        annotation["category_id"] = ids[place(&annotation["category_id"])].clone();
    }
    for category in document["categories"].as_array_mut().unwrap() {
        category["id"] = ids[place(&category["id"])].clone();
    }
}

/// Sets `key` of every entry of `list`, or removes it.
fn set(document: &mut Value, list: &str, key: &str, value: Option<Value>) {
    for entry in document[list].as_array_mut().unwrap() {
        let entry = entry.as_object_mut().unwrap();
        match &value {
            Some(value) => entry.insert(key.to_string(), value.clone()),
            None => entry.remove(key),
        };
    }
}

/// The outline of the first annotation, the columns 1 to 4 and the rows 1 to 5, as runs.
const RUNS: [u32; 9] = [11, 5, 5, 5, 5, 5, 5, 5, 74];

const EDITS: &[(&str, Edit)] = &[
    ("nothing", |_| {}),
    ("odd header", |d| {
        d["info"] = json!(["x"]);
        d["licenses"] = json!("");
        d["type"] = json!(7);
    }),
    ("odd fields of images", |d| {
        for (key, value) in [
            ("date_captured", json!(0)),
            ("license", json!("")),
            ("coco_url", json!(0)),
        ] {
            set(d, "images", key, Some(value));
        }
    }),
    ("odd fields of categories", |d| {
        for (key, value) in [
            ("supercategory", json!(0)),
            ("skeleton", json!(-1)),
            ("keypoints", json!({})),
        ] {
            set(d, "categories", key, Some(value));
        }
    }),
    ("odd fields of annotations", |d| {
        for (key, value) in [
            ("attributes", json!([{"occluded": null}])),
            ("num_keypoints", json!(-1)),
            ("keypoints", json!("none")),
            ("score", json!("0.9")),
            ("is_group_of", json!("no")),
            ("obb", json!([1, 2, 3, 4])),
        ] {
            set(d, "annotations", key, Some(value));
        }
    }),
    ("area null", |d| {
        set(d, "annotations", "area", Some(Value::Null))
    }),
    ("area a list", |d| {
        set(d, "annotations", "area", Some(json!([0])))
    }),
    ("area a text", |d| {
        set(d, "annotations", "area", Some(json!("large")))
    }),
    ("no area", |d| set(d, "annotations", "area", None)),
    ("bbox empty", |d| {
        set(d, "annotations", "bbox", Some(json!([])))
    }),
    ("bbox of five", |d| {
        set(d, "annotations", "bbox", Some(json!([1, 2, 3, 4, 5])))
    }),
    ("no bbox", |d| set(d, "annotations", "bbox", None)),
    ("iscrowd true and false", |d| {
        for annotation in d["annotations"].as_array_mut().unwrap() {
            annotation["iscrowd"] = json!(annotation["iscrowd"] == 1);
        }
    }),
    ("iscrowd a text or a float", |d| {
        d["annotations"][0]["iscrowd"] = json!("0");
        d["annotations"][1]["iscrowd"] = json!(0.0);
        d["annotations"][3]["iscrowd"] = json!("1");
    }),
    ("iscrowd null or absent", |d| {
        d["annotations"][0]["iscrowd"] = Value::Null;
        d["annotations"][1]
            .as_object_mut()
            .unwrap()
            .remove("iscrowd");
    }),
    ("image ids as texts", |d| {
        image_ids(d, [json!("img-b"), json!("img-a")])
    }),
    ("image ids that are negative", |d| {
        image_ids(d, [json!(-1), json!(i64::MIN)])
    }),
    ("image ids as hashes", |d| {
        image_ids(d, [json!(u64::MAX), json!(1u64 << 63)])
    }),
    ("image ids on both sides of 2^63", |d| {
        image_ids(d, [json!(u64::MAX), json!(5)])
    }),
    ("image ids above 2^53", |d| {
        image_ids(d, [json!((1u64 << 53) + 1), json!((1u64 << 53) + 2)])
    }),
    ("image ids as floats", |d| {
        image_ids(d, [json!(1.0), json!(2.0)])
    }),
    ("image ids of both kinds", |d| {
        image_ids(d, [json!("1"), json!(1)])
    }),
    ("category ids as texts", |d| {
        category_ids(d, [json!("a"), json!("b")])
    }),
    ("category ids from 0", |d| {
        category_ids(d, [json!(0), json!(1)])
    }),
    ("category ids as hashes", |d| {
        category_ids(d, [json!(u64::MAX - 1), json!(u64::MAX)])
    }),
    ("category ids as floats", |d| {
        category_ids(d, [json!(1.0), json!(2.0)])
    }),
    ("annotation ids of all kinds", |d| {
        for (index, id) in [json!("a"), json!(-3), json!(2.0), json!(u64::MAX)]
            .into_iter()
            .enumerate()
        {
            d["annotations"][index]["id"] = id;
        }
    }),
    ("sizes as floats and texts", |d| {
        set(d, "images", "width", Some(json!(12.0)));
        set(d, "images", "height", Some(json!("10")));
    }),
    ("file names with backslashes", |d| {
        d["images"][0]["file_name"] = json!(".\\p1.png")
    }),
    ("a category name that is a number", |d| {
        d["info"] = json!({"year": "2017"})
    }),
    ("polygon of floats", |d| {
        d["annotations"][0]["segmentation"] = json!([[1.0, 1.0, 5.0, 1.0, 5.0, 6.0, 1.0, 6.0]]);
    }),
    ("polygon of texts", |d| {
        d["annotations"][0]["segmentation"] = json!([["1", "1", "5", "1", "5", "6.0", "1", "6"]]);
    }),
    ("polygon with a stray part", |d| {
        d["annotations"][0]["segmentation"] = json!([[1, 1, 5, 1, 5, 6, 1, 6], [9, 9, 9, 9]]);
    }),
    ("polygon behind a stray part", |d| {
        d["annotations"][0]["segmentation"] = json!([[], [1, 1, 5, 1, 5, 6, 1, 6]]);
    }),
    ("polygon over the edge", |d| {
        d["annotations"][2]["segmentation"] = json!([[-9, -20, 6, -20, 6, 4, -9, 4]]);
    }),
    ("runs", |d| {
        d["annotations"][0]["segmentation"] = json!({"size": [10, 12], "counts": RUNS})
    }),
    ("runs as floats", |d| {
        let counts = RUNS.map(f64::from);
        d["annotations"][0]["segmentation"] = json!({"size": [10.0, 12.0], "counts": counts});
    }),
    ("runs with h and w", |d| {
        d["annotations"][0]["segmentation"] = json!({"h": 10, "w": 12, "counts": RUNS});
    }),
    ("packed runs", |d| {
        let runs = hotcoco::Rle {
            h: 10,
            w: 12,
            counts: RUNS.to_vec(),
        };
        let counts = hotcoco::mask::rle_to_string(&runs);
        d["annotations"][0]["segmentation"] = json!({"size": [10, 12], "counts": counts});
    }),
    ("runs in a list", |d| {
        d["annotations"][0]["segmentation"] = json!([{"size": [10, 12], "counts": RUNS}]);
    }),
    ("an annotation of an image that is not listed", |d| {
        let mut lost = d["annotations"][0].clone();
        lost["id"] = json!(9);
        lost["image_id"] = json!(99);
        d["annotations"].as_array_mut().unwrap().push(lost);
    }),
    ("an annotation of a category that is not listed", |d| {
        let mut lost = d["annotations"][0].clone();
        lost["id"] = json!(9);
        lost["category_id"] = json!(99);
        d["annotations"].as_array_mut().unwrap().insert(0, lost);
    }),
];

/// A change of the text that changes no object.
type Rewrite = fn(&str) -> Vec<u8>;

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

const REWRITES: &[(&str, Rewrite)] = &[
    ("byte order mark", |text| {
        [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat()
    }),
    ("UTF-16 with a mark", |text| {
        [vec![0xff, 0xfe], utf16(text, u16::to_le_bytes)].concat()
    }),
    ("UTF-16, big end first", |text| {
        [vec![0xfe, 0xff], utf16(text, u16::to_be_bytes)].concat()
    }),
    ("UTF-16 without a mark", |text| {
        utf16(text, u16::to_le_bytes)
    }),
    ("NaN", |text| {
        text.replacen(
            '{',
            "{\"info\": {\"a\": NaN, \"b\": [-Infinity, Infinity]},",
            1,
        )
        .into()
    }),
    ("area NaN", |text| {
        text.replace("\"area\":20", "\"area\":NaN").into()
    }),
    ("Windows lines", |text| text.replace(',', ",\r\n\t").into()),
    ("a key twice", |text| {
        text.replace("\"width\":12", "\"width\":\"x\",\"width\":12")
            .into()
    }),
    ("a list twice", |text| {
        text.replacen('{', "{\"images\":[],", 1).into()
    }),
    ("not UTF-8 where nobody reads", |text| {
        [b"{\"info\":\"\xe4\",", &text.as_bytes()[1..]].concat()
    }),
];

/// The folder of a dataset whose training and validation file is the same.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(text: &[u8]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path("images")).unwrap();
        for name in NAMES {
            image::RgbImage::new(12, 10)
                .save(folder.path("images").join(name))
                .unwrap();
        }
        fs::write(folder.path("gt.json"), text).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The answer of every reader.
    ///
    /// # Errors
    /// The first reader that refuses the file.
    fn answer(&self) -> Result<Answer> {
        let dataset = load(table(self.0.path(), "gt.json", "images"))?;
        let paths = NAMES.map(|name| self.path("images").join(name));
        let ids = self.ids()?;
        let found: Vec<Value> = perfect(&ids);
        fs::write(self.path("dt.json"), serde_json::to_vec(&found)?)?;
        let scores = score_files(&self.path("gt.json"), &self.path("dt.json"))?;
        assert_eq!(ids.images.len(), paths.len());
        let exported = self.path("exported");
        export(&dataset, &exported)?;
        let again = load(table(
            &exported,
            "annotations/instances_val2017.json",
            "images",
        ))?;
        Ok(Answer {
            classes: dataset.classes.clone(),
            training: objects(&*dataset.train),
            truth: objects(&*dataset.val),
            exported: objects(&*again.val),
            scores: [scores.segm.0[0], scores.bbox.0[0]],
        })
    }

    fn ids(&self) -> Result<Ids> {
        let paths = NAMES.map(|name| self.path("images").join(name));
        Ids::new(
            &paths,
            &CLASSES.map(String::from),
            Some(&self.path("gt.json")),
        )
    }
}

#[derive(Debug, PartialEq)]
struct Answer {
    classes: Vec<String>,
    training: Vec<Vec<Instance>>,
    truth: Vec<Vec<Instance>>,
    exported: Vec<Vec<Instance>>,
    /// By masks and by boxes.
    scores: [f64; 2],
}

fn table(root: &Path, annotations: &str, images: &str) -> Table {
    let mut table: Table = r#"
        name = "coco"
        unlabelled-images = ""
        classes = "all"
        on-bad-annotation = "skip"
        skip-in-truth = false
        exif = true
        check = "never"
        area-bounds = [1024.0, 9216.0]
    "#
    .parse()
    .unwrap();
    table.insert("root".into(), root.to_str().unwrap().into());
    for part in ["train", "val"] {
        table.insert(format!("{part}-annotations"), annotations.into());
        table.insert(format!("{part}-images"), images.into());
    }
    table
}

/// The objects of every image.
fn objects(source: &dyn Source) -> Vec<Vec<Instance>> {
    (0..source.len())
        .map(|index| source.truth(index).unwrap().instances)
        .collect()
}

/// Results that find every object of [`document`], with the ids that `predict` gives.
fn perfect(ids: &Ids) -> Vec<Value> {
    let folder = Folder::new(document().to_string().as_bytes());
    let dataset = load(table(folder.0.path(), "gt.json", "images")).unwrap();
    let images = objects(&*dataset.val).into_iter().zip(&ids.images);
    let found = images.flat_map(|(instances, id)| {
        let single = |instance: &Instance| instance.source == InstanceSource::Annotation;
        instances.into_iter().filter(single).map(move |instance| {
            let runs = rle::encode(&instance.mask);
            json!({"image_id": id, "category_id": ids.categories[instance.class], "score": 0.9,
                   "bbox": hotcoco::mask::to_bbox(&runs),
                   "segmentation": {"size": [runs.h, runs.w], "counts": runs.counts}})
        })
    });
    found.collect()
}

#[test]
fn all_readers_give_the_same_answer_to_every_oddity() {
    let text = document().to_string();
    let expected = Folder::new(text.as_bytes()).answer().unwrap();
    let all_found = expected.scores.iter().all(|score| *score > 0.999_999);
    assert!(all_found, "{:?}", expected.scores);
    assert_eq!(expected.training[0].len() + expected.training[1].len(), 4);
    assert_eq!(
        (&expected.truth, &expected.exported),
        (&expected.training, &expected.training)
    );
    let edited = EDITS.iter().map(|(name, edit)| {
        let mut document = document();
        edit(&mut document);
        (*name, document.to_string().into_bytes())
    });
    let rewritten = REWRITES
        .iter()
        .map(|(name, rewrite)| (*name, rewrite(&text)));
    for (name, bytes) in edited.chain(rewritten) {
        let answer = Folder::new(&bytes).answer();
        let answer = answer.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert_eq!(answer, expected, "{name}");
    }
}

#[test]
fn all_readers_refuse_the_same_files_and_name_the_place() {
    let good = document().to_string();
    let mut bad: Vec<(Vec<u8>, &str)> = vec![
        (good[..good.len() / 2].into(), "cut off"),
        (format!("{good} more").into(), "not JSON"),
        (good.replacen('[', "[nan, ", 1).into(), "not JSON: expected"),
        (b"[]".to_vec(), "a list; needed: an object"),
        (vec![0x1f, 0x8b, 8, 0], "gzip"),
    ];
    let edits: [(Edit, &str); 5] = [
        (|d| d["images"] = json!({}), "images: invalid type: map"),
        (
            |d| d["images"][1] = Value::Null,
            "images[1]: invalid type: null",
        ),
        (
            |d| d["categories"] = json!(3),
            "categories: invalid type: integer `3`",
        ),
        (
            |d| d["categories"][1]["id"] = json!(1.5),
            "categories[1]: `id` is 1.5; needed: an id",
        ),
        (
            |d| {
                d.as_object_mut().unwrap().remove("images");
            },
            "missing field `images`",
        ),
    ];
    for (edit, place) in edits {
        let mut document = document();
        edit(&mut document);
        bad.push((document.to_string().into(), place));
    }
    for (bytes, place) in bad {
        let folder = Folder::new(&bytes);
        let file = folder.path("gt.json");
        let of_training = load(table(folder.0.path(), "gt.json", "images"))
            .err()
            .unwrap();
        let of_eval = score_files(&file, &file).unwrap_err();
        let of_predict = folder.ids().unwrap_err();
        for message in [
            of_training.to_string(),
            format!("{of_eval:#}"),
            format!("{of_predict:#}"),
        ] {
            assert!(
                message.contains("gt.json") && message.contains(place),
                "{place}: {message}"
            );
        }
    }
}
