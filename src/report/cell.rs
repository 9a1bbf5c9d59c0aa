//! How numbers are written in every table.

use super::statistics::Judged;

/// Two decimals; nothing where undefined. `-0.00` would tell a sign that is not there.
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

/// `[low, high]`; nothing where undefined.
pub fn interval(bounds: Option<(f64, f64)>) -> String {
    bounds.map_or(String::new(), |(low, high)| {
        format!("[{}, {}]", number(Some(low)), number(Some(high)))
    })
}

/// A p value: four decimals.
pub fn p(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:.4}"))
}

/// The word for what a difference allows to say.
pub fn verdict(judged: Option<&Judged>) -> String {
    judged.map_or(String::new(), |judged| judged.verdict.to_string())
}

/// `text` on one line.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
