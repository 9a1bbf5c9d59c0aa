//! A source file as these tests read it: its code without comments, texts and tests, and the paths that the code names.

use std::ops::Range;

/// `text` with comments, string and character literals and everything under `#[cfg(test)]` replaced by spaces.
pub fn code(text: &str) -> String {
    let mut code = without_literals(text);
    while let Some(range) = test_item(&code) {
        let blank: String = code[range.clone()].chars().map(blank).collect();
        code.replace_range(range, &blank);
    }
    code
}

/// `text` with its comments as spaces, character for character.
pub fn without_comments(text: &str) -> String {
    blanked(text, |part| {
        part.starts_with("//") || part.starts_with("/*")
    })
}

/// The modules that `text` declares under `#[cfg(test)]` in files of their own.
pub fn test_modules(text: &str) -> Vec<String> {
    let mut code = without_literals(text);
    let mut names = Vec::new();
    while let Some(range) = test_item(&code) {
        let item = &code[range.clone()];
        if let Some(before) = item.strip_suffix(';')
            && let Some((_, name)) = before.rsplit_once("mod ")
        {
            names.push(name.trim().to_string());
        }
        code.replace_range(range.clone(), &" ".repeat(range.len()));
    }
    names
}

fn blank(c: char) -> char {
    if c == '\n' { c } else { ' ' }
}

/// `text` with its comments and literals as spaces, character for character.
fn without_literals(text: &str) -> String {
    blanked(text, |_| true)
}

/// `text` with those of its comments and literals as spaces that `is_meant`, character for character.
fn blanked(text: &str, is_meant: impl Fn(&str) -> bool) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        // No literal begins with another character.
        let plain = rest.find(['/', '"', 'r', '\'']).unwrap_or(rest.len());
        code.push_str(&rest[..plain]);
        rest = &rest[plain..];
        let length = literal(rest, code.chars().next_back());
        let (part, after) = rest.split_at(length.unwrap_or(rest.len().min(1)));
        match length {
            Some(_) if is_meant(part) => code.extend(part.chars().map(blank)),
            _ => code.push_str(part),
        }
        rest = after;
    }
    code
}

/// Bytes of the comment or literal that `rest` begins with; `before` is the character before it.
fn literal(rest: &str, before: Option<char>) -> Option<usize> {
    let until = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(until("*/"));
    }
    if let Some(text) = rest.strip_prefix('"') {
        return Some(1 + quoted(text, '"'));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word && let Some(raw) = rest.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = 1 + hashes + 1;
            return Some(
                rest[start..]
                    .find(&end)
                    .map_or(rest.len(), |at| start + at + end.len()),
            );
        }
    }
    // A character, not a lifetime.
    let mut chars = rest.strip_prefix('\'')?.chars();
    match (chars.next()?, chars.next()?) {
        ('\\', _) => Some(1 + quoted(&rest[1..], '\'')),
        (c, '\'') => Some(c.len_utf8() + 2),
        _ => None,
    }
}

/// Bytes up to and with the closing `quote`.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The first item under `#[cfg(test)]` or `#[cfg(all(test, ..))]`, with the attribute.
fn test_item(code: &str) -> Option<Range<usize>> {
    let starts = ["#[cfg(test)]", "#[cfg(all(test,"].map(|attribute| code.find(attribute));
    let start = starts.into_iter().flatten().min()?;
    let mut depth = 0_usize;
    for (at, c) in code[start..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (c == '}' || c == ';') {
            return Some(start..start + at + 1);
        }
    }
    Some(start..code.len())
}

/// A path that code names, as its words.
pub type Names = Vec<String>;

/// One name that a file brings in or hands on by `use`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The whole path.
    pub path: Names,
    /// Its name in this file; `*` brings in everything.
    pub name: String,
    /// Whether other files may name it here.
    pub public: bool,
}

/// All imports of `code`.
pub fn imports(code: &str) -> Vec<Import> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let Some((tree, _)) = code[at + 4..].split_once(';') else {
            continue;
        };
        let line = code[..at].rsplit('\n').next().unwrap_or_default();
        let public = line.trim_start().starts_with("pub");
        branches(tree, &[], &mut |path, name| {
            found.push(Import { path, name, public });
        });
    }
    found
}

/// Calls `found` for every name of the use tree `tree`, which lies under `prefix`.
fn branches(tree: &str, prefix: &[String], found: &mut dyn FnMut(Names, String)) {
    let tree = tree.trim();
    if tree.is_empty() {
        return;
    }
    let (before, list) = match tree.split_once('{') {
        Some((before, list)) => (before, list.strip_suffix('}')),
        None => (tree, None),
    };
    let (before, alias) = match before.split_once(" as ") {
        Some((before, alias)) => (before, Some(alias.trim())),
        None => (before, None),
    };
    let words = before.split("::").map(str::trim);
    let mut path = prefix.to_vec();
    path.extend(words.filter(|word| !word.is_empty()).map(String::from));
    if let Some(list) = list {
        return split(list)
            .into_iter()
            .for_each(|part| branches(part, &path, found));
    }
    // `a::{self}` is `a`.
    if !prefix.is_empty() && path.last().is_some_and(|word| word == "self") {
        path.pop();
    }
    let last = path.last().cloned().unwrap_or_default();
    found(path, alias.map_or(last, String::from));
}

/// The parts of a list between the commas that stand in no inner list.
fn split(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts
}

/// The paths that `code` names in full outside of `use`: those that begin with `crate`, `self` or `super`.
pub fn full_paths(code: &str) -> Vec<Names> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for root in ["crate::", "self::", "super::"] {
        for (at, _) in code.match_indices(root) {
            if code[..at].ends_with(|c: char| word(c) || c == ':') {
                continue;
            }
            let end = code[at..].find(|c| !word(c) && c != ':');
            let path = &code[at..end.map_or(code.len(), |end| at + end)];
            let words = path.split("::").filter(|word| !word.is_empty());
            found.push(words.map(String::from).collect());
        }
    }
    found
}

#[test]
fn comments_texts_and_tests_are_no_code() {
    let text = "use crate::a; // crate::b\nlet x = \"crate::c // \\\" crate::d\"; /* crate::e */ let c = '\"';\n\
                let r = r#\"crate::f \" \"#; fn g<'a>(x: &'a crate::h) {}\n\
                #[cfg(test)]\nmod tests {\n    use crate::i;\n    fn f() { { } }\n}\n\
                #[cfg(all(test, unix))]\n#[allow(x)]\nfn t() { crate::j(); }\nuse crate::k;\n";
    let code = code(text);
    let named: Vec<String> = full_paths(&code)
        .iter()
        .map(|path| path[1].clone())
        .collect();
    assert_eq!(named, ["a", "h", "k"]);
    assert_eq!(code.len(), text.len());
    let text = "mod a;\n#[cfg(test)]\npub(crate) mod check;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nfn f() {}\n";
    assert_eq!(test_modules(text), ["check", "tests"]);
}

#[test]
fn an_import_is_read_name_by_name() {
    let code = "pub use a::{B, c::{self, d as e}, *};\n    use super::super::f;\npub(super) use g as h;\nlet because = 1;";
    let found: Vec<String> = imports(code)
        .into_iter()
        .map(|Import { path, name, public }| format!("{} {name} {public}", path.join("::")))
        .collect();
    let expected = [
        "a::B B true",
        "a::c c true",
        "a::c::d e true",
        "a::* * true",
        "super::super::f f false",
        "g h true",
    ];
    assert_eq!(found, expected);
}
