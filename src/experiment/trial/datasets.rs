//! The datasets of a run.

use crate::data::{self, Dataset};
use crate::recipe::content_hash;
use crate::registry::ComponentErrors;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use toml::Table;

/// The datasets of a run, each read or drawn once and shared by all trials.
#[derive(Default)]
pub struct Datasets(Mutex<BTreeMap<String, Dataset>>);

impl Datasets {
    /// The dataset of the table `[data]`.
    ///
    /// # Errors
    /// The dataset refuses a key. The error names its path from `data` on.
    pub fn get(&self, table: &Table) -> Result<Dataset, ComponentErrors> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = content_hash(table);
        if let Some(dataset) = known.get(&hash) {
            return Ok(dataset.clone());
        }
        let dataset = data::load(table.clone()).map_err(|errors| errors.within("data"))?;
        known.insert(hash, dataset.clone());
        Ok(dataset)
    }
}
