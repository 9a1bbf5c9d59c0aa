//! `train.epochs`: a training as long as so many passes over the labelled images. It becomes `train.steps` before
//! anything else reads the settings of a trial, because only the dataset and the split tell how many images these are.
//!
//! `$$ T = \left\lceil \frac{E \cdot N_l}{B_l} \right\rceil $$`
//!
//! E the epochs, N_l the labelled images with an object, B_l = `loader.labelled`. So a trial has one identity,
//! whichever way its length is written.

use super::datasets::Datasets;
use crate::data::split::Split;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::recipe::{Places, value_at, with_places};
use crate::registry::MOST_STEPS;
use toml::{Table, Value};

/// What a plan says of a trial whose dataset is not there.
pub const UNKNOWN: &str = "train.epochs: the dataset tells how many steps these are; until it is there, train.steps counts";

/// What became of the epochs of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `train.steps` tells the length.
    Steps,
    /// The dataset or the list of its labelled images is missing, or something is wrong that the check will tell.
    NoData,
}

/// Replaces `train.epochs` in `settings`, whose paths lead to `places`, by `train.steps`.
pub fn spell_out(settings: &mut Table, places: &Places, datasets: &Datasets) -> Spelling {
    let epochs = value_at(settings, "train.epochs").and_then(Value::as_integer);
    let Some(epochs) = epochs.and_then(|epochs| u64::try_from(epochs).ok()) else {
        return Spelling::Steps;
    };
    if epochs == 0 {
        return Spelling::Steps;
    }
    let steps = steps(with_places(settings, places), epochs, datasets);
    match (steps, train(settings)) {
        (Some(steps), Some(train)) => {
            train.insert("steps".into(), steps.into());
            train.insert("epochs".into(), 0.into());
            Spelling::Steps
        }
        _ => Spelling::NoData,
    }
}

/// The steps of `epochs` passes over the labelled images of a trial; none if they are unknown.
fn steps(mut settings: Table, epochs: u64, datasets: &Datasets) -> Option<i64> {
    // No length is checked against steps that do not count.
    train(&mut settings)?.insert("steps".into(), i64::try_from(MOST_STEPS).ok()?.into());
    let TrialSettings::Networks(settings) = TrialSettings::read(&settings).ok()? else {
        return None;
    };
    let dataset = datasets.get(&settings.data).ok()?;
    let split = Split::new(&dataset, &settings.split, settings.seed).ok()?;
    let images = u64::try_from(split.labelled.len()).ok()?;
    let batch = u64::try_from(settings.loader.labelled).ok()?;
    i64::try_from(epochs.checked_mul(images)?.div_ceil(batch)).ok()
}

fn train(settings: &mut Table) -> Option<&mut Table> {
    settings.get_mut("train")?.as_table_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::sections::tests::{table, with};

    fn spelled(epochs: i64, changes: &[(&str, Value)]) -> (Spelling, Table) {
        let settings = with(table(), "train.epochs", epochs);
        let changed = |settings, (key, value): &(&str, Value)| with(settings, key, value.clone());
        let mut settings = changes.iter().fold(settings, changed);
        let spelling = spell_out(&mut settings, &Places::new(), &Datasets::default());
        (spelling, settings)
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
        let (spelling, all) = spelled(12, &[("loader.labelled", 7.into())]);
        let labelled = images(&all);
        assert_ne!(12 * labelled % 7, 0, "the division leaves a rest");
        assert_eq!(spelling, Spelling::Steps);
        assert_eq!(lengths(&all), [12 * labelled / 7 + 1, 0]);
        let twice = ("split.labelled", Value::from(0.5));
        let (_, more) = spelled(1, &[("loader.labelled", 1.into()), twice]);
        assert!(images(&more) > labelled);
        assert_eq!(lengths(&more), [images(&more), 0]);
    }

    #[test]
    fn steps_count_without_epochs_and_where_the_dataset_is_missing() {
        let (spelling, settings) = spelled(0, &[]);
        assert_eq!((spelling, lengths(&settings)), (Spelling::Steps, [2400, 0]));
        let (spelling, settings) = spelled(3, &[("split.list", "nowhere.txt".into())]);
        assert_eq!(
            (spelling, lengths(&settings)),
            (Spelling::NoData, [2400, 3])
        );
    }

    /// The burn-in is longer than the steps that are written, and shorter than those that count.
    #[test]
    fn the_written_steps_refuse_nothing() {
        let changes = [
            ("train.steps", Value::from(10)),
            ("loader.labelled", 1.into()),
        ];
        let (spelling, settings) = spelled(500, &changes);
        assert_eq!(spelling, Spelling::Steps);
        assert!(TrialSettings::read(&settings).is_ok());
    }
}
