//! Comments: at most 120 columns wide, and formulas in code spans, where Markdown leaves them alone.

use crate::files_of;
use std::path::Path;

/// The widest line of a comment, in columns. rustfmt holds code at 100 and does not look at comments.
const WIDTH: usize = 120;

/// The extensions of the sources: Rust, and the C++ of the kernels and of the emulated GPU.
const SOURCES: [&str; 5] = ["rs", "cu", "cuh", "cpp", "h"];

/// Every line of comment in the sources of the repository: its place, its columns, its text behind the slashes.
fn comments() -> Vec<(String, usize, String)> {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for file in files_of(Path::new(folder), &SOURCES) {
            let text = std::fs::read_to_string(&file).unwrap();
            for (number, line) in (1..).zip(text.lines()) {
                if let Some(comment) = line.trim_start().strip_prefix("//") {
                    let place = format!("{}:{number}", file.display());
                    let text = comment.trim_start_matches(['/', '!']).trim_start();
                    found.push((place, line.chars().count(), text.to_string()));
                }
            }
        }
    }
    found
}

#[test]
fn comments_are_at_most_120_columns_wide() {
    let wide = |(place, columns, text): &(String, usize, String)| {
        // The rows of a table cannot be wrapped.
        let is_row = text.starts_with('|') && text.ends_with('|');
        (*columns > WIDTH && !is_row).then(|| format!("{place}: {columns} columns"))
    };
    let wide: Vec<String> = comments().iter().filter_map(wide).collect();
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

/// Whether a line of Markdown has a dollar sign outside of code. Its first or last code span may reach into
/// another line.
fn has_bare_dollar(text: &str) -> bool {
    let parts: Vec<&str> = text.split('`').collect();
    let outside = |first: usize| {
        let mut parts = parts.iter().skip(first).step_by(2);
        parts.any(|part| part.contains('$'))
    };
    let is_whole = parts.len() % 2 == 1;
    outside(0) && (is_whole || outside(1))
}

#[test]
fn a_formula_outside_of_code_is_seen() {
    for text in ["with $x$ and `y`", "$$ y = x $$", "`a` $$ y", "y $$ and"] {
        assert!(has_bare_dollar(text), "{text}");
    }
    for text in [
        "with `$x$` and y",
        "`$$ y = x $$`",
        "`a` `$$ y",
        "y $$` and",
        "a `b` c",
    ] {
        assert!(!has_bare_dollar(text), "{text}");
    }
}

#[test]
fn formulas_are_in_code_spans() {
    let comments = comments().into_iter();
    let bare = comments.filter(|(_, _, text)| has_bare_dollar(text));
    let bare: Vec<String> = bare
        .map(|(place, _, text)| format!("{place}: {text}"))
        .collect();
    assert!(bare.is_empty(), "{}", bare.join("\n"));
}
