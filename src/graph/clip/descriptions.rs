//! The class descriptions for a released CLIP: templates for all classes, or a file with texts for each
//! class.
//!
//! The file is JSON. It maps the name of a class to its k texts, which are embedded as they are; k is the
//! same for every class. Names that the dataset does not have are ignored, so that one file serves several
//! choices of classes.
//!
//! ```json
//! { "cat": ["a photo of a cat. it has pointed ears.", "a photo of a cat. it has whiskers."],
//!   "tv":  ["a photo of a tv. it has a flat screen.", "a photo of a tv. it is black."] }
//! ```

use crate::registry::{Check, Checked};
use anyhow::{Context, Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Stands for the name of a class in a template.
const CLASS: &str = "{}";

/// The source of the texts.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a list of templates, or the path of a JSON file with the texts of every class"
)]
pub enum Descriptions {
    /// The same templates for every class; `{}` stands for its name.
    Templates(Vec<String>),
    /// A file with texts by class.
    File(PathBuf),
}

/// Refuses an empty list, and templates that say the same of every class.
impl Checked for Descriptions {
    fn check(&self, check: &mut Check) {
        let Self::Templates(templates) = self else {
            return;
        };
        let wanted = format!("at least one text, each with `{CLASS}` for the class");
        check.require(!templates.is_empty(), "", "an empty list", &wanted);
        for text in templates.iter().filter(|text| !text.contains(CLASS)) {
            check.require(false, "", format!("{text:?}"), &wanted);
        }
    }
}

impl Descriptions {
    /// The file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Templates(_) => None,
            Self::File(path) => Some(path),
        }
    }

    /// The k texts of every class, in the order of `classes`.
    ///
    /// # Errors
    /// The file cannot be read. Or classes are missing, have another number of texts than the first one, or
    /// have an empty text; one message lists all of them.
    pub fn texts(&self, classes: &[String]) -> Result<Vec<Vec<String>>> {
        match self {
            Self::Templates(templates) => {
                let of = |class: &String| {
                    templates
                        .iter()
                        .map(|text| text.replace(CLASS, class))
                        .collect()
                };
                Ok(classes.iter().map(of).collect())
            }
            Self::File(path) => read(path, classes),
        }
    }
}

fn read(path: &Path, classes: &[String]) -> Result<Vec<Vec<String>>> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("{shown}: cannot be read"))?;
    let texts: BTreeMap<String, Vec<String>> =
        serde_json::from_slice(&bytes).with_context(|| {
            format!("{shown}: not a JSON object from class names to lists of texts")
        })?;
    let first = classes
        .iter()
        .find_map(|class| Some((class, texts.get(class)?.len())));
    let mut problems = Vec::new();
    for class in classes {
        let (other, k) = first.unwrap_or((class, 0));
        match texts.get(class) {
            None => problems.push(format!("`{class}` is missing")),
            Some(own) if own.is_empty() => {
                problems.push(format!("`{class}` has no text; at least one"))
            }
            Some(own) if own.len() != k => problems.push(format!(
                "`{class}` has {} texts, `{other}` {k}; every class needs the same number",
                own.len()
            )),
            Some(own) => {
                let empty = own.iter().position(|text| text.trim().is_empty());
                problems.extend(empty.map(|i| format!("`{class}`: text {} is empty", i + 1)));
            }
        }
    }
    if problems.is_empty() {
        return Ok(classes.iter().map(|class| texts[class].clone()).collect());
    }
    bail!(
        "{shown}: descriptions of {} classes are needed:\n  {}",
        classes.len(),
        problems.join("\n  ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn of_file(content: &str, names: &[&str]) -> Result<Vec<Vec<String>>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("texts.json");
        std::fs::write(&path, content)?;
        Descriptions::File(path).texts(&classes(names))
    }

    #[test]
    fn templates_name_the_class() {
        let templates = Descriptions::Templates(classes(&["a {}", "{} and {}"]));
        templates.checked().unwrap();
        let texts = templates.texts(&classes(&["cat", "tv"])).unwrap();
        assert_eq!(texts, [["a cat", "cat and cat"], ["a tv", "tv and tv"]]);
        let errors = Descriptions::Templates(Vec::new()).checked().unwrap_err();
        assert_eq!(
            errors.to_string(),
            "an empty list does not fit; allowed: at least one text, each with `{}` for the class"
        );
    }

    #[test]
    fn a_file_gives_texts_in_the_order_of_the_classes() {
        let content =
            r#"{"tv": ["flat", "{}"], "dog": ["unused"], "hot dog": ["a sausage", "in bread"]}"#;
        let texts = of_file(content, &["hot dog", "tv"]).unwrap();
        assert_eq!(
            texts,
            [["a sausage", "in bread"], ["flat", "{}"]],
            "as they stand"
        );
    }

    #[test]
    fn all_that_a_file_lacks_is_reported_with_file_and_class() {
        let content = r#"{"cat": ["a", "b"], "tv": ["a"], "car": [], "bus": ["a", " "]}"#;
        let error = of_file(content, &["cat", "dog", "tv", "car", "bus"]).unwrap_err();
        let text = format!("{error:#}");
        for part in [
            "texts.json: descriptions of 5 classes are needed",
            "`dog` is missing",
            "`tv` has 1 texts, `cat` 2; every class needs the same number",
            "`car` has no text",
            "`bus`: text 2 is empty",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        for content in ["{", "[]", r#"{"cat": "a"}"#] {
            let text = format!("{:#}", of_file(content, &["cat"]).unwrap_err());
            assert!(
                text.contains("texts.json: not a JSON object from class names"),
                "{text}"
            );
        }
        let none = Descriptions::File("no/such.json".into()).texts(&classes(&["cat"]));
        let text = format!("{:#}", none.unwrap_err());
        assert!(text.contains("no/such.json: cannot be read"), "{text}");
    }
}
