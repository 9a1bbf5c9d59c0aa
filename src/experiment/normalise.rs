//! One spelling for settings that mean the same, before a trial's identity is taken of them.

use super::trial_settings::{MOCK_TRAIN, is_mock};
use super::unread::reset_unread;
use toml::{Table, Value};

/// A key that came after trials were recorded, and the value that says what they did: with it, it is not written down.
const LATER: (&str, &str) = ("pooling", "coverage");

/// Drops what a trial does not read, or rewrites it to one spelling, so that trials which differ in nothing else are one trial.
///
/// Anything malformed is left for [`super::TrialSettings::read`] to refuse.
pub fn normalise(table: &mut Table) {
    if is_mock(table) {
        normalise_mock(table);
    } else {
        normalise_network(table);
    }
}

fn normalise_mock(table: &mut Table) {
    table.retain(|key, _| ["seed", "method", "train"].contains(&key));
    if let Some(train) = table.get_mut("train").and_then(Value::as_table_mut) {
        train.retain(|key, _| MOCK_TRAIN.contains(&key));
    }
}

fn normalise_network(table: &mut Table) {
    reset_unread(table);
    let method = table.get_mut("method");
    let correction = method.and_then(|method| method.get_mut("correction"));
    if let Some(correction) = correction.and_then(Value::as_table_mut)
        && correction.get(LATER.0).and_then(Value::as_str) == Some(LATER.1)
    {
        correction.remove(LATER.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{table, with};
    use super::*;

    fn normalised(mut table: Table) -> Table {
        normalise(&mut table);
        table
    }

    #[test]
    fn a_later_key_is_written_down_only_where_it_says_something() {
        let with_pooling = |value: &str| with(table(), "method.correction.pooling", value);
        let mut before = table();
        let correction = before["method"]["correction"].as_table_mut().unwrap();
        correction
            .remove("pooling")
            .expect("the default is in the recipe");
        assert_eq!(normalised(with_pooling("coverage")), before);
        assert_eq!(
            normalised(with_pooling("threshold")),
            with_pooling("threshold")
        );
        // What is wrong is left for the check.
        assert_eq!(normalised(with_pooling("cover")), with_pooling("cover"));
    }
}
