//! Decodes every picture of datasets, in parallel, so that a damaged one is found before a training and not in
//! it.

use super::interrupt::Interrupt;
use crate::data::findings::Part;
use crate::data::stamp::Stamp;
use crate::data::{Dataset, Source};
use crate::experiment::store::checked::Checked;
use crate::report::counted;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A picture of a dataset.
struct Picture<'a> {
    part: Part,
    source: &'a dyn Source,
    index: usize,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckedPictures {
    /// The number of pictures of all datasets, each counted once.
    pub pictures: usize,
    /// The number of those that were decoded; the others had been decoded before.
    pub decoded: usize,
    /// The pictures that cannot be used, one line each.
    pub problems: Vec<String>,
}

/// Decodes the pictures of `datasets` that `known` does not hold, and adds those without an error to `known`. A
/// requested stop leaves the rest out. With `shows`, there is a progress bar on a terminal, and a line
/// elsewhere.
pub fn check(
    datasets: &[Dataset],
    known: &mut Checked,
    interrupt: &Interrupt,
    shows: bool,
) -> CheckedPictures {
    let pictures = pictures(datasets);
    let all = pictures.len();
    let new: Vec<(PathBuf, Picture)> = pictures
        .into_iter()
        .filter(|(path, _)| !known.holds(path))
        .collect();
    if new.is_empty() {
        return CheckedPictures {
            pictures: all,
            ..CheckedPictures::default()
        };
    }
    let bar = bar(new.len(), shows);
    let decode = |(path, picture): &(PathBuf, Picture)| {
        if interrupt.requested() {
            return None;
        }
        let outcome = decode(path, picture);
        bar.inc(1);
        Some(outcome)
    };
    let decoded: Vec<Option<Result<Option<Stamp>, String>>> = new.par_iter().map(decode).collect();
    bar.finish_and_clear();
    let mut found = CheckedPictures {
        pictures: all,
        ..CheckedPictures::default()
    };
    for ((path, _), outcome) in new.iter().zip(decoded) {
        found.decoded += usize::from(outcome.is_some());
        match outcome {
            Some(Ok(Some(stamp))) => known.add(path, stamp),
            Some(Err(problem)) => found.problems.push(problem),
            Some(Ok(None)) | None => {}
        }
    }
    found
}

/// The pictures of `datasets` that are files, each once, by their paths.
fn pictures(datasets: &[Dataset]) -> BTreeMap<PathBuf, Picture<'_>> {
    let mut pictures = BTreeMap::new();
    for dataset in datasets {
        let parts = [
            (Part::Train, Some(&dataset.train)),
            (Part::Val, Some(&dataset.val)),
            (Part::Unlabelled, dataset.extra_unlabelled.as_ref()),
        ];
        for (part, source) in parts {
            let Some(source) = source else { continue };
            for index in 0..source.len() {
                let picture = Picture {
                    part,
                    source: &**source,
                    index,
                };
                if let Some(path) = source.file(index) {
                    pictures.entry(path.to_path_buf()).or_insert(picture);
                }
            }
        }
    }
    pictures
}

/// Decodes a picture with its annotations, and returns the state of its file.
fn decode(path: &Path, picture: &Picture) -> Result<Option<Stamp>, String> {
    // The file may change while it is read.
    let stamp = Stamp::of(path);
    let sample = picture.source.load(picture.index);
    sample
        .map(|_| stamp)
        .map_err(|error| format!("{}: {error:#}", picture.part.name()))
}

fn bar(pictures: usize, shows: bool) -> ProgressBar {
    if !shows {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(pictures as u64);
    let style = ProgressStyle::with_template("checking pictures {bar:24} {pos}/{len} {eta} left");
    bar.set_style(style.expect("a valid template"));
    if bar.is_hidden() {
        eprintln!("checking {}", counted(pictures, "picture"));
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::super::interrupt::Request;
    use super::*;
    use crate::data::load;
    use std::fs;

    /// A dataset of the pictures `a.png` and `b.png` for training and `c.png` for the evaluation.
    fn dataset(folder: &Path) -> Dataset {
        let pictures = ["a", "b", "c"];
        for name in pictures {
            let path = folder.join(format!("{name}.png"));
            if !path.exists() {
                image::RgbImage::new(9, 7).save(path).unwrap();
            }
        }
        let annotations = |names: &[&str]| {
            let images = names.iter().enumerate().map(|(id, name)| {
                serde_json::json!({ "id": id, "file_name": format!("{name}.png"), "width": 9, "height": 7 })
            });
            let outline = [1, 1, 6, 1, 6, 5, 1, 5];
            serde_json::json!({
                "images": images.collect::<Vec<_>>(),
                "categories": [{ "id": 1, "name": "cup" }],
                "annotations": [{ "id": 1, "image_id": 0, "category_id": 1, "iscrowd": 0, "segmentation": [outline] }],
            })
        };
        let write = |name: &str, names: &[&str]| {
            fs::write(folder.join(name), annotations(names).to_string()).unwrap();
        };
        write("train.json", &pictures[..2]);
        write("val.json", &pictures[2..]);
        let mut table: toml::Table = "name = 'coco'\ntrain-annotations = 'train.json'\ntrain-images = ''\n\
             val-annotations = 'val.json'\nval-images = ''\nunlabelled-images = ''\nclasses = 'all'\n\
             on-bad-annotation = 'error'\narea-bounds = [1.0, 2.0]\nskip-in-truth = false\ncheck = 'once'\ncache = 0\nexif = true"
            .parse()
            .unwrap();
        table.insert("root".into(), folder.to_str().unwrap().into());
        load(table).unwrap()
    }

    #[test]
    fn a_damaged_picture_is_named_and_the_others_are_decoded_once() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = [dataset(folder.path())];
        let mut known = Checked::default();
        let mut check = || check(&dataset, &mut known, &Interrupt::default(), false);
        let first = check();
        assert_eq!((first.pictures, first.decoded), (3, 3));
        assert_eq!(first.problems, Vec::<String>::new());
        assert_eq!(check().decoded, 0, "nothing has changed");

        let path = folder.path().join("c.png");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 20]).unwrap();
        for _ in 0..2 {
            let cut = check();
            assert_eq!(cut.decoded, 1, "a damaged one is decoded each time");
            let [problem] = &cut.problems[..] else {
                panic!("{:?}", cut.problems)
            };
            assert!(problem.starts_with("val: "), "{problem}");
            assert!(problem.contains("c.png: cannot be decoded"), "{problem}");
        }
        fs::write(&path, whole).unwrap();
        assert_eq!(check().problems, Vec::<String>::new());
    }

    #[test]
    fn a_requested_stop_ends_the_check() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = [dataset(folder.path())];
        let interrupt = Interrupt::default();
        interrupt.request(Request::Stop);
        let found = check(&dataset, &mut Checked::default(), &interrupt, false);
        assert_eq!((found.pictures, found.decoded), (3, 0));
    }
}
