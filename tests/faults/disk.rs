//! Tests disks that are full or cannot be written. They are small file systems, mounted in a namespace that
//! ends with the test. If the machine does not allow that, the tests print a note and check nothing.

use crate::rig::Rig;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs the shell script in a namespace in which it may mount.
fn inside(script: &str) -> Output {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", script]);
    command.output().unwrap_or_else(|_| Output {
        status: std::process::ExitStatus::default(),
        stdout: Vec::new(),
        stderr: Vec::new(),
    })
}

/// Returns true if small file systems can be mounted here.
fn can_mount() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=1m tmpfs '{}' && echo made",
        folder.path().display()
    );
    let made = inside(&script).stdout == b"made\n";
    if !made {
        eprintln!("skipped: this machine lets no test mount a file system");
    }
    made
}

/// Runs the sweep into the folder `out` with the file systems that `mounts` creates there. It must fail with
/// a message that names `file`, and must not panic. Then the disk gets room, and the sweep runs again.
/// Returns the resulting files.
fn full(rig: &Rig, mounts: &str, file: &str, more: &str) -> BTreeMap<PathBuf, String> {
    std::fs::create_dir(rig.at("out")).unwrap();
    let sweep = format!(
        "'{}' sweep '{}' --out '{}' --workers 2",
        env!("CARGO_BIN_EXE_harness"),
        rig.recipe().display(),
        rig.at("out").display(),
    );
    let script = format!(
        "cd '{out}'; {mounts}; cd '{out}'\n\
         {sweep} >/dev/null 2>'{said}' && echo fine || echo failed $?\n\
         {more}\n{sweep} >/dev/null 2>'{again}' && echo fine\n\
         cp -r '{out}' '{kept}'",
        out = rig.at("out").display(),
        said = rig.at("said").display(),
        again = rig.at("again").display(),
        kept = rig.at("kept").display(),
    );
    let output = inside(&script);
    let said = std::fs::read_to_string(rig.at("said")).unwrap();
    let again = std::fs::read_to_string(rig.at("again")).unwrap_or_default();
    let ends = String::from_utf8_lossy(&output.stdout);
    assert_eq!(ends, "failed 1\nfine\n", "{said}\n{again}");
    assert!(
        said.contains("No space left on device") && said.contains(file),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");
    rig.found("kept")
}

#[test]
fn a_disk_that_is_full_for_a_checkpoint_costs_no_finished_work() {
    if !can_mount() {
        return;
    }
    let rig = Rig::new();
    let expected = rig.expected();
    let mounts = "mkdir -p .store/stages; mount -t tmpfs -o size=160k tmpfs .store/stages";
    let found = full(
        &rig,
        mounts,
        // Two workers write checkpoints, journals and metrics. The timing decides which of them finds no
        // room.
        ".store/stages/",
        "mount -o remount,size=9m .store/stages",
    );
    assert_eq!(found, expected);
}

#[test]
fn a_disk_that_is_full_for_records_and_tables_costs_no_finished_work() {
    if !can_mount() {
        return;
    }
    let rig = Rig::new();
    let expected = rig.expected();
    // Pages of room: enough for the plan of the tables but not for the records; then enough for the records
    // but not for every table.
    for (pages, file) in [(1, "records.jsonl"), (5, "parts.")] {
        let size = 4 * pages;
        let mounts = format!(
            "mount -t tmpfs -o size={size}k tmpfs .; cd \"$PWD\"; mkdir .store; mount -t tmpfs tmpfs .store"
        );
        let rig = Rig::new();
        let found = full(&rig, &mounts, file, "mount -o remount,size=9m .");
        assert_eq!(found, expected);
    }
}

#[test]
fn a_disk_that_is_full_anywhere_costs_no_finished_work() {
    if !can_mount() {
        return;
    }
    for pages in [8, 16, 32, 64] {
        let rig = Rig::new();
        let expected = rig.expected();
        let mounts = format!("mount -t tmpfs -o size={}k tmpfs .", 4 * pages);
        let found = full(&rig, &mounts, "cannot write", "mount -o remount,size=9m .");
        assert_eq!(found, expected, "{pages} pages");
    }
}

#[test]
fn a_results_folder_that_is_read_only_is_refused_before_anything_runs() {
    if !can_mount() {
        return;
    }
    let rig = Rig::new();
    let script = format!(
        "mkdir '{out}'; mount -t tmpfs -o ro tmpfs '{out}'\n\
         '{program}' sweep '{recipe}' --out '{out}' || echo code $?",
        out = rig.at("out").display(),
        program = env!("CARGO_BIN_EXE_harness"),
        recipe = rig.recipe().display(),
    );
    let output = inside(&script);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, b"code 2\n", "{said}");
    assert!(
        said.contains("cannot write into the results folder"),
        "{said}"
    );
    assert!(said.contains("Read-only file system"), "{said}");
}
