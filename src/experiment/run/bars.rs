//! The line of a progress bar: a title, the bar, and numbers, as many as the terminal has room for.
//!
//! Where there is little room, the title loses its middle, the bar becomes shorter, and the last numbers are left
//! out: `labels/image` before the loss, and that before the remaining time.

use crate::screen::{Screen, shortened};
use console::{Alignment, measure_text_width, pad_str};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The columns of a terminal that does not tell them.
const USUAL: usize = 80;

/// The columns of the parts of a line; one blank column stands between two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    title: usize,
    bar: usize,
    numbers: usize,
}

impl Parts {
    /// The parts of a line of `width` columns.
    fn of(width: usize) -> Self {
        // The last column stays empty: some terminals begin a new line behind it.
        let room = width.saturating_sub(3);
        let title = (width * 2 / 5).clamp(8, 40).min(room);
        let bar = (width / 7).min(24).min(room - title);
        Self {
            title,
            bar,
            numbers: room - title - bar,
        }
    }
}

/// The columns of the terminal that the bars are drawn on.
pub fn columns() -> usize {
    Screen::of_stderr().width().unwrap_or(USUAL)
}

/// A bar on the terminal.
#[derive(Debug)]
pub struct Line {
    /// The bar itself.
    pub bar: ProgressBar,
    /// The columns that its style is made for.
    columns: AtomicUsize,
}

impl Line {
    /// A line for `length` steps of which `done` are done. It is drawn when it is added to others, and has its style
    /// and its title before: the usual style is as wide as the terminal.
    pub fn new(length: u64, done: u64, title: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
        let columns = columns();
        bar.set_style(style(columns));
        bar.set_position(done);
        let line = Self {
            bar,
            columns: AtomicUsize::new(columns),
        };
        line.show(title, &[]);
        line
    }

    /// Shows `title` and as many of the `numbers` as there is room for. The terminal may have changed its size.
    pub fn show(&self, title: &str, numbers: &[String]) {
        let columns = columns();
        let parts = Parts::of(columns);
        if self.columns.swap(columns, Ordering::Relaxed) != columns {
            self.bar.set_style(style(columns));
        }
        let title = shortened(title, parts.title);
        let title = pad_str(&title, parts.title, Alignment::Left, None);
        self.bar.set_prefix(title.into_owned());
        self.bar.set_message(joined(numbers, parts.numbers));
    }
}

/// The style of a bar on a terminal of this many columns.
fn style(columns: usize) -> ProgressStyle {
    let bar = Parts::of(columns).bar;
    let style = ProgressStyle::with_template(&format!("{{prefix}} {{bar:{bar}}} {{msg}}"));
    style.expect("a valid template")
}

/// As many of `numbers` as fit into `width` columns, from the first on; the first one is cut if it is too long.
fn joined(numbers: &[String], width: usize) -> String {
    let mut text = String::new();
    for number in numbers.iter().filter(|number| !number.is_empty()) {
        let longer = match text.is_empty() {
            true => shortened(number, width),
            false => format!("{text}, {number}"),
        };
        if measure_text_width(&longer) > width {
            break;
        }
        text = longer;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_line_fit_every_terminal() {
        for width in 10..200 {
            let Parts {
                title,
                bar,
                numbers,
            } = Parts::of(width);
            assert!(title + 1 + bar + 1 + numbers < width, "{width}");
        }
        let parts = |width| {
            let Parts {
                title,
                bar,
                numbers,
            } = Parts::of(width);
            [title, bar, numbers]
        };
        assert_eq!(parts(60), [24, 8, 25]);
        assert_eq!(parts(80), [32, 11, 34]);
        assert_eq!(parts(140), [40, 20, 77]);
    }

    #[test]
    fn the_last_numbers_are_left_out_first() {
        let numbers = ["95/300", "3 min left", "loss 12.346", "3.2 labels/image"];
        let numbers = numbers.map(String::from);
        assert_eq!(joined(&numbers, 25), "95/300, 3 min left");
        assert_eq!(joined(&numbers, 34), "95/300, 3 min left, loss 12.346");
        assert_eq!(joined(&numbers, 10), "95/300");
        assert_eq!(joined(&numbers, 4), "95…0", "the first one is cut");
    }
}
