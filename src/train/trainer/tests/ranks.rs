//! Several processes with a part of the batch each take the steps of one process with the whole batch.

use super::pieces::{Several, assert_same_state, distance, variants};
use super::*;
use crate::data::UnlabelledViews;
use crate::data::loader::LabelledViews;
use crate::method::ranks::threads::Threads;
use crate::train::Checkpoint;

/// A method and a network.
struct Case {
    model: toml::Table,
    method: toml::Table,
    phase: usize,
}

/// The cases of the network `number` of [`models_with_heads`].
fn cases(number: usize) -> Vec<Case> {
    let model = &models_with_heads()[number];
    let case = |(method, phase): (toml::Table, usize)| {
        // Background by the teacher needs a network with regions.
        let rule = method.get("weighting");
        let judged = rule.is_some_and(|rule| rule.get("negative").is_some());
        let model = suited(&method, model).filter(|_| !judged || number == 1)?;
        Some(Case {
            model,
            method,
            phase,
        })
    };
    variants().into_iter().filter_map(case).collect()
}

/// The case with a teacher whose thresholds move.
fn adaptive(number: usize) -> Case {
    let mut cases = cases(number).into_iter();
    let is_adaptive = |case: &Case| {
        let filter = case.method.get("filter");
        filter.is_some_and(|rule| rule["name"].as_str() == Some("adaptive"))
    };
    cases.find(is_adaptive).expect("a filter that adapts")
}

/// A training after two steps: the losses, the pseudo-labels of an unlabelled image of the process, what is kept after
/// the first step, the weights of the student and the teacher, and the state of the learner.
struct Run {
    losses: Vec<f32>,
    kept: Vec<Option<f64>>,
    middle: Checkpoint,
    weights: Vec<f32>,
    state: serde_json::Value,
}

/// The training of one of `replicas` processes; none: of one process with all images.
fn trainer_of(case: &Case, replicas: usize, ranks: Option<Arc<dyn Reduce>>) -> Trainer {
    let share = ranks.as_ref().map_or(Share::WHOLE, |ranks| Share {
        rank: ranks.rank(),
        of: ranks.of(),
    });
    let (model, method) = (Some(case.model.clone()), (case.method.clone(), case.phase));
    let edit = |_: &mut AugmentConfig, loader: &mut LoaderConfig| {
        (loader.labelled, loader.unlabelled) = (4, 4);
        loader.labelled_views = LabelledViews::WeakStrong;
        loader.replicas = replicas;
    };
    let source = Arc::new(Several);
    let trainer = trainer_of_share(share, source, &Place::Host, model, method, edit);
    match ranks {
        Some(ranks) => trainer.share_with(ranks),
        None => trainer,
    }
}

/// Two steps of a phase with 4 + 4 images by one of `replicas` processes; none: by one process with all images. `from`:
/// the first step has been taken.
fn run(
    case: &Case,
    replicas: usize,
    ranks: Option<Arc<dyn Reduce>>,
    from: Option<&Checkpoint>,
) -> Run {
    let is_first = ranks.as_ref().is_none_or(|ranks| ranks.rank() == 0);
    let mut trainer = trainer_of(case, replicas, ranks);
    let (mut losses, mut kept) = (Vec::new(), Vec::new());
    let mut advance = |trainer: &mut Trainer| {
        // A look of one process alone: nobody waits for it, and no threshold moves.
        if is_first {
            trainer.snapshot(&Several.load(1).unwrap().picture);
        }
        let advance = trainer.advance().unwrap();
        losses.push(advance.loss);
        kept.push(advance.kept);
    };
    match from {
        Some(middle) => trainer.resume(middle).unwrap(),
        None => advance(&mut trainer),
    }
    let middle = trainer.checkpoint("key", true);
    advance(&mut trainer);
    let mut weights = Vec::new();
    let mut keep = |network: &mut dyn Detector| {
        network.parameters("", &mut |_, param| {
            weights.extend_from_slice(param.value.values());
        });
    };
    keep(trainer.learner.student());
    if let Some(teacher) = trainer.learner.teacher() {
        keep(teacher);
    }
    Run {
        losses,
        kept,
        middle,
        weights,
        state: trainer.learner.state(),
    }
}

/// The runs of threads in the place of processes, by rank.
fn run_shared(case: &Case, of: usize, from: Option<&Checkpoint>) -> Vec<Run> {
    std::thread::scope(|scope| {
        let threads = Threads::group(of).into_iter();
        let threads: Vec<_> = threads
            .map(|ranks| scope.spawn(move || run(case, of, Some(ranks), from)))
            .collect();
        let runs = threads.into_iter().map(|thread| thread.join().unwrap());
        runs.collect()
    })
}

/// Compares every rank with the process that has all images, and with the first rank. Returns the runs by rank.
fn compare(case: &Case, of: usize) -> Vec<Run> {
    let whole = run(case, of, None, None);
    let shared = run_shared(case, of, None);
    assert_eq!(shared.len(), of);
    for (rank, found) in shared.iter().enumerate() {
        let (name, method) = (&case.model["name"], &case.method);
        let what = format!("rank {rank} of {of}, {name} {method:?}");
        let far = distance(&found.losses, &whole.losses);
        assert!(
            far < 1e-6,
            "{what}: {:?} and {:?}",
            found.losses,
            whole.losses
        );
        let far = distance(&found.weights, &whole.weights);
        assert!(far < 1e-6, "{what}: weights differ by {far:e}");
        assert_same_state(&found.state, &whole.state, &what);
        assert_eq!(found.state, shared[0].state, "{what}");
        assert_eq!(found.losses, shared[0].losses, "{what}");
        assert!(found.weights == shared[0].weights, "{what}: the same bits");
    }
    let alone = run(case, 1, None, None);
    let far = distance(&alone.weights, &whole.weights);
    assert!(
        far > 1e-6,
        "{of} processes take other steps than one: {far:e}"
    );
    shared
}

/// All cases with two threads, and moving thresholds with four, which have an image of each kind.
fn compare_cases(number: usize) {
    for case in cases(number) {
        compare(&case, 2);
    }
    compare(&adaptive(number), 4);
}

#[test]
fn threads_with_a_part_of_the_batch_are_one_process_with_replicas() {
    compare_cases(0);
}

#[test]
fn threads_of_regions_are_one_process_with_replicas() {
    compare_cases(1);
}

/// A case whose threshold lies between the best pseudo-labels of two ranks: one of them keeps none in the first step.
fn one_sided(number: usize) -> Case {
    let mut case = adaptive(number);
    let filter = |threshold: f32| {
        let rule = format!("name = 'coupled'\nthreshold = {threshold:?}");
        toml::Value::Table(rule.parse().unwrap())
    };
    case.method["filter"] = filter(0.0);
    let mut trainer = trainer_of(&case, 2, None);
    let sent = trainer.batch(trainer.step).unwrap();
    let best = |views: &[UnlabelledViews]| {
        let shown = views.iter().map(|views| trainer.snapshot(&views.weak));
        let candidates = shown.flat_map(|shown| shown.expect("a teacher").candidates);
        let kept = candidates.filter(|one| one.kept);
        let scores = kept.map(|one| one.class_quality * one.mask_quality);
        scores.fold(0.0, f32::max)
    };
    let (first, second) = sent.batch.unlabelled.split_at(2);
    case.method["filter"] = filter((best(first) + best(second)) / 2.0);
    case
}

#[test]
fn a_rank_without_a_pseudo_label_is_a_replica_without_one() {
    for number in [0, 1] {
        let runs = compare(&one_sided(number), 2);
        let empty = runs.iter().filter(|run| run.kept[0] == Some(0.0));
        assert_eq!(empty.count(), 1);
    }
}

/// Every rank goes on from what the first one has kept.
#[test]
fn a_training_of_threads_is_resumed_to_the_last_bit() {
    for number in [0, 1] {
        let case = adaptive(number);
        let whole = run_shared(&case, 2, None);
        let resumed = run_shared(&case, 2, Some(&whole[0].middle));
        for (found, expected) in resumed.iter().zip(&whole) {
            assert_eq!(found.losses, expected.losses[1..]);
            assert_eq!(found.kept, expected.kept[1..]);
            assert_eq!(found.state, expected.state);
            assert!(found.weights == expected.weights);
        }
        // What is resumed is not the first step.
        assert_ne!(whole[0].losses[0], whole[0].losses[1]);
    }
}
