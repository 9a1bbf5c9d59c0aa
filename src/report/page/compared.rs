//! The comparison of two results folders, as `harness compare` has it.

use super::coded::coded;
use super::download::copied;
use super::frame::Section;
use crate::report::comparison::Comparison;
use crate::report::comparison_text::{COMPARISON_FORMATS, columns, meaning, settings};
use crate::screen::Screen;
use anyhow::Result;
use maud::html;

/// The section of a comparison with this place in the report.
///
/// # Errors
/// It cannot be written as text.
pub fn section(index: usize, comparison: &Comparison) -> Result<Section> {
    let id = format!("compared-{index}");
    let columns = columns(comparison);
    let rows = comparison.rows.len();
    let one = std::slice::from_ref(comparison);
    let mut texts = Vec::new();
    for (name, title) in [("md", "Markdown"), ("csv", "CSV")] {
        let format = COMPARISON_FORMATS.iter().find(|format| format.name == name);
        if let Some(format) = format {
            let text = (format.render)(one, Screen::FILE)?;
            texts.push(copied(&format!("{id}-{name}"), title, title, &text));
        }
    }
    let differing = settings(comparison);
    let body = html! {
        @for line in meaning(one) { p class="note" { (coded(&line)) } }
        div class="wide" tabindex="0" role="region" aria-label=(format!("{}: B - A", comparison.sweep)) {
            table class="results" id=(id) {
                thead {
                    tr {
                        @for (title, _, numbers) in &columns {
                            th scope="col" class=[numbers.then_some("number")] { (title) }
                        }
                    }
                }
                tbody {
                    @for row in 0..rows {
                        tr {
                            @for (place, (title, cells, numbers)) in columns.iter().enumerate() {
                                @if place == 0 {
                                    th scope="row" { (cells[row]) }
                                } @else if title == "verdict" {
                                    td class=(format!("verdict-cell {}", cells[row])) { (cells[row]) }
                                } @else {
                                    td class=[numbers.then_some("number")] { (cells[row]) }
                                }
                            }
                        }
                    }
                }
            }
        }
        div class="texts" { @for text in &texts { (text) } }
        @if !differing.is_empty() {
            h3 { "Settings that differ" }
            ul { @for line in &differing { li { code { (line) } } } }
        }
    };
    Ok(Section {
        id: format!("{id}-section"),
        title: format!(
            "{}: {} compared with {}",
            comparison.sweep, comparison.folders[1], comparison.folders[0]
        ),
        level: 1,
        body,
    })
}
