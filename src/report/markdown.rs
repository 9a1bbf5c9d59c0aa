//! Tables as Markdown, for people: the question, the provenance of the run, the rows, the meaning of the
//! columns.

use super::cell::{interval, number, one_line, p, signed, verdict};
use super::legend;
use super::table::{Table, TableRow};
use anyhow::Result;

/// A column: its title, its cells, and true if the cells are numbers.
pub(super) type Column = (String, Vec<String>, bool);

/// Writes the tables, one below the other.
pub fn render(tables: &[Table]) -> Result<String> {
    let rendered: Vec<String> = tables.iter().map(table).collect();
    Ok(rendered.join("\n"))
}

fn table(table: &Table) -> String {
    let mut text = format!("# {}\n\n", one_line(&table.header.question));
    for line in &table.header.provenance {
        text.push_str(&format!("- {}\n", one_line(line)));
    }
    if !table.header.provenance.is_empty() {
        text.push('\n');
    }
    text.push_str(&grid(&columns(table)));
    text.push_str(&format!("\n{}", paragraph(&legend::of(table))));
    text
}

/// The columns that are not empty.
fn columns(table: &Table) -> Vec<Column> {
    let rows = &table.rows;
    let column = |title: &str, cell: &dyn Fn(&TableRow) -> String, numbers: bool| -> Column {
        (title.to_string(), rows.iter().map(cell).collect(), numbers)
    };
    let mut columns = vec![
        column("variant", &|row| row.label.clone(), false),
        column("seeds", &|row| row.seeds.to_string(), true),
    ];
    for metric in &table.metrics {
        let mean = |row: &TableRow| {
            let mean = number(row.mean.get(metric));
            match row.deviation.filter(|_| *metric == table.metric) {
                Some(deviation) => format!("{mean} ± {}", number(Some(deviation))),
                None => mean,
            }
        };
        columns.push(column(metric, &mean, true));
    }
    let judged = |row: &TableRow| row.judged.map(|judged| judged.difference);
    let difference = |row: &TableRow| {
        let found = judged(row);
        let parts = [
            signed(found.map(|difference| difference.mean)),
            interval(found.and_then(|difference| difference.interval)),
        ];
        parts.join(" ").trim_end().to_string()
    };
    let bootstrap = |row: &TableRow| interval(judged(row).and_then(|found| found.bootstrap));
    let adjusted = |row: &TableRow| p(row.judged.and_then(|judged| judged.adjusted));
    let paper_delta = |row: &TableRow| signed(row.paper_delta.filter(|_| !table.is_reference(row)));
    let status = |row: &TableRow| match row.status.as_str() {
        "ok" => String::new(),
        other => other.to_string(),
    };
    let others = [
        column("difference", &difference, false),
        column("bootstrap", &bootstrap, false),
        column("p (Holm)", &adjusted, true),
        column("verdict", &|row| verdict(row.judged.as_ref()), false),
        column("paper", &|row| number(row.paper), true),
        column("its difference", &paper_delta, true),
        column("status", &status, false),
    ];
    let says = |(_, cells, _): &Column| cells.iter().any(|cell| !cell.is_empty());
    columns.extend(others.into_iter().filter(says));
    columns
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
