//! A table for people that fits the screen: texts are broken into lines, cells take shorter forms, and columns are
//! left out, in an order that the table states.

use super::fit::{Constraint, fit, share};
use super::{Screen, Tone};
use comfy_table::presets::NOTHING;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, LineStyle, Table, Width,
};
use console::{measure_text_width, truncate_str};

/// The blank columns beside the text of a column: one on each side.
const PADDING: usize = 2;
/// The longest word that a narrow column does not break.
const WORD: usize = 20;
/// The room that a column needs beside its text: the padding, and the blank between two columns.
const GAP: usize = PADDING + 1;

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    title: String,
    /// The cells in each of their forms, the widest first.
    forms: Vec<Vec<String>>,
    numbers: bool,
    least: Option<usize>,
    tone: fn(&str) -> Tone,
}

impl Column {
    /// A column of text, which stands on the left.
    pub fn text(title: &str, cells: Vec<String>) -> Self {
        Self {
            title: title.to_string(),
            forms: vec![cells],
            numbers: false,
            least: None,
            tone: |_| Tone::Plain,
        }
    }

    /// A column of numbers, which stand on the right.
    pub fn numbers(title: &str, cells: Vec<String>) -> Self {
        Self {
            numbers: true,
            ..Self::text(title, cells)
        }
    }

    /// The column with `cells` as its next, shorter form.
    pub fn or(mut self, cells: Vec<String>) -> Self {
        self.forms.push(cells);
        self
    }

    /// The column, with texts that may be broken into lines of `least` columns and more. Words stay whole, unless
    /// they are very long.
    pub fn breaks_to(mut self, least: usize) -> Self {
        let words = self.forms[0]
            .iter()
            .flat_map(|text| text.split_whitespace());
        let words = words.map(measure_text_width).filter(|width| *width <= WORD);
        self.least = Some(words.fold(least, usize::max));
        self
    }

    /// The column with the colour of each cell.
    pub fn toned(mut self, tone: fn(&str) -> Tone) -> Self {
        self.tone = tone;
        self
    }

    /// The width of its title and of the cells of a form.
    fn width(&self, form: usize) -> usize {
        let texts = self.forms[form].iter().chain([&self.title]);
        let lines = texts.flat_map(|text| text.split('\n'));
        lines.map(measure_text_width).max().unwrap_or(0)
    }

    fn is_empty(&self) -> bool {
        self.forms[0].iter().all(String::is_empty)
    }
}

/// A table of columns with the same number of cells.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    columns: Vec<Column>,
    order: Vec<usize>,
    /// The table that is shown where this one has no room.
    narrower: Option<Box<Self>>,
}

impl Grid {
    /// A table of `columns` without those that have nothing to say. They give way in the order of the titles
    /// `order`: each time that a title stands in it, the column takes its next form, or is left out.
    pub fn new(columns: Vec<Column>, order: &[&str]) -> Self {
        let columns: Vec<Column> = columns.into_iter().filter(|one| !one.is_empty()).collect();
        let place = |title: &&str| columns.iter().position(|column| column.title == **title);
        let order = order.iter().filter_map(place).collect();
        Self {
            columns,
            order,
            narrower: None,
        }
    }

    /// The table, with another one for a screen on which no form of this one has room.
    pub fn or(mut self, narrower: Self) -> Self {
        self.narrower = Some(Box::new(narrower));
        self
    }

    /// The table as lines that are no wider than `screen`.
    pub fn text(&self, screen: Screen) -> String {
        let (kept, widths) = self.fitted(screen);
        let limit = screen.width().unwrap_or(usize::MAX);
        let whole = widths.iter().map(|width| width + GAP).sum::<usize>();
        if let Some(narrower) = self.narrower.as_ref().filter(|_| whole > room(screen)) {
            return narrower.text(screen);
        }
        let mut table = drawn(&kept, screen);
        table.set_constraints(widths.iter().map(|width| {
            let width = u16::try_from(width + PADDING).unwrap_or(u16::MAX);
            ColumnConstraint::Absolute(Width::Fixed(width))
        }));
        let lines = table.lines();
        let lines = lines.map(|line| truncate_str(line.trim_end(), limit, "…").into_owned() + "\n");
        lines.collect()
    }

    /// The titles of the columns that remain on `screen`.
    pub fn titles(&self, screen: Screen) -> Vec<&str> {
        let (kept, _) = self.fitted(screen);
        let titles = kept.into_iter().map(|(column, _)| column.title.as_str());
        titles.collect()
    }

    /// The columns that remain on `screen`, each with its form and its width.
    fn fitted(&self, screen: Screen) -> (Vec<(&Column, usize)>, Vec<usize>) {
        let room = room(screen);
        let constraint = |column: &Column| Constraint {
            forms: (0..column.forms.len())
                .map(|form| column.width(form) as f64)
                .collect(),
            least: column.least.map(|least| least as f64),
        };
        let constraints: Vec<Constraint> = self.columns.iter().map(constraint).collect();
        let forms = fit(&constraints, &self.order, GAP as f64, room as f64);
        let kept = self.columns.iter().zip(forms);
        let kept: Vec<(&Column, usize)> = kept
            .filter_map(|(column, form)| Some((column, form?)))
            .collect();
        let widths = widths(&kept, room);
        (kept, widths)
    }
}

/// The room of a table on `screen`. No blank stands behind the last column.
fn room(screen: Screen) -> usize {
    screen.width().map_or(usize::MAX, |width| width + 1)
}

/// The width of each column that remains.
fn widths(kept: &[(&Column, usize)], room: usize) -> Vec<usize> {
    let whole: Vec<usize> = kept
        .iter()
        .map(|(column, form)| column.width(*form))
        .collect();
    let breaks = |index: &usize| kept[*index].0.least.is_some();
    let broken: Vec<usize> = (0..kept.len()).filter(breaks).collect();
    let others: usize = (0..kept.len())
        .filter(|index| !breaks(index))
        .map(|index| whole[index])
        .sum();
    let room = room.saturating_sub(others + GAP * kept.len());
    let constraints: Vec<(f64, f64)> = broken
        .iter()
        .map(|&index| {
            let least = kept[index].0.least.unwrap_or(1).min(whole[index]);
            (least as f64, whole[index] as f64)
        })
        .collect();
    let mut widths = whole;
    for (index, width) in broken.iter().zip(share(room as f64, &constraints)) {
        widths[*index] = (width as usize).max(1);
    }
    widths
}

/// The table with its titles and cells, in the colours of `screen`.
fn drawn(kept: &[(&Column, usize)], screen: Screen) -> Table {
    let mut table = Table::new();
    let line = |letter| LineStyle::none().fill(letter).junction(letter);
    table.load_style(
        NOTHING
            .top_border(line('─'))
            .header_separator(line('─'))
            .bottom_border(line('─')),
    );
    match screen.colour {
        true => table.enforce_styling(),
        false => table.force_no_tty(),
    };
    table.set_header(
        kept.iter()
            .map(|(column, _)| cell(&column.title, Tone::Heading)),
    );
    let rows = kept
        .first()
        .map_or(0, |(column, form)| column.forms[*form].len());
    for row in 0..rows {
        table.add_row(kept.iter().map(|(column, form)| {
            let text = &column.forms[*form][row];
            cell(text, (column.tone)(text))
        }));
    }
    for (column, (own, _)) in table.column_iter_mut().zip(kept) {
        if own.numbers {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A cell in the colour of `tone`.
fn cell(text: &str, tone: Tone) -> Cell {
    let cell = Cell::new(text);
    match tone {
        Tone::Plain => cell,
        Tone::Heading => cell.add_attribute(Attribute::Bold),
        Tone::Good => cell.fg(Color::DarkGreen),
        Tone::Bad => cell.fg(Color::DarkRed),
        Tone::Quiet => cell.add_attribute(Attribute::Dim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        let columns = vec![
            Column::text(
                "variant",
                texts(&["all of the modules", "- DF-ACAT and DICC"]),
            )
            .breaks_to(8),
            Column::numbers("mAP", texts(&["18.95 ± 1.06", "17.86 ± 1.89"]))
                .or(texts(&["18.95", "17.86"])),
            Column::text("empty", texts(&["", ""])),
            Column::text("verdict", texts(&["", "hurts"])).toned(|_| Tone::Bad),
            Column::numbers("seeds", texts(&["3", "3"])),
        ];
        Grid::new(columns, &["seeds", "mAP"])
    }

    #[test]
    fn a_file_has_everything_that_says_something() {
        let text = grid().text(Screen::FILE);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1],
            " variant                       mAP   verdict   seeds"
        );
        assert_eq!(
            lines[3],
            " all of the modules   18.95 ± 1.06                 3"
        );
        assert_eq!(lines.len(), 6, "{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        for width in 20..70 {
            for colour in [false, true] {
                let text = grid().text(Screen::new(Some(width), colour));
                for line in text.lines() {
                    assert!(measure_text_width(line) <= width, "{width}: {text}");
                }
                assert!(text.contains("18.95"), "{width}: {text}");
                assert_eq!(text.contains("± 1.06"), width >= 35, "{width}: {text}");
                assert_eq!(text.contains("seeds"), width >= 43, "{width}: {text}");
            }
        }
    }

    #[test]
    fn colours_are_there_when_asked_for() {
        let [plain, painted] = [false, true].map(|colour| grid().text(Screen::new(None, colour)));
        assert!(!plain.contains('\u{1b}') && painted.contains("\u{1b}["));
        let bare = console::strip_ansi_codes(&painted);
        let bare: Vec<&str> = bare.lines().map(str::trim_end).collect();
        assert_eq!(bare, plain.lines().collect::<Vec<_>>());
    }
}
