//! The numbers of figures: links to files within the page, tables behind folds, and texts to copy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// The most lines of a table behind a fold; the file has all.
const LINES: usize = 100;

/// A link that saves `text` as a CSV file. The page holds the file itself.
pub fn csv_link(name: &str, text: &str) -> Markup {
    let data = format!("data:text/csv;base64,{}", STANDARD.encode(text));
    html! { a class="data" download=(format!("{name}.csv")) href=(data) { "data (CSV)" } }
}

/// The numbers of a figure behind a fold, for readers who do not see it. The first of `lines` has the names of the
/// columns; the first cell of another one names it.
pub fn numbers(label: &str, lines: &[Vec<String>]) -> Markup {
    html! {
        details class="numbers" {
            summary { "Numbers" }
            (numbers_table(label, lines))
        }
    }
}

/// The same table without the fold.
pub fn numbers_table(label: &str, lines: &[Vec<String>]) -> Markup {
    let Some((head, body)) = lines.split_first() else {
        return html! {};
    };
    // Names of numbers stand above the numbers' right end.
    let is_number = |column: usize| {
        let cells = || body.iter().filter_map(|line| line.get(column));
        cells().all(|cell| cell.is_empty() || cell.parse::<f64>().is_ok())
            && cells().next().is_some()
    };
    // The first cell names its line.
    let class = |column: usize| (column > 0 && is_number(column)).then_some("number");
    let classes: Vec<Option<&str>> = (0..head.len()).map(class).collect();
    html! {
        div class="wide" tabindex="0" role="region" aria-label=(label) {
            table {
                thead {
                    tr { @for (name, class) in head.iter().zip(&classes) { th scope="col" class=[*class] { (name) } } }
                }
                tbody {
                    @for line in body.iter().take(LINES) {
                        tr {
                            @for (at, (cell, class)) in line.iter().zip(&classes).enumerate() {
                                @if at == 0 { th scope="row" { (cell) } } @else { td class=[*class] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
        @if body.len() > LINES {
            p class="note" { "The first " (LINES) " of " (body.len()) " lines; the file has all." }
        }
    }
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
pub fn text_of(rows: &[Vec<String>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        // Every row of a figure has the same number of cells, and memory does not fail.
        let _ = writer.write_record(row);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_numbers_has_its_names_and_not_more_lines_than_fit() {
        let line = |cells: [&str; 3]| cells.map(String::from).to_vec();
        let mut lines = vec![
            line(["class", "<n>", "note"]),
            line(["a,b", "-1.5", "x"]),
            line(["c", "", ""]),
        ];
        let page = numbers("the <figure>", &lines).into_string();
        for part in [
            "<details class=\"numbers\"><summary>Numbers</summary>",
            "aria-label=\"the &lt;figure&gt;\"",
            "<th scope=\"col\">class</th><th scope=\"col\" class=\"number\">&lt;n&gt;</th><th scope=\"col\">note</th>",
            "<th scope=\"row\">a,b</th><td class=\"number\">-1.5</td><td>x</td>",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert_eq!(text_of(&lines[..2]), "class,<n>,note\n\"a,b\",-1.5,x\n");
        lines.resize(LINES + 3, line(["d", "1", "y"]));
        let page = numbers("figure", &lines).into_string();
        assert_eq!(page.matches("<tr>").count(), LINES + 1);
        assert!(
            page.contains(&format!("The first {LINES} of {} lines", LINES + 2)),
            "{page}"
        );
    }
}
