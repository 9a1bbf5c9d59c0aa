//! The width of a text in Computer Modern, so that a table is known to fit before LaTeX sets it.

/// A size of type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Its command.
    pub command: &'static str,
    /// Its widths as a share of those at 10 pt. Small type is wider than its size says.
    pub factor: f64,
}

/// The sizes of type of a table in a 10 pt article, the largest first: 9, 8 and 7 pt.
pub const SIZES: [Size; 3] = [
    Size {
        command: "\\small",
        factor: 0.925,
    },
    Size {
        command: "\\footnotesize",
        factor: 0.85,
    },
    Size {
        command: "\\scriptsize",
        factor: 0.8,
    },
];

/// What bold type adds to the width.
pub const BOLD: f64 = 1.16;

/// The width of `text` in points at 10 pt: exact for the letters and signs of English texts and numbers, and
/// generous for all others.
pub fn points(text: &str) -> f64 {
    text.chars().map(letter).sum()
}

/// The width of a letter at 10 pt, from the metrics of `cmr10` (signs of mathematics: `cmsy10`, with the space that
/// TeX sets around them).
fn letter(letter: char) -> f64 {
    match letter {
        'i' | 'l' | '.' | ',' | ':' | ';' | '!' | '\'' | '[' | ']' | 'j' => 3.06,
        ' ' | '-' | 'f' | 't' | 'r' | 's' | '(' | ')' | '"' | 'I' => 4.0,
        'c' | 'e' | 'z' | 'v' => 5.28,
        '0'..='9' | 'a' | 'g' | 'o' | '/' | '*' | '?' => 5.0,
        'b' | 'd' | 'h' | 'k' | 'n' | 'p' | 'q' | 'u' | 'x' | 'y' | 'J' | 'S' => 5.56,
        'w' | 'A' | 'B' | 'C' | 'E' | 'F' | 'L' | 'N' | 'P' | 'T' | 'U' | 'V' | 'X' | 'Y' | 'Z' => {
            7.5
        }
        'm' | 'D' | 'G' | 'H' | 'K' | 'O' | 'Q' | 'R' | '%' | '&' | '−' | '±' | 'Δ' | '<' | '>'
        | '=' | '+' => 8.34,
        _ => 10.3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_at_least_those_of_the_font() {
        // `\settowidth` says 22.78 pt for `18.95` and 36.75 pt for `PL-DC` in cmr10.
        assert!(
            (22.78..24.0).contains(&points("18.95")),
            "{}",
            points("18.95")
        );
        assert!(
            (32.0..37.0).contains(&points("PL-DC")),
            "{}",
            points("PL-DC")
        );
        assert!(points("日本") >= 20.0);
    }
}
