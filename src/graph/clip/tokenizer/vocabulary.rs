//! The tokens and merges of CLIP, from any of the files that may contain them.

use super::super::json::json;
use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Tokens with their ids, and merges, one pair a line, as Hugging Face stores them.
const SPLIT: [&str; 2] = ["vocab.json", "merges.txt"];
/// Merges, one pair per line, as released by OpenAI. Their order determines the ids.
const RELEASED: &str = "bpe_simple_vocab_16e6.txt.gz";
/// The number of merges of OpenAI's file that CLIP uses; the rest is noise.
const MERGES: usize = 49_152 - 256 - 2;
/// Maximum unpacked size of a file in bytes. The real one has 3 million.
const LARGEST: u64 = 1 << 26;

/// The tokens and merges of a byte-pair tokenizer.
pub struct TokenVocabulary {
    /// Tokens with their ids.
    pub ids: BTreeMap<String, u32>,
    /// Pairs separated by a space, in the order in which they are merged.
    pub merges: Vec<String>,
    /// Start and end token.
    pub ends: [String; 2],
}

impl TokenVocabulary {
    /// Reads the vocabulary of `folder`, and returns the file that it came from. `whole` is the name of a
    /// file with a whole tokenizer; `ends` are the possible names of start and end token.
    pub fn read(folder: &Path, whole: &str, ends: [[&str; 2]; 2]) -> Result<(PathBuf, Self)> {
        let [ids, merges_file] = SPLIT.map(|name| folder.join(name));
        let (whole, released) = (folder.join(whole), folder.join(RELEASED));
        if ids.exists() && merges_file.exists() {
            let value = json(&ids)?;
            let text = std::fs::read_to_string(&merges_file)
                .with_context(|| format!("{}: cannot be read", merges_file.display()))?;
            // The first line contains the version.
            let lines = text.lines().filter(|line| !line.starts_with("#version"));
            let lines = lines.filter(|line| !line.trim().is_empty());
            let merges = lines.map(str::to_string).collect();
            let vocabulary = Self::new(&ids, &value, merges, ends)?;
            vocabulary.check(&merges_file)?;
            return Ok((ids, vocabulary));
        }
        if whole.exists() {
            let value = json(&whole)?;
            let model = &value["model"];
            let merges = model["merges"].as_array().and_then(|list| {
                let merges = list.iter().map(|merge| match merge {
                    Value::String(pair) => Some(pair.clone()),
                    pair => Some(format!("{} {}", pair[0].as_str()?, pair[1].as_str()?)),
                });
                merges.collect()
            });
            let merges = merges.with_context(|| {
                format!("{}: model.merges is not a list of pairs", whole.display())
            })?;
            let vocabulary = Self::new(&whole, &model["vocab"], merges, ends)?;
            vocabulary.check(&whole)?;
            return Ok((whole, vocabulary));
        }
        if released.exists() {
            let vocabulary = Self::from_order(unpacked(&released)?, ends[1]);
            vocabulary.check(&released)?;
            return Ok((released, vocabulary));
        }
        bail!(
            "{}: no tokens; needed: {}, or {} and {}, or {RELEASED}",
            folder.display(),
            whole.display(),
            SPLIT[0],
            SPLIT[1]
        );
    }

    fn new(path: &Path, ids: &Value, merges: Vec<String>, ends: [[&str; 2]; 2]) -> Result<Self> {
        let shown = path.display();
        let ids = ids.as_object().into_iter().flatten().map(|(token, id)| {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            let id = id.with_context(|| format!("{shown}: `{token}` has no id"))?;
            Ok((token.clone(), id))
        });
        let ids: BTreeMap<String, u32> = ids.collect::<Result<_>>()?;
        let known = |ends: &[&str; 2]| ends.iter().all(|token| ids.contains_key(*token));
        let ends = ends
            .into_iter()
            .find(known)
            .with_context(|| format!("{shown}: no start and end token; needed: {ends:?}"))?;
        Ok(Self {
            ends: ends.map(str::to_string),
            ids,
            merges,
        })
    }

    /// Refuses merges of `path` that are not pairs of tokens, or whose result is not a token.
    fn check(&self, path: &Path) -> Result<()> {
        let known = |token: &str| self.ids.contains_key(token);
        let fits = |merge: &&String| match merge.split(' ').collect::<Vec<_>>()[..] {
            [left, right] => known(left) && known(right) && known(&format!("{left}{right}")),
            _ => false,
        };
        match self.merges.iter().find(|merge| !fits(merge)) {
            None => Ok(()),
            Some(merge) => bail!(
                "{}: `{merge}` is not a pair of tokens that merge into one",
                path.display()
            ),
        }
    }

    /// The vocabulary with these ids: single bytes, single bytes at the end of a word, merges in their order,
    /// start, end.
    fn from_order(merges: Vec<String>, ends: [&str; 2]) -> Self {
        let bytes = || byte_names().into_iter();
        let single = bytes().map(String::from);
        let last = bytes().map(|name| format!("{name}</w>"));
        let merged = merges.iter().map(|pair| pair.replace(' ', ""));
        let all = single.chain(last).chain(merged);
        let all = all.chain(ends.iter().map(|token| token.to_string()));
        Self {
            ids: all.zip(0..).collect(),
            merges,
            ends: ends.map(str::to_string),
        }
    }
}

/// The merges of OpenAI's file, which is packed with gzip.
fn unpacked(path: &Path) -> Result<Vec<String>> {
    let shown = path.display();
    let packed = std::fs::read(path).with_context(|| format!("{shown}: cannot be read"))?;
    let mut text = String::new();
    GzDecoder::new(&packed[..])
        .take(LARGEST)
        .read_to_string(&mut text)
        .with_context(|| format!("{shown}: not a gzip file of merges"))?;
    let lines = text.split('\n').skip(1).take(MERGES);
    let lines = lines.filter(|line| !line.trim().is_empty());
    Ok(lines.map(str::to_string).collect())
}

/// The names of the 256 bytes in the order of their ids. Printable characters stand for themselves and come
/// first; the others follow as the characters from 256 on.
fn byte_names() -> Vec<char> {
    let printable = ('!'..='~')
        .chain('\u{a1}'..='\u{ac}')
        .chain('\u{ae}'..='\u{ff}');
    let mut names: Vec<char> = printable.collect();
    let others = 256 - names.len();
    names.extend(('\u{100}'..).take(others));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_the_order_of_the_merges() {
        let merges = vec!["a b".to_string(), "ab c</w>".to_string()];
        let vocabulary = TokenVocabulary::from_order(merges, ["<s>", "<e>"]);
        let id = |token: &str| vocabulary.ids[token];
        // `!` is the first printable byte, `\0` the first of the others: 188 are printable.
        assert_eq!((id("!"), id("\u{100}"), id("!</w>")), (0, 188, 256));
        assert_eq!(
            (id("ab"), id("abc</w>"), id("<s>"), id("<e>")),
            (512, 513, 514, 515)
        );
        assert_eq!(vocabulary.ids.len(), 516);
    }
}
