//! One file of annotations, four readers: training, `eval`, `predict --annotations` and `data export` must give the
//! same answer to every oddity that tools write.

mod oddities;

use super::predict::ids::Ids;
use crate::data::export::{Layout, export};
use crate::data::{Source, coco, load};
use crate::eval::score_files;
use crate::structures::{Instance, InstanceSource, rle};
use anyhow::Result;
use oddities::{EDITS, Edit, REWRITES};
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
        export(&dataset, &exported, Layout::Coco)?;
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
    let mut table = coco::tests::table(root, [annotations; 2], images);
    table.insert("on-bad-annotation".into(), "skip".into());
    table.insert("check".into(), "never".into());
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
