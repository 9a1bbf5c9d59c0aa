//! One spelling for settings that mean the same, before a trial's identity is taken of them.

use super::trial_settings::{MOCK_TRAIN, is_mock};
use super::unread::reset_unread;
use toml::{Table, Value};

/// Drops what a trial does not read, or rewrites it to one spelling, so that trials which differ in nothing else are one trial.
///
/// Anything malformed is left for [`super::TrialSettings::read`] to refuse.
pub fn normalise(table: &mut Table) {
    if !is_mock(table) {
        return reset_unread(table);
    }
    table.retain(|key, _| ["seed", "method", "train"].contains(&key));
    if let Some(train) = table.get_mut("train").and_then(Value::as_table_mut) {
        train.retain(|key, _| MOCK_TRAIN.contains(&key));
    }
    if let Some(method) = table.get_mut("method").and_then(Value::as_table_mut) {
        drop_modules_that_are_off(method);
    }
}

/// Of a mock method: a module that is not named is off, and nobody reads its effect.
fn drop_modules_that_are_off(method: &mut Table) {
    let Some(Value::Table(modules)) = method.get_mut("modules") else {
        return;
    };
    modules.retain(|_, on| on.as_bool() != Some(false));
    let on = modules.clone();
    if let Some(Value::Table(effects)) = method.get_mut("effects") {
        effects.retain(|name, _| on.contains_key(name));
    }
}
