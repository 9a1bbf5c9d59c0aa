//! From a recipe to its plan: every variant of every sweep with every seed, identical trials folded into one.
//!
//! The order is that of the recipe: sweeps, their rows, the seeds; a trial stands where it is first used.

use super::check;
use super::error::{Problem, RecipeError};
use super::file::ParsedFile;
use super::hash::content_hash;
use super::new_keys::NewKeys;
use super::overlay::{Layer, Overlay};
use super::provenance::Place;
use super::sources::{Request, Sources};
use super::sweep;
use crate::metrics::PaperColumn;
use crate::registry::ComponentError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// What the caller knows of the components.
#[derive(Clone, Copy)]
pub struct Hooks<'a> {
    /// Checks the settings of a trial (with `seed`); each error names a key path of the settings.
    pub check: &'a dyn Fn(&Table) -> Vec<ComponentError>,
    /// Drops the settings that the trial does not read, so that trials that differ in nothing else are one.
    pub normalise: &'a dyn Fn(&mut Table),
    /// The keys that a recipe may leave out. `check` is given their defaults; `normalise` should take these out again.
    pub new_keys: &'a NewKeys,
}

/// The trials of a recipe and the tables that they fill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepPlan {
    /// Name of the sweep and of its table.
    pub name: String,
    /// What the table answers.
    pub question: String,
    /// Label of the row that differences are taken to.
    pub reference: Option<String>,
    /// Where the paper's numbers stand.
    pub paper: Option<PaperColumn>,
    /// In the order of the sweep's file.
    pub rows: Vec<Row>,
}

/// One variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Unique in its sweep.
    pub label: String,
    /// The paper's number.
    pub paper: Option<f64>,
    /// Indices into [`Plan::trials`], one per seed.
    pub trials: Vec<usize>,
}

/// One training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
        let sources = Sources::read(&request, hooks.new_keys).map_err(RecipeError::new)?;
        let Sources {
            name,
            files,
            typed,
            keys,
            sweeps,
            problems,
            ..
        } = sources;
        let mut builder = Builder {
            files: &files,
            typed: &typed,
            hooks,
            seeds: &keys.seeds,
            recipe: Place::named(request.recipe.display().to_string()),
            problems,
            trials: Vec::new(),
            by_hash: BTreeMap::new(),
        };
        let sweeps = if sweeps.is_empty() {
            vec![builder.single(&name)]
        } else {
            let plans = sweeps.iter().map(|(name, file)| builder.sweep(name, file));
            plans.collect()
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

/// What all variants of a sweep share: the layers below them, checked and merged once.
struct Ground {
    overlay: Overlay,
    /// The lowest file, which holds every key.
    root: Table,
}

impl Ground {
    fn new(mut layers: Vec<Layer>, new_keys: &NewKeys, problems: &mut Vec<Problem>) -> Self {
        check::structure(&mut layers, problems);
        let root = layers[0].table.clone();
        let mut overlay = Overlay::new(&layers.iter().collect::<Vec<_>>());
        check::widen(&mut overlay.settings, &root);
        new_keys.fill(&mut overlay.settings);
        Self { overlay, root }
    }
}

struct Builder<'a> {
    files: &'a [Layer],
    typed: &'a [Layer],
    hooks: Hooks<'a>,
    seeds: &'a [u64],
    /// The place of what comes from nowhere in particular.
    recipe: Place,
    problems: Vec<Problem>,
    trials: Vec<Trial>,
    by_hash: BTreeMap<String, usize>,
}

impl Builder<'_> {
    /// A recipe without sweeps: a table of one row.
    fn single(&mut self, name: &str) -> SweepPlan {
        let layers = self.files.iter().chain(self.typed).cloned().collect();
        let ground = Ground::new(layers, self.hooks.new_keys, &mut self.problems);
        let rows = vec![Row {
            label: name.to_string(),
            paper: None,
            trials: self.variant(name, &ground, Vec::new()),
        }];
        SweepPlan {
            name: name.to_string(),
            question: format!("What does {name} reach?"),
            reference: None,
            paper: None,
            rows,
        }
    }

    fn sweep(&mut self, name: &str, file: &ParsedFile) -> SweepPlan {
        let base = sweep::base(file, &mut self.problems);
        let order = self.files.iter().chain([&base]).chain(self.typed);
        let ground = Ground::new(
            order.cloned().collect(),
            self.hooks.new_keys,
            &mut self.problems,
        );
        let mut plan = SweepPlan {
            name: name.to_string(),
            question: String::new(),
            reference: None,
            paper: None,
            rows: Vec::new(),
        };
        match sweep::parse(file, &ground.overlay.settings) {
            Ok(sweep) => {
                for variant in sweep.variants {
                    plan.rows.push(Row {
                        trials: self.variant(&variant.label, &ground, variant.layers),
                        label: variant.label,
                        paper: variant.paper,
                    });
                }
                plan.question = sweep.question;
                plan.reference = sweep.reference;
                plan.paper = sweep.paper;
            }
            Err(problems) => {
                // What is wrong below the variants is told all the same.
                self.problems.extend(problems);
                self.variant(name, &ground, Vec::new());
            }
        }
        plan
    }

    /// The trials of one variant, one per seed: its `layers` over the ground.
    fn variant(&mut self, label: &str, ground: &Ground, mut layers: Vec<Layer>) -> Vec<usize> {
        let Ground { overlay, root } = ground;
        let mut settings = overlay.settings.clone();
        for layer in &mut layers {
            check::structure_over(layer, root, &mut settings, &mut self.problems);
        }
        check::widen(&mut settings, root);
        let mut trials = Vec::with_capacity(self.seeds.len());
        for (index, &seed) in self.seeds.iter().enumerate() {
            let mut settings = settings.clone();
            settings.insert("seed".to_string(), Value::Integer(seed as i64));
            if index == 0 {
                for error in (self.hooks.check)(&settings) {
                    let origin = |path: &str| overlay.origin_under(&layers, path);
                    self.problems
                        .push(check::refused(error, origin, &self.recipe));
                }
            }
            trials.push(self.trial(label, seed, settings));
        }
        trials
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
