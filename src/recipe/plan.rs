//! From a recipe to its plan: every variant of every sweep with every seed, identical trials folded into one.
//!
//! The order is that of the recipe: sweeps, their rows, the seeds; a trial stands where it is first used.

use super::RECIPE_KEYS;
use super::check;
use super::error::{Problem, RecipeError};
use super::file;
use super::hash::content_hash;
use super::keys::RecipeKeys;
use super::overlay::{Layer, Overlay};
use super::overrides;
use super::sweep::{self, Paper, Sweep};
use crate::registry::ComponentError;
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

/// What is to be planned.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The recipe's file.
    pub recipe: &'a Path,
    /// The environment, all of it; variables called `HARNESS_...` are settings.
    pub environment: &'a [(String, String)],
    /// The `--set key.path=value` arguments, without `--set`.
    pub set: &'a [String],
}

/// What the caller knows of the components.
#[derive(Clone, Copy)]
pub struct Hooks<'a> {
    /// Checks the settings of a trial (with `seed`); each error names a key path of the settings.
    pub check: &'a dyn Fn(&Table) -> Vec<ComponentError>,
    /// Drops the settings that the trial does not read, so that trials that differ in nothing else are one.
    pub normalise: &'a dyn Fn(&mut Table),
}

/// The trials of a recipe and the tables that they fill.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The recipe's name: its file without folder and extension.
    pub recipe: String,
    /// Folder of its results under `results/`: the key `results`, or else the name.
    pub results: String,
    /// The seeds, each a repetition of every variant.
    pub seeds: Vec<u64>,
    /// One for each table.
    pub sweeps: Vec<SweepPlan>,
    /// The distinct trials.
    pub trials: Vec<Trial>,
}

/// One table to be.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepPlan {
    /// Name of the sweep and of its table.
    pub name: String,
    /// What the table answers.
    pub question: String,
    /// Label of the row that differences are taken to.
    pub reference: Option<String>,
    /// Where the paper's numbers stand.
    pub paper: Option<Paper>,
    /// In the order of the sweep's file.
    pub rows: Vec<Row>,
}

/// One variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Unique in its sweep.
    pub label: String,
    /// The paper's number.
    pub paper: Option<f64>,
    /// Indices into [`Plan::trials`], one per seed.
    pub trials: Vec<usize>,
}

/// One training.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Identity: hash of the settings.
    pub hash: String,
    /// Label of the row that uses it first.
    pub label: String,
    /// Its seed; also in the settings.
    pub seed: u64,
    /// Everything that it reads, and the key `seed`.
    pub settings: Table,
}

impl Plan {
    /// Reads the recipe, its sweeps and the overrides, checks all of it and lists the trials.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn new(request: Request, hooks: Hooks) -> Result<Self, RecipeError> {
        let mut problems = Vec::new();
        let files = file::extends_chain(request.recipe).map_err(RecipeError::new)?;
        let mut typed = overrides::environment(request.environment);
        typed.extend(overrides::arguments(request.set, &mut problems));
        let name = request
            .recipe
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or("recipe")
            .to_string();
        let keys = RecipeKeys::read(&name, &files, &typed, &mut problems);

        let mut sweeps = Vec::new();
        for (sweep, place) in &keys.sweeps {
            match sweep::read(&sweep::locate(request.recipe, sweep), sweep, place.clone()) {
                Ok(sweep) => sweeps.push(sweep),
                Err(found) => problems.extend(found),
            }
        }
        let mut builder = Builder {
            files: settings_only(&files),
            typed: settings_only(&typed),
            hooks,
            seeds: &keys.seeds,
            problems,
            trials: Vec::new(),
            by_hash: BTreeMap::new(),
        };
        let sweeps = if sweeps.is_empty() {
            vec![builder.single(&name)]
        } else {
            sweeps.iter().map(|sweep| builder.sweep(sweep)).collect()
        };
        let Builder {
            problems, trials, ..
        } = builder;
        if problems.is_empty() {
            Ok(Self {
                recipe: name,
                results: keys.results,
                seeds: keys.seeds,
                sweeps,
                trials,
            })
        } else {
            Err(RecipeError::new(problems))
        }
    }
}

/// The layers without the keys that are no settings.
fn settings_only(layers: &[Layer]) -> Vec<Layer> {
    let mut layers = layers.to_vec();
    for layer in &mut layers {
        layer.table.retain(|key, _| !RECIPE_KEYS.contains(&key));
    }
    layers
}

struct Builder<'a> {
    files: Vec<Layer>,
    typed: Vec<Layer>,
    hooks: Hooks<'a>,
    seeds: &'a [u64],
    problems: Vec<Problem>,
    trials: Vec<Trial>,
    by_hash: BTreeMap<String, usize>,
}

impl Builder<'_> {
    /// A recipe without sweeps: a table of one row.
    fn single(&mut self, name: &str) -> SweepPlan {
        let rows = vec![Row {
            label: name.to_string(),
            paper: None,
            trials: self.variant(name, None, None),
        }];
        SweepPlan {
            name: name.to_string(),
            question: format!("What does {name} reach?"),
            reference: None,
            paper: None,
            rows,
        }
    }

    fn sweep(&mut self, sweep: &Sweep) -> SweepPlan {
        let row = |variant: &sweep::Variant| Row {
            label: variant.label.clone(),
            paper: variant.paper,
            trials: self.variant(&variant.label, Some(&sweep.base), Some(&variant.layer)),
        };
        SweepPlan {
            name: sweep.name.clone(),
            question: sweep.question.clone(),
            reference: sweep.reference.clone(),
            paper: sweep.paper.clone(),
            rows: sweep.variants.iter().map(row).collect(),
        }
    }

    /// The trials of one variant, one per seed.
    fn variant(&mut self, label: &str, base: Option<&Layer>, own: Option<&Layer>) -> Vec<usize> {
        let order = self.files.iter().chain(base).chain(&self.typed).chain(own);
        let mut layers: Vec<Layer> = order.cloned().collect();
        check::structure(&mut layers, &mut self.problems);
        let overlay = Overlay::new(&layers.iter().collect::<Vec<_>>());
        let mut settings = overlay.settings.clone();
        check::widen(&mut settings, &layers[0].table);
        let seeded = |seed: u64| {
            let mut settings = settings.clone();
            settings.insert("seed".to_string(), Value::Integer(seed as i64));
            settings
        };
        if let Some(&first) = self.seeds.first() {
            self.problems
                .extend(check::refused((self.hooks.check)(&seeded(first)), &overlay));
        }
        self.seeds
            .iter()
            .map(|&seed| self.trial(label, seed, seeded(seed)))
            .collect()
    }

    /// The index of the trial with these settings, a new one if there is none yet.
    fn trial(&mut self, label: &str, seed: u64, mut settings: Table) -> usize {
        (self.hooks.normalise)(&mut settings);
        let hash = content_hash(&settings);
        *self.by_hash.entry(hash.clone()).or_insert_with(|| {
            self.trials.push(Trial {
                hash,
                label: label.to_string(),
                seed,
                settings,
            });
            self.trials.len() - 1
        })
    }
}
