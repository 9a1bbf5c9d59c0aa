//! `--reuse-records` through the binary: results that were computed elsewhere count, and the table says so.

use std::path::Path;
use std::process::{Command, Output};

const SWEEP: &str = "question = 'Which part?'\nreference = 'both'\n[[each]]\nlabel = 'both'\n\
    [[each]]\nlabel = '- filter'\nset.'method.modules.filter' = false\n";

/// A folder of its own with a recipe of made-up numbers.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let mock = Path::new("recipes/mock.toml").canonicalize().unwrap();
    let recipe = format!("extends = {mock:?}\nsweeps = ['parts']\nseeds = [0]\n");
    for folder in ["recipes", "sweeps"] {
        std::fs::create_dir(place.path().join(folder)).unwrap();
    }
    std::fs::write(place.path().join("recipes/r.toml"), recipe).unwrap();
    std::fs::write(place.path().join("sweeps/parts.toml"), SWEEP).unwrap();
    place
}

fn harness(place: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.current_dir(place).args(arguments.split(' '));
    command.output().unwrap()
}

/// Runs a command that must end with exit code 0; returns its standard output.
fn works(place: &Path, arguments: &str) -> String {
    let output = harness(place, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The rows of the table in the folder `results`, without the lines about the run.
fn rows(place: &Path, results: &str) -> String {
    std::fs::read_to_string(place.join(results).join("parts.csv")).unwrap()
}

#[test]
fn a_table_grows_from_records_of_two_folders() {
    let place = place();
    let place = place.path();
    works(place, "sweep -q recipes/r.toml --out one --set seeds=[0]");
    works(place, "sweep -q recipes/r.toml --out two --set seeds=[1,2]");
    works(
        place,
        "sweep -q recipes/r.toml --out all --set seeds=[0,1,2,3]",
    );
    let reuse = "--set seeds=[0,1,2,3] --out grown --reuse-records one two/records.jsonl";
    let planned = works(place, &format!("plan recipes/r.toml {reuse}"));
    assert!(planned.contains("to run: 2 of 8 trials"), "{planned}");
    assert!(
        planned.contains("reused from one/records.jsonl"),
        "{planned}"
    );
    assert!(!place.join("grown").exists(), "a plan writes nothing");

    works(place, &format!("sweep -q recipes/r.toml {reuse}"));
    assert_eq!(
        rows(place, "grown"),
        rows(place, "all"),
        "the same table as computed in one go"
    );
    let table = std::fs::read_to_string(place.join("grown/parts.md")).unwrap();
    for line in [
        "- Reused: the results of 2 of 8 trials are from one/records.jsonl, commit ",
        "- Reused: the results of 4 of 8 trials are from two/records.jsonl, commit ",
    ] {
        let line = line.trim_end_matches(", commit ");
        assert!(table.contains(line), "`{line}` is not in: {table}");
    }

    // Later commands know it without the files.
    std::fs::remove_dir_all(place.join("one")).unwrap();
    let again = "recipes/r.toml --out grown --set seeds=[0,1,2,3]";
    let planned = works(place, &format!("plan {again}"));
    assert!(planned.contains("to run: 0 of 8 trials"), "{planned}");
    works(place, &format!("sweep -q {again}"));
    assert_eq!(
        std::fs::read_to_string(place.join("grown/parts.md")).unwrap(),
        table
    );
    assert!(works(place, "status grown").contains("8 of 8"));
}

#[test]
fn other_settings_and_other_versions_do_not_count() {
    let place = place();
    let place = place.path();
    works(place, "sweep -q recipes/r.toml --out one");
    let other = "plan recipes/r.toml --reuse-records one --set method.noise=0.5";
    let planned = works(place, other);
    assert!(planned.contains("to run: 2 of 2 trials"), "{planned}");

    let records = place.join("one/records.jsonl");
    let text = std::fs::read_to_string(&records).unwrap();
    let later = text.replace("\"status\"", "\"code_version\":77,\"status\"");
    std::fs::write(&records, later).unwrap();
    let output = harness(place, "plan recipes/r.toml --reuse-records one");
    let (said, warned) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(said.contains("to run: 2 of 2 trials"), "{said}");
    assert!(
        warned.contains("2 records are of another version"),
        "{warned}"
    );
}

#[test]
fn a_file_that_is_not_there_is_named_and_nothing_runs() {
    let place = place();
    let refused = harness(
        place.path(),
        "sweep recipes/r.toml --out new --reuse-records gone",
    );
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(text.contains("there is no file"), "{text}");
    assert!(!place.path().join("new/records.jsonl").exists());
}
