//! CLIP's tokens: byte pairs of cleaned words, between a start and an end token.
//!
//! Both references split words in the same way and merge bytes by the same 48,894 pairs; they clean texts
//! differently ([`Cleaning`]). The `tokenizers` crate does the work, with the files of the folder.

mod cleaning;
mod entities;
mod vocabulary;

pub use cleaning::Cleaning;

use super::text::TextSizes;
use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use vocabulary::TokenVocabulary;

/// The start and end token in Hugging Face's files, and in OpenCLIP's.
const ENDS: [[&str; 2]; 2] = [
    ["<|startoftext|>", "<|endoftext|>"],
    ["<start_of_text>", "<end_of_text>"],
];
/// Contractions, words, single digits, runs of anything else that is not a space.
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
/// The whole tokenizer in one file.
const WHOLE: &str = "tokenizer.json";

/// Turns texts into token ids.
pub struct Tokenizer {
    tokens: tokenizers::Tokenizer,
    cleaning: Cleaning,
    start: u32,
    end: u32,
    /// Maximum number of ids of a text.
    context: usize,
}

impl Tokenizer {
    /// Hugging Face's tokenizer: `tokenizer.json` as it is, or `vocab.json` and `merges.txt`.
    ///
    /// # Errors
    /// A file is missing or wrong, or it has more tokens than the network.
    pub fn hugging_face(folder: &Path, sizes: &TextSizes) -> Result<Self> {
        let whole = folder.join(WHOLE);
        let (path, tokens) = if whole.exists() {
            let shown = whole.display();
            let text = std::fs::read(&whole).with_context(|| format!("{shown}: cannot be read"))?;
            let mut tokens = built(&whole, &text)?;
            // `encode` truncates texts itself.
            tokens
                .with_padding(None)
                .with_truncation(None)
                .map_err(|error| anyhow!("{shown}: {error}"))?;
            (whole, tokens)
        } else {
            Self::from_vocabulary(folder, Cleaning::HuggingFace)?
        };
        Self::new(&path, tokens, Cleaning::HuggingFace, sizes)
    }

    /// OpenCLIP's tokenizer: the vocabulary of `tokenizer.json`, of `vocab.json` and `merges.txt`, or of
    /// `bpe_simple_vocab_16e6.txt.gz`, with OpenCLIP's own cleaning.
    ///
    /// # Errors
    /// As for [`Self::hugging_face`].
    pub fn open_clip(folder: &Path, sizes: &TextSizes) -> Result<Self> {
        let (path, tokens) = Self::from_vocabulary(folder, Cleaning::OpenClip)?;
        Self::new(&path, tokens, Cleaning::OpenClip, sizes)
    }

    fn new(
        path: &Path,
        tokens: tokenizers::Tokenizer,
        cleaning: Cleaning,
        sizes: &TextSizes,
    ) -> Result<Self> {
        let shown = path.display();
        let find =
            |[start, end]: [&str; 2]| Some((tokens.token_to_id(start)?, tokens.token_to_id(end)?));
        let (start, end) = ENDS
            .into_iter()
            .find_map(find)
            .with_context(|| format!("{shown}: no start and end token; needed: {ENDS:?}"))?;
        let most = tokens.get_vocab(true).into_values().max().unwrap_or(0);
        ensure!(
            (most as usize) < sizes.vocabulary,
            "{shown}: token {most} is not among the {} tokens of the model",
            sizes.vocabulary
        );
        ensure!(
            sizes.context >= 2,
            "{shown}: the context has no room for start and end token"
        );
        Ok(Self {
            tokens,
            cleaning,
            start,
            end,
            context: sizes.context,
        })
    }

    /// The ids of a text between start and end token. Ids that do not fit are left out; the end token stays.
    ///
    /// # Errors
    /// The vocabulary cannot express the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let cleaned = self.cleaning.clean(text);
        let encoding = self.tokens.encode(cleaned.as_ref(), false);
        let encoding = encoding.map_err(|error| anyhow!("cannot tokenize `{text}`: {error}"))?;
        let kept = encoding.get_ids().iter().take(self.context - 2);
        let ids = std::iter::once(self.start).chain(kept.copied());
        Ok(ids.chain(std::iter::once(self.end)).collect())
    }

    /// The tokenizer for the vocabulary of `folder`, and the file with that vocabulary.
    fn from_vocabulary(
        folder: &Path,
        cleaning: Cleaning,
    ) -> Result<(PathBuf, tokenizers::Tokenizer)> {
        let (path, vocabulary) = TokenVocabulary::read(folder, WHOLE, ENDS)?;
        let text = serde_json::to_vec(&description(&vocabulary, cleaning))?;
        let tokens = built(&path, &text)?;
        Ok((path, tokens))
    }
}

/// The tokenizer for a description in the format of `tokenizer.json`.
fn built(path: &Path, text: &[u8]) -> Result<tokenizers::Tokenizer> {
    tokenizers::Tokenizer::from_bytes(text)
        .map_err(|error| anyhow!("{}: not a tokenizer: {error}", path.display()))
}

/// The description of CLIP's tokenizer with this vocabulary.
fn description(vocabulary: &TokenVocabulary, cleaning: Cleaning) -> Value {
    let special = vocabulary.ends.iter().map(|token| {
        json!({
            "id": vocabulary.ids[token], "content": token, "special": true, "normalized": false,
            "single_word": false, "lstrip": false, "rstrip": false,
        })
    });
    let (normalizer, words) = match cleaning {
        Cleaning::HuggingFace => (
            json!({"type": "Sequence", "normalizers": [
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                {"type": "Lowercase"},
            ]}),
            WORDS.to_string(),
        ),
        // The text is clean already. Words are matched without regard to case.
        Cleaning::OpenClip => (Value::Null, format!("(?i){WORDS}")),
    };
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": special.collect::<Vec<_>>(),
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": words}, "behavior": "Removed", "invert": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        ]},
        "post_processor": null,
        "decoder": null,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": vocabulary.ends[1],
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>",
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": vocabulary.ids,
            "merges": vocabulary.merges,
        },
    })
}
