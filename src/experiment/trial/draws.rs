//! Draws the splits of trials before any training, and refuses a dataset that leaves a trial nothing to learn
//! from or to be evaluated on.

use super::datasets::Datasets;
use crate::data::census::Census;
use crate::data::findings::{Part, Reason};
use crate::data::loader::check_epoch;
use crate::data::split::{Split, crowds};
use crate::data::{DATASETS, Dataset, Source};
use crate::experiment::settings::sections::Settings;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::registry;
use anyhow::{Result, anyhow, bail};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The split of a trial.
///
/// # Errors
/// A part is empty: no labelled image, no unlabelled image although a teacher needs one, no evaluated object;
/// or classes do not reach `min-instances`. The error names the key.
pub fn draw(settings: &Settings, dataset: &Dataset) -> Result<Split> {
    let (train, val) = (&*dataset.train, &*dataset.val);
    let split = Split::new(dataset, &settings.split, settings.seed);
    let split = match split {
        Err(error) if is_empty(train) => bail!("{error:#}{}", left_out(dataset, Part::Train)),
        split => split?,
    };
    if settings.method.reads_unlabelled() && split.unlabelled.is_empty() {
        bail!(
            "split.unlabelled-backgrounds = false: no unlabelled image is left of {} training images, because those \
             without labels have no object; set it to true, lower split.labelled, or name a folder in \
             data.unlabelled-images",
            train.len()
        );
    }
    let config = registry::build(DATASETS, settings.data.clone())?;
    let key = || format!("data.{}", config.val_key());
    if is_empty(val) {
        bail!(
            "{}: the {} evaluated images have no object, so no metric is defined{}{}",
            key(),
            val.len(),
            crowds(val),
            left_out(dataset, Part::Val)
        );
    }
    if (0..val.len()).all(|image| !val.has_mask(image)) {
        bail!(
            "{}: no object of the {} evaluated images has a mask, so no metric by masks is defined{}",
            key(),
            val.len(),
            left_out(dataset, Part::Val)
        );
    }
    for phase in settings.phases() {
        check_epoch(dataset, &split, &settings.of_phase(phase.name).loader)?;
    }
    Ok(split)
}

/// Returns true if no image of `source` has an object.
fn is_empty(source: &dyn Source) -> bool {
    (0..source.len()).all(|image| source.is_background(image))
}

/// The end of a message about a part without objects: the oddities that were found in it.
fn left_out(dataset: &Dataset, part: Part) -> String {
    let found = dataset.findings.iter();
    // The crowds are counted by the message itself.
    let found = found.filter(|(of, reason, _)| *of == part && *reason != Reason::Crowd);
    let texts = found.map(|(_, reason, finding)| format!("; {}", reason.sentence(finding.count)));
    texts.collect()
}

/// The draws that trials ask for, each once.
#[derive(Debug, Default)]
pub struct Wanted {
    draws: Vec<WantedDraw>,
    /// The index of every draw, by all that it depends on.
    known: BTreeMap<String, usize>,
}

/// One draw that trials ask for.
#[derive(Debug)]
struct WantedDraw {
    /// The settings of the first of the trials.
    settings: Settings,
    trials: usize,
}

/// A split as a number of trials use it.
#[derive(Clone)]
pub struct Draw {
    /// The settings of the first of these trials.
    pub settings: Settings,
    /// The number of the trials.
    pub trials: usize,
    /// The identity of the split: see [`Split::sha256`].
    pub sha256: String,
    /// The rule or the list in words: see [`Split::origin`].
    pub origin: String,
    /// The number of images that the rule or the list chose.
    pub chosen: usize,
    /// The images and instances of its parts.
    pub census: Census,
    /// The oddities of the dataset, one line each.
    pub findings: Vec<String>,
    /// What the reader of a list of labelled images should know of it, one line each.
    pub notes: Vec<String>,
    /// True if the recipe and the seed alone decide the split: the images are drawn from them, and the rule is the
    /// usual one.
    pub is_told_by_the_recipe: bool,
}

/// All that the split of a trial depends on, as text.
pub fn split_name(settings: &Settings) -> String {
    let Settings {
        split, data, seed, ..
    } = settings;
    let teacher = settings.method.reads_unlabelled();
    format!("{split:?} {data} {seed} {teacher}")
}

impl Wanted {
    /// Adds the draw of a trial. A trial without networks has none.
    pub fn add(&mut self, settings: &TrialSettings) {
        let TrialSettings::Networks(settings) = settings else {
            return;
        };
        let name = split_name(settings);
        let next = self.draws.len();
        let index = *self.known.entry(name).or_insert(next);
        if index == next {
            self.draws.push(WantedDraw {
                settings: (**settings).clone(),
                trials: 0,
            });
        }
        self.draws[index].trials += 1;
    }

    /// Draws all of them. Those of datasets with missing files and of missing lists are left out.
    ///
    /// # Errors
    /// A dataset is refused; or all draws that are refused, each error with its seeds.
    pub fn draw(self, datasets: &Datasets) -> Result<Vec<Draw>> {
        // Datasets are read one after the other: each is read in parallel itself.
        let mut found = Vec::new();
        for wanted in self.draws {
            if wanted.settings.misses_its_list() {
                continue;
            }
            match datasets.get(&wanted.settings.data) {
                Err(error) if wanted.settings.misses(&error) => {}
                dataset => found.push((wanted, dataset?)),
            }
        }
        let drawn: Vec<Result<Draw, (u64, String)>> = found
            .into_par_iter()
            .map(|(wanted, dataset)| {
                let seed = wanted.settings.seed;
                let draw = wanted.draw(&dataset);
                draw.map_err(|error| (seed, format!("{error:#}")))
            })
            .collect();
        let (mut draws, mut refused) = (Vec::new(), Vec::new());
        for outcome in drawn {
            match outcome {
                Ok(draw) => draws.push(draw),
                Err(error) => refused.push(error),
            }
        }
        match refused.is_empty() {
            true => Ok(draws),
            false => Err(anyhow!(by_seeds(refused))),
        }
    }
}

impl WantedDraw {
    fn draw(self, dataset: &Dataset) -> Result<Draw> {
        let split = draw(&self.settings, dataset)?;
        let config = registry::build(DATASETS, self.settings.data.clone())?;
        Ok(Draw {
            is_told_by_the_recipe: config.has_scene_classes() && self.settings.split.is_usual(),
            trials: self.trials,
            sha256: split.sha256(),
            origin: split.origin.clone(),
            chosen: split.chosen.len(),
            notes: split.notes.clone(),
            census: Census::new(dataset, &split),
            findings: dataset.findings.lines(),
            settings: self.settings,
        })
    }
}

/// One line for each different error, with its seeds.
fn by_seeds(refused: Vec<(u64, String)>) -> String {
    let mut texts: Vec<(Vec<u64>, String)> = Vec::new();
    for (seed, text) in refused {
        match texts.iter_mut().find(|(_, known)| *known == text) {
            Some((seeds, _)) if seeds.contains(&seed) => {}
            Some((seeds, _)) => seeds.push(seed),
            None => texts.push((vec![seed], text)),
        }
    }
    let line = |(seeds, text): (Vec<u64>, String)| {
        let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
        let plural = if seeds.len() == 1 { "" } else { "s" };
        format!("seed{plural} {}: {text}", seeds.join(", "))
    };
    let lines: Vec<String> = texts.into_iter().map(line).collect();
    lines.join("\n")
}
