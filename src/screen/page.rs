//! A text that is put together line by line and fits its screen.

use super::{Grid, Screen, Tone};
use std::fmt;

/// A text for a screen. What is written into it with `writeln!` is broken into lines that fit.
#[derive(Clone, Debug)]
pub struct Page {
    screen: Screen,
    text: String,
    /// The beginning of the line that is being written.
    line: String,
}

impl Page {
    /// An empty text for `screen`.
    pub fn new(screen: Screen) -> Self {
        Self {
            screen,
            text: String::new(),
            line: String::new(),
        }
    }

    /// `text` in the colour of `tone`.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        self.screen.paint(tone, text)
    }

    /// Adds a table.
    pub fn grid(&mut self, grid: &Grid) {
        self.end_line();
        self.text.push_str(&grid.text(self.screen));
    }

    /// The whole text. It ends with a newline, unless it is empty.
    pub fn finish(mut self) -> String {
        self.end_line();
        self.text
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.text.push_str(&self.screen.wrap(&line));
            self.text.push('\n');
        }
    }
}

impl fmt::Write for Page {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((line, after)) = rest.split_once('\n') {
            self.line.push_str(line);
            match self.line.is_empty() {
                true => self.text.push('\n'),
                false => self.end_line(),
            }
            rest = after;
        }
        self.line.push_str(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn lines_are_broken_however_they_are_written() {
        let mut page = Page::new(Screen::new(Some(20), false));
        write!(page, "one two three ").unwrap();
        writeln!(page, "four five\n").unwrap();
        write!(page, "end").unwrap();
        assert_eq!(page.finish(), "one two three four\n  five\n\nend\n");
        assert_eq!(Page::new(Screen::FILE).finish(), "");
    }
}
