//! The settings in which the rows of a sweep differ.

use super::content::SettingsTable;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// The most rows whose whole settings stand on the page.
const WHOLE: usize = 40;

/// The table of the settings, and all settings of each row behind folds.
pub fn body(settings: &SettingsTable) -> Markup {
    let SettingsTable {
        labels,
        references,
        keys,
        all,
    } = settings;
    let compared: BTreeSet<usize> = references.iter().copied().flatten().collect();
    let compared: Vec<usize> = compared.into_iter().collect();
    html! {
        @if keys.is_empty() {
            p { "All rows have the same settings." }
        } @else {
            p class="note" {
                @match &compared[..] {
                    [] => {}
                    [one] => { "Faint values are those of " code { (labels[*one]) } ". " }
                    _ => { "Faint values are those of the row's own reference. " }
                }
                "A dash stands where a row does not have the key, as its component does not read it."
            }
            div class="wide" tabindex="0" role="region" aria-label="Settings that differ" {
                table class="settings" {
                    thead {
                        tr {
                            th scope="col" { "key" }
                            @for label in labels { th scope="col" { (label) } }
                        }
                    }
                    tbody {
                        @for (key, values) in keys {
                            tr {
                                th scope="row" { code { (key) } }
                                @for (place, value) in values.iter().enumerate() {
                                    @let same = references[place].is_some_and(|other| other != place && *value == values[other]);
                                    td class=[same.then_some("same")] { (value.as_deref().unwrap_or("–")) }
                                }
                            }
                        }
                    }
                }
            }
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
