//! Words in a text: a number with its noun, a text on one line, a text that is cut to a length.

use console::{measure_text_width, truncate_str};

/// A number with its noun in the right form: `1 trial`, `2 trials`, `2 classes`.
pub fn counted(number: usize, noun: &str) -> String {
    format!("{number} {}", formed(number, noun))
}

/// A part of a number with its noun: `1 of 1 trial`, `0 of 3 trials`.
pub fn counted_of(part: usize, all: usize, noun: &str) -> String {
    format!("{part} of {}", counted(all, noun))
}

/// The form of `noun` that stands behind `number`.
fn formed(number: usize, noun: &str) -> String {
    match number {
        1 => noun.to_string(),
        _ if noun.ends_with(['s', 'x']) || noun.ends_with("ch") => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

/// `text` on one line.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `text` in at most `width` columns: its middle becomes `…`, because titles often differ at their ends.
pub fn shortened(text: &str, width: usize) -> String {
    let all = measure_text_width(text);
    if all <= width {
        return text.to_string();
    }
    let tail = width.saturating_sub(1) / 2;
    let head = width.saturating_sub(1 + tail);
    let mut end = String::new();
    for letter in text.chars().rev() {
        let longer = format!("{letter}{end}");
        if measure_text_width(&longer) > tail {
            break;
        }
        end = longer;
    }
    format!("{}…{end}", truncate_str(text, head, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_has_the_form_of_its_number() {
        assert_eq!(counted(1, "trial"), "1 trial");
        assert_eq!(counted(0, "trial"), "0 trials");
        assert_eq!(counted(2, "class"), "2 classes");
        assert_eq!(counted(2, "batch"), "2 batches");
        assert_eq!(counted_of(0, 1, "trial"), "0 of 1 trial");
        assert_eq!(counted_of(1, 3, "trial"), "1 of 3 trials");
    }

    #[test]
    fn a_long_text_loses_its_middle() {
        assert_eq!(shortened("abcdefgh", 8), "abcdefgh");
        assert_eq!(shortened("abcdefgh", 7), "abc…fgh");
        assert_eq!(shortened("abcdefgh", 6), "abc…gh");
        let wide = shortened("日本語日本語", 7);
        assert!(measure_text_width(&wide) <= 7, "{wide}");
        assert_eq!(shortened("abc", 1), "…");
    }
}
