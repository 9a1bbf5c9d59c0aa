//! Whether the datasets of a submission are still those that it was made with. Days may pass between the two, and a
//! table whose rows have seen different data would say nothing.

use crate::data::{DATASETS, state};
use crate::recipe::{Plan, Trial, content_hash};
use crate::registry;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use toml::Table;

/// The state of each dataset, by the hash of its table `[data]`.
pub type DataStates = BTreeMap<String, String>;

/// The states of the datasets of a plan, as they are now.
///
/// # Errors
/// A file of a dataset cannot be read.
pub fn data_states(plan: &Plan) -> Result<DataStates> {
    states(&plan.trials)
}

/// Refuses to work on `trials` if a dataset is not what it was.
///
/// # Errors
/// A dataset has changed, or cannot be read. The error names it.
pub fn refuse_changed<'a>(
    known: &DataStates,
    trials: impl IntoIterator<Item = &'a Trial>,
) -> Result<()> {
    for (table, now) in states(trials)? {
        // A submission of an earlier program knows no states.
        if let Some(before) = known.get(&table).filter(|before| **before != now) {
            bail!(
                "the dataset is not what it was at `harness submit`: its annotation files have other bytes, or other files \
                 are listed (then {}, now {}); what is done so far saw the former one. Put it back, or submit into \
                 another folder (--out)",
                short(before),
                short(&now)
            );
        }
    }
    Ok(())
}

fn states<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Result<DataStates> {
    let mut found = DataStates::new();
    for trial in trials {
        let located = trial.located();
        let Some(table) = located.get("data").and_then(toml::Value::as_table) else {
            continue;
        };
        let name = content_hash(table);
        if !found.contains_key(&name)
            && let Some(state) = state_of(table)?
        {
            found.insert(name, state);
        }
    }
    Ok(found)
}

/// The state of the dataset of a table; none if it is drawn, or the table is wrong, which others tell.
fn state_of(table: &Table) -> Result<Option<String>> {
    let Ok(config) = registry::build(DATASETS, table.clone()) else {
        return Ok(None);
    };
    let files = config.files();
    if files.is_empty() {
        return Ok(None);
    }
    let state = state::of(&files).context("the files of the dataset")?;
    Ok(Some(state))
}

fn short(state: &str) -> &str {
    &state[..state.len().min(12)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Places;
    use std::fs;

    fn trial(data: &str) -> Trial {
        Trial {
            hash: "ab".into(),
            label: "one".into(),
            seed: 0,
            settings: toml::from_str(data).unwrap(),
            places: Places::default(),
        }
    }

    #[test]
    fn a_dataset_that_was_replaced_is_refused_and_one_that_was_copied_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        file("train.json", "{\"images\": []}");
        file("val.json", "{}");
        let coco = trial(&format!(
            "[data]\nname = 'coco'\nroot = '{}'\ntrain-annotations = 'train.json'\ntrain-images = ''\n\
             val-annotations = 'val.json'\nval-images = ''\nunlabelled-images = ''\nclasses = 'all'\n\
             on-bad-annotation = 'error'\nskip-in-truth = false\nexif = true\ncheck = 'never'\ncache = 0\n\
             area-bounds = [1024.0, 9216.0]\n",
            folder.path().display()
        ));
        let drawn = trial("[data]\nname = 'scenes'\n");
        let known = states([&coco, &drawn]).unwrap();
        assert_eq!(known.len(), 1, "drawn scenes have no files");
        refuse_changed(&known, [&coco, &drawn]).unwrap();
        // The same bytes with other time stamps.
        file("train.json", "{\"images\": []}");
        refuse_changed(&known, [&coco]).unwrap();
        file("train.json", "{\"images\": [1]}");
        let error = refuse_changed(&known, [&coco]).unwrap_err().to_string();
        assert!(
            error.contains("not what it was at `harness submit`"),
            "{error}"
        );
        refuse_changed(&known, [&drawn]).unwrap();
        refuse_changed(&DataStates::new(), [&coco]).unwrap();
    }
}
