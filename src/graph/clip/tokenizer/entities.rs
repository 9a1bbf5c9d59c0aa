//! Decodes HTML entities as Python's `html.unescape` does.
//!
//! Source: <https://html.spec.whatwg.org/multipage/parsing.html#character-reference-state>, without its rules
//! for attribute values: names with a semicolon, 106 names that need none, and numbers. The numbers of
//! control characters are read as Windows-1252.

use html_escape::NAMED_ENTITIES;
use std::borrow::Cow;

/// The length of the longest name, without the semicolon.
const LONGEST: usize = 32;
/// Names that need no semicolon.
const OPEN: &str = "AElig AMP Aacute Acirc Agrave Aring Atilde Auml COPY Ccedil ETH Eacute Ecirc Egrave Euml GT Iacute Icirc \
    Igrave Iuml LT Ntilde Oacute Ocirc Ograve Oslash Otilde Ouml QUOT REG THORN Uacute Ucirc Ugrave Uuml Yacute \
    aacute acirc acute aelig agrave amp aring atilde auml brvbar ccedil cedil cent copy curren deg divide eacute \
    ecirc egrave eth euml frac12 frac14 frac34 gt iacute icirc iexcl igrave iquest iuml laquo lt macr micro middot \
    nbsp not ntilde oacute ocirc ograve ordf ordm oslash otilde ouml para plusmn pound quot raquo reg sect shy \
    sup1 sup2 sup3 szlig thorn times uacute ucirc ugrave uml uuml yacute yen yuml";
/// Windows-1252 from 0x80 on. Where it has no character, the control character stays.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '\u{2dc}', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The character of Windows-1252 for a control character of Latin-1; any other character is returned
/// unchanged.
pub fn windows(c: char) -> char {
    match c {
        '\u{80}'..='\u{9f}' => WINDOWS[c as usize - 0x80],
        c => c,
    }
}

/// The replacement of the entity `&name;`.
pub fn named(name: &str) -> Option<&'static str> {
    let found = NAMED_ENTITIES.binary_search_by(|(known, _)| (*known).cmp(name.as_bytes()));
    found.ok().map(|index| NAMED_ENTITIES[index].1)
}

/// `text` with every entity decoded once.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        plain.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        let (decoded, length) = match after.strip_prefix('#') {
            Some(number) => numeric(number).map(|(text, length)| (text, length + 1)),
            None => by_name(after),
        }
        .unwrap_or(("&".into(), 0));
        plain.push_str(&decoded);
        rest = &after[length..];
    }
    (plain + rest).into()
}

/// The replacement of a reference by name at the start of `text`, and its length in bytes.
fn by_name(text: &str) -> Option<(Cow<'static, str>, usize)> {
    let ends = |c: char| "\t\n\x0c <&#;".contains(c);
    let limit = text
        .char_indices()
        .nth(LONGEST)
        .map_or(text.len(), |(at, _)| at);
    let name = &text[..limit];
    let name = &name[..name.find(ends).unwrap_or(name.len())];
    if text[name.len()..].starts_with(';')
        && let Some(value) = named(name)
    {
        return Some((value.into(), name.len() + 1));
    }
    // The longest prefix that is a name without a semicolon.
    let open = OPEN.split(' ').filter(|open| name.starts_with(open));
    let open = open.max_by_key(|open| open.len())?;
    Some((named(open)?.into(), open.len()))
}

/// The replacement of a reference by number (after `&#`), and its length in bytes.
fn numeric(text: &str) -> Option<(Cow<'static, str>, usize)> {
    let (digits, radix, marked) = match text.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 1),
        None => (text, 10, 0),
    };
    let count = digits
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(digits.len());
    if count == 0 {
        return None;
    }
    let closed = usize::from(digits[count..].starts_with(';'));
    let value = match u32::from_str_radix(&digits[..count], radix) {
        Ok(0) | Err(_) => Some('\u{fffd}'),
        Ok(number @ 0x80..=0x9f) => Some(windows(char::from(number as u8))),
        Ok(0x1..=0x8 | 0xb | 0xe..=0x1f | 0x7f | 0xfdd0..=0xfdef) => None,
        Ok(number) if number <= 0x10_ffff && number & 0xfffe == 0xfffe => None,
        Ok(number) => Some(char::from_u32(number).unwrap_or('\u{fffd}')),
    };
    let value = value.map_or(String::new(), String::from);
    Some((value.into(), marked + count + closed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_decoded_as_python_does() {
        for (text, expected) in [
            ("a &lt;b&gt; &amp; c", "a <b> & c"),
            ("&notit; &notin; &copy2024", "¬it; ∉ ©2024"),
            ("&#39;&#x27;&#X41&#65a", "''AAa"),
            (
                "&#150;&#0;&#1;&#55296;&#1114112;",
                "–\u{fffd}\u{fffd}\u{fffd}",
            ),
            (
                "& &; &# &#; &#x; &unknown; &",
                "& &; &# &#; &#x; &unknown; &",
            ),
            ("&NotEqualTilde;", "≂\u{338}"),
            ("é&eacute;è", "ééè"),
        ] {
            assert_eq!(unescape(text), expected, "{text}");
        }
    }

    #[test]
    fn every_open_name_is_known() {
        assert_eq!(OPEN.split(' ').count(), 106);
        assert!(OPEN.split(' ').all(|name| named(name).is_some()));
    }
}
