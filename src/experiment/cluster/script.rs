//! The script of a job, and the arguments with which `sbatch` gets it.
//!
//! What a profile asks for stands in the arguments, where `harness submit --dry-run` shows it. The script holds what
//! has to happen on the node: signals, the lines of the profile, the program, the request to be queued again. A job
//! that was told that its time is over is queued again if the program says so; if a signal ended the program without a
//! word, once.

use super::arrays::Array;
use super::ends::NOT_READY;
use super::profile::Profile;
use crate::experiment::run::interrupt::YIELD_CODE;
use crate::screen::for_a_shell;
use std::path::Path;

/// The exit code of a shell's child that SIGUSR2 ended before it listened to signals.
const ENDED_BY_USR2: u8 = 140;

/// What a script runs.
#[derive(Clone, Copy, Debug)]
pub enum Runs {
    /// The element whose number is the script's argument and the index in the array together.
    Element,
    /// What writes the records and tables.
    Finish,
}

/// The script of jobs with this `profile`, which run the program of the folder `submission`.
pub fn job_script(profile: &Profile, submission: &Path, runs: Runs) -> String {
    let folder = submission.display().to_string();
    let program = submission.join("harness").display().to_string();
    let mut words: Vec<String> = profile
        .wrapper
        .iter()
        .map(|word| shell_word(word))
        .collect();
    words.push(for_a_shell(&program));
    words.push("work".into());
    words.push(for_a_shell(&folder));
    match runs {
        Runs::Element => {
            words.push("--element \"$element\"".into());
            words.extend(device_words(profile));
        }
        Runs::Finish => words.push("--finish".into()),
    }
    let command = words.join(" ");
    let setup: String = profile
        .setup
        .iter()
        .map(|line| format!("{line}\n"))
        .collect();
    let Profile {
        lead, max_requeues, ..
    } = profile;
    let parts = match runs {
        Runs::Element => ElementParts::new(submission, *max_requeues),
        Runs::Finish => ElementParts::default(),
    };
    let ElementParts { before, after } = parts;
    format!(
        r#"#!/bin/bash
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR2@{lead}
# Written by `harness submit`. Exit codes: 0 done, 1 failed, {YIELD_CODE} out of time, {NOT_READY} not ready, 130 stopped.
child=
told=
early=
# The processes under one, itself at the end.
family() {{ local one; for one in $(pgrep -P "$1" 2>/dev/null); do family "$one"; done; echo "$1"; }}
lives() {{ kill -0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }}
# The program among them, or else the wrapper: a wrapper need not hand a signal on, and its helpers may die of one.
tell() {{
    local one
    told=
    for one in $(family "$child"); do
        [ "$(cat "/proc/$one/comm" 2>/dev/null)" = harness ] && told="$told $one"
    done
    told=${{told:-$child}}
    kill -USR2 $told 2>/dev/null
}}
# Slurm tells this shell alone that the time is nearly over.
trap 'if [ -n "$child" ]; then tell; else early=yes; fi' USR2
# Slurm sends TERM to every process by itself; the shell waits for the program.
trap : TERM
# The plan is fixed: nothing of the shell that submitted it changes a setting.
for name in "${{!HARNESS_@}}"; do unset "$name"; done
# Where srun is the wrapper, it does not hear of the cores by itself.
[ -z "$SLURM_CPUS_PER_TASK" ] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"
{before}{setup}{command} &
child=$!
# The signal came before: the program needs a moment until it listens.
[ -z "$early" ] || {{ sleep 2; tell; }}
# A signal interrupts `wait`. The status of a child that is gone is still known.
while :; do
    wait "$child"
    kill -0 "$child" 2>/dev/null || break
done
wait "$child"
code=$?
# A wrapper that the signal has ended leaves the program at work.
for one in $told; do while lives "$one"; do sleep 1; done; done
{after}exit "$code"
"#
    )
}

/// The lines that only the script of an element has.
#[derive(Default)]
struct ElementParts {
    /// Before the program starts.
    before: String,
    /// After it has ended.
    after: String,
}

impl ElementParts {
    fn new(submission: &Path, max_requeues: u32) -> Self {
        let ended = for_a_shell(&submission.join("ended").display().to_string());
        let before = format!(
            r#"element=$(($1 + SLURM_ARRAY_TASK_ID))
note={ended}/$element.json
began={ended}/$element.began
# Did the job before this one end without a note?
silent=
[ -e "$began" ] && [ ! "$note" -nt "$began" ] && silent=yes
mkdir -p {ended} && : > "$began"
"#
        );
        let after = format!(
            r#"if [ "$code" -gt 128 ]; then
    # A signal has ended the wrapper, or the program. If the program has left a note, that one counts.
    if [ "$note" -nt "$began" ]; then
        read -r line < "$note"
        [[ "$line" =~ ^\{{\"code\":([0-9]+) ]] && code="${{BASH_REMATCH[1]}}"
    elif [ "$code" = {ENDED_BY_USR2} ] && [ -z "$silent" ]; then
        # The signal came before the program listened to it.
        code={YIELD_CODE}
    else
        echo "the program was ended by signal $((code - 128)) and left no note" >&2
    fi
fi
if [ "$code" = {YIELD_CODE} ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {max_requeues} ]; then
    # This ends the job at once; until it does, the script waits.
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}" && while :; do sleep 1; done
fi
"#
        );
        Self { before, after }
    }
}

/// The arguments of the program that choose its device.
fn device_words(profile: &Profile) -> Vec<String> {
    let (gpus, pack) = (profile.gpus, profile.pack);
    let mut words = match gpus {
        0 => vec!["--device cpu".to_string()],
        1 => vec!["--device cuda".to_string()],
        _ => {
            let numbers: Vec<String> = (0..gpus).map(|number| number.to_string()).collect();
            vec![format!("--gpus {}", numbers.join(","))]
        }
    };
    words.push(format!("--workers {}", pack.div_ceil(gpus.max(1))));
    words
}

/// A word of a command as a user types it: options are not quoted, their values where they must be.
pub fn shell_word(word: &str) -> String {
    match word.split_once('=').filter(|_| word.starts_with("--")) {
        Some((name, value)) => format!("{name}={}", for_a_shell(value)),
        None => {
            let name = word.trim_start_matches('-');
            match for_a_shell(name) == name {
                true => word.to_string(),
                false => for_a_shell(word),
            }
        }
    }
}

/// What one call of `sbatch` hands over.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What the jobs ask for.
    pub profile: &'a Profile,
    /// The name of the job.
    pub name: &'a str,
    /// The name of the submission.
    pub id: &'a str,
    /// What has to be done before, as `sbatch` reads it; empty if nothing has.
    pub dependency: &'a str,
    /// The elements; none for the job that writes the tables.
    pub array: Option<&'a Array>,
    /// The pattern of the names of the logs.
    pub logs: &'a str,
    /// The folder in which the jobs run.
    pub folder: &'a Path,
    /// The script.
    pub script: &'a Path,
}

impl Call<'_> {
    /// The arguments of `sbatch` with the script.
    pub fn arguments(&self) -> Vec<String> {
        let mut words = self.options();
        words.push(self.script.display().to_string());
        words.extend(self.array.map(|array| array.first.to_string()));
        words
    }

    /// The arguments of `sbatch` without the script.
    pub fn options(&self) -> Vec<String> {
        let profile = self.profile;
        let mut words = vec![
            "--parsable".to_string(),
            format!("--job-name={}", self.name),
            format!("--comment=harness {}", self.id),
            format!("--chdir={}", self.folder.display()),
            format!("--output={}", self.logs),
        ];
        if let Some(array) = self.array {
            let most = match profile.at_once {
                0 => String::new(),
                most => format!("%{most}"),
            };
            words.push(format!("--array=0-{}{most}", array.count - 1));
        }
        if !self.dependency.is_empty() {
            words.push(format!("--dependency={}", self.dependency));
            // Otherwise jobs that wait for a failed one stay in the queue for ever.
            words.push("--kill-on-invalid-dep=yes".into());
        }
        let gres = match (profile.gpus, &*profile.gpu_type) {
            (0, _) => String::new(),
            (gpus, "") => format!("gpu:{gpus}"),
            (gpus, kind) => format!("gpu:{kind}:{gpus}"),
        };
        let number = |number: u32| match number {
            0 => String::new(),
            number => number.to_string(),
        };
        let asked = [
            ("clusters", &profile.clusters),
            ("partition", &profile.partition),
            ("account", &profile.account),
            ("qos", &profile.qos),
            ("time", &profile.time),
            ("gres", &gres),
            ("cpus-per-task", &number(profile.cpus)),
            ("mem", &profile.mem),
            ("constraint", &profile.constraint),
            ("exclude", &profile.exclude),
            ("nice", &number(profile.nice)),
            ("export", &profile.export),
        ];
        let asked = asked.iter().filter(|(_, value)| !value.is_empty());
        words.extend(asked.map(|(name, value)| format!("--{name}={value}")));
        words.extend(profile.extra.iter().cloned());
        words
    }
}

#[cfg(test)]
mod tests;
