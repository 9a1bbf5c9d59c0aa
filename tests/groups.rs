//! A reference for each group of rows, through the binary: every format has one block for each group.

use std::path::Path;
use std::process::Command;

const SWEEP: &str = "question = 'Does the filter help at every level?'\n\
    reference = { 'method.modules.filter' = true }\n\
    [grid]\n'method.modules.filter' = [true, false]\n'method.level' = [20.0, 30.0]\n\
    label = ['on 20', 'on 30', 'off 20', 'off 30']\n";

/// A folder of its own with the sweep `text` of made-up numbers.
fn place(text: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let mock = Path::new("recipes/mock.toml").canonicalize().unwrap();
    let recipe = format!("extends = {mock:?}\nsweeps = ['levels']\nseeds = [0, 1, 2]\n");
    for folder in ["recipes", "sweeps"] {
        std::fs::create_dir(place.path().join(folder)).unwrap();
    }
    std::fs::write(place.path().join("recipes/r.toml"), recipe).unwrap();
    std::fs::write(place.path().join("sweeps/levels.toml"), text).unwrap();
    place
}

/// Exit code, standard output and standard error of a command.
fn run(place: &Path, arguments: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.current_dir(place).args(arguments.split(' '));
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn every_format_compares_within_the_groups() {
    let place = place(SWEEP);
    let (code, said, errors) = run(place.path(), "sweep -q recipes/r.toml --out r");
    assert_eq!(code, Some(0), "{errors}");
    for part in [
        "method.level = 20",
        "method.level = 30",
        "Differences are to `on 20`.",
        "Differences are to `on 30`.",
    ] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    let table = |format: &str| run(place.path(), &format!("table r --format {format}")).1;

    let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(table("csv").as_bytes())
        .records()
        .collect::<Result<_, _>>()
        .unwrap();
    let last_two = |row: &csv::StringRecord| {
        let cells: Vec<&str> = row.iter().collect();
        (cells[0].to_string(), cells[cells.len() - 1].to_string())
    };
    let expected = [
        ("on 20", "on 20"),
        ("off 20", "on 20"),
        ("on 30", "on 30"),
        ("off 30", "on 30"),
    ];
    let found: Vec<_> = rows.iter().map(last_two).collect();
    assert_eq!(
        found,
        expected.map(|(one, other)| (one.to_string(), other.to_string()))
    );
    // The difference is the one to the own reference: no level, which is 10 apart, is in it.
    let number = |row: usize, column: usize| rows[row][column].parse::<f64>().unwrap();
    for (row, reference) in [(1, 0), (3, 2)] {
        let own = number(row, 2) - number(reference, 2);
        assert!((number(row, 9) - own).abs() < 0.02, "{rows:?}");
    }

    let markdown = table("md");
    assert_eq!(markdown.matches("| variant |").count(), 2, "{markdown}");
    assert!(
        markdown.contains("## method.level = 20.0 (reference `on 20`)"),
        "{markdown}"
    );
    let latex = table("latex");
    assert_eq!(latex.matches("\\multicolumn").count(), 2, "{latex}");
    assert_eq!(latex.matches("\\midrule").count(), 2, "{latex}");

    let (_, planned, _) = run(place.path(), "plan recipes/r.toml --out r");
    assert!(
        planned.contains("a reference in each of 2 groups"),
        "{planned}"
    );
}

#[test]
fn a_group_without_its_reference_is_refused_with_its_place() {
    let sweep = SWEEP.replace(
        "label = ['on 20', 'on 30', 'off 20', 'off 30']\n",
        "exclude = [{ 'method.modules.filter' = true, 'method.level' = 30.0 }]\nlabel = ['a', 'b', 'c']\n",
    );
    let place = place(&sweep);
    let (code, _, error) = run(place.path(), "plan recipes/r.toml");
    assert_eq!(code, Some(2), "{error}");
    for part in [
        "sweeps/levels.toml:2:",
        "none of the rows with method.level = 30",
        "`c`",
    ] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}
