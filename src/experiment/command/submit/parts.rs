//! What `harness submit` and its dry run have in common: the elements that are missing, their arrays and scripts.

use crate::experiment::cluster::arrays::{Array, arrays};
use crate::experiment::cluster::elements::{Before, Missing, Placed};
use crate::experiment::cluster::jobs::Place;
use crate::experiment::cluster::profiles::{FINISH, Profiles};
use crate::experiment::cluster::script::{Runs, job_script};
use crate::experiment::cluster::slurm::Slurm;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::store::root::Store;
use crate::experiment::trial::key::StageKey;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The number of elements that a message names.
const NAMED: usize = 4;

/// The elements of everything that is missing and that no job does, of the trials for whose index `is_meant` returns
/// true.
pub fn missing(
    frozen: &FrozenPlan,
    store: Option<&Store>,
    queued: &BTreeMap<StageKey, Place>,
    profiles: &Profiles,
    is_meant: impl Fn(usize) -> bool,
) -> Vec<Placed> {
    let is_whole =
        |stage: usize| store.is_some_and(|store| store.is_whole(&frozen.stages[stage].key));
    let wanted = frozen.wanted_of(is_meant, is_whole);
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
pub fn arrays_of(elements: &[Placed], profiles: &Profiles, slurm: &Slurm) -> Vec<Array> {
    let most = slurm.max_array();
    arrays(elements, |kind| {
        most.min(profiles.of(kind).max_array as usize)
    })
}

/// The scripts of `arrays` and of the last job, by kind.
pub fn scripts(
    submission: &Path,
    arrays: &[Array],
    profiles: &Profiles,
) -> BTreeMap<String, String> {
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
pub fn dependency(before: &[Before], arrays: &[Array], numbers: &[String]) -> String {
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

/// The kinds of the stages of a plan.
pub fn kinds(frozen: &FrozenPlan) -> BTreeSet<&str> {
    frozen.stages.iter().map(|stage| stage.key.kind()).collect()
}

/// The number of trials that run at the same time, as far as the profile limits it.
pub fn workers(profiles: &Profiles, trials: usize) -> usize {
    let at_once = match profiles.usual.at_once {
        0 => trials,
        most => most as usize * profiles.usual.pack as usize,
    };
    at_once.clamp(1, trials.max(1))
}

/// The Slurm of the profile.
pub fn slurm(profiles: &Profiles) -> Slurm {
    Slurm {
        clusters: profiles.usual.clusters.clone(),
    }
}

/// `path` as an absolute one.
pub fn absolute(path: &Path) -> PathBuf {
    let found = path.canonicalize().or_else(|_| std::path::absolute(path));
    found.unwrap_or_else(|_| path.to_path_buf())
}

/// The first of `words`, and the number of the others.
pub fn some(words: &[String]) -> String {
    let shown: Vec<&str> = words.iter().take(NAMED).map(String::as_str).collect();
    match words.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
