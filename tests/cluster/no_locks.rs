//! Leases on a file system that refuses locks, and leases that another owner has taken.

use crate::rig::{Rig, kill, stderr, wait};
use crate::stand_in::{Cluster, code};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A library whose `flock` fails with the error number of a variable, as that of a file system without locks does.
const SHIM: &str = r#"
unsafe extern "C" { safe fn __errno_location() -> *mut i32; }
#[unsafe(no_mangle)]
pub extern "C" fn flock(_file: i32, _operation: i32) -> i32 {
    let number = std::env::var("REFUSED_WITH").ok().and_then(|text| text.parse().ok());
    unsafe { *__errno_location() = number.unwrap_or(38) };
    -1
}
"#;

/// The library, in the folder of `rig`; none, with the reason, where it cannot be preloaded.
fn shim(rig: &Rig) -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        eprintln!("skipped: a library is preloaded on Linux with glibc alone");
        return None;
    }
    let (source, library) = (rig.at("shim.rs"), rig.at("libshim.so"));
    fs::write(&source, SHIM).unwrap();
    let mut compiler = Command::new("rustc");
    compiler
        .args(["--edition=2024", "--crate-type=cdylib", "-o"])
        .arg(&library)
        .arg(&source);
    match compiler.output() {
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("rustc cannot be run: {error}"),
    }
    Some(library)
}

/// The sweep of `rig` into `out`, where locks are refused with the error `number`.
fn refused(rig: &Rig, library: &PathBuf, out: &str, number: i32) -> Command {
    let mut command = rig.sweep(out);
    command
        .env("LD_PRELOAD", library)
        .env("REFUSED_WITH", number.to_string());
    command
}

#[test]
fn without_locks_a_sweep_ends_in_the_same_bytes() {
    let rig = Rig::new();
    let Some(library) = shim(&rig) else {
        return;
    };
    let expected = rig.expected();
    // ENOLCK, ENOSYS, EOPNOTSUPP, and the one of NFS without a name.
    for number in [37, 38, 95, 524] {
        let out = format!("refused-{number}");
        let output = refused(&rig, &library, &out, number).output().unwrap();
        assert_eq!(code(&output), 0, "{number}: {}", stderr(&output));
        assert_eq!(rig.found(&out), expected, "{number}");
        let claims = rig.files(&out, "", "lease.1").len();
        assert_eq!(claims, 14, "every stage was claimed once");
    }
    let output = refused(&rig, &library, "broken", 5).output().unwrap();
    assert_ne!(code(&output), 0, "an error of the disk is no missing lock");
}

#[test]
fn without_locks_two_sweeps_share_the_work() {
    let rig = Rig::new();
    let Some(library) = shim(&rig) else {
        return;
    };
    let expected = rig.expected();
    let children = [(); 2].map(|()| refused(&rig, &library, "out", 38).spawn().unwrap());
    let outputs = children.map(|child| child.wait_with_output().unwrap());
    let mut begun = Vec::new();
    for output in &outputs {
        let text = stderr(output);
        assert_eq!(code(output), 0, "{text}");
        let lines = text
            .lines()
            .filter_map(|line| line.strip_suffix(" started"));
        begun.extend(lines.map(|line| line.split_once("] ").unwrap().1.to_string()));
    }
    begun.sort();
    let all = begun.len();
    begun.dedup();
    assert_eq!(
        (all, begun.len()),
        (8, 8),
        "two burn-ins and six trainings, each once: {begun:?}"
    );
    assert_eq!(rig.found("out"), expected);
}

#[test]
fn without_locks_a_killed_process_of_this_machine_is_succeeded_at_once() {
    let rig = Rig::new();
    let Some(library) = shim(&rig) else {
        return;
    };
    let expected = rig.expected();
    let mut first = refused(&rig, &library, "out", 38)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait(|| !rig.checkpoints("out", "distill-").is_empty());
    kill(&mut first);
    let output = refused(&rig, &library, "out", 38).output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(rig.found("out"), expected);
}

#[test]
#[cfg(target_os = "linux")]
fn an_element_whose_lease_was_taken_gives_up_and_one_result_stays() {
    let rig = Rig::with("question = 'q'\n[[each]]\nlabel = 'one'\n");
    let cluster = Cluster::submitted(&rig, &["seeds=[0]", "method.sleep-ms=100"]);
    let work = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.arg("work").arg(cluster.submission());
        command.args(["--element", "0", "--device", "cpu", "--patience", "1"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let orphan = work().spawn().unwrap();
    wait(|| rig.journals("out", "distill-").contains("\"step\":40,"));
    let stage = rig.stages("out", "distill-").remove(0);
    // Another job takes over: a new file, without the lock, with the next token.
    fs::write(stage.join("next"), format!("{:020}\n", 2)).unwrap();
    fs::rename(stage.join("next"), stage.join("lease")).unwrap();
    let output = orphan.wait_with_output().unwrap();
    let text = stderr(&output);
    assert_eq!(code(&output), 1, "{text}");
    assert!(text.contains("another process has taken over"), "{text}");
    assert!(
        !stage.join("final.safetensors").exists(),
        "the orphan left no result"
    );
    let output = work().output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(rig.files("out", "distill-", "final.safetensors").len(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn a_job_takes_its_stage_from_one_that_slurm_calls_over() {
    let rig = Rig::with("question = 'q'\n[[each]]\nlabel = 'one'\n");
    let cluster = Cluster::submitted(&rig, &["seeds=[0]", "method.sleep-ms=250"]);
    let name = format!(
        "hs-{}-0-0",
        cluster.submission().file_name().unwrap().to_str().unwrap()
    );
    let work = |job: &str| {
        let submission = cluster.submission();
        let mut command = cluster.harness(&["work", submission.to_str().unwrap()]);
        command.args(["--element", "0", "--device", "cpu", "--patience", "1"]);
        command
            .env("SLURM_ARRAY_JOB_ID", job)
            .env("SLURM_ARRAY_TASK_ID", "0");
        command.env("SLURM_JOB_NAME", &name);
        command
    };
    let orphan = work("11").stderr(Stdio::null()).spawn().unwrap();
    wait(|| rig.journals("out", "").contains("\"step\":20,"));
    // As long as Slurm says that the job runs, its lock is believed.
    cluster.change("11|0|", "PENDING", "RUNNING");
    let output = work("12").output().unwrap();
    assert_eq!(code(&output), 76, "{}", stderr(&output));
    cluster.change("11|0|", "RUNNING", "NODE_FAIL");
    let output = work("12").output().unwrap();
    let text = stderr(&output);
    assert_eq!(code(&output), 0, "{text}");
    assert!(text.contains("the job 11_0 is over"), "{text}");
    let output = orphan.wait_with_output().unwrap();
    assert_eq!(code(&output), 1, "the orphan was fenced off");
    assert_eq!(rig.files("out", "distill-", "final.safetensors").len(), 1);
}
