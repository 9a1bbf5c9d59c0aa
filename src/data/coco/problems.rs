//! Collects many problems into one message: the first ten are written out, the rest are counted.

use anyhow::{Result, bail};
use std::path::Path;

/// The number of problems that a message writes out.
const SPELLED_OUT: usize = 10;

/// The problems of a file.
#[derive(Default)]
pub struct Problems {
    count: usize,
    first: Vec<String>,
}

impl Problems {
    /// Adds a problem. `text` is only called if its result will be shown.
    pub fn add(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < SPELLED_OUT {
            self.first.push(text());
        }
    }

    /// # Errors
    /// All problems as one message about `file`.
    pub fn into_result(self, file: &Path, hint: &str) -> Result<()> {
        let rest = match self.count - self.first.len() {
            0 => String::new(),
            rest => format!("\n  ... and {rest} more"),
        };
        match self.count {
            0 => Ok(()),
            1 => bail!("{}: {}{hint}", file.display(), self.first[0]),
            count => bail!(
                "{}: {count} problems{hint}\n  {}{rest}",
                file.display(),
                self.first.join("\n  ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_in_words_and_the_rest_counted() {
        let mut problems = Problems::default();
        for number in 0..13 {
            problems.add(|| format!("mistake {number}"));
        }
        let message = problems
            .into_result(Path::new("a.json"), "")
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("a.json: 13 problems\n  mistake 0\n"));
        assert!(message.ends_with("mistake 9\n  ... and 3 more"));
        assert!(
            Problems::default()
                .into_result(Path::new("a.json"), "")
                .is_ok()
        );
    }
}
