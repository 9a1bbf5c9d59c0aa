//! Cleans a text before it is split into words.
//!
//! | | `HuggingFace` | `OpenClip` |
//! |---|---|---|
//! | composed characters | NFC | NFC |
//! | spaces | runs become one | runs become one, none at the ends |
//! | case | lower, character by character | lower, by the context of the whole text |
//! | HTML entities | stay | are decoded, twice |
//! | curly quotes, ligatures, full-width forms, control characters | stay | become plain, plain, half-width, nothing |
//!
//! `HuggingFace` is `CLIPTokenizer` of `transformers`; its cleaning is part of the tokenizer's own
//! description. `OpenClip` is `SimpleTokenizer` of `open_clip`: `ftfy.fix_text`, then `html.unescape` twice.
//! All changes that ftfy makes to correctly decoded text are implemented. Not implemented are its repair of
//! wrongly decoded text ("cafÃ©") and the removal of terminal commands.

use super::entities::{named, unescape, windows};
use std::borrow::Cow;
use tokenizers::NormalizedString;

/// The reference whose cleaning is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaning {
    /// The cleaning of `transformers`.
    HuggingFace,
    /// The cleaning of `open_clip`.
    OpenClip,
}

impl Cleaning {
    /// The text for the tokenizer.
    pub fn clean(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::HuggingFace => text.into(),
            Self::OpenClip => {
                let fixed = fixed(text);
                let once = unescape(&fixed);
                let plain = unescape(&once);
                let words: Vec<&str> = plain.split(is_space).filter(|w| !w.is_empty()).collect();
                words.join(" ").to_lowercase().into()
            }
        }
    }
}

/// Returns true for the characters that Python's `str.split` treats as spaces.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The result of `ftfy.fix_text` for correctly decoded text.
fn fixed(text: &str) -> String {
    // ftfy itself decodes entities up to the first line that seems to contain a tag.
    let mut tags = false;
    let mut plain = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        tags |= line.contains('<');
        let line = match tags {
            true => line.into(),
            false => unescape_closed(line),
        };
        line.chars().for_each(|c| push_fixed(&mut plain, c));
    }
    let mut composed = NormalizedString::from(plain);
    composed.nfc();
    composed.get().to_string()
}

/// Appends the replacement of one character.
fn push_fixed(plain: &mut String, c: char) {
    // Control characters of Latin-1 are read as characters of Windows-1252.
    match windows(c) {
        // Control characters, direction marks and byte order marks.
        '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}' => {}
        '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}' => {}
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => plain.push('\''),
        '\u{201c}'..='\u{201f}' => plain.push('"'),
        // Its apostrophe is a curly one.
        '\u{149}' => plain.push_str("'n"),
        // Ligatures, full-width and half-width forms.
        c @ ('\u{132}'
        | '\u{133}'
        | '\u{1c4}'..='\u{1cc}'
        | '\u{1f1}'..='\u{1f3}'
        | '\u{fb00}'..='\u{fb06}'
        | '\u{3000}'
        | '\u{ff01}'..='\u{ffef}') => {
            plain.push_str(&compatible(c));
        }
        c => plain.push(c),
    }
}

/// The compatible form of a character, composed.
fn compatible(c: char) -> String {
    match c {
        // The long s stays long.
        '\u{fb05}' => "\u{17f}t".into(),
        c => {
            let mut text = NormalizedString::from(c.to_string());
            text.nfkc();
            text.get().to_string()
        }
    }
}

/// Decodes the entities of a text that end with a semicolon. A name in capitals may stand for the capital
/// letter.
fn unescape_closed(text: &str) -> String {
    const LONGEST: usize = 24;
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        plain.push_str(&rest[..start]);
        rest = &rest[start..];
        let inside = |c: char| c.is_ascii_alphanumeric();
        let number = rest[1..].strip_prefix('#');
        let name = number.unwrap_or(&rest[1..]);
        let name = &name[..name.find(|c| !inside(c)).unwrap_or(name.len())];
        let end = 1 + usize::from(number.is_some()) + name.len();
        if !rest[end..].starts_with(';') || !(1..=LONGEST).contains(&name.len()) {
            plain.push('&');
            rest = &rest[1..];
            continue;
        }
        let whole = &rest[..=end];
        let decoded = match number {
            Some(_) => Some(unescape(whole).into_owned()).filter(|text| !text.contains(';')),
            None => named(name)
                .map(str::to_string)
                .or_else(|| capital(whole, name)),
        };
        plain.push_str(decoded.as_deref().unwrap_or(whole));
        rest = &rest[end + 1..];
    }
    plain + rest
}

/// The replacement of an entity like `&EACUTE;`, whose name is only known in small letters.
fn capital(whole: &str, name: &str) -> Option<String> {
    let small = name.to_lowercase();
    let unknown = name == name.to_uppercase() && unescape(whole) == whole;
    named(&small).filter(|_| unknown).map(str::to_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reference_has_its_own_cleaning() {
        let text = "  A &amp;  “B”\u{a0}ﬁne ";
        assert_eq!(Cleaning::HuggingFace.clean(text), text);
        assert_eq!(Cleaning::OpenClip.clean(text), "a & \"b\" fine");
    }

    #[test]
    fn entities_are_decoded_twice_and_three_times_without_tags() {
        let clean = |text: &str| Cleaning::OpenClip.clean(text).into_owned();
        assert_eq!(clean("x &amp;amp;lt; y"), "x < y");
        assert_eq!(clean("<b> &amp;amp;lt;"), "<b> &lt;");
        assert_eq!(clean("R&D &unknown; &ampx"), "r&d &unknown; &x");
        assert_eq!(clean("P&EACUTE;REZ &AMP;"), "pérez &");
    }

    #[test]
    fn widths_and_controls_become_plain() {
        let clean = |text: &str| Cleaning::OpenClip.clean(text).into_owned();
        assert_eq!(clean("ＡＢＣ\u{3000}１\u{feff}\u{7}"), "abc 1");
        assert_eq!(clean("e\u{301}te\r\n\r\nΣΑΣ"), "\u{e9}te σας");
    }
}
