//! The identity of a stage: its kind and the hash of everything that it reads, written `<kind>-<hash>`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The kind of the stages that evaluate.
pub const EVALUATE: &str = "evaluate";
/// The kind of the stage that trains the vision-language model.
pub const VLM: &str = "vlm";
/// The kind of the stages in which a trained teacher labels all unlabelled images. All others train.
pub const LABEL: &str = "label";

/// The identity of a stage. Two trials with a stage of the same key share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StageKey {
    text: String,
    /// The number of bytes of the kind in `text`.
    kind: usize,
}

/// The text is not the key of a stage.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no key of a stage; a key reads `<kind>-<hash>`")]
pub struct NoStageKey(String);

impl StageKey {
    /// The key of a stage of the kind `kind` (which may itself contain `-`) with the hash `hash` of
    /// everything that it reads.
    pub fn new(kind: &str, hash: &str) -> Self {
        assert!(!hash.contains('-'), "a hash is hexadecimal: {hash}");
        Self {
            text: format!("{kind}-{hash}"),
            kind: kind.len(),
        }
    }

    /// The kind of work: the name of a training's phase, `vlm` or `evaluate`.
    pub fn kind(&self) -> &str {
        &self.text[..self.kind]
    }

    /// Returns true if the stage evaluates.
    pub fn evaluates(&self) -> bool {
        self.kind() == EVALUATE
    }

    /// Returns true if the stage trains the vision-language model.
    pub fn makes_vlm(&self) -> bool {
        self.kind() == VLM
    }

    /// Returns true if a teacher labels all unlabelled images in the stage.
    pub fn labels(&self) -> bool {
        self.kind() == LABEL
    }

    /// The key as text, which is also the name of the stage's folder.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for StageKey {
    type Err = NoStageKey;

    fn from_str(text: &str) -> Result<Self, NoStageKey> {
        match text.rsplit_once('-') {
            Some((kind, hash)) if !kind.is_empty() && !hash.is_empty() => Ok(Self::new(kind, hash)),
            _ => Err(NoStageKey(text.to_string())),
        }
    }
}

impl TryFrom<String> for StageKey {
    type Error = NoStageKey;

    fn try_from(text: String) -> Result<Self, NoStageKey> {
        text.parse()
    }
}

impl From<StageKey> for String {
    fn from(key: StageKey) -> Self {
        key.text
    }
}

impl fmt::Display for StageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_as_the_name_of_its_folder() {
        let key = StageKey::new("burn-in", "0a1b");
        assert_eq!(
            (key.to_string(), key.kind()),
            ("burn-in-0a1b".into(), "burn-in")
        );
        assert_eq!(serde_json::to_string(&key).unwrap(), "\"burn-in-0a1b\"");
        assert_eq!(
            serde_json::from_str::<StageKey>("\"burn-in-0a1b\"").unwrap(),
            key
        );
        assert!(!key.evaluates() && StageKey::new("evaluate", "1").evaluates());
        for text in ["", "burn", "-1", "burn-"] {
            let error = text.parse::<StageKey>().unwrap_err().to_string();
            assert!(error.contains("`<kind>-<hash>`"), "{error}");
        }
    }
}
