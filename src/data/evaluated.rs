//! Finds evaluated images among those that a training sees, in any dataset.

use super::findings::{Part, Reason};
use super::{Dataset, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Adds a find to those of `dataset` for every training image, and every unlabelled one, whose file is that of an
/// evaluated image. Folders that are links to one place are one folder. Images without a file are passed over.
pub fn tell_evaluated(dataset: &mut Dataset) {
    let mut folders = Folders::default();
    let judged: BTreeSet<_> = files_of(&*dataset.val)
        .map(|file| folders.place(file))
        .collect();
    let extra = dataset.extra_unlabelled.as_deref();
    let parts = [
        (Part::Train, Some(&*dataset.train)),
        (Part::Unlabelled, extra),
    ];
    for (part, source) in parts {
        for file in source.into_iter().flat_map(files_of) {
            if judged.contains(&folders.place(file)) {
                let name = || file.file_name().unwrap_or_default().display().to_string();
                dataset.findings.add(part, Reason::IsEvaluated, name);
            }
        }
    }
}

/// The files of the images of `source`.
fn files_of(source: &dyn Source) -> impl Iterator<Item = &Path> {
    (0..source.len()).filter_map(|index| source.file(index))
}

/// The numbers of folders, by their paths. Each folder is looked up once, however many files it has.
#[derive(Default)]
struct Folders {
    by_path: BTreeMap<PathBuf, usize>,
    by_place: BTreeMap<PathBuf, usize>,
}

impl Folders {
    /// The number of the folder of `file`, and the name of the file.
    fn place<'a>(&mut self, file: &'a Path) -> (usize, &'a OsStr) {
        let folder = file.parent().unwrap_or(Path::new(""));
        let name = file.file_name().unwrap_or_default();
        if let Some(number) = self.by_path.get(folder) {
            return (*number, name);
        }
        let place = folder.canonicalize().unwrap_or(folder.to_path_buf());
        let next = self.by_place.len();
        let number = *self.by_place.entry(place).or_insert(next);
        self.by_path.insert(folder.to_path_buf(), number);
        (number, name)
    }
}
