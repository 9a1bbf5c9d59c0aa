//! The end of a submission: its records and tables are written from what its jobs left in the store, by a last job or
//! by a `harness submit` that finds nothing to do.

use super::begun::{Begun, frozen};
use super::sweep::Outcome;
use crate::experiment::cluster::submission::{Origin, Submission};
use crate::experiment::run::trials::Run;
use crate::experiment::store::provenance::{Times, utc};
use crate::experiment::store::reused::ReusedResults;
use crate::experiment::store::root::Store;
use crate::experiment::trial::inputs::{CommandError, Inputs};
use crate::experiment::trial::planned::planned;
use crate::recipe::Plan;
use anyhow::Result;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Writes the records and tables of `begun`, the sweep of a submission of this `origin`.
///
/// # Errors
/// The results folder is not writable. Failed and missing trials are no error.
pub fn finish(begun: &Begun, origin: &Origin) -> Result<Outcome, CommandError> {
    let mut run = begun.run(&origin.lines)?;
    run.take_finished(&begun.reused)
        .map_err(CommandError::Output)?;
    let wall = SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_secs(origin.began));
    write(begun, run, origin.workers, wall.unwrap_or_default())
}

/// The sweep of a submission of this `origin`, with the trials of `plan`.
///
/// # Errors
/// The results folder or the data cannot be read.
pub fn begun(submission: &Submission, plan: Plan, origin: &Origin) -> Result<Begun, CommandError> {
    let read = || -> Result<Begun> {
        let inputs = Inputs::default();
        let folder = submission.results().to_path_buf();
        let store = Store::open(&folder)?;
        let mut trials = planned(&plan)?;
        let draws = inputs.split(&trials)?;
        inputs.count(&mut trials);
        let provenance = origin.provenance.clone();
        let mut frozen = frozen(
            &plan,
            &trials,
            Path::new(&plan.recipe),
            &provenance,
            origin.workers,
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
