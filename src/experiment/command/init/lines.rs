//! The lines of a recipe: keys, values and reasons, each in a column of its own.

use std::fmt::Write as _;

/// The widest value that moves the column of the reasons.
const WIDEST: usize = 24;

/// The text of a recipe that is being written.
#[derive(Default)]
pub struct Lines(String);

impl Lines {
    /// Adds comments, one for each line of `text`.
    pub fn comment(&mut self, text: &str) {
        for line in text.lines() {
            let _ = writeln!(self.0, "{}", format!("# {line}").trim_end());
        }
    }

    /// Adds the table `name` (none for the top of the recipe) with `rows`: key, value as TOML, reason.
    pub fn table(&mut self, name: Option<&str>, rows: &[(&str, String, String)]) {
        self.0.push('\n');
        if let Some(name) = name {
            let _ = writeln!(self.0, "[{name}]");
        }
        let width = |text: &str| text.chars().count();
        let key = rows.iter().map(|row| width(row.0)).max().unwrap_or(0);
        let values = rows.iter().map(|row| width(&row.1));
        let value = values.filter(|width| *width <= WIDEST).max().unwrap_or(0);
        for (name, text, reason) in rows {
            let line = format!("{name:key$} = {text:value$}  # {reason}");
            self.0.push_str(&line);
            self.0.push('\n');
        }
    }

    /// The text.
    pub fn text(self) -> String {
        self.0
    }
}

/// `text` as a value of TOML.
pub fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_a_long_value_moves_none() {
        let mut lines = Lines::default();
        lines.comment("One.\n\nTwo.");
        let long = quoted("/a/rather/long/path/to/a/folder");
        lines.table(
            Some("data"),
            &[
                ("root", long, "far".into()),
                ("name", quoted("a\"b"), "odd".into()),
                ("a-key", "1".into(), "one".into()),
            ],
        );
        let expected = "# One.\n#\n# Two.\n\n[data]\n\
                        root  = \"/a/rather/long/path/to/a/folder\"  # far\n\
                        name  = 'a\"b'  # odd\n\
                        a-key = 1      # one\n";
        assert_eq!(lines.text(), expected);
    }
}
