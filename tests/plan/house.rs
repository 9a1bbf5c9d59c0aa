//! A folder with recipes and sweeps, made for one test.

use harness::recipe::{Hooks, NewKeys, Plan, RecipeError, Request};
use std::fs;
use std::path::PathBuf;
use toml::Table;

/// Hooks without any knowledge of components.
pub const TEXT_ONLY: Hooks = Hooks {
    spell_out: &|_, _| {},
    check: &|_| Vec::new(),
    normalise: &|_| {},
    identity: &Table::clone,
    new_keys: &NewKeys::NONE,
};

const BASE: &str = r#"seeds = [0]
sweeps = []
[method]
name = "student"
ema = 0.99
range = [0.5, 1.0]
[method.filter]
name = "adaptive"
class = 0.7
[train]
steps = 10
rate = 0.5
"#;

/// A folder with `recipes/base.toml` and the other files that a test needs.
pub struct House(tempfile::TempDir);

impl House {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let house = Self(tempfile::tempdir().unwrap());
        house.write("recipes/base.toml", BASE);
        files
            .iter()
            .for_each(|(path, text)| house.write(path, text));
        house
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub fn plan(
        &self,
        recipe: &str,
        environment: &[(&str, &str)],
        set: &[&str],
        hooks: Hooks,
    ) -> Result<Plan, RecipeError> {
        let environment: Vec<(String, String)> = environment
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let set: Vec<String> = set.iter().map(|argument| argument.to_string()).collect();
        Plan::new(
            Request {
                recipe: &self.path(recipe),
                environment: &environment,
                set: &set,
            },
            hooks,
        )
    }

    /// The error message for `recipes/mine.toml`, without the folder's own path.
    pub fn refusal(&self, set: &[&str], hooks: Hooks) -> String {
        let error = self
            .plan("recipes/mine.toml", &[], set, hooks)
            .expect_err("a mistake");
        error
            .to_string()
            .replace(&format!("{}/", self.0.path().display()), "")
    }
}

pub fn mine(text: &str) -> House {
    House::new(&[(
        "recipes/mine.toml",
        &format!("extends = \"base.toml\"\n{text}"),
    )])
}

pub fn at<'a>(settings: &'a Table, path: &str) -> &'a toml::Value {
    let mut keys = path.split('.');
    let first = &settings[keys.next().unwrap()];
    keys.fold(first, |value, key| &value[key])
}
