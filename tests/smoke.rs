//! Tests the smoke recipe end to end through the program: its tables have the same bytes every time, and a
//! killed run continues to the same bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The time between two looks at a running process.
const LOOK: Duration = Duration::from_millis(2);

fn sweep(out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command
        .args(["sweep", "recipes/smoke.toml", "--out"])
        .arg(out);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Every file that must be the same for two runs, by its path in the results folder.
fn files(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for name in ["modules.csv", "modules.md", "records.jsonl", "tables.json"] {
        files.insert(name.into(), std::fs::read(out.join(name)).unwrap());
    }
    for trial in std::fs::read_dir(out.join(".store/trials")).unwrap() {
        let trial = trial.unwrap().path();
        for name in ["settings.toml", "journal.jsonl", "metrics.json"] {
            let path = trial.join(name);
            let content = std::fs::read(&path).unwrap();
            assert!(!content.is_empty(), "{} is empty", path.display());
            files.insert(path.strip_prefix(out).unwrap().to_path_buf(), content);
        }
    }
    files
}

/// Kills the process once `holds` returns true, or lets it end first. Returns true if it was killed.
fn kill_when(mut child: Child, holds: impl Fn() -> bool) -> bool {
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if holds() {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        std::thread::sleep(LOOK);
    }
}

/// Returns true if any stage called `kind` has a file whose name begins with `start`.
fn some_stage_has(out: &Path, kind: &str, start: &str) -> bool {
    let Ok(stages) = std::fs::read_dir(out.join(".store/stages")) else {
        return false;
    };
    let mut stages = stages
        .flatten()
        .filter(|s| s.file_name().to_string_lossy().starts_with(kind));
    let has = |stage: &Path| {
        let mut files = std::fs::read_dir(stage).into_iter().flatten().flatten();
        files.any(|file| file.file_name().to_string_lossy().starts_with(start))
    };
    stages.any(|stage| has(&stage.path()))
}

#[test]
fn the_tables_are_the_same_bytes_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, killed) = (
        folder.path().join("first"),
        folder.path().join("second"),
        folder.path().join("killed"),
    );
    assert!(sweep(&first).status().unwrap().success());
    let expected = files(&first);

    let table = String::from_utf8(expected[Path::new("modules.csv")].clone()).unwrap();
    let rows: Vec<&str> = table.lines().collect();
    assert!(
        rows[0].starts_with("variant,seeds,mAP,mAP_std,AP50,AP75,APs,APm,APl,delta_mAP,paper_mAP")
    );
    let variants: Vec<&str> = rows[1..]
        .iter()
        .map(|row| row.split(',').next().unwrap())
        .collect();
    assert_eq!(
        variants,
        ["PL-DC", "- DF-ACAT", "- DICC", "- PMUA", "- all"]
    );
    assert!(
        rows[1..]
            .iter()
            .all(|row| row.contains(",ok,") && row.split(',').nth(1) == Some("1"))
    );

    // The records and `tables.json` are enough to make the table again.
    for format in ["csv", "md"] {
        let mut table = Command::new(env!("CARGO_BIN_EXE_harness"));
        let made = table.arg("table").arg(&first).args(["--format", format]);
        let made = made.output().unwrap().stdout;
        let name = format!("modules.{format}");
        assert_eq!(made, expected[Path::new(&name)], "{name}");
    }

    // Every module has an effect: without it the numbers differ.
    let numbers = |row: &str| row.split(',').skip(2).take(7).collect::<Vec<_>>().join(",");
    for row in &rows[2..] {
        assert_ne!(numbers(row), numbers(rows[1]), "{table}");
    }

    // With another number of workers, and so of threads per trial.
    assert!(
        sweep(&second)
            .args(["--workers", "1"])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(files(&second), expected, "a second run");

    let interrupted = kill_when(sweep(&killed).spawn().unwrap(), || {
        some_stage_has(&killed, "distill-", "checkpoint.")
    });
    assert!(
        interrupted,
        "the run ended before its first checkpoint was seen"
    );
    let interrupted = kill_when(sweep(&killed).spawn().unwrap(), || {
        some_stage_has(&killed, "evaluate-", "metrics.json")
    });
    assert!(
        interrupted,
        "the run ended before its first evaluation was seen"
    );
    assert!(sweep(&killed).status().unwrap().success());
    assert_eq!(files(&killed), expected, "a run that was killed twice");

    // When nothing is left to do, the run says so at once and changes nothing.
    let run = std::fs::read(first.join("run-smoke.json")).unwrap();
    assert!(sweep(&first).status().unwrap().success());
    assert_eq!(files(&first), expected);
    assert_eq!(std::fs::read(first.join("run-smoke.json")).unwrap(), run);
}
