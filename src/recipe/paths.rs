//! The keys of a recipe whose values are paths.
//!
//! A relative path in a recipe or sweep is relative to the folder of that file, as in `extends`. One from
//! `--set` or the environment is relative to the working folder. `~` at the beginning is the user's home.
//!
//! The settings of a trial, which its hash is taken of, hold the text and not the place that it leads to. So a
//! trial keeps its identity if its folder moves, or if the command is given in another folder. There is one
//! exception. Earlier versions of this program read every path from the working folder, which was usually the
//! folder above `recipes/`. A path in a file therefore stands in the settings without one leading `../`:
//! `../data/coco` in `recipes/mine.toml` has the identity that `data/coco` had. A path that stays in the file's
//! folder stands there with `./`, so that it is another trial's.

use super::origin::Origin;
use super::overlay::value_at;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use toml::{Table, Value};

/// The keys whose values are paths from the origin of the value.
const FROM_THE_ORIGIN: [&str; 6] = [
    "data.root",
    "split.list",
    "model.weights",
    "model.backbone.weights",
    "method.correction.vlm.weights",
    "method.correction.vlm.descriptions",
];

/// The keys whose values are paths from `data.root`, unless they are absolute or begin with `~`.
const FROM_THE_DATA: [&str; 5] = [
    "data.train-annotations",
    "data.train-images",
    "data.val-annotations",
    "data.val-images",
    "data.unlabelled-images",
];

/// The beginning of a path in a file that leads out of the folder of the file.
const UP: &str = "../";
/// The beginning of the identity of a path in a file that stays in the folder of the file.
const HERE: &str = "./";

/// The absolute paths of a trial's settings, by key. A key whose value is used as it is written is left out.
pub type Places = BTreeMap<String, String>;

/// A path of a trial's settings.
#[derive(Debug)]
pub struct Located {
    /// The text in the file, the variable or the argument.
    written: String,
    /// The absolute path.
    pub path: String,
}

impl Located {
    /// Advice for a path that does not exist, beginning with `; `. It is empty unless the working folder has such a
    /// path: the author may have expected that a recipe's paths begin there.
    pub fn advice(&self) -> String {
        match !Path::new(&self.path).exists() && Path::new(&self.written).exists() {
            true => format!(
                "; the working folder has `{}`, but a path in a recipe is relative to the recipe's file",
                self.written
            ),
            false => String::new(),
        }
    }
}

/// Locates the paths in `settings`, by key, and brings them into the form of the trial's identity. `origin`
/// knows the origin of the value of a key.
pub fn locate<'a>(
    settings: &mut Table,
    origin: impl Fn(&str) -> Option<&'a Origin>,
) -> BTreeMap<String, Located> {
    let mut found = BTreeMap::new();
    for key in FROM_THE_ORIGIN.iter().chain(&FROM_THE_DATA) {
        let Some(Value::String(text)) = value_at(settings, key) else {
            continue;
        };
        let written = text.clone();
        let beside = || origin(key).map_or(Path::new(""), Origin::folder);
        let folder = match () {
            _ if written.is_empty() => continue,
            _ if FROM_THE_ORIGIN.contains(key) => beside(),
            _ if is_at_home(&written) => Path::new(""),
            _ => continue,
        };
        let path = located(&written, folder);
        if let Some(Origin::File { .. }) = origin(key) {
            put(settings, key, &in_a_file(&written));
        }
        found.insert(key.to_string(), Located { written, path });
    }
    found
}

/// `settings` with the absolute paths of `places`.
pub fn with_places(settings: &Table, places: &Places) -> Table {
    let mut settings = settings.clone();
    for (key, path) in places {
        put(&mut settings, key, path);
    }
    settings
}

/// The absolute path that `text` means in a file of the folder `folder`.
pub fn located(text: &str, folder: &Path) -> String {
    let path = folder.join(at_home(text));
    let absolute = std::path::absolute(&path).map(|path| tidy(&path)).ok();
    let absolute = absolute.and_then(|path| path.into_os_string().into_string().ok());
    absolute.unwrap_or_else(|| path.to_string_lossy().into_owned())
}

/// The text of a trial's identity for the path `text` in a file.
fn in_a_file(text: &str) -> String {
    match text.strip_prefix(UP) {
        Some(below) if !below.is_empty() => below.to_string(),
        Some(_) => text.to_string(),
        None if is_at_home(text) || text.starts_with(HERE) || Path::new(text).is_absolute() => {
            text.to_string()
        }
        None => format!("{HERE}{text}"),
    }
}

/// Returns true if `text` begins with the user's home.
fn is_at_home(text: &str) -> bool {
    text == "~" || text.starts_with("~/")
}

/// `text` as a path, with the user's home for a `~` at its beginning. It is unchanged if the home is unknown.
pub fn at_home(text: &str) -> PathBuf {
    match std::env::home_dir().filter(|_| is_at_home(text)) {
        Some(home) => home.join(text[1..].trim_start_matches('/')),
        None => PathBuf::from(text),
    }
}

/// `path` without `..`, as far as no symbolic link stands before it.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        let is_clear = tidy.file_name().is_some() && !tidy.is_symlink();
        match part {
            Component::ParentDir if is_clear => drop(tidy.pop()),
            part => tidy.push(part),
        }
    }
    tidy
}

/// Replaces the text at the dotted `path`, if there is one.
fn put(settings: &mut Table, path: &str, text: &str) {
    let mut keys = path.split('.');
    let first = keys.next().and_then(|key| settings.get_mut(key));
    if let Some(value @ Value::String(_)) = keys
        .try_fold(first, |value, key| Some(value?.get_mut(key)))
        .flatten()
    {
        *value = text.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::origin::SourceFile;
    use std::sync::Arc;

    fn in_file(path: &str) -> Origin {
        let file = Arc::new(SourceFile {
            path: path.into(),
            text: String::new(),
        });
        Origin::File {
            file,
            key: 0..0,
            value: 0..0,
        }
    }

    /// The identity's text and the absolute path of `data.root = text` from `origin`.
    fn root(text: &str, origin: &Origin) -> (String, String) {
        let mut settings = Table::from_iter([("data".to_string(), Value::Table(Table::new()))]);
        settings["data"]
            .as_table_mut()
            .unwrap()
            .insert("root".into(), text.into());
        let found = locate(&mut settings, |_| Some(origin));
        let kept = settings["data"]["root"].as_str().unwrap().to_string();
        (kept, found["data.root"].path.clone())
    }

    #[test]
    fn a_path_begins_where_it_is_written_and_its_identity_is_its_text() {
        let file = in_file("/somewhere/recipes/mine.toml");
        let both = |kept: &str, path: &str| (kept.to_string(), path.to_string());
        for (text, kept, path) in [
            ("../data", "data", "/somewhere/data"),
            ("data", "./data", "/somewhere/recipes/data"),
            ("./data", "./data", "/somewhere/recipes/data"),
            ("..", "./..", "/somewhere"),
            ("../../data", "../data", "/data"),
            ("/data", "/data", "/data"),
            ("./a/../b", "./a/../b", "/somewhere/recipes/b"),
        ] {
            assert_eq!(root(text, &file), both(kept, path), "{text}");
        }
        let here = std::env::current_dir().unwrap();
        let typed = Origin::Argument("data.root=data".into());
        let expected = here.join("data").to_str().unwrap().to_string();
        assert_eq!(root("data", &typed), ("data".into(), expected));
        let (kept, _) = root("../data", &typed);
        assert_eq!(kept, "../data", "only files have a folder above");
    }

    #[test]
    fn a_tilde_is_the_home_and_paths_below_the_data_stay_as_they_are() {
        let home = std::env::home_dir().unwrap();
        let at = |below: &str| home.join(below).to_str().unwrap().to_string();
        let origin = in_file("recipes/mine.toml");
        assert_eq!(root("~/coco", &origin), ("~/coco".into(), at("coco")));
        assert_eq!(at_home("~other/x"), Path::new("~other/x"));
        let text = "data = { root = '', train-images = 'train', val-images = '~/val', unlabelled-images = '' }";
        let mut settings: Table = text.parse().unwrap();
        let before = settings.clone();
        let found = locate(&mut settings, |_| Some(&origin));
        assert_eq!(settings, before);
        let places: Places = found.into_iter().map(|(key, it)| (key, it.path)).collect();
        assert_eq!(Vec::from_iter(places.keys()), ["data.val-images"]);
        let whole = with_places(&settings, &places);
        assert_eq!(whole["data"]["val-images"].as_str(), Some(&*at("val")));
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_followed_before_its_parent_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("far/inner")).unwrap();
        std::os::unix::fs::symlink(at("far/inner"), at("link")).unwrap();
        let kept = tidy(&at("link/../x"));
        assert_eq!(kept, at("link/../x"), "it is far/x, not x");
        assert_eq!(tidy(&at("far/../x")), at("x"));
    }
}
