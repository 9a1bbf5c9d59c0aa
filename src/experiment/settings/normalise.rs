//! One spelling for settings that mean the same, before a trial's identity is taken of them.

use super::new_keys::NEW_KEYS;
use super::sections;
use super::trial_settings::{NUMBER_TABLES, NUMBER_TRAIN, reads_networks};
use super::unread::reset_unread;
use toml::{Table, Value};

/// Drops what a trial does not read, or rewrites it to one spelling, so that trials which differ in nothing else are one trial. Drops
/// new keys at their defaults too: trials of the time before these keys have none.
///
/// Anything malformed is left for [`super::trial_settings::TrialSettings::read`] to refuse.
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
        reset_unread(table, method.is_none_or(|method| method.has_teacher()));
    }
    NEW_KEYS.strip(table);
}
