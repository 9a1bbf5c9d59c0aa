//! The settings in which the rows of a sweep differ.
//!
//! Few rows are columns beside one another. Many rows are lines, with a column for each key, and with many keys too, a
//! line names those in which its row differs from its reference: so no table is wider than a sheet of paper.

use super::content::{Setting, SettingsTable};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// The most rows whose whole settings stand on the page.
const WHOLE: usize = 40;
/// The most rows that are columns.
const COLUMNS: usize = 12;
/// The most keys that are columns.
const KEYS: usize = 8;

/// The table of the settings, and all settings of each row behind folds.
pub fn body(settings: &SettingsTable) -> Markup {
    let SettingsTable {
        labels, keys, all, ..
    } = settings;
    html! {
        @if keys.is_empty() {
            p { "All rows have the same settings." }
        } @else {
            (differing(settings))
        }
        @if all.len() <= WHOLE {
            @for (label, text) in labels.iter().zip(all) {
                details {
                    summary { "All settings of " (label) }
                    pre { "\n" (text) }
                }
            }
        } @else {
            p class="note" { "The whole settings of each trial are in the store; " (all.len()) " rows have too many for a page." }
        }
    }
}

/// What the table shows beside values, and the table.
fn differing(settings: &SettingsTable) -> Markup {
    let compared: BTreeSet<usize> = settings.references.iter().copied().flatten().collect();
    let compared: Vec<usize> = compared.into_iter().collect();
    let is_list = settings.labels.len() > COLUMNS && settings.keys.len() > KEYS;
    let has_origins = {
        let mut all = settings
            .keys
            .iter()
            .flat_map(|(_, row)| row.iter().flatten());
        all.any(|setting| setting.origin.is_some())
    };
    html! {
        p class="note" {
            @if is_list {
                "A line has the settings in which the row is not as the one that it is compared with, or else as the first row. "
            } @else {
                @match &compared[..] {
                    [] => {}
                    [one] => { "Faint values are those of " code { (settings.labels[*one]) } ". " }
                    _ => { "Faint values are those of the row's own reference. " }
                }
            }
            "A dash stands where a row does not have the key, as its component does not read it."
            @if has_origins {
                " A pointer on a value shows where it comes from; the lists of all settings say it for every key."
            }
        }
        div class="wide" tabindex="0" role="region" aria-label="Settings that differ" {
            table class="settings" {
                @if settings.labels.len() <= COLUMNS {
                    (rows_as_columns(settings))
                } @else if is_list {
                    (lists(settings))
                } @else {
                    (rows_as_lines(settings))
                }
            }
        }
    }
}

fn rows_as_columns(settings: &SettingsTable) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "key" }
                @for label in &settings.labels { th scope="col" { (label) } }
            }
        }
        tbody {
            @for (key, values) in &settings.keys {
                tr {
                    th scope="row" { code { (key) } }
                    @for place in 0..values.len() { (cell(settings, values, place)) }
                }
            }
        }
    }
}

fn rows_as_lines(settings: &SettingsTable) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { "variant" }
                @for (key, _) in &settings.keys { th scope="col" { code { (key) } } }
            }
        }
        tbody {
            @for (place, label) in settings.labels.iter().enumerate() {
                tr {
                    th scope="row" { (label) }
                    @for (_, values) in &settings.keys { (cell(settings, values, place)) }
                }
            }
        }
    }
}

fn lists(settings: &SettingsTable) -> Markup {
    html! {
        thead {
            tr { th scope="col" { "variant" } th scope="col" { "settings that differ" } }
        }
        tbody {
            @for (place, label) in settings.labels.iter().enumerate() {
                @let base = settings.references[place].unwrap_or(0);
                tr {
                    th scope="row" { (label) }
                    td {
                        @for (key, values) in &settings.keys {
                            @if base == place || value(&values[place]) != value(&values[base]) {
                                code title=[origin(&values[place])] { (key) " = " (value(&values[place])) } " "
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The cell of the row `place`, faint if it has the value of its reference.
fn cell(settings: &SettingsTable, values: &[Option<Setting>], place: usize) -> Markup {
    let reference = settings.references[place].filter(|other| *other != place);
    let is_same = reference.is_some_and(|other| value(&values[place]) == value(&values[other]));
    html! {
        td class=[is_same.then_some("same")] title=[origin(&values[place])] { (value(&values[place])) }
    }
}

fn value(setting: &Option<Setting>) -> &str {
    setting.as_ref().map_or("–", |setting| &setting.value)
}

fn origin(setting: &Option<Setting>) -> Option<&str> {
    setting.as_ref()?.origin.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rows` rows and `keys` keys. The last row has another value of the first key than all others, and lacks the last
    /// key. The first row is the reference.
    fn table(rows: usize, keys: usize) -> SettingsTable {
        let setting = |key: usize, row: usize| {
            let is_other = row + 1 == rows && key == 0;
            let is_absent = row + 1 == rows && key + 1 == keys;
            (!is_absent).then(|| Setting {
                value: if is_other {
                    "<7>".into()
                } else {
                    key.to_string()
                },
                origin: Some(format!("r.toml:{key}")),
            })
        };
        let key = |key: usize| {
            let row = (0..rows).map(|row| setting(key, row)).collect();
            (format!("key.{key}"), row)
        };
        SettingsTable {
            labels: (0..rows).map(|row| format!("row {row}")).collect(),
            references: vec![Some(0); rows],
            keys: (0..keys).map(key).collect(),
            all: vec![String::new(); rows],
        }
    }

    fn page(rows: usize, keys: usize) -> String {
        body(&table(rows, keys)).into_string()
    }

    #[test]
    fn no_table_is_wider_than_paper() {
        for rows in [2, COLUMNS, COLUMNS + 1, 333] {
            for keys in [1, KEYS, KEYS + 1, 60] {
                let text = page(rows, keys);
                let heads = text.matches("<th scope=\"col\">").count();
                assert!(
                    heads <= COLUMNS + 1,
                    "{rows} rows, {keys} keys: {heads} columns"
                );
                let lines = text.matches("<th scope=\"row\">").count();
                let expected = if rows > COLUMNS { rows } else { keys };
                assert_eq!(lines, expected, "{rows} rows, {keys} keys");
            }
        }
    }

    #[test]
    fn every_form_tells_values_origins_and_what_is_as_the_reference() {
        for (rows, keys) in [(3, 3), (20, 3)] {
            let text = page(rows, keys);
            assert!(
                text.contains("<td title=\"r.toml:0\">&lt;7&gt;</td>"),
                "{text}"
            );
            assert!(
                text.contains("<td class=\"same\" title=\"r.toml:1\">1</td>"),
                "{text}"
            );
            assert!(text.contains("<td>–</td>"), "{text}");
            let faint = text.matches("class=\"same\"").count();
            assert_eq!(
                faint,
                (rows - 1) * keys - 2,
                "all but the reference and two cells"
            );
        }
        let text = page(20, 20);
        let last = &text[text.find("row 19").unwrap()..];
        assert!(
            last.contains("<code title=\"r.toml:0\">key.0 = &lt;7&gt;</code>"),
            "{last}"
        );
        assert!(
            last.contains("<code>key.19 = –</code>") && !last.contains("key.1 ="),
            "{last}"
        );
        let second = &text[text.find("row 1<").unwrap()..text.find("row 2<").unwrap()];
        assert!(!second.contains("<code"), "{second}");
    }
}
