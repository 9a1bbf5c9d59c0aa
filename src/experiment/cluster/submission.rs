//! The folder of a submission: everything that its jobs read besides the store and the data. Jobs that wait do not see
//! that a recipe is edited or the program built anew.
//!
//! ```text
//! .store/submissions/<id>/     id: 8 digits of the plan's hash, 4 random ones
//!     plan.json                the plan: with seeds until decided, the trials that are needed so far
//!     whole.json               with seeds until decided, the plan with the trials of all seeds
//!     submission.json          where the recipe stands, its commit, the options
//!     elements.json            what each job does
//!     profile.json             what the jobs ask for
//!     job-<kind>.sh            the script of the jobs of a kind
//!     harness                  the program
//!     jobs.jsonl               what Slurm has taken, see [`super::jobs`]
//!     ended/<element>.json     how the last job of an element ended
//!     ended/<element>.began    empty, written when a job of the element begins
//!     yield                    written by users: its jobs write checkpoints and are queued again
//!     log/<job>_<index>.out    the output of the jobs
//! .store/submissions/lock      locked while a process hands work over
//! .store/submissions/programs/ the programs, each once
//! ```

use super::data::DataStates;
use super::elements::Element;
use super::ends::End;
use super::jobs::{Jobs, Place, SubmittedArray};
use super::profiles::Profiles;
use crate::atomic::write_atomically;
use crate::experiment::store::lease::are_refused;
use crate::experiment::store::provenance::Provenance;
use crate::experiment::store::root::{STORE, Store};
use crate::recipe::Plan;
use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The beginning of the names of all jobs.
pub const JOB_NAME: &str = "hs-";
/// The folder of all submissions in a store.
const SUBMISSIONS: &str = "submissions";
/// The folder of the programs in it.
const PROGRAMS: &str = "programs";
/// The running program on Linux, even if its file has been replaced.
const RUNNING: &str = "/proc/self/exe";
/// The number of hexadecimal digits of a program's name.
const DIGITS: usize = 16;

/// What a submission was made of, besides its plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Origin {
    /// A number that is larger than those of all submissions before it.
    pub number: usize,
    /// The time, in seconds since 1970.
    pub began: u64,
    /// The commit of the recipe's folder, and the program.
    pub provenance: Provenance,
    /// The differences of the recipe's folder from its commit.
    pub diff: Option<String>,
    /// The lines about the run in the head of every table.
    pub lines: Vec<String>,
    /// The state of the datasets when it was made.
    #[serde(default)]
    pub data: DataStates,
    /// The number of times that a failed stage is tried again.
    pub retries: u32,
    /// The number of trials that run at the same time, as far as the profile limits it.
    pub workers: usize,
}

/// The content of the folder of a new submission.
pub struct Content<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The plan with the trials of all seeds.
    pub whole: &'a Plan,
    /// What it was made of.
    pub origin: &'a Origin,
    /// What its jobs do.
    pub elements: &'a [Element],
    /// What its jobs ask for.
    pub profiles: &'a Profiles,
}

/// The folder of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission(PathBuf);

impl Submission {
    /// The submission in the folder `path`.
    ///
    /// # Errors
    /// The folder does not exist or is none in a store.
    pub fn open(path: &Path) -> Result<Self> {
        let path = path
            .canonicalize()
            .with_context(|| format!("no submission {}", path.display()))?;
        let parents: Vec<_> = path
            .ancestors()
            .skip(1)
            .take(2)
            .filter_map(Path::file_name)
            .collect();
        if parents != [SUBMISSIONS, STORE] {
            let shown = path.display();
            bail!("{shown} is no submission; allowed: RESULTS/{STORE}/{SUBMISSIONS}/ID");
        }
        Ok(Self(path))
    }

    /// Makes the folder of a new submission in `store`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(store: &Store, content: &Content) -> Result<Self> {
        let plan = serde_json::to_string(content.plan)? + "\n";
        let hash = blake3::hash(plan.as_bytes()).to_hex();
        let folder = new_folder(store, &hash[..8])?;
        fs::create_dir(folder.join("log"))
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let submission = Self(folder.canonicalize()?);
        let write =
            |name: &str, text: String| write_atomically(&folder.join(name), text.as_bytes());
        write("plan.json", plan)?;
        if content.whole.range.is_some() {
            write("whole.json", serde_json::to_string(content.whole)? + "\n")?;
        }
        write("submission.json", pretty(content.origin)?)?;
        write("elements.json", pretty(&content.elements)?)?;
        write("profile.json", pretty(content.profiles)?)?;
        submission.keep_program(store)?;
        Ok(submission)
    }

    /// All submissions of `store`, by their names.
    pub fn all(store: &Store) -> Vec<Self> {
        let entries = fs::read_dir(folder_of(store))
            .into_iter()
            .flatten()
            .flatten();
        let folders = entries.map(|entry| entry.path());
        let mut all: Vec<PathBuf> = folders
            .filter(|folder| folder.join("elements.json").exists())
            .collect();
        all.sort();
        all.into_iter().map(Self).collect()
    }

    /// A number that is larger than those of all submissions of `store`.
    pub fn next_number(store: &Store) -> usize {
        let all = Self::all(store).into_iter();
        let numbers = all.filter_map(|submission| Some(submission.origin().ok()?.number));
        numbers.max().map_or(0, |largest| largest + 1)
    }

    /// The name of the submission.
    pub fn id(&self) -> String {
        let name = self.0.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The results folder that it belongs to.
    pub fn results(&self) -> &Path {
        self.0.ancestors().nth(3).unwrap_or(Path::new("."))
    }

    /// The name of the array `chunk` of a level in Slurm's queue.
    pub fn array_name(&self, level: usize, chunk: usize) -> String {
        format!("{JOB_NAME}{}-{level}-{chunk}", self.id())
    }

    /// The name of the job that writes the tables.
    pub fn finish_name(&self) -> String {
        format!("{JOB_NAME}{}-finish", self.id())
    }

    /// The program that its jobs run.
    pub fn program(&self) -> PathBuf {
        self.0.join("harness")
    }

    /// The script of the jobs of a kind.
    pub fn script(&self, kind: &str) -> PathBuf {
        self.0.join(format!("job-{kind}.sh"))
    }

    /// Writes the script of the jobs of a kind.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_script(&self, kind: &str, text: &str) -> Result<()> {
        write_atomically(&self.script(kind), text.as_bytes())
    }

    /// The pattern of the names of its logs, as `sbatch` reads it.
    pub fn logs(&self, pattern: &str) -> String {
        let folder = self.0.join("log").display().to_string();
        format!("{}/{pattern}.out", folder.replace('%', "%%"))
    }

    /// The log of an element of a job.
    pub fn log(&self, place: &Place) -> PathBuf {
        self.0.join("log").join(format!("{place}.out"))
    }

    /// The note of how the last job of an element ended.
    pub fn end(&self, element: usize) -> PathBuf {
        self.0.join("ended").join(format!("{element}.json"))
    }

    /// The note of how the last job of an element ended; none if it left none.
    pub fn note(&self, element: usize) -> Option<End> {
        let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
        let (note, began) = (self.end(element), self.end(element).with_extension("began"));
        // A note of a job before it says nothing of the last one.
        let is_old =
            changed(&began).is_some_and(|began| changed(&note).is_some_and(|note| note <= began));
        if is_old { None } else { End::read(&note) }
    }

    /// The file that a user touches to make its jobs yield.
    pub fn yield_file(&self) -> PathBuf {
        self.0.join("yield")
    }

    /// The file of what was handed over.
    pub fn jobs(&self) -> PathBuf {
        self.0.join("jobs.jsonl")
    }

    /// The arrays of the submission that were handed over.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn arrays(&self) -> Result<Vec<SubmittedArray>> {
        Jobs::at(&self.jobs()).read()
    }

    /// The plan.
    ///
    /// # Errors
    /// The file cannot be read. The error names it.
    pub fn plan(&self) -> Result<Plan> {
        self.read("plan.json")
    }

    /// The plan with the trials of all seeds; none if their number is fixed, and `plan.json` has all.
    ///
    /// # Errors
    /// The file cannot be read. The error names it.
    pub fn whole(&self) -> Result<Option<Plan>> {
        match self.0.join("whole.json").exists() {
            true => self.read("whole.json").map(Some),
            false => Ok(None),
        }
    }

    /// What the submission was made of.
    ///
    /// # Errors
    /// The file cannot be read. The error names it.
    pub fn origin(&self) -> Result<Origin> {
        self.read("submission.json")
    }

    /// What its jobs do.
    ///
    /// # Errors
    /// The file cannot be read. The error names it.
    pub fn elements(&self) -> Result<Vec<Element>> {
        self.read("elements.json")
    }

    /// What its jobs ask for.
    ///
    /// # Errors
    /// The file cannot be read. The error names it.
    pub fn profiles(&self) -> Result<Profiles> {
        self.read("profile.json")
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.0.join(name);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Puts the running program into the folder: a link to its file, which a build replaces and does not change. On
    /// another file system it is a copy, one for all submissions.
    fn keep_program(&self, store: &Store) -> Result<()> {
        let failed = || "cannot copy the running program".to_string();
        let program = std::env::current_exe().with_context(failed)?;
        if fs::hard_link(&program, self.program()).is_ok() {
            return Ok(());
        }
        // A build has replaced the file since this process began.
        let program = if program.exists() {
            program
        } else {
            RUNNING.into()
        };
        let content = fs::read(&program).with_context(failed)?;
        let name = blake3::hash(&content).to_hex()[..DIGITS].to_string();
        let kept = folder_of(store).join(PROGRAMS).join(name);
        if !kept.exists() {
            write_atomically(&kept, &content).with_context(failed)?;
        }
        // A process may have died between the two.
        let permissions = fs::metadata(&program).with_context(failed)?.permissions();
        fs::set_permissions(&kept, permissions).with_context(failed)?;
        if fs::hard_link(&kept, self.program()).is_err() {
            fs::copy(&kept, self.program()).with_context(failed)?;
        }
        Ok(())
    }
}

/// A new folder of a submission whose name begins with `start`. A name that is taken is drawn again.
fn new_folder(store: &Store, start: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder_of(store))
        .with_context(|| format!("cannot make {}", folder_of(store).display()))?;
    loop {
        let chance = RandomState::new().build_hasher().finish() & 0xffff;
        let folder = folder_of(store).join(format!("{start}{chance:04x}"));
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => {
                made.with_context(|| format!("cannot make {}", folder.display()))?;
                return Ok(folder);
            }
        }
    }
}

/// Keeps other processes from handing over work of `store` until the result is dropped. On a file system without locks
/// there is none.
///
/// # Errors
/// Another process hands over work now, or the store is not writable.
pub fn lock(store: &Store) -> Result<Option<File>> {
    let path = folder_of(store).join("lock");
    let failed = || format!("cannot write {}", path.display());
    fs::create_dir_all(folder_of(store)).with_context(failed)?;
    let file = File::create(&path).with_context(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::Error(error)) if are_refused(&error) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(failed),
        Err(TryLockError::WouldBlock) => bail!(
            "{}: another `harness submit` works on this folder; try again when it has ended",
            store.results().display()
        ),
    }
}

fn folder_of(store: &Store) -> PathBuf {
    store.results().join(STORE).join(SUBMISSIONS)
}

fn pretty(content: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(content)? + "\n")
}
