//! Reads a recipe and its sweeps into a plan. All errors are collected before any is told.

use super::{Hooks, Plan, RowPlan, SweepPlan, Trial};
use crate::metrics::UntilDecided;
use crate::recipe::check;
use crate::recipe::error::{Problem, RecipeError};
use crate::recipe::file::ParsedFile;
use crate::recipe::hash::content_hash;
use crate::recipe::lacking::Lacking;
use crate::recipe::new_keys::NewKeys;
use crate::recipe::origin::{Location, Origin};
use crate::recipe::overlay::{Layer, Overlay, value_at};
use crate::recipe::paths::{self, Places};
use crate::recipe::seeds::SeedRange;
use crate::recipe::sources::{Request, Sources};
use crate::recipe::sweep::{self, Reference, Row};
use crate::recipe::written::{Names, SweepOrigins, Written, mark_computed};
use crate::registry::joined;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The variance of the prior of the effect if a sweep names none: effects of about one deviation of the differences.
const EFFECT_SCALE: f64 = 1.0;

impl Plan {
    /// Reads the recipe, its sweeps and the overrides, checks them and lists the trials.
    ///
    /// # Errors
    /// All errors of the recipe at once.
    pub fn new(request: Request, hooks: Hooks) -> Result<Self, RecipeError> {
        let sources = Sources::read(&request, hooks.new_keys).map_err(RecipeError::new)?;
        let names = Names::new(request.recipe);
        let written = Written {
            files: names.files(&sources),
            sweeps: Vec::new(),
        };
        let Sources {
            name,
            files,
            typed,
            keys,
            whole,
            sweeps,
            foreign,
            problems,
        } = sources;
        let mut builder = Builder {
            files: &files,
            typed: &typed,
            whole: &whole,
            hooks,
            names,
            written,
            seeds: &keys.seeds.seeds,
            range: keys.seeds.range,
            seeds_place: keys.seeds_place.clone(),
            recipe: Location::named(request.recipe.display().to_string()),
            problems,
            lacking: Lacking::default(),
            trials: Vec::new(),
            by_hash: BTreeMap::new(),
            idle: Vec::new(),
            note: files.iter().chain(&typed).find_map(|l| l.note.clone()),
        };
        let sweeps = if sweeps.is_empty() {
            vec![builder.single(&name)]
        } else {
            let plans = sweeps.iter().map(|(name, file)| builder.sweep(name, file));
            plans.collect()
        };
        let Builder {
            mut problems,
            lacking,
            recipe,
            trials,
            note,
            idle,
            written,
            ..
        } = builder;
        problems.extend(lacking.problem(&recipe, files.len() > 1));
        if problems.is_empty() {
            Ok(Self {
                recipe: name,
                results: keys.results,
                seeds: keys.seeds.seeds,
                range: keys.seeds.range,
                sweeps,
                trials,
                written,
                notes: foreign.into_iter().chain(note).chain(idle).collect(),
            })
        } else {
            Err(RecipeError::new(problems))
        }
    }
}

/// The layers that all variants of a sweep share, checked and merged once.
struct SharedLayers {
    overlay: Overlay,
    /// The lowest file, which holds every key.
    root: Table,
}

impl SharedLayers {
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
    /// The layers of `files` and `typed` with the recipe's own keys.
    whole: &'a [Layer],
    hooks: Hooks<'a>,
    names: Names,
    written: Written,
    seeds: &'a [u64],
    range: Option<SeedRange>,
    /// The place of `seeds`; none if nothing names them.
    seeds_place: Option<Location>,
    /// The place of errors that have no other place.
    recipe: Location,
    problems: Vec<Problem>,
    lacking: Lacking,
    trials: Vec<Trial>,
    by_hash: BTreeMap<String, usize>,
    /// The note of the first layer that has one.
    note: Option<String>,
    /// Notes about keys of sweeps that do nothing.
    idle: Vec<String>,
}

impl Builder<'_> {
    /// The plan of a recipe without sweeps: a table with one row.
    fn single(&mut self, name: &str) -> SweepPlan {
        let layers = self.files.iter().chain(self.typed).cloned().collect();
        let shared = SharedLayers::new(layers, self.hooks.new_keys, &mut self.problems);
        self.begin(name, &shared);
        let rows = vec![RowPlan {
            label: name.to_string(),
            paper: None,
            trials: self.variant(name, &shared, Vec::new()).0,
            group: None,
            place: None,
        }];
        self.refuse_nothing_to_decide(None);
        SweepPlan {
            name: name.to_string(),
            question: format!("What does {name} reach?"),
            reference: None,
            paper: None,
            columns: Vec::new(),
            until: None,
            decisions: Vec::new(),
            rows,
        }
    }

    fn sweep(&mut self, name: &str, file: &ParsedFile) -> SweepPlan {
        let base = sweep::base(file, &mut self.problems);
        self.keep_note(&base);
        let order = self.files.iter().chain([&base]).chain(self.typed);
        let shared = SharedLayers::new(
            order.cloned().collect(),
            self.hooks.new_keys,
            &mut self.problems,
        );
        self.begin(name, &shared);
        let mut plan = SweepPlan {
            name: name.to_string(),
            question: String::new(),
            reference: None,
            paper: None,
            columns: Vec::new(),
            until: None,
            decisions: Vec::new(),
            rows: Vec::new(),
        };
        match sweep::parse(file, &shared.overlay.settings) {
            Ok(sweep) => {
                let mut all_settings = Vec::new();
                let mut lines = Vec::new();
                for variant in sweep.variants {
                    let mut layers = variant.recipe;
                    if !layers.is_empty() {
                        // What the user typed wins over every file.
                        layers.extend(self.typed.iter().cloned());
                    }
                    layers.extend(variant.layers);
                    let (trials, settings) = self.variant(&variant.label, &shared, layers);
                    all_settings.push(settings);
                    lines.push(variant.line);
                    plan.rows.push(RowPlan {
                        trials,
                        label: variant.label,
                        paper: variant.paper,
                        group: None,
                        place: None,
                    });
                }
                if let Some(rule) = sweep.columns {
                    let rows: Vec<_> = lines.into_iter().zip(&all_settings).collect();
                    plan.columns = rule.titles();
                    match rule.places(&rows) {
                        Ok(places) => {
                            for (row, place) in plan.rows.iter_mut().zip(places) {
                                row.place = Some(place);
                            }
                        }
                        Err(message) => {
                            let place = Location::in_file(&file.source, rule.span);
                            self.problems.push(Problem::at(place, message));
                        }
                    }
                }
                if sweep.reference.is_none() {
                    self.refuse_nothing_to_decide(Some(name));
                }
                let keys = [
                    ("negligible", sweep.negligible),
                    ("effect-scale", sweep.effect_scale),
                ];
                for (key, _) in keys.iter().filter(|(_, value)| value.is_some()) {
                    if self.range.is_none() {
                        self.idle.push(format!(
                            "the key `{key}` of the sweep `{name}` does nothing, because the seeds are a fixed list; it \
                             belongs to `seeds = {{ at-least = 3, at-most = 24, until = \"decided\" }}`"
                        ));
                    }
                }
                plan.until = self.range.map(|range| UntilDecided {
                    at_least: range.at_least,
                    at_most: range.at_most,
                    effect_scale: sweep.effect_scale.unwrap_or(EFFECT_SCALE),
                    negligible: sweep.negligible,
                });
                plan.question = sweep.question;
                plan.paper = sweep.paper;
                match sweep.reference {
                    Some(Reference::Row(label)) => plan.reference = Some(label),
                    Some(Reference::PerGroup(rule)) => {
                        let labels = plan.rows.iter().map(|row| row.label.as_str());
                        let rows = labels.zip(all_settings);
                        let rows = rows.map(|(label, settings)| Row { label, settings });
                        match rule.groups(&rows.collect::<Vec<_>>()) {
                            Ok(groups) => plan.compare_within(groups),
                            Err(message) => {
                                let place = Location::in_file(&file.source, rule.span);
                                self.problems.push(Problem::at(place, message));
                            }
                        }
                    }
                    None => {}
                }
            }
            Err(problems) => {
                // The errors below the variants are reported too.
                self.problems.extend(problems);
                self.variant(name, &shared, Vec::new());
            }
        }
        plan
    }

    /// Refuses seeds until decided where no row is compared with another: in `sweep`, or in a recipe without sweeps.
    fn refuse_nothing_to_decide(&mut self, sweep: Option<&str>) {
        if self.range.is_none() {
            return;
        }
        let why = match sweep {
            Some(name) => format!("the sweep `{name}` has no `reference`"),
            None => "the recipe has no sweep".to_string(),
        };
        self.problems.push(Problem {
            place: self.seeds_place.clone(),
            message: format!(
                "`seeds.until`: rows are decided by their differences to a reference row, and {why}; allowed here: a list of \
                 seeds, like `[0, 1, 2]`"
            ),
        });
    }

    /// Begins the origins of the sweep `name`: those that all its rows share.
    fn begin(&mut self, name: &str, shared: &SharedLayers) {
        self.written.sweeps.push(SweepOrigins {
            sweep: name.to_string(),
            shared: self.names.shared(&shared.overlay, self.whole),
            rows: BTreeMap::new(),
        });
    }

    /// The trials of one variant, one per seed, and its settings: its `layers` over the shared layers.
    fn variant(
        &mut self,
        label: &str,
        shared: &SharedLayers,
        mut layers: Vec<Layer>,
    ) -> (Vec<usize>, Table) {
        let SharedLayers { overlay, root } = shared;
        let mut settings = overlay.settings.clone();
        for layer in &mut layers {
            self.keep_note(layer);
            check::structure_over(layer, root, &mut settings, &mut self.problems);
        }
        check::widen(&mut settings, root);
        let origin = |key: &str| {
            let own = layers.iter().rev().find_map(|layer| layer.own_origin(key));
            own.or_else(|| overlay.origin(key))
        };
        let located = paths::locate(&mut settings, origin);
        let places = located
            .iter()
            .map(|(key, it)| (key.clone(), it.path.clone()));
        let places: Places = places.collect();
        let mut origins = self.names.row(overlay, &layers, self.hooks.new_keys);
        let mut trials = Vec::with_capacity(self.seeds.len());
        for (index, &seed) in self.seeds.iter().enumerate() {
            let mut settings = settings.clone();
            settings.insert("seed".to_string(), Value::Integer(seed as i64));
            let written = (index == 0).then(|| settings.clone());
            (self.hooks.spell_out)(&mut settings, &places);
            if let Some(written) = written {
                mark_computed(&mut origins, &written, &settings);
                for mut error in (self.hooks.check)(&paths::with_places(&settings, &places)) {
                    if let Some(located) = located.get(&error.key) {
                        error.message += &located.advice();
                    }
                    let origin = |path: &str| overlay.origin_under(&layers, path);
                    if let Some(needed) = error.needed() {
                        let table = error.key.rsplit_once('.').map_or("", |(table, _)| table);
                        let named = origin(&joined(table, "name"));
                        let named = named.filter(|origin| !matches!(origin, Origin::BuiltIn));
                        let named = named.or_else(|| origin(table));
                        let place = named.map(Origin::value_place);
                        self.lacking.add(&error.key, needed, place);
                        continue;
                    }
                    self.problems
                        .push(check::component_problem(error, origin, &self.recipe));
                }
            }
            trials.push(self.trial(label, seed, settings, &places));
        }
        if let Some(sweep) = self.written.sweeps.last_mut()
            && !origins.is_empty()
        {
            sweep.rows.insert(label.to_string(), origins);
        }
        (trials, settings)
    }

    fn keep_note(&mut self, layer: &Layer) {
        if self.note.is_none() {
            self.note.clone_from(&layer.note);
        }
    }

    /// The index of the trial with these settings. A new trial is added if there is none yet.
    fn trial(&mut self, label: &str, seed: u64, mut settings: Table, places: &Places) -> usize {
        (self.hooks.normalise)(&mut settings);
        let mut places = places.clone();
        places.retain(|key, _| value_at(&settings, key).is_some());
        let hash = content_hash(&(self.hooks.identity)(&settings));
        if let Some(&known) = self.by_hash.get(&hash) {
            self.refuse_one_identity_for_two(label, &places, known);
            return known;
        }
        let index = self.trials.len();
        self.by_hash.insert(hash.clone(), index);
        self.trials.push(Trial {
            hash,
            label: label.to_string(),
            seed,
            settings,
            places,
        });
        index
    }

    /// Refuses a row whose settings are those of the trial `known`, but lead to other places.
    fn refuse_one_identity_for_two(&mut self, label: &str, places: &Places, known: usize) {
        let other = &self.trials[known];
        let differing = |(key, path): &(&String, &String)| other.places.get(*key) != Some(*path);
        if let Some((key, path)) = places.iter().find(differing) {
            let (before, row) = (
                other.places.get(key).map_or("", String::as_str),
                &other.label,
            );
            let message = format!(
                "`{key}` is {path} in the row `{label}` and {before} in the row `{row}`, but their texts differ \
                 at most in a leading `../`, so that both rows would be one trial; write one of them as an \
                 absolute path"
            );
            self.problems
                .push(Problem::at(self.recipe.clone(), message));
        }
    }
}
