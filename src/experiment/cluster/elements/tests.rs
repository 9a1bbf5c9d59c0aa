use super::*;
use crate::experiment::store::frozen::{StageEntry, TrialEntry};
use crate::recipe::Places;

/// A plan of stages, each with its needs and its cost, and of trials, each with its stages.
fn plan(stages: &[(&str, &[usize], u64)], trials: &[&[usize]]) -> FrozenPlan {
    let mut plan = FrozenPlan::new("r", 1);
    let stage = |(key, needs, cost): &(&str, &[usize], u64)| StageEntry {
        key: key.parse().unwrap(),
        title: format!("title of {key}"),
        needs: needs.to_vec(),
        cost: *cost,
        steps: [0, 1],
        trials: 1,
    };
    plan.stages = stages.iter().map(stage).collect();
    let trial = |(index, stages): (usize, &&[usize])| TrialEntry {
        hash: format!("h{index}"),
        label: format!("l{index}"),
        seed: 0,
        places: Places::new(),
        reused: None,
        stages: stages.to_vec(),
    };
    plan.trials = trials.iter().enumerate().map(trial).collect();
    plan
}

/// Two burn-ins with two trials each, and a trial with a burn-in of its own.
fn two_seeds() -> FrozenPlan {
    plan(
        &[
            ("burn-in-0", &[], 5),
            ("distill-00", &[0], 9),
            ("evaluate-00", &[1], 1),
            ("distill-01", &[0], 9),
            ("evaluate-01", &[3], 1),
            ("burn-in-1", &[], 5),
            ("distill-10", &[5], 9),
            ("evaluate-10", &[6], 1),
            ("distill-11", &[5], 9),
            ("evaluate-11", &[8], 1),
            ("burn-in-2", &[], 5),
            ("distill-20", &[10], 9),
            ("evaluate-20", &[11], 1),
        ],
        &[
            &[0, 1, 2],
            &[0, 3, 4],
            &[5, 6, 7],
            &[5, 8, 9],
            &[10, 11, 12],
        ],
    )
}

/// The elements of `plan` where the stages `done` are done: level, kind, stages, what comes before.
fn elements(
    plan: &FrozenPlan,
    done: &[&str],
    queued: &[(&str, &str, usize)],
    trials_of: usize,
) -> Vec<String> {
    let wanted = plan.wanted(|stage| done.contains(&plan.stages[stage].key.as_str()));
    let queued = queued.iter().map(|(key, job, index)| {
        let place = Place {
            job: (*job).into(),
            index: *index,
        };
        (key.parse().unwrap(), place)
    });
    let missing = Missing {
        plan,
        wanted: &wanted,
        queued: &queued.collect(),
        trials_of: &|_| trials_of,
    };
    let text = |placed: Placed| {
        let Element {
            kind,
            stages,
            trials,
            ..
        } = &placed.element;
        let stages: Vec<&str> = stages.iter().map(StageKey::as_str).collect();
        let before: Vec<String> = placed
            .before
            .iter()
            .map(|before| match before {
                Before::Own(number) => number.to_string(),
                Before::Queued(place) => place.to_string(),
            })
            .collect();
        format!(
            "{} {kind} [{}] of {} after [{}]",
            placed.level,
            stages.join(" "),
            trials.join(" "),
            before.join(" ")
        )
    };
    missing.elements().into_iter().map(text).collect()
}

#[test]
fn shared_stages_come_first_and_a_stage_of_one_trial_stays_with_it() {
    assert_eq!(
        elements(&two_seeds(), &[], &[], 1),
        [
            "0 burn-in [burn-in-0] of h0 after []",
            "0 burn-in [burn-in-1] of h2 after []",
            "0 distill [burn-in-2 distill-20 evaluate-20] of h4 after []",
            "1 distill [distill-00 evaluate-00] of h0 after [0]",
            "1 distill [distill-01 evaluate-01] of h1 after [0]",
            "1 distill [distill-10 evaluate-10] of h2 after [1]",
            "1 distill [distill-11 evaluate-11] of h3 after [1]",
        ]
    );
}

#[test]
fn what_is_done_is_left_out_and_what_is_left_of_a_trial_is_one_element() {
    let done = [
        "burn-in-0",
        "burn-in-1",
        "distill-01",
        "evaluate-20",
        "evaluate-10",
    ];
    assert_eq!(
        elements(&two_seeds(), &done, &[], 1),
        [
            "0 distill [distill-00 evaluate-00] of h0 after []",
            "0 distill [distill-11 evaluate-11] of h3 after []",
            "0 evaluate [evaluate-01] of h1 after []",
        ]
    );
    // The burn-in is missing again, for one trial alone.
    let done = [
        "evaluate-00",
        "burn-in-1",
        "evaluate-10",
        "evaluate-11",
        "evaluate-20",
    ];
    assert_eq!(
        elements(&two_seeds(), &done, &[], 1),
        ["0 distill [burn-in-0 distill-01 evaluate-01] of h1 after []"]
    );
}

#[test]
fn a_stage_that_a_running_job_has_done_already_is_not_waited_for() {
    let queued = [
        ("burn-in-0", "8", 0),
        ("distill-00", "8", 0),
        ("evaluate-00", "8", 0),
    ];
    let done = [
        "burn-in-0",
        "burn-in-1",
        "evaluate-10",
        "evaluate-11",
        "evaluate-20",
    ];
    assert_eq!(
        elements(&two_seeds(), &done, &queued, 1),
        ["0 distill [distill-01 evaluate-01] of h1 after []"]
    );
}

#[test]
fn what_slurm_has_already_is_left_to_it_and_waited_for() {
    let queued = [
        ("burn-in-0", "7", 0),
        ("distill-00", "8", 0),
        ("evaluate-00", "8", 0),
        ("burn-in-1", "7", 1),
    ];
    assert_eq!(
        elements(&two_seeds(), &["evaluate-20"], &queued, 1),
        [
            "0 distill [distill-01 evaluate-01] of h1 after [7_0]",
            "0 distill [distill-10 evaluate-10] of h2 after [7_1]",
            "0 distill [distill-11 evaluate-11] of h3 after [7_1]",
        ]
    );
}

#[test]
fn trials_that_wait_for_the_same_elements_may_share_a_job() {
    assert_eq!(
        elements(&two_seeds(), &["evaluate-20"], &[], 2),
        [
            "0 burn-in [burn-in-0] of h0 after []",
            "0 burn-in [burn-in-1] of h2 after []",
            "1 distill [distill-00 evaluate-00 distill-01 evaluate-01] of h0 h1 after [0]",
            "1 distill [distill-10 evaluate-10 distill-11 evaluate-11] of h2 h3 after [1]",
        ]
    );
}

#[test]
fn a_chain_of_shared_stages_is_one_element_if_the_same_trials_need_it() {
    // A teacher labels the pool for all trials; a model that some of them read is another element.
    let stages: &[(&str, &[usize], u64)] = &[
        ("teacher-0", &[], 5),
        ("label-0", &[0], 2),
        ("vlm-0", &[], 1),
        ("student-0", &[1], 9),
        ("evaluate-0", &[3], 1),
        ("student-1", &[1, 2], 9),
        ("evaluate-1", &[5], 1),
        ("student-2", &[1, 2], 9),
        ("evaluate-2", &[7], 1),
    ];
    let trials: &[&[usize]] = &[&[0, 1, 3, 4], &[0, 1, 2, 5, 6], &[0, 1, 2, 7, 8]];
    assert_eq!(
        elements(&plan(stages, trials), &[], &[], 1),
        [
            "0 teacher [teacher-0 label-0] of h0 after []",
            "0 vlm [vlm-0] of h1 after []",
            "1 student [student-0 evaluate-0] of h0 after [0]",
            "1 student [student-1 evaluate-1] of h1 after [0 1]",
            "1 student [student-2 evaluate-2] of h2 after [0 1]",
        ]
    );
    // Two stages of all trials that do not need each other run at the same time, and the third waits for both.
    let stages: &[(&str, &[usize], u64)] = &[
        ("vlm-0", &[], 1),
        ("burn-in-0", &[], 5),
        ("label-0", &[0, 1], 2),
        ("distill-0", &[2], 9),
        ("distill-1", &[2], 9),
    ];
    assert_eq!(
        elements(&plan(stages, &[&[0, 1, 2, 3], &[0, 1, 2, 4]]), &[], &[], 1),
        [
            "0 burn-in [burn-in-0] of h0 after []",
            "0 vlm [vlm-0] of h0 after []",
            "1 label [label-0] of h0 after [0 1]",
            "2 distill [distill-0] of h0 after [2]",
            "2 distill [distill-1] of h1 after [2]",
        ]
    );
}

#[test]
fn trials_with_one_evaluation_are_one_element() {
    let stages: &[(&str, &[usize], u64)] = &[("distill-0", &[], 9), ("evaluate-0", &[0], 1)];
    let both = plan(stages, &[&[0, 1], &[0, 1]]);
    assert_eq!(
        elements(&both, &[], &[], 1),
        ["0 distill [distill-0 evaluate-0] of h0 after []"]
    );
}

#[test]
fn every_missing_stage_is_in_exactly_one_element_after_all_that_it_needs() {
    let plan = two_seeds();
    // Every set of finished stages that a sweep can leave.
    for bits in 0..1_u32 << plan.stages.len() {
        let done = |stage: usize| bits & (1 << stage) != 0;
        let wanted = plan.wanted(done);
        let missing = Missing {
            plan: &plan,
            wanted: &wanted,
            queued: &BTreeMap::new(),
            trials_of: &|_| 1 + (bits % 3) as usize,
        };
        let placed = missing.elements();
        let mut found = BTreeSet::new();
        for (number, one) in placed.iter().enumerate() {
            let own = |before: &Before| matches!(before, Before::Own(other) if *other < number);
            assert!(one.before.iter().all(own), "{bits:b}");
            for key in &one.element.stages {
                let entry = plan.stages.iter().find(|stage| stage.key == *key).unwrap();
                for need in &entry.needs {
                    let need_key = &plan.stages[*need].key;
                    let is_before = found.contains(need_key) || !wanted[*need];
                    assert!(is_before, "{bits:b}: {key} before {need_key}");
                }
                assert!(found.insert(key.clone()), "{bits:b}: {key} twice");
            }
        }
        let expected = (0..plan.stages.len()).filter(|stage| wanted[*stage]);
        let expected: BTreeSet<_> = expected
            .map(|stage| plan.stages[stage].key.clone())
            .collect();
        assert_eq!(found, expected, "{bits:b}");
    }
}
