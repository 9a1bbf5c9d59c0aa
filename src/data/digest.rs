//! A dataset without pictures and outlines: the classes of the objects of each image, its id, its file and its size.
//! That is enough to draw a split, to count its classes and to tell the time of an evaluation, and it is read in a
//! second where the files of a large dataset take ten.

use super::findings::Findings;
use super::stamp::Stamp;
use super::{Dataset, Sample, Source};
use anyhow::{Result, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The number of images from which a dataset is worth a digest.
const LARGE: usize = 10_000;

/// The digest of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// The program that read the dataset. Another one may read it differently.
    program: Stamp,
    /// The files of the dataset as they were when it was read.
    files: Vec<(PathBuf, Stamp)>,
    classes: Vec<String>,
    train: Listing,
    extra: Option<Listing>,
    val: Listing,
    area_bounds: [f64; 2],
    findings: Findings,
}

/// The images of a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Listing(Vec<ListedImage>);

/// An image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ListedImage {
    id: u64,
    file: Option<PathBuf>,
    /// The classes of its objects.
    objects: Vec<usize>,
    /// The classes of its crowds.
    crowds: Vec<usize>,
    is_listed_empty: bool,
    /// Its rows and columns, if they are known.
    size: Option<(usize, usize)>,
}

impl Digest {
    /// Returns true if reading a digest of `dataset` is much quicker than reading the dataset.
    pub fn is_worth_it(dataset: &Dataset) -> bool {
        let extra = dataset.extra_unlabelled.as_ref();
        dataset.train.len() + dataset.val.len() + extra.map_or(0, |extra| extra.len()) >= LARGE
    }

    /// The digest of `dataset`, which was read from `files` and from its pictures; none if the state of a file
    /// is unknown.
    pub fn new(dataset: &Dataset, files: &[PathBuf]) -> Option<Self> {
        let extra = dataset.extra_unlabelled.as_deref();
        let sources = [Some(&*dataset.train), Some(&*dataset.val), extra];
        let pictures = sources.into_iter().flatten().flat_map(|source| {
            let files = (0..source.len()).map(|index| source.file(index));
            files.flatten().map(Path::to_path_buf)
        });
        let files: Vec<PathBuf> = files.iter().cloned().chain(pictures).collect();
        let stamped = |path: PathBuf| {
            let path = std::path::absolute(path).ok()?;
            let stamp = Stamp::of(&path)?;
            Some((path, stamp))
        };
        Some(Self {
            program: program()?,
            files: files.into_par_iter().map(stamped).collect::<Option<_>>()?,
            classes: dataset.classes.clone(),
            train: Listing::of(&*dataset.train),
            extra: extra.map(Listing::of),
            val: Listing::of(&*dataset.val),
            area_bounds: dataset.area_bounds,
            findings: dataset.findings.clone(),
        })
    }

    /// Returns true if no file has changed since.
    pub fn is_fresh(&self) -> bool {
        let unchanged = |(path, stamp): &(PathBuf, Stamp)| Stamp::of(path) == Some(*stamp);
        program() == Some(self.program) && self.files.par_iter().all(unchanged)
    }

    /// A dataset with the same classes and objects. Its images cannot be loaded.
    pub fn dataset(self) -> Dataset {
        Dataset {
            classes: self.classes,
            train: Arc::new(self.train),
            extra_unlabelled: self.extra.map(|extra| Arc::new(extra) as Arc<dyn Source>),
            val: Arc::new(self.val),
            area_bounds: self.area_bounds,
            findings: self.findings,
        }
    }
}

/// The state of this program's file.
fn program() -> Option<Stamp> {
    Stamp::of(&std::env::current_exe().ok()?)
}

impl Listing {
    fn of(source: &dyn Source) -> Self {
        let image = |index| {
            let (mut crowds, objects) = (source.classes_of(index), source.objects_of(index));
            for class in &objects {
                if let Some(place) = crowds.iter().position(|other| other == class) {
                    crowds.swap_remove(place);
                }
            }
            ListedImage {
                id: source.id(index),
                file: source.file(index).map(Path::to_path_buf),
                objects,
                crowds,
                is_listed_empty: source.is_listed_empty(index),
                size: source.size_of(index),
            }
        };
        Self((0..source.len()).map(image).collect())
    }
}

impl Source for Listing {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn classes_of(&self, index: usize) -> Vec<usize> {
        let ListedImage {
            objects, crowds, ..
        } = &self.0[index];
        [&objects[..], crowds].concat()
    }

    fn objects_of(&self, index: usize) -> Vec<usize> {
        self.0[index].objects.clone()
    }

    fn is_background(&self, index: usize) -> bool {
        self.0[index].objects.is_empty()
    }

    fn is_listed_empty(&self, index: usize) -> bool {
        self.0[index].is_listed_empty
    }

    fn id(&self, index: usize) -> u64 {
        self.0[index].id
    }

    fn file(&self, index: usize) -> Option<&Path> {
        self.0[index].file.as_deref()
    }

    fn size_of(&self, index: usize) -> Option<(usize, usize)> {
        self.0[index].size
    }

    fn load(&self, index: usize) -> Result<Sample> {
        bail!("image {index}: the digest of a dataset holds no pictures")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::findings::{Part, Reason};

    /// Two images: with two objects of class 1 and a crowd of it, and with nothing.
    struct Two(PathBuf);

    impl Source for Two {
        fn len(&self) -> usize {
            2
        }
        fn classes_of(&self, index: usize) -> Vec<usize> {
            if index == 0 { vec![1, 1, 0, 1] } else { vec![] }
        }
        fn objects_of(&self, index: usize) -> Vec<usize> {
            if index == 0 { vec![1, 0, 1] } else { vec![] }
        }
        fn id(&self, index: usize) -> u64 {
            7 - index as u64
        }
        fn is_listed_empty(&self, _: usize) -> bool {
            false
        }
        fn file(&self, index: usize) -> Option<&Path> {
            (index == 0).then_some(&*self.0)
        }
        fn size_of(&self, index: usize) -> Option<(usize, usize)> {
            (index == 1).then_some((4, 6))
        }
        fn load(&self, _: usize) -> Result<Sample> {
            bail!("nothing to decode")
        }
    }

    #[test]
    fn a_digest_has_the_objects_of_its_dataset_until_a_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (picture, list) = (folder.path().join("a.png"), folder.path().join("a.json"));
        std::fs::write(&picture, "picture").unwrap();
        std::fs::write(&list, "{}").unwrap();
        let mut findings = Findings::default();
        findings.add(Part::Train, Reason::Crowd, || "annotation 9".into());
        let dataset = Dataset {
            classes: vec!["cup".into(), "pen".into()],
            train: Arc::new(Two(picture.clone())),
            extra_unlabelled: None,
            val: Arc::new(Two(picture.clone())),
            area_bounds: [1.0, 2.0],
            findings,
        };
        assert!(!Digest::is_worth_it(&dataset));
        let digest = Digest::new(&dataset, std::slice::from_ref(&list)).unwrap();
        let text = serde_json::to_string(&digest).unwrap();
        let read: Digest = serde_json::from_str(&text).unwrap();
        assert_eq!(read, digest);
        assert!(read.is_fresh());
        for file in [&picture, &list] {
            let before = std::fs::read(file).unwrap();
            std::fs::write(file, "something else").unwrap();
            assert!(!read.is_fresh(), "{}", file.display());
            std::fs::write(file, before).unwrap();
        }

        let listed = read.dataset();
        assert_eq!(listed.classes, dataset.classes);
        assert_eq!(listed.findings, dataset.findings);
        assert_eq!(listed.train.objects_of(0), [1, 0, 1]);
        assert_eq!(listed.train.classes_of(0), [1, 0, 1, 1]);
        assert!(listed.val.is_background(1) && !listed.val.is_background(0));
        assert_eq!(
            [0, 1].map(|index| listed.val.size_of(index)),
            [None, Some((4, 6))]
        );
        assert_eq!((listed.train.id(0), listed.train.id(1)), (7, 6));
        assert_eq!(listed.train.file(0), Some(&*picture));
        assert!(!listed.train.is_listed_empty(1));
        assert!(listed.train.load(0).is_err());
    }
}
