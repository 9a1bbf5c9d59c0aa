//! The tables of a recipe of this repository, as the benches of whole networks need them.

use anyhow::{Context, Result};
use harness::experiment::NEW_KEYS;
use harness::recipe::{Hooks, Plan, Request};
use serde::de::DeserializeOwned;
use std::path::Path;
use toml::Table;

/// The tables of a recipe's first trial.
pub struct Recipe(Table);

impl Recipe {
    /// Reads `recipes/<name>` with the settings `set`, such as `model.queries=8`.
    ///
    /// # Errors
    /// The recipe is not valid.
    pub fn read(name: &str, set: &[String]) -> Result<Self> {
        let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        let request = Request {
            recipe: &recipes.join(name),
            environment: &[],
            set,
        };
        // The components check their own tables when they are built.
        let unchecked = Hooks {
            spell_out: &|_, _| {},
            check: &|_| Vec::new(),
            normalise: &|_| {},
            identity: &Table::clone,
            new_keys: &NEW_KEYS,
        };
        let plan = Plan::new(request, unchecked)?;
        let trial = plan.trials.first().context("a trial")?;
        Ok(Self(trial.located()))
    }

    /// The table `name`.
    ///
    /// # Errors
    /// It is missing or is no `T`.
    pub fn table<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let table = self.0.get(name).cloned();
        let table = table.with_context(|| format!("[{name}] is missing"))?;
        table.try_into().with_context(|| format!("[{name}]"))
    }
}
