//! The origin of a value: a place in a file, an environment variable, a `--set` argument, or a built-in
//! default.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A text file that was read.
#[derive(Debug)]
pub struct SourceFile {
    /// The path as the user would type it.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

/// The origin of a key and its value. Spans are byte ranges of the file's text.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A place in a recipe or in a sweep.
    File {
        /// The file.
        file: Arc<SourceFile>,
        /// The span of the key.
        key: Range<usize>,
        /// The span of the value.
        value: Range<usize>,
    },
    /// The name of an environment variable.
    Environment(String),
    /// The text of a `--set` argument.
    Argument(String),
    /// The default of a key that the recipe leaves out.
    BuiltIn,
}

impl Origin {
    /// The place of the key.
    pub fn key_place(&self) -> Location {
        match self {
            Origin::File { file, key, .. } => Location::in_file(file, key.clone()),
            other => Location::named(other.to_string()),
        }
    }

    /// The folder that a relative path of this origin begins in; empty for the working folder.
    pub fn folder(&self) -> &Path {
        match self {
            Origin::File { file, .. } => file.path.parent().unwrap_or(Path::new("")),
            _ => Path::new(""),
        }
    }

    /// Advice for a wrong variable, beginning with `; `: another program may own it. Empty for other origins.
    pub fn advice(&self) -> String {
        match self {
            Origin::Environment(name) => {
                format!("; `unset {name}` if the variable is not meant for this program")
            }
            _ => String::new(),
        }
    }

    /// The place of the value.
    pub fn value_place(&self) -> Location {
        match self {
            Origin::File { file, value, .. } => Location::in_file(file, value.clone()),
            other => Location::named(other.to_string()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { file, key, .. } => {
                f.write_str(&Location::in_file(file, key.clone()).position)
            }
            Origin::Environment(variable) => write!(f, "environment variable {variable}"),
            Origin::Argument(argument) => write!(f, "--set {argument}"),
            Origin::BuiltIn => f.write_str("built-in default"),
        }
    }
}

/// The characters of a source line that an error message shows.
const SHOWN: usize = 66;

/// A place as an error message shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// `file:line:column`, or the name of the variable or argument.
    pub position: String,
    /// The source line with a caret under the place, each line ending with a newline; empty outside of files.
    pub excerpt: String,
}

impl Location {
    /// A place without a source line: a variable, an argument, a whole file.
    pub fn named(position: impl Into<String>) -> Self {
        Self {
            position: position.into(),
            excerpt: String::new(),
        }
    }

    /// The place of the bytes `span` of `file`. Of a span over several lines, only the first line is shown.
    pub fn in_file(file: &SourceFile, span: Range<usize>) -> Self {
        let text = &file.text;
        let start = floor_char(text, span.start.min(text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line_number = text[..line_start].matches('\n').count() + 1;
        let line = text[line_start..line_end].trim_end_matches('\r');
        let before = &text[line_start..start];
        let column = before.chars().count() + 1;
        let marked = floor_char(
            text,
            span.end
                .clamp(start, line_start + line.len().max(before.len())),
        );
        let width = text[start..marked].chars().count().max(1);
        let (line, before, width) = window(line, before, width);
        // Tabs are kept, so that the caret stands in the right column at any tab width.
        let indent: String = before
            .chars()
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let gutter = line_number.to_string();
        let blank = " ".repeat(gutter.len());
        Self {
            position: format!("{}:{line_number}:{column}", file.path.display()),
            excerpt: format!(
                "{blank} |\n{gutter} | {line}\n{blank} | {indent}{}\n",
                "^".repeat(width)
            ),
        }
    }
}

/// The part of a long `line` around the place that `width` characters behind `before` are marked at, with the part of
/// `before` that remains and the number of characters to mark. A line of [`SHOWN`] characters stays whole.
fn window(line: &str, before: &str, width: usize) -> (String, String, usize) {
    let letters: Vec<char> = line.chars().collect();
    let place = before.chars().count();
    if letters.len() <= SHOWN {
        return (line.to_string(), before.to_string(), width);
    }
    // The place stands at the end of the first third, or where the line lets it.
    let first = place
        .saturating_sub(SHOWN / 3)
        .min(letters.len().saturating_sub(SHOWN));
    let last = first + SHOWN;
    let cut = |from: usize, to: usize| letters[from..to].iter().collect::<String>();
    let start = if first > 0 { "…" } else { "" };
    let end = if last < letters.len() { "…" } else { "" };
    (
        format!("{start}{}{end}", cut(first, last)),
        format!("{start}{}", cut(first, place.min(last))),
        width.min(last.saturating_sub(place)).max(1),
    )
}

/// The largest character boundary that is not above `at`.
fn floor_char(text: &str, at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|&index| text.is_char_boundary(index))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, span: Range<usize>) -> Location {
        Location::in_file(
            &SourceFile {
                path: "a.toml".into(),
                text: text.into(),
            },
            span,
        )
    }

    #[test]
    fn columns_count_characters_and_tabs_are_kept() {
        let text = "x = 1\n\tlängé = \"ü\" # end\n";
        let start = text.find("\"ü\"").unwrap();
        let found = place(text, start..start + 4);
        assert_eq!(found.position, "a.toml:2:10");
        assert_eq!(
            found.excerpt,
            "  |\n2 | \tlängé = \"ü\" # end\n  | \t        ^^^\n"
        );
    }

    #[test]
    fn a_span_at_the_end_or_over_lines_is_shown_on_one_line() {
        assert_eq!(place("x = ", 4..4).excerpt, "  |\n1 | x = \n  |     ^\n");
        assert_eq!(
            place("x = [\n1,\n]\n", 4..10).excerpt,
            "  |\n1 | x = [\n  |     ^\n"
        );
        assert_eq!(place("x = 1\n", 6..6).position, "a.toml:2:1");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!(
            "x = [{}\"here\"{}]",
            "\"a\", ".repeat(30),
            ", \"b\"".repeat(30)
        );
        let start = text.find("\"here").unwrap();
        let found = place(&text, start..start + 6);
        assert_eq!(found.position, format!("a.toml:1:{}", start + 1));
        let lines: Vec<&str> = found.excerpt.lines().collect();
        assert!(lines[1].chars().count() < 76, "{}", lines[1]);
        let shown: Vec<char> = lines[1].chars().collect();
        let marks = lines[2].find('^').unwrap();
        let marked: String = shown[marks..marks + lines[2].matches('^').count()]
            .iter()
            .collect();
        assert_eq!(marked, "\"here\"", "{}", found.excerpt);
        for place_of in [0, text.len() - 1, text.len()] {
            place(&text, place_of..text.len());
        }
    }
}
