//! The datasets of a run.

use super::work::Pictures;
use crate::atomic::{Durability, write_durably};
use crate::data::digest::Digest;
use crate::data::{DATASETS, Dataset, loaded};
use crate::recipe::content_hash;
use crate::registry::{self, ComponentErrors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use toml::{Table, Value};

/// The datasets of a run, each read or drawn once and shared by all trials.
#[derive(Default)]
pub struct Datasets {
    known: Mutex<BTreeMap<String, Dataset>>,
    /// The evaluated pictures of the datasets that were asked for; none of those that cannot be read.
    evaluated: Mutex<BTreeMap<String, Option<Pictures>>>,
    /// The folder of the digests; none if the pictures are needed.
    digests: Option<PathBuf>,
}

impl Datasets {
    /// Datasets for a command that reads no picture. The digests of large ones are kept in `folder`.
    pub fn with_digests(folder: PathBuf) -> Self {
        Self {
            digests: Some(folder),
            ..Self::default()
        }
    }

    /// The dataset of the table `[data]`.
    ///
    /// # Errors
    /// The dataset refuses a key. The error names its path from `data` on.
    pub fn get(&self, table: &Table) -> Result<Dataset, ComponentErrors> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = content_hash(table);
        if let Some(dataset) = known.get(&hash) {
            return Ok(dataset.clone());
        }
        let dataset = self.read(table).map_err(|errors| errors.within("data"))?;
        known.insert(hash, dataset.clone());
        Ok(dataset)
    }

    /// The evaluated pictures of the dataset of the table `[data]`; none if it cannot be read.
    pub fn evaluated(&self, table: &Table) -> Option<Pictures> {
        let hash = content_hash(table);
        let known = self.evaluated.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        let look = || self.get(table).ok().map(|dataset| Pictures::of(&dataset));
        *known.entry(hash).or_insert_with(look)
    }

    /// Reads the dataset, or its digest if that is enough.
    fn read(&self, table: &Table) -> Result<Dataset, ComponentErrors> {
        let config = registry::build(DATASETS, table.clone())?;
        let Some(folder) = &self.digests else {
            return loaded(&*config);
        };
        let files = config.files();
        let path = digest_file(folder, table, &files);
        let kept = std::fs::read(&path).ok();
        let kept = kept.and_then(|text| serde_json::from_slice::<Digest>(&text).ok());
        if let Some(digest) = kept.filter(Digest::is_fresh) {
            return Ok(digest.dataset());
        }
        let dataset = loaded(&*config)?;
        if (config.reads_slowly() || Digest::is_worth_it(&dataset))
            && let Some(text) =
                Digest::new(&dataset, &files).map(|digest| serde_json::to_vec(&digest))
        {
            // Without the digest, the next plan only takes longer.
            let text = text.unwrap_or_default();
            write_durably(&path, &text, Durability::Cached).ok();
        }
        Ok(dataset)
    }
}

/// The file of the digest of the dataset with the table `[data]` and these annotation files.
fn digest_file(folder: &Path, table: &Table, files: &[PathBuf]) -> PathBuf {
    let mut table = table.clone();
    // A relative path means another file in another folder.
    let files = files
        .iter()
        .filter_map(|file| std::path::absolute(file).ok());
    let files = files.map(|file| Value::from(file.to_string_lossy().into_owned()));
    table.insert("files".into(), Value::Array(files.collect()));
    folder.join(format!("{}.json", content_hash(&table)))
}
