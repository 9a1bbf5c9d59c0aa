//! Stand-ins for Slurm's commands: scripts that note how they are called and keep a queue in a file. They show what the
//! program says to Slurm, and how it reads what Slurm says.

use crate::rig::{Rig, stderr};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The profile of the tests.
const PROFILE: &str = "[profile.test]\ntime = '60'\ngpus = 0\nlead = 120\n";

/// Notes the call, and puts the elements into the queue. `refuse` and `die` change what it does.
const SBATCH: &str = r#"
name=; array=; all="$*"
for word in "$@"; do
    case "$word" in
        --test-only) cat > /dev/null; echo "sbatch: Job 1 to start at 2026-11-30T02:00:00" >&2; exit 0 ;;
        --job-name=*) name="${word#*=}" ;;
        --array=*) array="${word#*=}"; array="${array%%\%*}"; array="${array#0-}" ;;
    esac
done
job=$(($(cat next 2> /dev/null || echo 10) + 1))
if [ -e "refuse-$job" ]; then cat "refuse-$job" >&2; rm "refuse-$job"; exit 1; fi
echo "$job" > next
echo "$all" >> calls
env > given
if [ -n "$array" ]; then
    index=0
    while [ "$index" -le "$array" ]; do
        echo "$job|$index|PENDING|Priority|N/A|1:00:00|(null)|$name" >> queue
        index=$((index + 1))
    done
else
    echo "$job|N/A|PENDING|Dependency|N/A|1:00:00|(null)|$name" >> queue
fi
if [ -e "die-$job" ]; then kill -9 "$PPID"; exit 0; fi
echo "$job"
"#;
const SQUEUE: &str = r#"
names=
for word in "$@"; do case "$word" in --name=*) names=",${word#*=}," ;; esac; done
if [ -e silent ]; then echo "squeue: error: Unable to contact slurm controller" >&2; exit 1; fi
[ -e queue ] || exit 0
while IFS= read -r line; do
    case "$names" in *",${line##*|},"*) echo "$line" ;; esac
done < queue
"#;
const SACCT: &str = r#"
echo "$*" >> asked
if [ ! -e accounts ]; then echo "Slurm accounting storage is disabled" >&2; exit 1; fi
cat accounts
"#;
const SCANCEL: &str = r#"
for word in "$@"; do
    case "$word" in --*) continue ;; esac
    echo "$word" >> cancelled
    start="${word%_*}|${word#*_}|"
    grep -v -F -e "|$start" queue | grep -v "^$start" > rest
    mv rest queue
done
"#;
const SCONTROL: &str = r#"
echo "MaxArraySize            = $(cat max 2> /dev/null || echo 1001)"
"#;

/// The stand-ins and what they note.
pub struct Cluster {
    folder: PathBuf,
    out: PathBuf,
}

impl Cluster {
    /// The stand-ins in the folder of `rig`, beside a profile for its recipe.
    pub fn new(rig: &Rig) -> Self {
        let folder = rig.at("slurm");
        let scripts = [
            ("sbatch", SBATCH),
            ("squeue", SQUEUE),
            ("sacct", SACCT),
            ("scancel", SCANCEL),
            ("scontrol", SCONTROL),
        ];
        fs::create_dir_all(folder.join("bin")).unwrap();
        for (name, text) in scripts {
            let path = folder.join("bin").join(name);
            let text = format!("#!/bin/sh\ncd {folder:?} || exit 1\n{text}");
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(rig.at("recipes/harness.slurm.toml"), PROFILE).unwrap();
        let out = rig.at("out");
        Self { folder, out }
    }

    /// The stand-ins, to which the recipe of `rig` with the settings `set` has been submitted.
    pub fn submitted(rig: &Rig, set: &[&str]) -> Self {
        let cluster = Self::new(rig);
        let output = cluster.submit(rig, set, &[]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        cluster
    }

    /// `harness` with the stand-ins in its path.
    pub fn harness(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.folder.join("bin").display());
        command.args(words).env("PATH", path);
        command.env("XDG_CONFIG_HOME", self.folder.join("no-settings"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Submits the recipe of `rig` with the settings `set`.
    pub fn submit(&self, rig: &Rig, set: &[&str], more: &[&str]) -> Output {
        let mut command = self.harness(&["submit"]);
        command.arg(rig.recipe()).arg("--out").arg(&self.out);
        for set in set {
            command.args(["--set", set]);
        }
        command.args(more).output().unwrap()
    }

    /// The folders of the submissions, in the order of their making.
    pub fn submissions(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.out.join(".store/submissions"));
        let folders = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let number = |folder: &PathBuf| {
            let text = fs::read(folder.join("submission.json")).ok()?;
            let origin: serde_json::Value = serde_json::from_slice(&text).unwrap();
            Some((origin["number"].as_u64().unwrap(), folder.clone()))
        };
        let mut found: Vec<_> = folders.filter_map(|folder| number(&folder)).collect();
        found.sort();
        found.into_iter().map(|(_, folder)| folder).collect()
    }

    /// The newest submission.
    pub fn submission(&self) -> PathBuf {
        self.submissions().pop().expect("something was submitted")
    }

    /// The number of elements of the newest submission.
    pub fn elements(&self) -> usize {
        elements_of(&self.submission()).len()
    }

    /// What a stand-in has noted in the file `name`, line by line.
    pub fn noted(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        text.lines().map(str::to_string).collect()
    }

    /// Writes a file that the stand-ins read.
    pub fn put(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }

    /// Removes such a file.
    pub fn forget(&self, name: &str) {
        fs::remove_file(self.folder.join(name)).unwrap();
    }

    /// Replaces `from` by `to` in the line of the queue that begins with `start`.
    pub fn change(&self, start: &str, from: &str, to: &str) {
        let mut changed = 0;
        let lines = self.noted("queue").into_iter().map(|line| {
            match line.starts_with(start) && line.contains(from) {
                true => {
                    changed += 1;
                    line.replace(from, to)
                }
                false => line,
            }
        });
        let text: String = lines.map(|line| line + "\n").collect();
        assert_eq!(changed, 1, "{start}: {text}");
        self.put("queue", &text);
    }
}

/// The elements of the submission in `folder`.
pub fn elements_of(folder: &Path) -> Vec<serde_json::Value> {
    let text = fs::read(folder.join("elements.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The exit code of a process that was not killed.
pub fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
