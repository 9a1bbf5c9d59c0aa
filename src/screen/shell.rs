//! Words for a shell.

/// `text` as one word of a shell.
pub fn for_a_shell(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    match !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        true => text.to_string(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_shell_is_quoted_where_it_must_be() {
        assert_eq!(for_a_shell("/a/b-c.d"), "/a/b-c.d");
        assert_eq!(for_a_shell("my cats"), "'my cats'");
        assert_eq!(for_a_shell("it's"), "'it'\\''s'");
        assert_eq!(for_a_shell("-x"), "'-x'");
        assert_eq!(for_a_shell(""), "''");
    }
}
