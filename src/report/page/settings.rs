//! The settings in which the rows of a sweep differ.

use super::content::SettingsTable;
use maud::{Markup, html};

/// The most rows whose whole settings stand on the page.
const WHOLE: usize = 40;

/// The table of the settings, and all settings of each row behind folds.
pub fn body(settings: &SettingsTable) -> Markup {
    let SettingsTable {
        labels,
        reference,
        keys,
        all,
    } = settings;
    html! {
        @if keys.is_empty() {
            p { "All rows have the same settings." }
        } @else {
            p class="note" {
                "Faint values are those of " code { (labels[*reference]) }
                ". A dash stands where a row does not have the key, as its component does not read it."
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
                                    @let same = place != *reference && *value == values[*reference];
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
