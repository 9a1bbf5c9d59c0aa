//! The rows that did badly, with the signs of what went wrong, for the head of the page.

use super::coded::coded;
use super::content::Sweep;
use maud::{Markup, html};

/// The most rows that the list has.
const ROWS: usize = 10;

/// The list; empty without such rows.
pub fn list(sweeps: &[Sweep]) -> Markup {
    let rows = sweeps.iter().enumerate().flat_map(|(place, sweep)| {
        let rows = sweep.badly.iter();
        rows.map(move |(label, signs)| (place, label, signs))
    });
    let rows: Vec<_> = rows.collect();
    html! {
        @if !rows.is_empty() {
            div class="warnings" {
                h2 { "Rows that did badly, and why" }
                ul {
                    @for (place, label, signs) in rows.iter().take(ROWS) {
                        li { a href=(format!("#sweep-{place}")) { strong { (label) } } ": " (coded(&signs.join("; "))) "." }
                    }
                    @if rows.len() > ROWS {
                        li { (rows.len() - ROWS) " more: the words below the tables have all signs." }
                    }
                }
                p class="note" {
                    "Rows that are not above the row that they are compared with, and not the best of their table. A sign \
                     says what was measured; it proves no cause."
                }
            }
        }
    }
}
