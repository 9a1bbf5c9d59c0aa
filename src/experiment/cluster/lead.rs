//! Whether jobs are told early enough that their time is nearly over: the key `lead` of the profile against the longest
//! step and checkpoint that were seen.

use super::profile::Profile;
use super::profiles::Profiles;
use crate::experiment::store::pace::Pace;
use crate::experiment::store::root::Store;
use crate::experiment::trial::key::StageKey;
use std::collections::BTreeMap;

/// The seconds that Slurm's signal may come late, with what Slurm needs itself: it looks at time limits every 30
/// seconds, and its manual speaks of a minute.
const LATE: f64 = 90.0;

/// The longest pace of each kind of stage that was seen in a store.
#[derive(Debug, Default)]
pub struct Paces<'a>(BTreeMap<&'a str, Pace>);

impl<'a> Paces<'a> {
    /// The paces of `stages` in `store`.
    pub fn new(store: &Store, stages: impl Iterator<Item = &'a StageKey>) -> Self {
        let mut paces: BTreeMap<&str, Pace> = BTreeMap::new();
        for key in stages {
            let pace = paces.entry(key.kind()).or_default();
            *pace = pace.longest(Pace::of(&store.stage(key)));
        }
        Self(paces)
    }

    /// A warning for each kind of job whose `lead` is too short. `jobs`: the kind of each job with the stages that it
    /// does.
    pub fn warnings<'b>(
        &self,
        profiles: &Profiles,
        jobs: impl Iterator<Item = (&'b str, &'b [StageKey])>,
    ) -> Vec<String> {
        let mut longest: BTreeMap<&str, Pace> = BTreeMap::new();
        for (kind, stages) in jobs {
            let pace = longest.entry(kind).or_default();
            for of_stage in stages.iter().filter_map(|key| self.0.get(key.kind())) {
                if of_stage.seconds_to_rest() > pace.seconds_to_rest() {
                    *pace = *of_stage;
                }
            }
        }
        let warnings = longest.iter();
        let warnings = warnings.filter_map(|(kind, pace)| warning(kind, &profiles.of(kind), *pace));
        warnings.collect()
    }
}

/// The warning for jobs of this kind; none if their `lead` is long enough.
fn warning(kind: &str, profile: &Profile, pace: Pace) -> Option<String> {
    let least = (pace.seconds_to_rest() + LATE).ceil();
    (f64::from(profile.lead) < least && pace.seconds_to_rest() > 0.0).then(|| {
        format!(
            "`lead = {}` is too short for jobs of the kind `{kind}`: a step took {:.1} s and a checkpoint {:.1} s, and \
             Slurm's signal may come a minute late; allowed: {least} and more, or their work since the last checkpoint is lost",
            profile.lead, pace.step, pace.checkpoint
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_lead_has_to_be_longer_than_step_checkpoint_and_ninety_seconds() {
        let told = |lead: u32, step: f64, checkpoint: f64| {
            let profile = Profile {
                lead,
                ..Profile::default()
            };
            warning("distill", &profile, Pace { step, checkpoint })
        };
        assert_eq!(told(120, 0.0, 0.0), None, "nothing is known");
        assert_eq!(told(120, 20.0, 10.0), None);
        let text = told(120, 20.0, 10.1).unwrap();
        for part in [
            "`lead = 120`",
            "`distill`",
            "20.0 s",
            "10.1 s",
            "121 and more",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn the_slowest_stage_of_a_job_counts_and_other_kinds_of_jobs_do_not() {
        let out = tempfile::tempdir().unwrap();
        let store = Store::open(out.path()).unwrap();
        let key = |text: &str| text.parse::<StageKey>().unwrap();
        let keys = [key("burn-in-1"), key("distill-1"), key("distill-2")];
        for (key, seconds) in keys.iter().zip([50, 1, 3]) {
            let (folder, mut pace) = (store.stage(key), Pace::default());
            folder.make().unwrap();
            pace.took_step(Duration::from_secs(seconds));
            pace.tell(&folder).unwrap();
        }
        let paces = Paces::new(&store, keys.iter());
        let profiles = Profiles {
            name: "a".into(),
            usual: Profile {
                lead: 130,
                ..Profile::default()
            },
            stage: BTreeMap::new(),
        };
        let warnings =
            |jobs: &[(&'static str, &[StageKey])]| paces.warnings(&profiles, jobs.iter().copied());
        assert_eq!(warnings(&[("distill", &keys[1..])]), Vec::<String>::new());
        let found = warnings(&[
            ("distill", &keys[1..]),
            ("distill", &keys),
            ("burn-in", &keys[..1]),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[1].contains("`distill`") && found[1].contains("50.0 s"),
            "{found:?}"
        );
    }
}
