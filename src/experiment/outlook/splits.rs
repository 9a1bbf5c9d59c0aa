//! Shows the data of a plan: the images and instances of each class that are labelled, unlabelled and
//! evaluated, the identity of each split, and the oddities of the dataset.

use crate::data::census::{Census, ClassParts, Count, Parts};
use crate::data::split::SplitConfig;
use crate::experiment::trial::draws::Draw;
use crate::report::labelled_words;
use crate::screen::{Column, Grid, Page, counted};
use serde::Serialize;
use std::fmt::{self, Write};
use toml::Value;

/// The number of classes that a table for people lists; the JSON has all.
const SHOWN_CLASSES: usize = 100;

/// One `[split]` of one dataset, drawn with the seeds of its trials.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SplitOutlook {
    /// The value of `data.name`.
    dataset: String,
    split: SplitConfig,
    /// The rule or the list that chooses the labelled images, in words.
    origin: String,
    /// The oddities that were found in the dataset, one line each.
    findings: Vec<String>,
    /// What is odd about the lists of labelled images, one line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    draws: Vec<SeedOutlook>,
}

/// The draw of one seed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct SeedOutlook {
    seed: u64,
    /// The number of trials with this split.
    trials: usize,
    /// The SHA-256 of the chosen images.
    sha256: String,
    /// The number of images that the rule or the list chose, with those that have no object.
    chosen: usize,
    #[serde(flatten)]
    census: Census,
}

impl SplitOutlook {
    /// The draws, those of the same dataset and `[split]` together.
    pub fn all(draws: Vec<Draw>) -> Vec<Self> {
        let mut found: Vec<(Draw, Self)> = Vec::new();
        for draw in draws {
            let seed = SeedOutlook {
                seed: draw.settings.seed,
                trials: draw.trials,
                sha256: draw.sha256.clone(),
                chosen: draw.chosen,
                census: draw.census.clone(),
            };
            let is_same = |(other, _): &&mut (Draw, Self)| {
                other.settings.split == draw.settings.split
                    && other.settings.data == draw.settings.data
            };
            match found.iter_mut().find(is_same) {
                Some((_, outlook)) => outlook.add(seed, &draw.notes),
                None => {
                    let name = draw.settings.data.get("name").and_then(Value::as_str);
                    let outlook = Self {
                        dataset: name.unwrap_or_default().to_string(),
                        split: draw.settings.split.clone(),
                        origin: draw.origin.clone(),
                        findings: draw.findings.clone(),
                        notes: draw.notes.clone(),
                        draws: vec![seed],
                    };
                    found.push((draw, outlook));
                }
            }
        }
        found.into_iter().map(|(_, outlook)| outlook).collect()
    }

    /// Adds the draw of a seed. Trials with and without a teacher may have the same.
    fn add(&mut self, more: SeedOutlook, notes: &[String]) {
        for note in notes {
            if !self.notes.contains(note) {
                self.notes.push(note.clone());
            }
        }
        match self.draws.iter_mut().find(|draw| draw.seed == more.seed) {
            Some(draw) => draw.trials += more.trials,
            None => self.draws.push(more),
        }
    }

    /// The numbers of each seed, one line each.
    pub fn seeds(&self) -> impl Iterator<Item = String> {
        self.draws.iter().map(SeedOutlook::to_string)
    }

    /// The oddities of the datasets of `splits`, one line each, each once.
    pub fn notes(splits: &[Self]) -> Vec<String> {
        let mut notes = Vec::new();
        for finding in splits
            .iter()
            .flat_map(|split| split.findings.iter().chain(&split.notes))
        {
            let note = format!("note: {finding}");
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        notes
    }
}

impl SplitOutlook {
    /// The split in words: the share of labelled images, and the rule or list if it is not the program's own rule.
    fn words(&self) -> String {
        let Self { split, origin, .. } = self;
        match split.is_usual() {
            true => format!("split.labelled = {}", split.labelled),
            false if split.is_listed() => origin.clone(),
            false => format!("split.labelled = {} by {origin}", split.labelled),
        }
    }

    /// Writes the census of the first seed and the numbers of each seed.
    pub fn write(&self, f: &mut Page) -> fmt::Result {
        let Some(first) = self.draws.first() else {
            return Ok(());
        };
        let dataset = &self.dataset;
        writeln!(
            f,
            "data `{dataset}`, {}, seed {} (crowds are not counted):",
            self.words(),
            first.seed
        )?;
        f.grid(&table(&first.census));
        let more = first.census.classes.len().saturating_sub(SHOWN_CLASSES);
        if more > 0 {
            writeln!(f, "... and {} (all are in --json)", counted(more, "class"))?;
        }
        for line in self.seeds() {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for SeedOutlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            labelled,
            unlabelled,
            evaluated,
        } = self.census.all;
        let all = self.census.training_images;
        write!(
            f,
            "seed {}: {}, {} unlabelled, {} evaluated; split (SHA-256) {}",
            self.seed,
            labelled_words(self.chosen, labelled.images, all),
            unlabelled.images,
            evaluated.images,
            self.sha256
        )
    }
}

/// The table of a census: one row for each class, and one for all. Where there is no room for the images and the
/// instances in columns of their own, a cell has both: `images (instances)`.
fn table(census: &Census) -> Grid {
    let classes = census.classes.iter().take(SHOWN_CLASSES);
    let classes = classes.map(|ClassParts { name, parts }| (name.as_str(), parts));
    let rows: Vec<(&str, &Parts)> = classes.chain([("all", &census.all)]).collect();
    let names = || {
        let names = rows.iter().map(|(name, _)| name.to_string());
        Column::text("class", names.collect()).breaks_to(10)
    };
    type Part = fn(&Parts) -> &Count;
    let parts: [(&str, Part); 3] = [
        ("labelled", |parts| &parts.labelled),
        ("unlabelled", |parts| &parts.unlabelled),
        ("evaluated", |parts| &parts.evaluated),
    ];
    let (mut wide, mut narrow) = (vec![names()], vec![names()]);
    for (title, part) in parts {
        let cells = |cell: &dyn Fn(&Count) -> String| -> Vec<String> {
            rows.iter().map(|(_, parts)| cell(part(parts))).collect()
        };
        let images = cells(&|count| count.images.to_string());
        let instances = cells(&|count| count.instances.to_string());
        let both = cells(&|Count { images, instances }| format!("{images} ({instances})"));
        wide.push(Column::numbers(&format!("{title}\nimages"), images));
        wide.push(Column::numbers("\ninstances", instances));
        narrow.push(Column::numbers(title, both));
    }
    Grid::new(wide, &[]).or(Grid::new(narrow, &[]))
}
