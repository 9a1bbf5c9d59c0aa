//! Several processes with a part of the batch each take the steps of one process with the whole batch.

use super::pieces::{Several, assert_same_state, distance, variants};
use super::*;
use crate::data::loader::LabelledViews;
use crate::method::ranks::threads::Threads;

/// A training after two steps: the losses, the weights of the student and the teacher, and the state of the learner.
struct Run {
    losses: Vec<f32>,
    weights: Vec<f32>,
    state: serde_json::Value,
}

/// Two steps of a phase with 4 + 4 images by one of `replicas` processes; none: by one process with all images.
fn run(
    model: &toml::Table,
    (method, phase): (&toml::Table, usize),
    replicas: usize,
    ranks: Option<Arc<dyn Reduce>>,
) -> Run {
    let share = ranks.as_ref().map_or(Share::WHOLE, |ranks| Share {
        rank: ranks.rank(),
        of: ranks.of(),
    });
    let (model, method) = (Some(model.clone()), (method.clone(), phase));
    let edit = |_: &mut AugmentConfig, loader: &mut LoaderConfig| {
        (loader.labelled, loader.unlabelled) = (4, 4);
        loader.labelled_views = LabelledViews::WeakStrong;
        loader.replicas = replicas;
    };
    let source = Arc::new(Several);
    let mut trainer = trainer_of_share(share, source, &Place::Host, model, method, edit);
    if let Some(ranks) = ranks {
        trainer = trainer.share_with(ranks);
    }
    let mut losses = Vec::new();
    for _ in 0..2 {
        // A look of one process alone: nobody waits for it, and no threshold moves.
        if share.rank == 0 {
            trainer.snapshot(&Several.load(1).unwrap().picture);
        }
        losses.push(trainer.advance().unwrap().loss);
    }
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
        weights,
        state: trainer.learner.state(),
    }
}

/// The runs of threads in the place of processes, by rank.
fn run_shared(model: &toml::Table, case: (&toml::Table, usize), of: usize) -> Vec<Run> {
    std::thread::scope(|scope| {
        let threads = Threads::group(of).into_iter();
        let threads: Vec<_> = threads
            .map(|ranks| scope.spawn(move || run(model, case, of, Some(ranks))))
            .collect();
        let runs = threads.into_iter().map(|thread| thread.join().unwrap());
        runs.collect()
    })
}

/// Compares every rank with the process that has all images, and with the first rank.
fn compare(model: &toml::Table, case: (&toml::Table, usize), of: usize) {
    let whole = run(model, case, of, None);
    let shared = run_shared(model, case, of);
    assert_eq!(shared.len(), of);
    for (rank, found) in shared.iter().enumerate() {
        let what = format!("rank {rank} of {of}, {} {:?}", model["name"], case.0);
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
    let alone = run(model, case, 1, None);
    let far = distance(&alone.weights, &whole.weights);
    assert!(
        far > 1e-6,
        "{of} processes take other steps than one: {far:e}"
    );
}

#[test]
fn threads_with_a_part_of_the_batch_are_one_process_with_replicas() {
    let model = &models_with_heads()[0];
    for (method, phase) in variants() {
        // Background by the teacher needs a network with regions.
        let rule = method.get("weighting");
        if rule.is_none_or(|rule| rule.get("negative").is_none()) {
            compare(model, (&method, phase), 2);
        }
    }
    let (method, phase) = variants().swap_remove(1);
    compare(model, (&method, phase), 4);
}

#[test]
fn threads_of_regions_are_one_process_with_replicas() {
    let model = &models_with_heads()[1];
    let (method, phase) = variants().swap_remove(2);
    compare(model, (&method, phase), 2);
}
