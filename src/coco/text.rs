//! From the bytes of a file to JSON text in UTF-8.
//!
//! Windows editors write a byte order mark or UTF-16. Python writes `NaN`, `Infinity` and `-Infinity`, which JSON does
//! not have. Such a word becomes a JSON text of the same length that begins with [`MARK`], so that line and column of a
//! later mistake stay true; [`unmarked`] turns it back into the number.

use anyhow::{Result, bail};
use memchr::memmem;

/// The character that stands before a number that JSON does not have. No text of a real file begins with it.
const MARK: char = '\u{7f}';

/// The words that JSON does not have, with the texts of the same length that stand for them.
const WORDS: [(&[u8], &[u8]); 3] = [
    (b"NaN", b"\"\x7f\""),
    (b"Infinity", b"\"\x7f+\"    "),
    (b"-Infinity", b"\"\x7f-\"     "),
];

/// The text of a JSON file with the content `bytes`.
///
/// # Errors
/// The bytes are in an encoding that is not read. The error names it.
pub fn decoded(bytes: Vec<u8>) -> Result<Vec<u8>> {
    let mut text = in_utf8(bytes)?;
    mark(&mut text);
    Ok(text)
}

/// The text of a file with the content `bytes`, in UTF-8.
///
/// # Errors
/// The bytes are in an encoding that is not read. The error names it.
pub fn in_utf8(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    if bytes.starts_with(&[0xff, 0xfe, 0, 0]) || bytes.starts_with(&[0, 0, 0xfe, 0xff]) {
        bail!("text in UTF-32; needed: UTF-8 or UTF-16");
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        bail!("compressed by gzip; needed: the unpacked file");
    }
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        // The byte order mark of UTF-8.
        bytes[..3].fill(b' ');
    }
    // The first character of JSON is an ASCII character, so one of its two bytes is 0.
    bytes = match bytes[..] {
        [0xff, 0xfe, ..] => utf16(&bytes[2..], u16::from_le_bytes)?,
        [0xfe, 0xff, ..] => utf16(&bytes[2..], u16::from_be_bytes)?,
        [first, 0, ..] if first != 0 => utf16(&bytes, u16::from_le_bytes)?,
        [0, second, ..] if second != 0 => utf16(&bytes, u16::from_be_bytes)?,
        _ => bytes,
    };
    Ok(bytes)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Vec<u8>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match (text, rest) {
        (Ok(text), []) => Ok(text.into_bytes()),
        _ => bail!("damaged text in UTF-16"),
    }
}

/// Replaces the words that JSON does not have, outside of texts.
fn mark(bytes: &mut [u8]) {
    if !WORDS[..2]
        .iter()
        .any(|(word, _)| memmem::find(bytes, word).is_some())
    {
        return;
    }
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_text(bytes, at + 1),
            b'N' | b'I' | b'-' => {
                let rest = &mut bytes[at..];
                match WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
                    Some((word, text)) => {
                        rest[..word.len()].copy_from_slice(text);
                        at += word.len();
                    }
                    None => at += 1,
                }
            }
            _ => at += 1,
        }
    }
}

/// The place behind the quote that ends the text that begins at `at`.
fn end_of_text(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            None => return bytes.len(),
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// The text of a file with the words that JSON does not have where [`decoded`] has replaced them.
pub fn restored(mut bytes: Vec<u8>) -> Vec<u8> {
    for (word, text) in WORDS {
        let places: Vec<usize> = memmem::find_iter(&bytes, text).collect();
        for place in places {
            bytes[place..place + word.len()].copy_from_slice(word);
        }
    }
    bytes
}

/// The number that `text` stands for, if it stands for one.
pub fn unmarked(text: &str) -> Option<f64> {
    match text.strip_prefix(MARK)? {
        "" => Some(f64::NAN),
        "+" => Some(f64::INFINITY),
        "-" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "{\"a\": \"ä\"}";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let with = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for bytes in [
            text.as_bytes().to_vec(),
            with(&[0xef, 0xbb, 0xbf], text.as_bytes()),
            with(&[0xff, 0xfe], &little),
            with(&[0xfe, 0xff], &big),
            little,
            big,
        ] {
            let read = decoded(bytes).unwrap();
            assert_eq!(std::str::from_utf8(&read).unwrap().trim_start(), text);
        }
        for damaged in [&[0xff, 0xfe, b'{'][..], &[0xff, 0xfe, 0, 0xd8, b'x', 0]] {
            assert!(decoded(damaged.to_vec()).is_err());
        }
        assert!(
            decoded(vec![0x1f, 0x8b, 8])
                .unwrap_err()
                .to_string()
                .contains("gzip")
        );
        assert!(
            decoded(vec![0xff, 0xfe, 0, 0])
                .unwrap_err()
                .to_string()
                .contains("UTF-32")
        );
    }

    #[test]
    fn only_numbers_are_marked() {
        let text = r#"[NaN, -Infinity,Infinity, "NaN \" Infinity", "\\", -1]"#;
        let read = decoded(text.into()).unwrap();
        let values: Vec<serde_json::Value> = serde_json::from_slice(&read).unwrap();
        let number = |index: usize| unmarked(values[index].as_str().unwrap());
        assert!(number(0).unwrap().is_nan());
        assert_eq!(
            (number(1), number(2)),
            (Some(f64::NEG_INFINITY), Some(f64::INFINITY))
        );
        assert_eq!(values[3], "NaN \" Infinity");
        assert_eq!((values[5].as_i64(), read.len()), (Some(-1), text.len()));
        assert_eq!(unmarked("7"), None);
        assert_eq!(restored(read), text.as_bytes());
    }
}
