//! A small sweep of mock trials in its own folder, and its results without faults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The time between two looks at a running process.
const LOOK: Duration = Duration::from_millis(1);
/// The time in which a process ends without its supervisor, on systems where processes cannot be listed.
const TO_END: Duration = Duration::from_millis(200);
/// No process of these tests takes as long.
const TOO_LONG: Duration = Duration::from_secs(120);

/// Three variants, two seeds, two burn-ins, a millisecond per step: about a third of a second of work.
const RECIPE: &str = "seeds = [0, 1]\nsweeps = ['parts']\n\
    [method]\nname = 'mock'\nburn-in = 20\nlevel = 20.0\nmodules = { a = true, b = true }\neffects = { a = 2.0, b = 1.0 }\n\
    noise = 1.0\nsleep-ms = 1\nfail-at = 0\nfailure = 'error'\nfail-times = 0\n\
    [train]\nsteps = 60\ncheckpoint = 5\n";
const SWEEP: &str = "question = 'Which part?'\nreference = 'both'\n[[each]]\nlabel = 'both'\n\
    [[each]]\nlabel = '- a'\nset.'method.modules.a' = false\n[[each]]\nlabel = '- b'\nset.'method.modules.b' = false\n";

/// A recipe with its sweep, and folders for results.
pub struct Rig {
    folder: TempDir,
}

impl Rig {
    /// The usual sweep.
    pub fn new() -> Self {
        Self::with(SWEEP)
    }

    /// Another sweep over the same recipe.
    pub fn with(sweep: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rig = Self { folder };
        std::fs::create_dir(rig.at("sweeps")).unwrap();
        std::fs::create_dir(rig.at("recipes")).unwrap();
        let defaults = Path::new("recipes/pl-dc.toml").canonicalize().unwrap();
        let text = format!("extends = {:?}\n{RECIPE}", defaults.to_str().unwrap());
        std::fs::write(rig.recipe(), text).unwrap();
        std::fs::write(rig.at("sweeps/parts.toml"), sweep).unwrap();
        rig
    }

    pub fn recipe(&self) -> PathBuf {
        self.at("recipes/own.toml")
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The command that runs the sweep into the folder `out`.
    pub fn sweep(&self, out: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command
            .arg("sweep")
            .arg(self.recipe())
            .arg("--out")
            .arg(self.at(out));
        command
            .args(["--workers", "2"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the sweep into `out` to its end, which must be successful, and returns its output.
    pub fn finish(&self, out: &str) -> String {
        let output = self.sweep(out).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        text
    }

    /// Runs the sweep into `out` and kills it as soon as `holds` returns true. It must not end before.
    pub fn killed_when(&self, out: &str, holds: impl Fn() -> bool) {
        let mut child = self.sweep(out).stderr(Stdio::null()).spawn().unwrap();
        wait(|| {
            assert!(child.try_wait().unwrap().is_none(), "it ended before");
            holds()
        });
        kill(&mut child);
    }

    /// Every file that must be the same for two runs, by its path in the results folder.
    pub fn found(&self, out: &str) -> BTreeMap<PathBuf, String> {
        let out = self.at(out);
        let mut paths: Vec<PathBuf> = ["parts.csv", "parts.md", "records.jsonl"]
            .map(|name| out.join(name))
            .into();
        for trial in folders(&out, "trials", "") {
            paths.extend(
                [
                    "settings.toml",
                    "journal.jsonl",
                    "metrics.json",
                    "status.json",
                ]
                .map(|name| trial.join(name)),
            );
        }
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path);
            text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        paths
            .iter()
            .map(|path| (path.strip_prefix(&out).unwrap().to_path_buf(), read(path)))
            .collect()
    }

    /// The results of the sweep without faults.
    pub fn expected(&self) -> BTreeMap<PathBuf, String> {
        self.finish("undisturbed");
        let found = self.found("undisturbed");
        assert_eq!(found.len(), 3 + 4 * 6, "six trials");
        found
    }

    /// The output of `harness plan` for the folder `out`.
    pub fn plan(&self, out: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.arg("plan").arg(self.recipe());
        let output = command.arg("--out").arg(self.at(out)).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The folders of the stages of a kind that the run into `out` has begun.
    pub fn stages(&self, out: &str, kind: &str) -> Vec<PathBuf> {
        folders(&self.at(out), "stages", kind)
    }

    /// The files called `name` in the folders of a kind of stage.
    pub fn files(&self, out: &str, kind: &str, name: &str) -> Vec<PathBuf> {
        let paths = self
            .stages(out, kind)
            .into_iter()
            .map(|stage| stage.join(name));
        paths.filter(|path| path.exists()).collect()
    }

    /// The checkpoints in the folders of a kind of stage.
    pub fn checkpoints(&self, out: &str, kind: &str) -> Vec<PathBuf> {
        let stages = self.stages(out, kind).into_iter();
        stages.filter_map(|stage| checkpoint(&stage)).collect()
    }

    /// The texts of the journals of a kind of stage.
    pub fn journals(&self, out: &str, kind: &str) -> String {
        let journals = self.files(out, kind, "journal.jsonl").into_iter();
        journals
            .map(|path| std::fs::read_to_string(path).unwrap_or_default())
            .collect()
    }
}

/// The checkpoint in the folder of a stage, whose name has the number of the attempt in it.
pub fn checkpoint(stage: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(stage).into_iter().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths.find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("checkpoint.") && name.ends_with(".safetensors")
    })
}

fn folders(out: &Path, what: &str, start: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(out.join(".store").join(what))
        .into_iter()
        .flatten()
        .flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
    let mut paths: Vec<PathBuf> = named.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Waits until `holds` returns true.
pub fn wait(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < TOO_LONG, "this never comes");
        std::thread::sleep(LOOK);
    }
}

/// Kills the supervisor of a sweep and waits until the process under it ends.
pub fn kill(child: &mut Child) {
    let under = Process::under(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    match cfg!(target_os = "linux") {
        true => wait(|| !under.iter().any(|process| process.lives())),
        false => std::thread::sleep(TO_END),
    }
}

/// A process by its number, as Linux lists it.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// The living processes that the process `parent` has started.
    pub fn under(parent: u32) -> Vec<Self> {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let of_parent = |process: &Self| process.stat().is_some_and(|(_, of)| of == parent);
        numbers.map(Self).filter(of_parent).collect()
    }

    /// Returns true if the process has not ended. A zombie counts as ended, unless other threads of it still
    /// hold its files and their locks.
    pub fn lives(self) -> bool {
        let threads = || std::fs::read_dir(format!("/proc/{}/task", self.0)).map(Iterator::count);
        self.stat()
            .is_some_and(|(state, _)| state != "Z" || threads().is_ok_and(|threads| threads > 1))
    }

    /// State and parent.
    fn stat(self) -> Option<(String, u32)> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        // The name before it may contain anything.
        let mut words = text.rsplit_once(')')?.1.split_whitespace();
        Some((words.next()?.into(), words.next()?.parse().ok()?))
    }
}

pub fn stderr(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let asked = ["the settings ask for a panic", "memory allocation of"];
    assert!(
        !text.contains("RUST_BACKTRACE") || asked.iter().any(|part| text.contains(part)),
        "{text}"
    );
    text
}
