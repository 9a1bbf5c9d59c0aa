//! Tables as Markdown, for people: the question, the provenance of the run, the rows, the meaning of the
//! columns, and what may mislead.

use super::columns::{Shown, shown};
use super::legend;
use super::look::Look;
use super::matrix::Matrix;
use super::table::Table;
use super::terminal::text as cell_text;
use crate::metrics::RowGroup;
use crate::screen::one_line;
use anyhow::Result;

/// A column: its title, its cells, and true if the cells are numbers.
pub(super) type Column = (String, Vec<String>, bool);

/// Writes the tables, one below the other.
pub fn render(tables: &[Table], look: &Look) -> Result<String> {
    let rendered: Vec<String> = tables.iter().map(|one| table(one, look)).collect();
    Ok(rendered.join("\n"))
}

fn table(table: &Table, look: &Look) -> String {
    let mut text = format!("# {}\n\n", one_line(&table.header.question));
    let head = table.header.provenance.iter().chain(&table.splits);
    for line in head.clone() {
        text.push_str(&format!("- {}\n", one_line(line)));
    }
    if head.count() > 0 {
        text.push('\n');
    }
    if let Some(matrix) = Matrix::of(table) {
        text.push_str(&grid(&matrix.grid(table, look)));
        text.push_str(&format!("\n{}\n\n", Matrix::legend(table)));
    }
    let all = shown(table, look);
    for (group, rows) in table.blocks() {
        if let Some(group) = group {
            text.push_str(&format!("{}\n\n", heading(group)));
        }
        let columns = all
            .iter()
            .map(|one| column(&one.of_rows(rows.clone()), look));
        text.push_str(&grid(&columns.collect::<Vec<_>>()));
        if group.is_some() {
            text.push('\n');
        }
    }
    if table.has_groups() {
        text.pop();
    }
    text.push_str(&format!("\n{}", paragraph(&legend::of(table, look))));
    let cautions = table.cautions.iter();
    let cautions = cautions.map(|line| format!("May mislead: {line}."));
    for caution in cautions {
        text.push_str(&format!("\n{}", paragraph(&[caution])));
    }
    text
}

/// The heading of a group.
fn heading(group: &RowGroup) -> String {
    let (title, reference) = (one_line(&group.title), one_line(&group.reference));
    format!("## {title} (reference `{reference}`)")
}

fn column(shown: &Shown, look: &Look) -> Column {
    let cells = shown.cells.iter();
    let cells = cells.map(|cell| cell_text(cell, look, false)).collect();
    (shown.title.clone(), cells, shown.kind.is_number())
}

/// The columns as a table: text is aligned to the left, numbers to the right.
pub(super) fn grid(columns: &[Column]) -> String {
    let mut text = String::new();
    let mut push = |cells: Vec<&str>| {
        let cells = cells
            .into_iter()
            .map(|cell| one_line(cell).replace('|', "\\|"));
        text.push_str(&format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ")));
    };
    push(columns.iter().map(|(title, ..)| title.as_str()).collect());
    let rule = |numbers: bool| if numbers { "---:" } else { "---" };
    push(columns.iter().map(|(.., numbers)| rule(*numbers)).collect());
    for row in 0..columns.first().map_or(0, |(_, cells, _)| cells.len()) {
        push(
            columns
                .iter()
                .map(|(_, cells, _)| cells[row].as_str())
                .collect(),
        );
    }
    text
}

/// The lines as one paragraph.
pub(super) fn paragraph(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| one_line(line) + "\n").collect();
    lines.concat()
}
