//! The end of a submission: its records and tables are written from what its jobs left in the store, by a last job
//! (`harness work --finish`) or by a `harness submit` that finds nothing to do.

use super::begun::{Begun, frozen};
use super::sweep::Outcome;
use crate::experiment::cluster::submission::Submission;
use crate::experiment::run::trials::Run;
use crate::experiment::store::provenance::{Provenance, Times, utc};
use crate::experiment::store::reused::ReusedResults;
use crate::experiment::store::root::Store;
use crate::experiment::trial::inputs::{CommandError, Inputs};
use crate::experiment::trial::planned::planned;
use anyhow::Result;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Writes the records and tables of the submission in the folder `path`.
///
/// # Errors
/// The folder cannot be read, or the results folder is not writable. Failed and missing trials are no error.
pub fn finish(path: &Path) -> Result<Outcome, CommandError> {
    let submission = Submission::open(path).map_err(CommandError::Input)?;
    let origin = submission.origin().map_err(CommandError::Input)?;
    let workers = origin.workers;
    let begun = begun(&submission, origin.provenance, workers)?;
    let mut run = begun.run(&origin.lines)?;
    run.take_finished(&begun.reused)
        .map_err(CommandError::Output)?;
    let wall = SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_secs(origin.began));
    write(&begun, run, workers, wall.unwrap_or_default())
}

/// The sweep of a submission, as it began.
fn begun(
    submission: &Submission,
    provenance: Provenance,
    workers: usize,
) -> Result<Begun, CommandError> {
    let read = || -> Result<Begun> {
        let inputs = Inputs::default();
        let plan = submission.plan()?;
        let folder = submission.results().to_path_buf();
        let store = Store::open(&folder)?;
        let trials = planned(&plan)?;
        let draws = inputs.split(&trials)?;
        let mut frozen = frozen(
            &plan,
            &trials,
            Path::new(&plan.recipe),
            &provenance,
            workers,
        );
        let reused = ReusedResults::read(Some(&store), &[])?;
        frozen.reuse(|last| store.is_whole(last), |hash| reused.origin(hash));
        Ok(Begun {
            inputs,
            plan,
            round: None,
            folder,
            store,
            trials,
            draws,
            aside: None,
            provenance,
            reused,
            frozen,
        })
    };
    read().map_err(CommandError::Input)
}

/// Writes the records and tables of `begun`, whose finished trials `run` has taken, and says what failed.
///
/// # Errors
/// The results folder is not writable.
pub fn write(
    begun: &Begun,
    mut run: Run,
    workers: usize,
    wall: Duration,
) -> Result<Outcome, CommandError> {
    let mut written = || -> Result<()> {
        run.take_failures()?;
        run.write()?;
        let times = Times {
            workers,
            wall_seconds: wall.as_secs_f64(),
            work_seconds: run.work_seconds(),
            ended: utc(SystemTime::now()),
        };
        begun.provenance.write(&begun.folder, &begun.plan, &times)
    };
    written().map_err(CommandError::Output)?;
    Ok(Outcome {
        tables: run.tables(),
        failed: run.failed(),
        left: begun.trials.len() - run.finished(),
        interrupted: false,
        folder: begun.folder.clone(),
    })
}
