//! The columns of a table by name: which there are, which are shown, and what each cell says. The formats decide how
//! a cell is written.

use super::look::Look;
use super::metric::USUAL;
use super::statistics::{Difference, Verdict};
use super::table::{Table, TableRow};
use std::ops::Range;

/// What a column shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The label of the row.
    Label,
    /// The number of finished seeds.
    Seeds,
    /// The mean of a metric, by its name.
    Metric(String),
    /// The standard deviation of the table's metric.
    Deviation,
    /// The difference to the reference row, with its interval.
    Difference,
    /// The bootstrap interval of the difference.
    Bootstrap,
    /// The p of the difference.
    P,
    /// The same, adjusted by Holm.
    Holm,
    /// The confidence sequence of the difference, which holds at any number of seeds.
    Sequence,
    /// The e-value of the difference.
    E,
    /// The p of the e-value, adjusted by Holm.
    AnyTime,
    /// The verdict.
    Verdict,
    /// The number in the paper.
    Paper,
    /// The difference in the paper.
    PaperDifference,
    /// The state of the row.
    Status,
}

impl Kind {
    /// The name on the command line.
    pub fn name(&self) -> &str {
        match self {
            Self::Label => "label",
            Self::Seeds => "seeds",
            Self::Metric(name) => name,
            Self::Deviation => "deviation",
            Self::Difference => "difference",
            Self::Bootstrap => "bootstrap",
            Self::P => "p",
            Self::Holm => "p-holm",
            Self::Sequence => "sequence",
            Self::E => "e",
            Self::AnyTime => "p-any-time",
            Self::Verdict => "verdict",
            Self::Paper => "paper",
            Self::PaperDifference => "paper-difference",
            Self::Status => "status",
        }
    }

    /// The heading for people.
    pub fn title(&self) -> &str {
        match self {
            Self::Label => "variant",
            Self::Holm => "p (Holm)",
            Self::E => "E",
            Self::AnyTime => "p (any time)",
            Self::PaperDifference => "its difference",
            other => other.name(),
        }
    }

    /// True if the cells are numbers, which stand on the right.
    pub fn is_number(&self) -> bool {
        !matches!(
            self,
            Self::Label
                | Self::Difference
                | Self::Bootstrap
                | Self::Sequence
                | Self::Verdict
                | Self::Status
        )
    }
}

/// What a cell says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A text.
    Text(String),
    /// A count.
    Count(usize),
    /// A mean, its standard deviation if it is shown, and true if no row has a better one and means may be ranked.
    Mean(Option<f64>, Option<f64>, bool),
    /// A number.
    Number(Option<f64>),
    /// A difference without its interval.
    Signed(Option<f64>),
    /// A difference, and true if the verdict on it is `helps` or `hurts`.
    Difference(Option<Difference>, bool),
    /// An interval.
    Interval(Option<(f64, f64)>),
    /// A p value.
    P(Option<f64>),
    /// A verdict.
    Verdict(Option<Verdict>),
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// What it shows.
    pub kind: Kind,
    /// Its heading for people.
    pub title: String,
    /// Its cells, from the first row on.
    pub cells: Vec<Content>,
}

impl Shown {
    /// The column with the cells of some rows only.
    pub fn of_rows(&self, rows: Range<usize>) -> Self {
        Self {
            kind: self.kind.clone(),
            title: self.title.clone(),
            cells: self.cells[rows].to_vec(),
        }
    }
}

/// All columns that `table` can show, in their usual order.
pub fn known(table: &Table) -> Vec<Kind> {
    let metrics = table.metrics.iter().cloned().map(Kind::Metric);
    let mut more: Vec<Kind> = Vec::new();
    for (name, _) in table.rows.iter().flat_map(|row| row.more.iter()) {
        let kind = Kind::Metric(name.to_string());
        if !more.contains(&kind) {
            more.push(kind);
        }
    }
    let tested = [
        Kind::Deviation,
        Kind::Difference,
        Kind::Bootstrap,
        Kind::P,
        Kind::Holm,
    ];
    let any_time = [Kind::Sequence, Kind::E, Kind::AnyTime];
    let any_time = any_time
        .into_iter()
        .filter(|_| table.header.until.is_some());
    let last = [
        Kind::Verdict,
        Kind::Paper,
        Kind::PaperDifference,
        Kind::Status,
    ];
    let first = [Kind::Label, Kind::Seeds].into_iter();
    let metrics = first.chain(metrics).chain(more);
    metrics.chain(tested).chain(any_time).chain(last).collect()
}

/// The names of all columns that one of `tables` can show.
pub fn column_names(tables: &[Table]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for kind in tables.iter().flat_map(known) {
        if !names.iter().any(|name| name == kind.name()) {
            names.push(kind.name().to_string());
        }
    }
    names
}

/// Returns true if one of `tables` can show the column `name`.
pub fn known_column(tables: &[Table], name: &str) -> bool {
    tables.iter().any(|table| named(table, name).is_some())
}

/// The column `name` of `table`; none if it has no such column.
fn named(table: &Table, name: &str) -> Option<Kind> {
    let wanted = if name == "variant" { "label" } else { name };
    known(table).into_iter().find(|kind| kind.name() == wanted)
}

/// The columns of `table` that `look` asks for: those that it names, or else the usual ones that say something.
pub fn shown(table: &Table, look: &Look) -> Vec<Shown> {
    let column = |kind: Kind| {
        let cells = table.rows.iter();
        let cells = cells.map(|row| content(table, row, &kind, look)).collect();
        Shown {
            title: title(table, &kind),
            kind,
            cells,
        }
    };
    if !look.columns.is_empty() {
        let named = look.columns.iter().map(|name| match named(table, name) {
            Some(kind) => kind,
            // Another table of the same output has it.
            None => Kind::Metric(name.clone()),
        });
        return named.map(column).collect();
    }
    let metrics = table.metrics.iter().cloned().map(Kind::Metric);
    let usual: Vec<Kind> = match look.compact {
        true => [Kind::Label]
            .into_iter()
            .chain(metrics)
            .chain([Kind::Difference, Kind::Status])
            .collect(),
        false => [Kind::Label, Kind::Seeds]
            .into_iter()
            .chain(metrics)
            .chain([Kind::Difference, Kind::Bootstrap, Kind::Holm])
            .chain([Kind::Sequence, Kind::E, Kind::Verdict])
            .chain([Kind::Paper, Kind::PaperDifference, Kind::Status])
            .collect(),
    };
    let wanted = |kind: &Kind| look.paper || !matches!(kind, Kind::Paper | Kind::PaperDifference);
    let columns = usual.into_iter().filter(wanted).map(column);
    columns.filter(says).collect()
}

/// The heading of a column of `table`. COCO's metrics are named as such beside those of another evaluator: AP and AP50
/// of Cityscapes are other numbers.
fn title(table: &Table, kind: &Kind) -> String {
    let others = table.metrics.iter().any(|name| !USUAL.contains(&&**name));
    match kind {
        Kind::Metric(name) if others && USUAL.contains(&&**name) => format!("{name} (COCO)"),
        other => other.title().to_string(),
    }
}

/// True if the column is one of those that always stand, or has a cell that says something.
fn says(column: &Shown) -> bool {
    let empty = |cell: &Content| match cell {
        Content::Text(text) => text.is_empty(),
        Content::Difference(difference, _) => difference.is_none(),
        Content::Interval(interval) => interval.is_none(),
        Content::Number(value) | Content::Signed(value) | Content::P(value) => value.is_none(),
        Content::Verdict(verdict) => verdict.is_none(),
        Content::Count(_) | Content::Mean(..) => false,
    };
    !column.cells.iter().all(empty) || matches!(column.kind, Kind::Metric(_) | Kind::Seeds)
}

fn content(table: &Table, row: &TableRow, kind: &Kind, look: &Look) -> Content {
    let found = row.judged.map(|judged| judged.difference);
    let sequential = row.judged.and_then(|judged| judged.sequential);
    match kind {
        Kind::Label => Content::Text(row.label.clone()),
        Kind::Seeds => Content::Count(row.seeds),
        Kind::Metric(name) => {
            let value = row.value(name);
            let deviation = row.deviation.filter(|_| *name == table.metric);
            let best = table.ranks_means() && is_best(table, row, name, look.decimals());
            Content::Mean(value, deviation, best)
        }
        Kind::Deviation => Content::Number(row.deviation),
        Kind::Difference => {
            let has_sign = |verdict| matches!(verdict, Verdict::Helps | Verdict::Hurts);
            let judged = row.judged.map(|judged| judged.verdict);
            Content::Difference(found, judged.is_some_and(has_sign))
        }
        Kind::Bootstrap => Content::Interval(found.and_then(|found| found.bootstrap)),
        Kind::P => Content::P(found.and_then(|found| found.p)),
        Kind::Holm => Content::P(row.judged.and_then(|judged| judged.adjusted)),
        Kind::Sequence => Content::Interval(sequential.and_then(|one| one.sequence)),
        Kind::E => Content::Number(sequential.map(|one| one.e)),
        Kind::AnyTime => Content::P(sequential.map(|one| one.adjusted)),
        Kind::Verdict => Content::Verdict(row.judged.map(|judged| judged.verdict)),
        Kind::Paper => Content::Number(row.paper),
        Kind::PaperDifference => {
            Content::Signed(row.paper_delta.filter(|_| !table.is_reference(row)))
        }
        Kind::Status => Content::Text(match row.status.as_str() {
            "ok" => String::new(),
            other => other.to_string(),
        }),
    }
}

/// True if no row of its group has a higher mean of the metric than `row`, as far as `digits` decimals show it.
fn is_best(table: &Table, row: &TableRow, metric: &str, digits: usize) -> bool {
    let group = table.rows.iter().filter(|other| other.group == row.group);
    let best = group
        .filter_map(|row| row.value(metric))
        .max_by(f64::total_cmp);
    let written = |value: f64| format!("{value:.digits$}");
    row.value(metric)
        .zip(best)
        .is_some_and(|(value, best)| written(value) == written(best))
}

/// The usual columns in the order in which they give way where there is little room: the name of the column, once
/// for each of its shorter forms and once where it is left out. The label stays, and so do the metric of the table
/// and the difference in their shortest form.
pub fn order(table: &Table) -> Vec<String> {
    let metrics = table.metrics.iter().rev();
    let others = metrics
        .filter(|name| **name != table.metric)
        .map(String::as_str);
    let first = ["status", "bootstrap"];
    // Verdicts of seeds until decided are not of these.
    let fixed = ["p-holm"]
        .into_iter()
        .filter(|_| table.header.until.is_some());
    let then = ["paper-difference", "paper"];
    let last = [
        "p",
        "p-holm",
        "p-any-time",
        "e",
        "sequence",
        "seeds",
        "difference",
        &table.metric,
        "verdict",
        "status",
    ];
    let first = first.into_iter().chain(fixed);
    let all = first.chain(then).chain(others).chain(last);
    all.map(str::to_string).collect()
}
