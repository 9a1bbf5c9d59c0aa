//! How an element ends: its exit code, and the note for the next job and for `harness status`.

use crate::experiment::cluster::elements::Element;
use crate::experiment::cluster::ends::{End, NOT_READY, Position, position};
use crate::experiment::run::interrupt::Request;
use crate::experiment::store::folder::Failure;
use crate::experiment::store::root::Store;
use anyhow::Result;
use std::path::Path;

/// The end of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkEnd {
    /// All its stages are done.
    Done,
    /// Stages failed, for these reasons.
    Failed(Vec<String>),
    /// What was asked for has been done, and work is left.
    Asked(Request),
    /// A result that it needs is missing, or another process works on its stages.
    NotReady(String),
}

impl WorkEnd {
    /// The exit code of the job; `failed` is that of a failure.
    pub fn exit_code(&self, failed: u8) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed(_) => failed,
            Self::Asked(request) => request.exit_code(),
            Self::NotReady(_) => NOT_READY,
        }
    }
}

/// Notes in the file `path` how an element ended. A yield that is one too many without progress is a failure.
pub fn note(
    path: &Path,
    element: &Element,
    store: &Store,
    before: &[Position],
    end: WorkEnd,
) -> Result<WorkEnd> {
    let after = position(store, &element.stages);
    if end == WorkEnd::Asked(Request::Yield) {
        let earlier = End::read(path);
        if let Some(noted) = End::of_yield(earlier.as_ref(), before, after) {
            noted.write(path)?;
            return Ok(end);
        }
        let reason = "no step fits into `time`: two jobs in a row ended at their time limit without progress";
        let left = element.stages.iter().find(|key| !store.is_whole(key));
        if let Some(folder) = left.map(|key| store.stage(key)) {
            folder.make()?;
            folder.fail(&Failure {
                attempt: folder.attempts(),
                reason: reason.into(),
                retries: 0,
            })?;
        }
        let failed = WorkEnd::Failed(vec![format!("{}: {reason}", element.title)]);
        ended(&failed, position(store, &element.stages)).write(path)?;
        return Ok(failed);
    }
    ended(&end, after).write(path)?;
    Ok(end)
}

/// The note of an end that is no yield.
fn ended(end: &WorkEnd, position: Vec<Position>) -> End {
    End {
        code: end.exit_code(1),
        reason: match end {
            WorkEnd::Done => "done".into(),
            WorkEnd::Failed(reasons) => reasons.join("; "),
            WorkEnd::Asked(_) => "stopped by a signal".into(),
            WorkEnd::NotReady(reason) => reason.clone(),
        },
        position,
        fruitless: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::trial::key::StageKey;

    #[test]
    fn two_yields_in_a_row_without_a_step_are_a_failure_of_the_stage() {
        let out = tempfile::tempdir().unwrap();
        let (store, path) = (
            Store::open(out.path()).unwrap(),
            out.path().join("ended/0.json"),
        );
        let key: StageKey = "distill-1".parse().unwrap();
        let element = Element {
            title: "one, seed 0".into(),
            kind: "distill".into(),
            trials: Vec::new(),
            stages: vec![key.clone()],
            needs: Vec::new(),
        };
        let before = position(&store, &element.stages);
        let yields = |before: &[Position]| {
            let end = WorkEnd::Asked(Request::Yield);
            note(&path, &element, &store, before, end).unwrap()
        };
        // A job that got further stands between two that did not.
        let elsewhere = [Position::Step(7)];
        assert_eq!(yields(&before), WorkEnd::Asked(Request::Yield));
        assert_eq!(yields(&elsewhere), WorkEnd::Asked(Request::Yield));
        assert_eq!(yields(&before), WorkEnd::Asked(Request::Yield));
        assert_eq!(store.stage(&key).failure(), None);
        let end = yields(&before);
        assert!(
            matches!(&end, WorkEnd::Failed(why) if why[0].contains("no step fits into `time`")),
            "{end:?}"
        );
        let failure = store.stage(&key).failure().unwrap();
        assert!(
            failure.reason.contains("`time`") && failure.retries == 0,
            "{failure:?}"
        );
        assert_eq!(End::read(&path).unwrap().code, 1);
    }
}
