//! The formats of numbers in every table.

use super::statistics::JudgedDifference;

/// The decimals of a number, unless the user chooses others.
pub const DIGITS: usize = 2;

/// `digits` decimals; empty if undefined. `-0.00` is written `0.00`: its sign would mean nothing.
pub fn rounded(value: Option<f64>, digits: usize) -> String {
    let text = value.map_or(String::new(), |value| format!("{value:.digits$}"));
    match text.strip_prefix('-') {
        Some(size) if size.chars().all(|letter| "0.".contains(letter)) => size.to_string(),
        _ => text,
    }
}

/// Two decimals; empty if undefined.
pub fn number(value: Option<f64>) -> String {
    rounded(value, DIGITS)
}

/// A difference with its sign.
pub fn signed(value: Option<f64>, digits: usize) -> String {
    let text = rounded(value, digits);
    match text.chars().any(|letter| ('1'..='9').contains(&letter)) && !text.starts_with('-') {
        true => format!("+{text}"),
        false => text,
    }
}

/// `[low, high]`; empty if undefined.
pub fn interval(bounds: Option<(f64, f64)>, digits: usize) -> String {
    bounds.map_or(String::new(), |(low, high)| {
        let [low, high] = [low, high].map(|bound| rounded(Some(bound), digits));
        format!("[{low}, {high}]")
    })
}

/// A p value with four decimals.
pub fn p(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:.4}"))
}

/// The verdict on a difference, as a word.
pub fn verdict(judged: Option<&JudgedDifference>) -> String {
    judged.map_or(String::new(), |judged| judged.verdict.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_has_no_sign() {
        assert_eq!(number(Some(-0.001)), "0.00");
        assert_eq!(rounded(Some(-0.4), 0), "0");
        assert_eq!(signed(Some(0.001), 2), "0.00");
        assert_eq!(signed(Some(0.001), 3), "+0.001");
        assert_eq!(signed(Some(-1.5), 1), "-1.5");
        assert_eq!(signed(None, 2), "");
        assert_eq!(interval(Some((-1.25, 0.0)), 1), "[-1.2, 0.0]");
    }
}
