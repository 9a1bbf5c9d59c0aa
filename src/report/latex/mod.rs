//! Tables as LaTeX, for a paper: `booktabs`, the best number of every column in bold, the legend in the caption.
//!
//! A table fits the text of an `article`, and a compact one a column of a two-column `article`: the widths of its
//! cells are computed from those of Computer Modern, and columns give way in the order of [`super::columns::order`].
//! Columns that the user names are never left out; the type becomes smaller instead.

mod caption;
mod cells;
mod width;

use super::cell::rounded;
use super::columns::{Content, Kind, Shown, order, shown};
use super::look::Look;
use super::matrix::Matrix;
use super::table::Table;
use crate::screen::{Constraint, fit, one_line};
use anyhow::Result;
use cells::Typeset;
use width::{SIZES, Size, points};

/// The width of the text of an `article` in points, at 10 pt on one column.
const PAGE: f64 = 345.0;
/// The width of a column of a two-column `article`.
const COLUMN: f64 = 229.0;
/// The space between two columns of a table: twice `\tabcolsep`.
const GAP: f64 = 6.0;
/// The width down to which the labels of the rows are broken into lines, if their words allow it.
const LABEL_LEAST: f64 = 60.0;
/// The indentation of the further lines of a label at 10 pt.
const HANGING: f64 = 10.0;

/// Writes the tables, one below the other.
pub fn render(tables: &[Table], look: &Look) -> Result<String> {
    let (place, width) = match look.compact {
        true => ("a column of a two-column article", COLUMN),
        false => ("the text of an article", PAGE),
    };
    let bold = match tables.iter().any(Table::ranks_means) {
        true => "% Bold: the best of a column.\n",
        false => "",
    };
    let head = format!(
        "% Needs \\usepackage{{booktabs}}; put it in with \\input. It fits {place} ({width} pt).\n{bold}"
    );
    let rendered: Vec<String> = tables.iter().map(|one| table(one, look, width)).collect();
    Ok(head + &rendered.concat())
}

/// A column as it stands in the table.
struct Set {
    kind: Kind,
    title: Typeset,
    cells: Vec<Typeset>,
    /// The width that its text is broken to; none if it is not broken.
    broken: Option<f64>,
}

impl Set {
    /// The code of the cell in `row`. A broken text is not stretched, and its further lines are indented.
    fn code(&self, row: usize) -> String {
        let code = &self.cells[row].code;
        match self.broken {
            Some(_) => format!("\\raggedright\\hangindent=1em {code}"),
            None => code.clone(),
        }
    }
}

fn table(table: &Table, look: &Look, limit: f64) -> String {
    let header = &table.header;
    let mut text = String::new();
    for line in header.provenance.iter().chain(&table.splits) {
        text.push_str(&format!("% {}\n", one_line(line)));
    }
    for line in &table.cautions {
        text.push_str(&format!("% May mislead: {}.\n", one_line(line)));
    }
    if table.rows.iter().all(|row| row.seeds == 0) {
        text.push_str(&format!(
            "% {}: no row is finished.\n",
            one_line(&header.name)
        ));
        return text;
    }
    if let Some(matrix) = Matrix::of(table).filter(|_| look.columns.is_empty()) {
        return text + &of_matrix(&matrix, table, look);
    }
    let all = columns(table, look);
    let (size, columns) = set(table, look, &all, limit);
    let left_out: Vec<&str> = all
        .iter()
        .filter(|column| columns.iter().all(|one| one.kind != column.kind))
        .map(|column| column.kind.name())
        .collect();
    if !left_out.is_empty() {
        let names = left_out.join(", ");
        text.push_str(&format!(
            "% Left out for the width: {names}; --columns chooses.\n"
        ));
    }
    let align: String = columns.iter().map(alignment).collect();
    let caption = caption::of(
        table,
        look,
        &columns.iter().map(|one| &one.kind).collect::<Vec<_>>(),
    );
    let (open, close) = match size {
        Some(_) => ("", ""),
        // Nothing else is left: the type is made as small as it must be.
        None => ("  \\resizebox{\\linewidth}{!}{%\n", "  }\n"),
    };
    if size.is_none() {
        text.push_str(
            "% Needs \\usepackage{graphicx}, too: these columns are wider than the text.\n",
        );
    }
    text.push_str(&format!(
        "\\begin{{table}}\n  \\centering\n  \\setlength{{\\belowcaptionskip}}{{6pt}}\n  \\caption{{{caption}}}\n  \\label{{tab:{}}}\n  {}\n  \\setlength{{\\tabcolsep}}{{{}pt}}\n{open}  \\begin{{tabular}}{{@{{}}{align}@{{}}}}\n    \\toprule\n",
        key(&header.name),
        size.unwrap_or(SIZES[0]).command,
        GAP / 2.0,
    ));
    text.push_str(&line(columns.iter().map(|one| one.title.code.as_str())));
    for (group, rows) in table.blocks() {
        text.push_str("    \\midrule\n");
        if let Some(group) = group {
            let title = cells::escape(&group.title);
            let count = columns.len();
            text.push_str(&format!(
                "    \\multicolumn{{{count}}}{{@{{}}l@{{}}}}{{\\emph{{{title}}}}} \\\\\n"
            ));
        }
        for row in rows {
            let codes: Vec<String> = columns.iter().map(|one| one.code(row)).collect();
            text.push_str(&line(codes.iter().map(String::as_str)));
        }
    }
    text.push_str(&format!(
        "    \\bottomrule\n  \\end{{tabular}}\n{close}\\end{{table}}\n"
    ));
    text
}

/// The matrix of a table, which stands for its rows unless the user names columns. The best number of every column is
/// bold where means may be ranked, and the type becomes as small as the width asks for.
fn of_matrix(matrix: &Matrix, table: &Table, look: &Look) -> String {
    let best: Vec<Option<String>> = (0..matrix.columns.len())
        .map(|column| {
            let rows = matrix.lines.iter().filter_map(|(_, rows)| rows[column]);
            let means = rows.filter_map(|row| row.value(&table.metric));
            let best = means
                .max_by(f64::total_cmp)
                .filter(|_| table.ranks_means())?;
            Some(rounded(Some(best), look.decimals()))
        })
        .collect();
    let head = matrix.columns.iter().map(|title| cells::escape(title));
    let mut text = format!(
        "% Needs \\usepackage{{graphicx}}, too; --columns writes the rows instead.\n\\begin{{table}}\n  \\centering\n  \\setlength{{\\belowcaptionskip}}{{6pt}}\n  \\caption{{{}}}\n  \\label{{tab:{}}}\n  \\resizebox{{\\linewidth}}{{!}}{{%\n  \\begin{{tabular}}{{@{{}}l{}@{{}}}}\n    \\toprule\n    system & {} \\\\\n    \\midrule\n",
        caption::of_matrix(table),
        key(&table.header.name),
        "r".repeat(matrix.columns.len()),
        head.collect::<Vec<_>>().join(" & "),
    );
    for (title, rows) in &matrix.lines {
        let cells = rows.iter().zip(&best).map(|(row, best)| {
            let Some(row) = row else {
                return String::new();
            };
            let mean = rounded(row.value(&table.metric), look.decimals());
            let shown = match () {
                () if mean.is_empty() => "--".to_string(),
                () if best.as_ref() == Some(&mean) => format!("\\textbf{{{mean}}}"),
                () => mean,
            };
            match row.paper.filter(|_| look.paper) {
                Some(paper) => format!("{shown} ({paper})"),
                None => shown,
            }
        });
        let cells: Vec<String> = cells.collect();
        let title = cells::escape(title);
        text.push_str(&format!("    {title} & {} \\\\\n", cells.join(" & ")));
    }
    text + "    \\bottomrule\n  \\end{tabular}\n  }\n\\end{table}\n"
}

/// The columns that `look` asks for. Seeds are said in the caption where all rows have the same number of them.
fn columns(table: &Table, look: &Look) -> Vec<Shown> {
    let mut columns = shown(table, look);
    if look.columns.is_empty() {
        let seeds = caption::common_seeds(table).is_some();
        columns.retain(|one| match one.kind {
            Kind::Seeds => !seeds,
            Kind::Bootstrap | Kind::PaperDifference => false,
            Kind::Metric(_) => one.cells.iter().any(|cell| !is_empty_mean(cell)),
            _ => true,
        });
    }
    columns
}

/// Returns true if the cell is a mean without a value.
fn is_empty_mean(cell: &Content) -> bool {
    matches!(cell, Content::Mean(None, ..))
}

/// The columns that fit into `limit` points, and the size of type in which they do; none if no size is small enough.
fn set(table: &Table, look: &Look, columns: &[Shown], limit: f64) -> (Option<Size>, Vec<Set>) {
    let forms: Vec<[Vec<Typeset>; 2]> = columns
        .iter()
        .map(|column| {
            [false, true].map(|short| {
                column
                    .cells
                    .iter()
                    .map(|one| cells::cell(one, &column.kind, look, short))
                    .collect()
            })
        })
        .collect();
    let titles: Vec<Typeset> = columns
        .iter()
        .map(|column| cells::title(&column.kind, &column.title))
        .collect();
    let constraints = |size: Size| -> Vec<Constraint> {
        let all = columns.iter().zip(&forms).zip(&titles);
        all.map(|((column, forms), title)| {
            let width = |cells: &Vec<Typeset>| {
                let widths = cells
                    .iter()
                    .chain([title])
                    .map(|cell| cell.width * size.factor);
                widths.fold(0.0, f64::max)
            };
            let [whole, short] = forms.each_ref().map(width);
            Constraint {
                forms: if short < whole {
                    vec![whole, short]
                } else {
                    vec![whole]
                },
                least: (column.kind == Kind::Label).then(|| label_least(column, size)),
            }
        })
        .collect()
    };
    // The gap beside the first and the last column is removed by `@{}`.
    let room = limit + GAP;
    let names: Vec<String> = match look.columns.is_empty() {
        true => order(table),
        // Long cells may become short, but no column is left out.
        false => look.columns.iter().rev().cloned().collect(),
    };
    for size in SIZES.iter().skip(usize::from(look.compact)) {
        let constraints = constraints(*size);
        let place = |name: &String| columns.iter().position(|one| one.kind.name() == name);
        let steps: Vec<usize> = names
            .iter()
            .filter_map(place)
            .filter(|index| look.columns.is_empty() || constraints[*index].forms.len() > 1)
            .collect();
        let chosen = fit(&constraints, &steps, GAP, room);
        let kept: Vec<(usize, usize)> = (0..columns.len())
            .filter_map(|index| Some((index, chosen[index]?)))
            .collect();
        let others: f64 = kept
            .iter()
            .filter(|(index, _)| constraints[*index].least.is_none())
            .map(|(index, form)| constraints[*index].forms[*form] + GAP)
            .sum();
        let made = kept.iter().map(|&(index, form)| {
            let constraint = &constraints[index];
            let own = room - others - GAP;
            Set {
                kind: columns[index].kind.clone(),
                title: titles[index].clone(),
                cells: forms[index][form].clone(),
                broken: constraint
                    .least
                    .filter(|_| constraint.forms[form] > own)
                    .map(|least| own.max(least)),
            }
        });
        let made: Vec<Set> = made.collect();
        let label: f64 = kept
            .iter()
            .filter_map(|&(index, form)| {
                constraints[index]
                    .least
                    .map(|least| least.min(constraints[index].forms[form]) + GAP)
            })
            .sum();
        if others + label <= room {
            return (Some(*size), made);
        }
        if size.command == SIZES[SIZES.len() - 1].command {
            return (None, made);
        }
    }
    unreachable!("the last size has returned")
}

/// The width down to which the labels of `column` are broken: LaTeX breaks no word.
fn label_least(column: &Shown, size: Size) -> f64 {
    let texts = column.cells.iter().filter_map(|cell| match cell {
        Content::Text(text) => Some(text),
        _ => None,
    });
    let words = texts.flat_map(|text| text.split_whitespace());
    let widths = words.map(|word| (points(word) + HANGING) * size.factor);
    widths.fold(LABEL_LEAST, f64::max)
}

/// The letter of a column in the preamble of a `tabular`.
fn alignment(column: &Set) -> String {
    match column.broken {
        Some(width) => format!("p{{{width:.0}pt}}"),
        None if column.kind.is_number() => "r".to_string(),
        None => "l".to_string(),
    }
}

/// One line of a `tabular`.
fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    format!("    {} \\\\\n", cells.collect::<Vec<_>>().join(" & "))
}

/// `name` as a valid key for `\label`.
fn key(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    name.chars()
        .map(|letter| if plain(letter) { letter } else { '-' })
        .collect()
}
