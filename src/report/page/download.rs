//! Texts that a reader takes along: links to files within the page, and texts to copy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// A link that saves `text` as a CSV file. The page holds the file itself.
pub fn csv_link(name: &str, text: &str) -> Markup {
    let data = format!("data:text/csv;base64,{}", STANDARD.encode(text));
    html! { a class="data" download=(format!("{name}.csv")) href=(data) { "data (CSV)" } }
}

/// A text behind a fold, with a button that copies it. `noun` is what the button says that it copies.
pub fn copied(id: &str, title: &str, noun: &str, text: &str) -> Markup {
    html! {
        details class="copied" {
            summary { (title) }
            button type="button" class="script copy" data-copies=(id) { "Copy " (noun) }
            // A parser drops the first newline of the element.
            pre id=(id) { "\n" (text) }
        }
    }
}

/// The cells as lines of CSV. A cell with a comma, quote or newline is quoted.
pub fn csv(rows: &[Vec<String>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        // Every row of a figure has the same number of cells, and memory does not fail.
        let _ = writer.write_record(row);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
