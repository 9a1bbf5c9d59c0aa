//! Tables as LaTeX, for a paper: `booktabs`, the best number of every column in bold, arrows for the
//! differences to the reference row.

use super::cell::{interval, number, one_line, p, verdict};
use super::legend;
use super::statistics::Verdict;
use super::table::{Table, TableRow};
use crate::metrics::Metrics;
use anyhow::Result;

/// Explains how to use the output.
const USE: &str = "% Needs \\usepackage{booktabs}; put it in with \\input, and into \\resizebox if it is too wide.\n\
                   % Bold: the best of a column. Arrows: mean paired difference to the reference row.\n";

/// Writes the tables, one below the other.
pub fn render(tables: &[Table]) -> Result<String> {
    let rendered: Vec<String> = tables.iter().map(table).collect();
    Ok(format!("{USE}{}", rendered.concat()))
}

/// A column: its title, its alignment, its cells.
type Column = (String, char, Vec<String>);

fn table(table: &Table) -> String {
    let header = &table.header;
    let mut text = String::new();
    for line in header.provenance.iter().chain(&legend::of(table)) {
        text.push_str(&format!("% {}\n", one_line(line)));
    }
    let columns = columns(table);
    let align: String = columns.iter().map(|(_, align, _)| align).collect();
    text.push_str(&format!(
        "\\begin{{table}}\n  \\centering\n  \\caption{{{}}}\n  \\label{{tab:{}}}\n  \\begin{{tabular}}{{{align}}}\n    \\toprule\n",
        escape(&header.question),
        key(&header.name)
    ));
    text.push_str(&line(columns.iter().map(|(title, ..)| title.as_str())));
    text.push_str("    \\midrule\n");
    for row in 0..table.rows.len() {
        let cells = columns.iter().map(|(.., cells)| cells[row].as_str());
        text.push_str(&line(cells));
    }
    text.push_str("    \\bottomrule\n  \\end{tabular}\n\\end{table}\n");
    text
}

/// One line of a `tabular`.
fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    format!("    {} \\\\\n", cells.collect::<Vec<_>>().join(" & "))
}

/// The columns that are not empty.
fn columns(table: &Table) -> Vec<Column> {
    let rows = &table.rows;
    let column = |title: &str, align: char, cell: &dyn Fn(&TableRow) -> String| -> Column {
        (title.to_string(), align, rows.iter().map(cell).collect())
    };
    let best = |metric: &String| {
        let means = rows.iter().filter_map(|row| row.mean.get(metric));
        (metric.clone(), means.max_by(f64::total_cmp))
    };
    let best: Metrics = table.metrics.iter().map(best).collect();
    let mut columns = vec![
        column("", 'l', &|row| label(&row.label)),
        column("seeds", 'r', &|row| row.seeds.to_string()),
    ];
    for metric in &table.metrics {
        let cell = |row: &TableRow| mean(table, row, metric, &best);
        columns.push(column(&title(metric), 'r', &cell));
    }
    let adjusted = |row: &TableRow| p(row.judged.and_then(|judged| judged.adjusted));
    let paper =
        |row: &TableRow| with_arrow(number(row.paper), row.paper_delta, table.is_reference(row));
    let unfinished = rows.iter().any(|row| row.status != "ok");
    let status = |row: &TableRow| match unfinished {
        true => escape(&row.status),
        false => String::new(),
    };
    columns.extend([
        column("$\\Delta$ [95\\,\\%]", 'l', &difference),
        column("$p$", 'r', &adjusted),
        column("verdict", 'l', &marked_verdict),
        column("paper", 'r', &paper),
        column("status", 'l', &status),
    ]);
    columns.retain(|(.., cells)| cells.iter().any(|cell| !cell.is_empty()));
    columns
}

/// A mean with its deviation and the difference to the reference. It is bold if no row has a higher mean.
fn mean(table: &Table, row: &TableRow, metric: &str, best: &Metrics) -> String {
    let shown = number(row.mean.get(metric));
    let mut marked = match !shown.is_empty() && shown == number(best.get(metric)) {
        true => format!("\\textbf{{{shown}}}"),
        false => shown,
    };
    if let Some(deviation) = row.deviation.filter(|_| metric == table.metric) {
        marked.push_str(&format!(" $\\pm$ {}", number(Some(deviation))));
    }
    with_arrow(marked, row.deltas.get(metric), table.is_reference(row))
}

/// `17.86 ($\downarrow$ 1.10)`; the reference row has no arrow.
fn with_arrow(number_text: String, delta: Option<f64>, is_reference: bool) -> String {
    let Some(delta) = delta.filter(|_| !is_reference && !number_text.is_empty()) else {
        return number_text;
    };
    let size = number(Some(delta.abs()));
    let arrow = match delta {
        _ if size == "0.00" => "$=$",
        _ if delta > 0.0 => "$\\uparrow$",
        _ => "$\\downarrow$",
    };
    format!("{number_text} ({arrow} {size})")
}

/// The difference with its interval, in math mode, so that a minus sign is typeset as one.
fn difference(row: &TableRow) -> String {
    let Some(found) = row.judged.map(|judged| judged.difference) else {
        return String::new();
    };
    let inner = format!("{} {}", number(Some(found.mean)), interval(found.interval));
    format!("${}$", inner.trim_end().replace(' ', "\\ "))
}

/// The verdict, in bold if it is conclusive.
fn marked_verdict(row: &TableRow) -> String {
    let word = verdict(row.judged.as_ref());
    match row.judged.map(|judged| judged.verdict) {
        Some(Verdict::Helps | Verdict::Hurts) => format!("\\textbf{{{word}}}"),
        _ => word,
    }
}

/// The name of a metric as papers write it, like `AP50`.
fn title(metric: &str) -> String {
    match metric.strip_prefix("AP").filter(|part| !part.is_empty()) {
        Some(part) => format!("AP$_{{{}}}$", escape(part)),
        None => escape(metric),
    }
}

/// The label of a row; `- DICC` gets a minus sign. The braces keep LaTeX from reading `[` and `*` as part of
/// the line end before them.
fn label(text: &str) -> String {
    let text = one_line(text);
    match text.strip_prefix('-') {
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => format!("$-${}", escape(rest)),
        _ if text.starts_with(['[', '*']) => format!("{{}}{}", escape(&text)),
        _ => escape(&text),
    }
}

/// `text` on one line, with every special character of LaTeX escaped.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    let line = match text.starts_with(' ') {
        true => format!(" {}", one_line(text)),
        false => one_line(text),
    };
    for letter in line.chars() {
        match letter {
            '&' | '%' | '_' | '#' | '$' | '{' | '}' => escaped.extend(['\\', letter]),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// `name` as a valid key for `\label`.
fn key(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    name.chars()
        .map(|letter| if plain(letter) { letter } else { '-' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_text_and_a_minus_is_one() {
        assert_eq!(
            escape(r"a & b_c 5% #1 $x$ {y} ~ ^ \z"),
            r"a \& b\_c 5\% \#1 \$x\$ \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}z"
        );
        assert_eq!(label("- DF-ACAT"), "$-$ DF-ACAT");
        assert_eq!(label("-"), "$-$");
        assert_eq!(label("-1"), "-1");
        assert_eq!(label("[2, 3]*"), "{}[2, 3]*");
        assert_eq!(title("AP50"), "AP$_{50}$");
        assert_eq!(title("mAP"), "mAP");
        assert_eq!(title("AP50%"), "AP$_{50\\%}$");
        assert_eq!(title("AP"), "AP");
    }

    proptest! {
        /// No text can open or close a group, or start mathematics, a comment, a column or a line.
        #[test]
        fn no_text_escapes(text in "\\PC*|[&%_#${}~^\\\\a \n-]{0,40}") {
            let escaped = escape(&text);
            let mut depth = 0i32;
            let mut letters = escaped.chars();
            while let Some(letter) = letters.next() {
                match letter {
                    '\\' => {
                        let next = letters.next().unwrap();
                        prop_assert!("&%_#${}t".contains(next), "{escaped}");
                    }
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => prop_assert!(!"&%_#$~^\n".contains(letter), "{escaped}"),
                }
                prop_assert!((0..=1).contains(&depth));
            }
            prop_assert_eq!(depth, 0);
        }
    }
}
