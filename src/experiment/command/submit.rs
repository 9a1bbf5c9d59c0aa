//! `harness submit`: hands the missing work of a recipe over to Slurm and returns. The same command again hands over what
//! is still missing.

use super::ahead::results_folder;
use super::begun::{BeginRequest, Begun, frozen};
use super::finish;
use super::sweep::Outcome;
use crate::experiment::cluster::arrays::{Array, arrays};
use crate::experiment::cluster::elements::{Before, Element, Missing, Placed};
use crate::experiment::cluster::jobs::{Jobs, Place};
use crate::experiment::cluster::mounts;
use crate::experiment::cluster::profiles::{FINISH, Profiles};
use crate::experiment::cluster::script::{Call, Runs, job_script};
use crate::experiment::cluster::slurm::{NotTaken, Slurm};
use crate::experiment::cluster::standing::Standing;
use crate::experiment::cluster::submission::{Content, Origin, Submission, lock};
use crate::experiment::run::claim::{other_work, refuse_foreign};
use crate::experiment::run::interrupt::Interrupt;
use crate::experiment::run::supervise::Link;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::store::provenance::Provenance;
use crate::experiment::store::reused::ReusedResults;
use crate::experiment::store::root::{STORE, Store};
use crate::experiment::store::sources;
use crate::experiment::trial::inputs::{CommandError, Inputs, RecipeRequest};
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::planned::planned;
use crate::screen::{counted, for_a_shell, say};
use anyhow::{Result, anyhow};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The number of elements that a message names.
const NAMED: usize = 4;
/// The name of a submission that is only shown.
const SHOWN_ID: &str = "ID";

/// A request to hand work over.
#[derive(Debug)]
pub struct SubmitRequest {
    /// The recipe and its overrides.
    pub recipe: RecipeRequest,
    /// The folder of the results; with none, the recipe's folder under `results/`.
    pub out: Option<PathBuf>,
    /// The profile; with none, the default one of the file.
    pub profile: Option<String>,
    /// The number of times that a failed stage is tried again.
    pub retries: u32,
    /// True if results of another version of the computations are moved aside.
    pub renew: bool,
    /// True if the tables of another recipe in the results folder may be replaced.
    pub replace: bool,
    /// Files of records whose results count.
    pub reuse: Vec<PathBuf>,
    /// True if elements of an earlier plan of this recipe are cancelled that this one does not have.
    pub cancel_unwanted: bool,
}

/// What was handed over.
#[derive(Clone, Debug, PartialEq)]
pub enum SubmitEnd {
    /// The jobs, in words.
    Handed(String),
    /// A part of the jobs, and why not all.
    Partly(String),
    /// Nothing, because other jobs do all that is missing; in words.
    AllQueued(String),
    /// Nothing, because nothing is missing. The tables have been written.
    Finished(Box<Outcome>),
}

/// Hands the missing work of a recipe over.
///
/// # Errors
/// The recipe, the profile or the results folder is wrong, or Slurm cannot be asked.
pub fn submit(request: &SubmitRequest) -> Result<SubmitEnd, CommandError> {
    let (profiles, _) = Profiles::find(&request.recipe.recipe, request.profile.as_deref())
        .map_err(CommandError::Input)?;
    let (interrupt, link) = (Interrupt::default(), Link::default());
    let begin = BeginRequest {
        recipe: &request.recipe,
        out: request.out.as_deref(),
        renew: request.renew,
        replace: request.replace,
        reuse: &request.reuse,
        shows: true,
        interrupt: &interrupt,
        link: &link,
    };
    let begun = Begun::new(&begin, |trials| Ok(workers(&profiles, trials.len())))?;
    let _alone = lock(&begun.store).map_err(CommandError::Input)?;
    let lines = begun.lines();
    let mut run = begun.run(&lines)?;
    let warnings = other_work(&begun.store, &begun.frozen);
    let warnings = warnings
        .into_iter()
        .chain(mounts::warning(&absolute(&begun.folder)));
    let unused = begun.reused.unused(&request.reuse, &begun.frozen);
    let notes = run
        .notes()
        .into_iter()
        .chain(begun.reused.notes.iter().cloned());
    let notes: Vec<String> = notes.chain(unused).chain(warnings).collect();
    for note in notes.iter().chain(&profiles.unused(&kinds(&begun.frozen))) {
        say(&format!("warning: {note}"));
    }
    let mut saved = || -> Result<()> {
        run.freeze()?;
        sources::write(&begun.folder, &begun.plan)?;
        run.take_finished(&begun.reused)
    };
    saved().map_err(CommandError::Output)?;

    let mut standing = Standing::now(&begun.store);
    if let Some(error) = &standing.silent {
        return Err(CommandError::Output(anyhow!(
            "{error}; nothing was submitted, because Slurm has to say which earlier jobs still run"
        )));
    }
    standing.adopt().map_err(CommandError::Output)?;
    unwanted(&begun, &standing, request.cancel_unwanted).map_err(CommandError::Output)?;
    let elements = missing(
        &begun.frozen,
        Some(&begun.store),
        &standing.stages(),
        &profiles,
    );
    let alive = standing.alive();
    if elements.is_empty() {
        if !alive.is_empty() {
            let places: Vec<String> = alive.iter().map(|(place, ..)| place.to_string()).collect();
            return Ok(SubmitEnd::AllQueued(format!(
                "Nothing to submit: {} of earlier submissions wait or run ({})",
                counted(places.len(), "element"),
                some(&places)
            )));
        }
        let outcome = finish::write(&begun, run, begun.frozen.workers, Duration::ZERO)?;
        return Ok(SubmitEnd::Finished(Box::new(outcome)));
    }
    let queued: BTreeSet<String> = alive.iter().map(|(place, ..)| place.job.clone()).collect();
    let handover = Handover {
        begun: &begun,
        profiles: &profiles,
        elements: &elements,
        queued: &queued,
    };
    let origin = Origin {
        number: Submission::all(&begun.store).len(),
        began: since_1970(),
        provenance: begun.provenance.clone(),
        diff: diff_of(&begun.provenance),
        lines,
        retries: request.retries,
        workers: begun.frozen.workers,
    };
    handover.run(&origin).map_err(CommandError::Output)
}

/// Work that is about to be handed over.
struct Handover<'a> {
    begun: &'a Begun,
    profiles: &'a Profiles,
    elements: &'a [Placed],
    /// The jobs of earlier submissions that wait or run.
    queued: &'a BTreeSet<String>,
}

impl Handover<'_> {
    fn run(&self, origin: &Origin) -> Result<SubmitEnd> {
        let content: Vec<Element> = self.elements.iter().map(|it| it.element.clone()).collect();
        let submission = Submission::create(
            &self.begun.store,
            &Content {
                plan: &self.begun.plan,
                origin,
                elements: &content,
                profiles: self.profiles,
            },
        )?;
        let slurm = slurm(self.profiles);
        let arrays = arrays_of(self.elements, self.profiles, &slurm);
        self.write_scripts(&submission, &arrays)?;
        let path = submission.jobs();
        let jobs = Jobs::at(&path);
        let folder = std::env::current_dir()?;
        let id = submission.id();
        let mut numbers: Vec<String> = Vec::new();
        let mut refused = None;
        for array in &arrays {
            let profile = self.profiles.of(&array.kind);
            let name = submission.array_name(array.level, array.chunk);
            let dependency = dependency(&array.before, &arrays, &numbers);
            let (logs, script) = (submission.logs("%A_%a"), submission.script(&array.kind));
            let call = Call {
                profile: &profile,
                name: &name,
                id: &id,
                dependency: &dependency,
                array: Some(array),
                logs: &logs,
                folder: &folder,
                script: &script,
            };
            jobs.intend(&name, array.first, array.count)?;
            match slurm.submit(&call.arguments()) {
                Ok(job) => {
                    jobs.submitted(&name, &job)?;
                    numbers.push(job);
                }
                Err(error) => {
                    jobs.refused(&name)?;
                    refused = Some(error);
                    break;
                }
            }
        }
        if !numbers.is_empty() && self.profiles.usual.finish {
            let profile = self.profiles.of(FINISH);
            let name = submission.finish_name();
            let after: BTreeSet<&String> = numbers.iter().chain(self.queued).collect();
            let after: Vec<&str> = after.into_iter().map(String::as_str).collect();
            let dependency = format!("afterany:{}", after.join(":"));
            let (logs, script) = (submission.logs("finish_%j"), submission.script(FINISH));
            let call = Call {
                profile: &profile,
                name: &name,
                id: &id,
                dependency: &dependency,
                array: None,
                logs: &logs,
                folder: &folder,
                script: &script,
            };
            jobs.intend(&name, 0, 0)?;
            match slurm.submit(&call.arguments()) {
                Ok(job) => jobs.submitted(&name, &job)?,
                Err(error) => {
                    jobs.refused(&name)?;
                    say(&format!(
                        "warning: no job will write the tables: {error}; `harness submit` writes them when all is done"
                    ));
                }
            }
        }
        Ok(self.told(&arrays, &numbers, refused))
    }

    fn write_scripts(&self, submission: &Submission, arrays: &[Array]) -> Result<()> {
        for (kind, text) in scripts(submission.folder(), arrays, self.profiles) {
            submission.write_script(&kind, &text)?;
        }
        Ok(())
    }

    /// What was handed over, in words.
    fn told(&self, arrays: &[Array], numbers: &[String], refused: Option<NotTaken>) -> SubmitEnd {
        let all = self.elements.len();
        let handed: usize = arrays
            .iter()
            .take(numbers.len())
            .map(|array| array.count)
            .sum();
        let folder = for_a_shell(&self.begun.folder.display().to_string());
        match refused {
            None => SubmitEnd::Handed(format!(
                "Submitted: {} in {} (jobs {})\nNext: harness status {folder}",
                counted(all, "element"),
                counted(arrays.len(), "array"),
                some(numbers)
            )),
            Some(error) => {
                let next = match &error {
                    NotTaken::Limit(_) => {
                        "the same command submits the rest when some of them have ended"
                    }
                    NotTaken::Refused(_) => "the same command submits the rest",
                };
                SubmitEnd::Partly(format!(
                    "sbatch: {error}\n{handed} of {} submitted; {next}",
                    counted(all, "element")
                ))
            }
        }
    }
}

/// Shows what [`submit`] would hand over, and asks Slurm whether it would take it. Nothing is written.
///
/// # Errors
/// As for [`submit`].
pub fn would_submit(request: &SubmitRequest) -> Result<String, CommandError> {
    let (profiles, file) = Profiles::find(&request.recipe.recipe, request.profile.as_deref())
        .map_err(CommandError::Input)?;
    let inputs = Inputs::default();
    let plan = inputs.plan(&request.recipe)?;
    let folder = results_folder(&plan, request.out.as_deref());
    if !request.replace {
        refuse_foreign(&folder, &plan, &request.recipe.recipe).map_err(CommandError::Input)?;
    }
    let mut trials = planned(&plan).map_err(CommandError::Input)?;
    inputs.split(&trials).map_err(CommandError::Input)?;
    inputs.count(&mut trials);
    let provenance = Provenance::new(&request.recipe.recipe, &request.recipe.set, &plan);
    let count = workers(&profiles, trials.len());
    let mut frozen = frozen(&plan, &trials, &request.recipe.recipe, &provenance, count);
    let store = Store::look(&folder).filter(|store| store.other_version().is_none());
    let reused =
        ReusedResults::read(store.as_ref(), &request.reuse).map_err(CommandError::Input)?;
    let is_whole = |key: &StageKey| store.as_ref().is_some_and(|store| store.is_whole(key));
    frozen.reuse(is_whole, |hash| reused.origin(hash));
    for note in profiles.unused(&kinds(&frozen)) {
        say(&format!("warning: {note}"));
    }
    let queued = store.as_ref().map(|store| Standing::now(store).stages());
    let elements = missing(
        &frozen,
        store.as_ref(),
        &queued.unwrap_or_default(),
        &profiles,
    );
    let shown = absolute(&folder)
        .join(STORE)
        .join("submissions")
        .join(SHOWN_ID);
    shown_text(&profiles, &file, &elements, &shown).map_err(CommandError::Output)
}

/// The scripts and the calls of `sbatch` for `elements`, with Slurm's opinion.
fn shown_text(
    profiles: &Profiles,
    file: &Path,
    elements: &[Placed],
    submission: &Path,
) -> Result<String> {
    let slurm = slurm(profiles);
    let arrays = arrays_of(elements, profiles, &slurm);
    let scripts = scripts(submission, &arrays, profiles);
    let mut text = format!(
        "Profile `{}` of {}\nWould submit: {} in {}\n",
        profiles.name,
        file.display(),
        counted(elements.len(), "element"),
        counted(arrays.len(), "array")
    );
    let numbers: Vec<String> = arrays
        .iter()
        .map(|it| format!("JOB-{}-{}", it.level, it.chunk))
        .collect();
    let (folder, logs) = (std::env::current_dir()?, submission.join("log/%A_%a.out"));
    for array in &arrays {
        let profile = profiles.of(&array.kind);
        let name = format!("hs-{SHOWN_ID}-{}-{}", array.level, array.chunk);
        let dependency = dependency(&array.before, &arrays, &numbers);
        let logs = logs.display().to_string();
        let script = submission.join(format!("job-{}.sh", array.kind));
        let call = Call {
            profile: &profile,
            name: &name,
            id: SHOWN_ID,
            dependency: &dependency,
            array: Some(array),
            logs: &logs,
            folder: &folder,
            script: &script,
        };
        let words: Vec<String> = call
            .arguments()
            .iter()
            .map(|word| shell_word(word))
            .collect();
        writeln!(text, "\nsbatch {}", words.join(" "))?;
        for placed in &elements[array.first..array.first + array.count] {
            writeln!(text, "  {}", placed.element.title)?;
        }
        // The jobs that it depends on do not exist yet.
        let alone = Call {
            dependency: "",
            ..call
        };
        match slurm.test(&alone.options(), &scripts[&array.kind]) {
            Ok(told) => writeln!(text, "  {told}")?,
            Err(error) => writeln!(text, "  not asked or refused: {error:#}")?,
        }
    }
    for (kind, script) in &scripts {
        write!(text, "\njob-{kind}.sh:\n{script}")?;
    }
    Ok(text)
}

/// The elements of everything that is missing and that no job does.
fn missing(
    frozen: &FrozenPlan,
    store: Option<&Store>,
    queued: &BTreeMap<StageKey, Place>,
    profiles: &Profiles,
) -> Vec<Placed> {
    let is_whole =
        |stage: usize| store.is_some_and(|store| store.is_whole(&frozen.stages[stage].key));
    let wanted = frozen.wanted(is_whole);
    let trials_of = |kind: &str| {
        let profile = profiles.of(kind);
        (profile.pack as usize).saturating_mul(profile.chain as usize)
    };
    let missing = Missing {
        plan: frozen,
        wanted: &wanted,
        queued,
        trials_of: &trials_of,
    };
    missing.elements()
}

/// The arrays of `elements`, none larger than Slurm and the profile allow.
fn arrays_of(elements: &[Placed], profiles: &Profiles, slurm: &Slurm) -> Vec<Array> {
    let most = slurm.max_array();
    arrays(elements, |kind| {
        most.min(profiles.of(kind).max_array as usize)
    })
}

/// The scripts of `arrays` and of the last job, by kind.
fn scripts(submission: &Path, arrays: &[Array], profiles: &Profiles) -> BTreeMap<String, String> {
    let script = |kind: &str, runs| job_script(&profiles.of(kind), submission, runs);
    let mut scripts: BTreeMap<String, String> = arrays
        .iter()
        .map(|array| (array.kind.clone(), script(&array.kind, Runs::Element)))
        .collect();
    if profiles.usual.finish {
        scripts.insert(FINISH.into(), script(FINISH, Runs::Finish));
    }
    scripts
}

/// What has to be done before an array, as `sbatch` reads it. `numbers` are the jobs of the first of `arrays`.
fn dependency(before: &[Before], arrays: &[Array], numbers: &[String]) -> String {
    let place = |before: &Before| match before {
        Before::Queued(place) => place.to_string(),
        Before::Own(number) => {
            let has = |(array, _): &(&Array, &String)| {
                (array.first..array.first + array.count).contains(number)
            };
            let (array, job) = arrays
                .iter()
                .zip(numbers)
                .find(has)
                .expect("it was handed over before");
            let index = number - array.first;
            let job = job.clone();
            Place { job, index }.to_string()
        }
    };
    match before.is_empty() {
        true => String::new(),
        false => {
            let places: Vec<String> = before.iter().map(place).collect();
            format!("afterok:{}", places.join(":"))
        }
    }
}

/// Names elements of earlier plans of this recipe that the plan no longer has, and cancels them if that is wanted.
fn unwanted(begun: &Begun, standing: &Standing, cancels: bool) -> Result<()> {
    let known: BTreeSet<&StageKey> = begun.frozen.stages.iter().map(|stage| &stage.key).collect();
    let mut found: Vec<String> = Vec::new();
    for handed in &standing.handed {
        if handed.submission.plan()?.recipe != begun.plan.recipe {
            continue;
        }
        let mut by_array: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
        for (place, of, array, number) in standing.alive() {
            let stages = handed.elements.get(number).map(|element| &element.stages);
            if of.submission == handed.submission
                && stages.is_some_and(|stages| !stages.iter().any(|key| known.contains(key)))
            {
                by_array.entry(&array.name).or_default().push(place);
            }
        }
        for (name, places) in by_array {
            found.extend(places.iter().map(Place::to_string));
            if cancels {
                standing.cancel(handed, name, &places)?;
            }
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let what = format!(
        "{} of an earlier plan of this recipe ({})",
        counted(found.len(), "element"),
        some(&found)
    );
    say(&match cancels {
        true => format!("cancelled: {what}"),
        false => format!(
            "note: {what} wait or run, and this plan does not need them; --cancel-unwanted cancels them"
        ),
    });
    Ok(())
}

/// The kinds of the stages of a plan.
fn kinds(frozen: &FrozenPlan) -> BTreeSet<&str> {
    frozen.stages.iter().map(|stage| stage.key.kind()).collect()
}

/// The number of trials that run at the same time, as far as the profile limits it.
fn workers(profiles: &Profiles, trials: usize) -> usize {
    let at_once = match profiles.usual.at_once {
        0 => trials,
        most => most as usize * profiles.usual.pack as usize,
    };
    at_once.clamp(1, trials.max(1))
}

fn slurm(profiles: &Profiles) -> Slurm {
    Slurm {
        clusters: profiles.usual.clusters.clone(),
    }
}

/// The differences of the recipe's folder from its commit, as text.
fn diff_of(provenance: &Provenance) -> Option<String> {
    let diff = provenance.system.diff.as_ref()?;
    Some(String::from_utf8_lossy(diff).into_owned())
}

fn since_1970() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// An argument of `sbatch` as a user may type it.
fn shell_word(word: &str) -> String {
    match word.split_once('=').filter(|_| word.starts_with("--")) {
        Some((name, value)) => format!("{name}={}", for_a_shell(value)),
        None if word.starts_with("--") => word.to_string(),
        None => for_a_shell(word),
    }
}

/// `path` as an absolute one.
fn absolute(path: &Path) -> PathBuf {
    let found = path.canonicalize().or_else(|_| std::path::absolute(path));
    found.unwrap_or_else(|_| path.to_path_buf())
}

/// The first of `words`, and the number of the others.
fn some(words: &[String]) -> String {
    let shown: Vec<&str> = words.iter().take(NAMED).map(String::as_str).collect();
    match words.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
