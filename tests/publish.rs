//! `harness sweep --publish` through the binary: what it copies, and what it refuses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const SWEEP: &str = "question = 'Which part?'\nreference = 'both'\n[[each]]\nlabel = 'both'\n\
    [[each]]\nlabel = '- filter'\nset.'method.modules.filter' = false\n";

/// A folder of its own with two recipes that write into one results folder.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let mock = Path::new("recipes/mock.toml").canonicalize().unwrap();
        let head = format!(
            "extends = {:?}\nresults = 'shared'\n",
            mock.to_str().unwrap()
        );
        let first = format!("{head}seeds = [0, 1]\nsweeps = ['parts']\n");
        let second = format!("{head}seeds = [7]\nsweeps = ['others']\n");
        for folder in ["recipes", "sweeps"] {
            std::fs::create_dir(place.0.path().join(folder)).unwrap();
        }
        for (file, text) in [
            ("recipes/first.toml", first.as_str()),
            ("recipes/second.toml", second.as_str()),
            ("sweeps/parts.toml", SWEEP),
            ("sweeps/others.toml", SWEEP),
        ] {
            std::fs::write(place.0.path().join(file), text).unwrap();
        }
        place
    }

    fn harness(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.current_dir(self.0.path()).args(arguments);
        command.output().unwrap()
    }

    /// Runs a command that must end with exit code 0; returns what it prints.
    fn works(&self, arguments: &[&str]) -> String {
        let output = self.harness(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A publication that must be refused with exit code 2, `part` in its message, and nothing written.
    fn refused(&self, arguments: &[&str], part: &str) {
        let before = self.published();
        let output = self.harness(&[&["sweep", "--publish"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(part), "`{part}` is not in: {text}");
        assert_eq!(self.published(), before);
    }

    /// The published files by their names.
    fn published(&self) -> BTreeMap<PathBuf, String> {
        let folder = self.0.path().join("results/published/shared");
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                (PathBuf::from(entry.file_name()), text)
            })
            .collect()
    }

    fn names(&self) -> Vec<String> {
        let names = self.published().into_keys();
        names.map(|name| name.display().to_string()).collect()
    }
}

#[test]
fn a_finished_run_is_published_beside_those_of_other_recipes() {
    let place = Place::new();
    place.works(&["sweep", "-q", "recipes/first.toml"]);
    place.works(&["sweep", "-q", "recipes/second.toml"]);
    let said = place.works(&["sweep", "--publish", "recipes/first.toml"]);
    assert_eq!(said, "Published: results/published/shared\n");
    let expected = [
        "about-first.md",
        "parts.csv",
        "parts.md",
        "records.jsonl",
        "run-first.json",
        "sources-first.json",
        "tables.json",
        "timing.jsonl",
    ];
    assert_eq!(place.names(), expected);
    let records = &place.published()[Path::new("records.jsonl")];
    assert_eq!(
        records.lines().count(),
        4,
        "those of `second` are not asked for"
    );

    let first = place.published();
    place.works(&["sweep", "--publish", "recipes/second.toml"]);
    for added in [
        "about-second.md",
        "others.csv",
        "others.md",
        "run-second.json",
        "sources-second.json",
    ] {
        assert!(place.names().contains(&added.to_string()), "{added}");
    }
    for (name, text) in &first {
        let text_now = &place.published()[name];
        let is_shared = name.to_str().unwrap().contains(".json");
        assert!(text_now == text || is_shared, "{}", name.display());
    }
    // Every table can be made again from what is published alone.
    for sweep in ["parts", "others"] {
        for format in ["csv", "md"] {
            let folder = "results/published/shared";
            let text = place.works(&["table", folder, "--sweep", sweep, "--format", format]);
            let name = PathBuf::from(format!("{sweep}.{format}"));
            assert_eq!(text, place.published()[&name]);
        }
    }
    let all = place.published();
    place.works(&["sweep", "--publish", "recipes/first.toml"]);
    assert_eq!(place.published(), all, "a second time changes nothing");
}

#[test]
fn records_of_an_earlier_publication_go_with_their_table() {
    let place = Place::new();
    for seeds in ["seeds=[0,1]", "seeds=[5]"] {
        let arguments = ["-q", "recipes/first.toml", "--set", seeds];
        place.works(&[&["sweep"], &arguments[..]].concat());
        place.works(&[&["sweep", "--publish"], &arguments[..]].concat());
    }
    for name in ["records.jsonl", "timing.jsonl"] {
        let lines = &place.published()[Path::new(name)];
        assert_eq!(lines.matches("\"seed\":5").count(), 2, "{lines}");
        assert_eq!(lines.lines().count(), 2, "{lines}");
    }
}

#[test]
fn what_is_not_finished_is_not_published() {
    let place = Place::new();
    place.refused(&["recipes/first.toml"], "no folder `results/shared`");
    place.refused(&["recipes/absent.toml"], "recipes/absent.toml");

    let failing = ["recipes/first.toml", "--set", "method.fail-at=30"];
    let output = place.harness(&[&["sweep", "-q"], &failing[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    let message = "cannot publish `results/shared`: 4 of 4 trials failed or have not finished; \
                   `both`, seed 0, has failed";
    place.refused(&failing, message);
    place.refused(&["recipes/first.toml"], "other rows or seeds");

    place.works(&["sweep", "-q", "recipes/first.toml"]);
    let other = ["recipes/first.toml", "--set", "seeds=[0]"];
    place.refused(
        &other,
        "its table `parts` is absent or has other rows or seeds",
    );
    let table = place.0.path().join("results/shared/parts.md");
    let text = std::fs::read_to_string(&table).unwrap();
    std::fs::write(&table, text.replace("| both |", "| best |")).unwrap();
    place.refused(
        &["recipes/first.toml"],
        "`parts.md` is absent or differs from its records",
    );
    place.works(&["sweep", "-q", "recipes/first.toml"]);
    std::fs::remove_file(place.0.path().join("results/shared/about-first.md")).unwrap();
    place.refused(&["recipes/first.toml"], "cannot read `about-first.md`");
}

#[test]
fn publishing_trains_nothing_and_says_so() {
    let place = Place::new();
    let arguments = ["recipes/first.toml", "--workers", "2"];
    place.refused(&arguments, "cannot be used with");
}
