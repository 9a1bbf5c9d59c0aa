//! Columns of text for a terminal.

/// The space between two columns.
const GAP: usize = 2;
/// The least width of a first column that is cut to fit.
const LEAST: usize = 8;

/// The rows as lines with aligned columns, each after `indent` spaces and, as far as possible, at most `width`
/// characters wide. The first column is text at the left and is cut where the line is too wide; the others are
/// numbers at the right. Rows may have fewer cells than the first.
pub fn aligned(rows: &[Vec<String>], indent: usize, width: usize) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0; columns];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = length(cell).max(*width);
        }
    }
    let others: usize = widths.iter().skip(1).map(|width| width + GAP).sum();
    if let Some(first) = widths.first_mut() {
        let room = width.saturating_sub(indent + others).max(LEAST);
        *first = room.min(*first);
    }
    let line = |row: &Vec<String>| {
        let mut line = " ".repeat(indent);
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            match column {
                0 => line.push_str(&padded(&cut(cell, *width), *width)),
                _ => {
                    let space = width + GAP - length(cell);
                    line.push_str(&" ".repeat(space));
                    line.push_str(cell);
                }
            }
        }
        line.trim_end().to_string()
    };
    rows.iter().map(line).collect()
}

/// The text with spaces behind it up to `width` characters.
pub fn padded(text: &str, width: usize) -> String {
    let space = width.saturating_sub(length(text));
    format!("{text}{}", " ".repeat(space))
}

/// The text, or its beginning with `…` where it has more than `width` characters.
pub fn cut(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_string();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// The words of `text` in lines of at most `width` characters. A longer word has a line of its own.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_right_and_the_first_column_gives_way() {
        let row = |cells: [&str; 3]| cells.map(String::from).to_vec();
        let rows = [
            row(["class", "this", "difference"]),
            row(["a long name of a class", "1.00", "-0.50"]),
        ];
        assert_eq!(
            aligned(&rows, 2, 80),
            [
                "  class                   this  difference",
                "  a long name of a class  1.00       -0.50"
            ]
        );
        let narrow = aligned(&rows, 2, 32);
        assert_eq!(narrow[1], "  a long name…  1.00       -0.50");
        assert!(narrow.iter().all(|line| line.chars().count() <= 32));
    }

    #[test]
    fn long_text_breaks_between_words() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("verylongword a", 4), ["verylongword", "a"]);
    }
}
