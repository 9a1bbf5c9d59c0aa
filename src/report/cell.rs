//! The formats of numbers in every table.

use super::statistics::JudgedDifference;

/// Two decimals; empty if undefined. `-0.00` is written `0.00`: its sign would mean nothing.
pub fn number(value: Option<f64>) -> String {
    let text = value.map_or(String::new(), |value| format!("{value:.2}"));
    if text == "-0.00" {
        "0.00".to_string()
    } else {
        text
    }
}

/// A difference with its sign.
pub fn signed(value: Option<f64>) -> String {
    let text = number(value);
    match value {
        Some(value) if value > 0.0 && text != "0.00" => format!("+{text}"),
        _ => text,
    }
}

/// `[low, high]`; empty if undefined.
pub fn interval(bounds: Option<(f64, f64)>) -> String {
    bounds.map_or(String::new(), |(low, high)| {
        format!("[{}, {}]", number(Some(low)), number(Some(high)))
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

/// A number with its noun in the right form: `1 trial`, `2 trials`.
pub fn counted(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// `text` on one line.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
