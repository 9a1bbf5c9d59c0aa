//! Brings settings with the same meaning into one form before a trial's identity is computed from them.

use super::new_keys::NEW_KEYS;
use super::phase_keys;
use super::sections;
use super::trial_settings::{NUMBER_TABLES, NUMBER_TRAIN, reads_networks};
use super::unread::{Labelling, reset_unread};
use crate::detector::DETECTORS;
use crate::registry;
use toml::{Table, Value};

/// Removes settings that a trial does not read, or rewrites them to one form, so that trials that differ only
/// in those are one trial. It also removes new keys at their defaults, because earlier trials do not have
/// these keys.
///
/// Malformed settings are left for [`super::trial_settings::TrialSettings::read`] to refuse.
pub fn normalise(table: &mut Table) {
    NEW_KEYS.fill(table);
    let networks = reads_networks(table);
    if !networks {
        table.retain(|key, _| NUMBER_TABLES.contains(&key));
        if let Some(train) = table.get_mut("train").and_then(Value::as_table_mut) {
            train.retain(|key, _| NUMBER_TRAIN.contains(&key));
        }
    }
    let method = match table.get_mut("method") {
        Some(Value::Table(keys)) => {
            let method = sections::method(keys.clone()).ok();
            method.inspect(|method| method.normalise(keys))
        }
        _ => None,
    };
    if networks {
        let detector = match table.get("model") {
            Some(Value::Table(keys)) => registry::build(DETECTORS, keys.clone()).ok(),
            _ => None,
        };
        let unread = detector.map_or(&[][..], |detector| detector.unread());
        reset_unread(table, Labelling::of(method.as_deref()), unread);
    }
    phase_keys::reduce(table);
    NEW_KEYS.strip(table);
}
