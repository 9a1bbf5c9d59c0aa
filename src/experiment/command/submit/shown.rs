//! The dry run: shows what would be handed over, and what Slurm says to it.

use super::parts::{absolute, arrays_of, dependency, kinds, missing, scripts, slurm, workers};
use super::request::SubmitRequest;
use crate::experiment::cluster::elements::Placed;
use crate::experiment::cluster::profiles::{FINISH, Profiles};
use crate::experiment::cluster::script::{Call, shell_word};
use crate::experiment::cluster::slurm::Slurm;
use crate::experiment::cluster::standing::Standing;
use crate::experiment::command::ahead::results_folder;
use crate::experiment::command::begun::frozen;
use crate::experiment::run::claim::refuse_foreign;
use crate::experiment::run::round::{Known, Round};
use crate::experiment::store::provenance::Provenance;
use crate::experiment::store::reused::ReusedResults;
use crate::experiment::store::root::{STORE, Store};
use crate::experiment::trial::inputs::{CommandError, Inputs};
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::planned::planned;
use crate::screen::{counted, say};
use anyhow::Result;
use std::fmt::Write;
use std::path::Path;

/// The name of a submission that is only shown.
const SHOWN_ID: &str = "ID";

/// Shows what `harness submit` would hand over, and asks Slurm whether it would take it. Nothing is written.
///
/// # Errors
/// The recipe, the profile or the results folder is wrong.
pub fn would_submit(request: &SubmitRequest) -> Result<String, CommandError> {
    let (profiles, file) = Profiles::find(&request.recipe.recipe, request.profile.as_deref())
        .map_err(CommandError::Input)?;
    let inputs = Inputs::default();
    let whole = inputs.plan(&request.recipe)?;
    let folder = results_folder(&whole, request.out.as_deref());
    if !request.replace {
        refuse_foreign(&folder, &whole, &request.recipe.recipe).map_err(CommandError::Input)?;
    }
    let store = Store::look(&folder).filter(|store| store.other_version().is_none());
    let reused =
        ReusedResults::read(store.as_ref(), &request.reuse).map_err(CommandError::Input)?;
    let known = Known {
        folder: &folder,
        store: store.as_ref(),
        reused: &reused,
    };
    let plan = Round::new(&whole, &known)
        .map_err(CommandError::Input)?
        .plan;
    let mut trials = planned(&plan).map_err(CommandError::Input)?;
    inputs.split(&trials).map_err(CommandError::Input)?;
    inputs.count(&mut trials);
    let provenance = Provenance::new(&request.recipe.recipe, &request.recipe.set, &plan);
    let count = workers(&profiles, trials.len());
    let mut frozen = frozen(&plan, &trials, &request.recipe.recipe, &provenance, count);
    let is_whole = |key: &StageKey| store.as_ref().is_some_and(|store| store.is_whole(key));
    frozen.reuse(is_whole, |hash| reused.origin(hash));
    for note in profiles.notes(&kinds(&frozen)) {
        say(&format!("warning: {note}"));
    }
    let standing = store.as_ref().map(Standing::now);
    if let Some(error) = standing.as_ref().and_then(|it| it.silent.as_ref()) {
        say(&format!(
            "warning: {error}; what earlier jobs do is unknown, and shown as if nobody did it"
        ));
    }
    let queued = standing.as_ref().map(Standing::stages);
    let elements = missing(
        &frozen,
        store.as_ref(),
        &queued.unwrap_or_default(),
        &profiles,
        |_| true,
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
    let (folder, logs) = (std::env::current_dir()?, submission.join("log"));
    for array in &arrays {
        let profile = profiles.of(&array.kind);
        let name = format!("hs-{SHOWN_ID}-{}-{}", array.level, array.chunk);
        let dependency = dependency(&array.before, &arrays, &numbers);
        let logs = pattern(&logs, "%A_%a");
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
        write_call(&mut text, &call)?;
        for placed in &elements[array.first..array.first + array.count] {
            writeln!(text, "  {}", placed.element.title)?;
        }
        writeln!(text, "  {}", asked(&slurm, &call, &scripts[&array.kind]))?;
    }
    if !arrays.is_empty() && profiles.usual.finish {
        let (logs, name) = (
            pattern(&logs, "finish_%j"),
            format!("hs-{SHOWN_ID}-{FINISH}"),
        );
        let call = Call {
            profile: &profiles.of(FINISH),
            name: &name,
            id: SHOWN_ID,
            dependency: &format!("afterany:{}", numbers.join(":")),
            array: None,
            logs: &logs,
            folder: &folder,
            script: &submission.join(format!("job-{FINISH}.sh")),
        };
        write_call(&mut text, &call)?;
        writeln!(text, "  the last job, which writes the records and tables")?;
        writeln!(text, "  {}", asked(&slurm, &call, &scripts[FINISH]))?;
    }
    for (kind, script) in &scripts {
        write!(text, "\njob-{kind}.sh:\n{script}")?;
    }
    Ok(text)
}

/// Writes a call of `sbatch` as a user types it.
fn write_call(text: &mut String, call: &Call) -> Result<()> {
    let words = call.arguments();
    let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    Ok(writeln!(text, "\nsbatch {}", words.join(" "))?)
}

/// What Slurm says to a call with this `script`. The jobs that it depends on do not exist yet, so they are left out.
fn asked(slurm: &Slurm, call: &Call, script: &str) -> String {
    let alone = Call {
        dependency: "",
        ..*call
    };
    match slurm.test(&alone.options(), script) {
        Ok(told) => told,
        Err(error) => format!("not asked or refused: {error:#}"),
    }
}

/// The pattern of the names of logs in the folder `logs`, as `sbatch` reads it.
fn pattern(logs: &Path, names: &str) -> String {
    let folder = logs.display().to_string();
    format!("{}/{names}.out", folder.replace('%', "%%"))
}
