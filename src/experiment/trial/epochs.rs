//! `train.epochs`: a training as long as so many passes over the labelled images. It becomes `train.steps` before
//! anything else reads the settings of a trial, because only the dataset and the split tell how many images these are.
//!
//! `$$ T = \left\lceil \frac{E \cdot N_l}{B_l} \right\rceil $$`
//!
//! E the epochs, N_l the labelled images with an object, B_l = `loader.labelled`. So a trial has one identity,
//! whichever way its length is written.

use super::datasets::Datasets;
use crate::data::loader::LoaderConfig;
use crate::data::split::{Split, SplitConfig};
use crate::experiment::settings::new_keys::NEW_KEYS;
use crate::experiment::settings::sections;
use crate::recipe::{Places, value_at, with_places};
use crate::registry::{self, ComponentErrors};
use anyhow::Result;
use toml::{Table, Value};

/// What a plan says of a trial whose dataset is not there.
pub const UNKNOWN: &str = "train.epochs: the dataset tells how many steps these are; until it is there, train.steps counts";

/// Replaces `train.epochs` in `settings`, whose paths lead to `places`, by `train.steps`. It stays where the number of
/// the labelled images is unknown: [`steps`] says why.
pub fn spell_out(settings: &mut Table, places: &Places, datasets: &Datasets) {
    if epochs(settings) == 0 {
        return;
    }
    let steps = steps(&with_places(settings, places), datasets);
    if let (Ok(steps), Some(train)) = (steps, train(settings)) {
        train.insert("steps".into(), steps.into());
        train.insert("epochs".into(), 0.into());
    }
}

/// `train.epochs` of a trial; 0 if `train.steps` counts.
pub fn epochs(settings: &Table) -> u64 {
    let epochs = value_at(settings, "train.epochs").and_then(Value::as_integer);
    epochs.map_or(0, |epochs| u64::try_from(epochs).unwrap_or(0))
}

/// The steps of a trial's epochs. Reads `[data]`, `[split]` and `[loader]` alone: no length is checked against steps
/// that do not count.
///
/// # Errors
/// One of these tables is wrong, the dataset or its list is missing, or the split is impossible.
pub fn steps(settings: &Table, datasets: &Datasets) -> Result<i64> {
    let mut settings = settings.clone();
    NEW_KEYS.fill(&mut settings);
    let seed = sections::seed(&settings)?;
    let part = |name| sections::section(&settings, name).map_err(ComponentErrors::from);
    let dataset = datasets.get(&part("data")?)?;
    let split: SplitConfig = registry::read(part("split")?)?;
    let loader: LoaderConfig = registry::read(part("loader")?)?;
    let images = Split::new(&dataset, &split, seed)?.labelled.len() as u128;
    let steps = (u128::from(epochs(&settings)) * images).div_ceil(loader.labelled as u128);
    Ok(i64::try_from(steps)?)
}

fn train(settings: &mut Table) -> Option<&mut Table> {
    settings.get_mut("train")?.as_table_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::sections::tests::{table, with};
    use crate::experiment::settings::trial_settings::TrialSettings;

    fn spelled(epochs: i64, changes: &[(&str, Value)]) -> Table {
        let settings = with(table(), "train.epochs", epochs);
        let changed = |settings, (key, value): &(&str, Value)| with(settings, key, value.clone());
        let mut settings = changes.iter().fold(settings, changed);
        spell_out(&mut settings, &Places::new(), &Datasets::default());
        settings
    }

    fn lengths(settings: &Table) -> [i64; 2] {
        ["steps", "epochs"].map(|key| settings["train"][key].as_integer().unwrap())
    }

    #[test]
    fn epochs_are_passes_over_the_labelled_images() {
        let images = |settings: &Table| {
            let dataset = crate::data::load(settings["data"].as_table().unwrap().clone());
            let split = settings["split"].clone().try_into().unwrap();
            let split = Split::new(&dataset.unwrap(), &split, 0).unwrap();
            split.labelled.len() as i64
        };
        let all = spelled(12, &[("loader.labelled", 7.into())]);
        let labelled = images(&all);
        assert_ne!(12 * labelled % 7, 0, "the division leaves a rest");
        assert_eq!(lengths(&all), [12 * labelled / 7 + 1, 0]);
        let twice = ("split.labelled", Value::from(0.5));
        let more = spelled(1, &[("loader.labelled", 1.into()), twice]);
        assert!(images(&more) > labelled);
        assert_eq!(lengths(&more), [images(&more), 0]);
    }

    #[test]
    fn steps_count_without_epochs_and_where_the_dataset_is_missing() {
        assert_eq!(lengths(&spelled(0, &[])), [2400, 0]);
        let missing = ("split.list", "nowhere.txt".into());
        assert_eq!(lengths(&spelled(3, &[missing])), [2400, 3]);
    }

    /// The burn-in is longer than the steps that are written, and shorter than those that count.
    #[test]
    fn the_written_steps_refuse_nothing() {
        let changes = [
            ("train.steps", Value::from(10)),
            ("loader.labelled", 1.into()),
        ];
        let settings = spelled(500, &changes);
        assert_eq!(lengths(&settings)[1], 0);
        assert!(TrialSettings::read(&settings).is_ok());
        // The curve of the last phase is longer than the phase with the steps that count.
        let curve: Table = "distill.train.steps = 40000".parse().unwrap();
        let mut settings = with(table(), "train.epochs", 500);
        settings.insert("phase".into(), curve.into());
        spell_out(&mut settings, &Places::new(), &Datasets::default());
        assert_eq!(lengths(&settings)[1], 0);
        assert!(TrialSettings::read(&settings).is_ok());
    }
}
