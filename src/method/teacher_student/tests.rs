use super::super::config::tests::table;
use super::super::{METHODS, Setup};
use super::*;
use crate::data::{UnlabelledViews, View};
use crate::detector::DETECTORS;
use crate::nn::params::move_to;
use crate::ops;
use crate::ops::check::on_every_place;
use crate::registry;
use crate::rng::Stream;
use crate::structures::{Instance, InstanceSource, Mask};
use crate::tensor::{Later, Place};
use crate::train::{Optimizer, OptimizerConfig, UpdateRule};

pub(in crate::method) const SIDE: usize = 32;
const BURN_IN: usize = 2;

fn student() -> Box<dyn Detector> {
    student_of(table("model"))
}

/// The network of the table `[model]`.
pub(in crate::method) fn student_of(model: toml::Table) -> Box<dyn Detector> {
    let config = registry::build(DETECTORS, model).unwrap();
    config.build(3, &mut Stream::new(5, "weights")).unwrap()
}

/// Teacher and student without a vision-language model; `threshold` 0 keeps every candidate.
fn learner(threshold: f64) -> Box<dyn Learner> {
    last_phase(table_with(threshold))
}

fn table_with(threshold: f64) -> toml::Table {
    let mut method = table("method");
    method["burn-in"] = (BURN_IN as i64).into();
    method["ema"] = 0.5.into();
    method["lambda"] = 0.25.into();
    method["filter"] = format!("name = 'coupled'\nthreshold = {threshold:?}")
        .parse::<toml::Table>()
        .unwrap()
        .into();
    method["correction"] = "name = 'keep'".parse::<toml::Table>().unwrap().into();
    method
}

/// The learner of the last phase of a training of 10 steps.
fn last_phase(method: toml::Table) -> Box<dyn Learner> {
    phase(method, None)
}

/// The learner of the phase at a place in the method's list; none: the last one.
fn phase(method: toml::Table, place: Option<usize>) -> Box<dyn Learner> {
    phase_of(method, place, student())
}

/// The same with this `student`.
fn phase_of(
    method: toml::Table,
    place: Option<usize>,
    student: Box<dyn Detector>,
) -> Box<dyn Learner> {
    let setup = Setup {
        seed: 3,
        counts: crate::data::split::ClassCounts {
            images: 2,
            annotations: vec![5, 3, 2],
            objects: vec![5, 3, 2],
        },
        epoch_steps: 2,
    };
    let phases = registry::build(METHODS, method).unwrap().phases(10);
    let phase = &phases[place.unwrap_or(phases.len() - 1)];
    phase
        .learner(Parts {
            student,
            setup: &setup,
        })
        .unwrap()
}

fn supervised() -> Box<dyn Learner> {
    last_phase(supervised_table())
}

fn supervised_table() -> toml::Table {
    let table = "name = 'supervised'\nburn-in = 2\nempty-image = 'zero-batch'";
    table.parse().unwrap()
}

pub(in crate::method) fn picture(seed: u64, side: usize) -> Picture {
    let mut stream = Stream::new(seed, "picture");
    Picture::new(
        side,
        side,
        (0..side * side * 3)
            .map(|_| stream.below(256) as u8)
            .collect(),
    )
}

fn batch(unlabelled_side: usize) -> Batch {
    let bits = (0..SIDE * SIDE).map(|i| u8::from(i % SIDE < 9)).collect();
    let object = Instance {
        class: 1,
        mask: Mask::new(SIDE, SIDE, bits),
        source: InstanceSource::Annotation,
    };
    let view = |seed| View {
        picture: picture(seed, SIDE),
        instances: vec![object.clone()],
    };
    let views = |seed| UnlabelledViews {
        weak: picture(seed, unlabelled_side),
        strong: picture(seed + 1, unlabelled_side),
        moved: None,
        hidden_truth: vec![],
    };
    Batch {
        labelled: vec![view(1), view(2)],
        unlabelled: vec![views(3), views(5)],
        pseudo: Vec::new(),
    }
}

pub(in crate::method) fn step(
    learner: &mut dyn Learner,
    batch: &Batch,
    step: usize,
) -> (f32, StepReport) {
    let sent = learner.send(batch.clone());
    let output = learner.step(&mut Tape::recording(), &sent, step);
    (output.loss.scalar(), output.report.wait())
}

fn values(model: &mut dyn Detector) -> Vec<f32> {
    let mut all = Vec::new();
    model.parameters("", &mut |_, param| {
        all.extend_from_slice(param.value.values())
    });
    all
}

#[test]
fn the_burn_in_is_supervised_training() {
    let mut a = phase(table_with(0.0), Some(0));
    let mut b = supervised();
    assert!(!a.needs_unlabelled());
    for t in 0..BURN_IN {
        let (left, right) = (
            step(&mut *a, &batch(SIDE), t),
            step(&mut *b, &batch(SIDE), t),
        );
        assert_eq!(left.0.to_bits(), right.0.to_bits());
        assert!(left.1.pseudo.is_none() && left.1.unsupervised.is_none());
    }
    assert_eq!(
        a.state(),
        b.state(),
        "the checkpoint of the burn-in serves every method"
    );
    let mut after = learner(0.0);
    assert!(after.needs_unlabelled() && after.teacher().is_none());
}

/// Of GuidedDistillation: in phase `guided` the teacher is another network and does not follow the student.
#[test]
fn a_frozen_teacher_stays_as_it_was_given() {
    let mut method = table_with(0.0);
    method.insert("name".into(), "guided".into());
    method.insert("teacher-steps".into(), 4.into());
    let mut guided = phase(method.clone(), Some(1));
    move_by(guided.add_teacher().unwrap(), 0.25);
    let given = values(guided.teacher().unwrap());
    assert_ne!(values(guided.student()), given);
    for t in 0..2 {
        step(&mut *guided, &batch(SIDE), t);
        move_by(guided.student(), 0.5);
        assert_eq!(values(guided.teacher().unwrap()), given);
    }
    let state = guided.state();
    let mut resumed = phase(method.clone(), Some(1));
    resumed.restore(&state).unwrap();
    assert!(
        resumed.teacher().is_some(),
        "a place for the checkpoint's teacher"
    );
    let mut alone = phase(method.clone(), Some(0));
    assert!(
        alone.add_teacher().is_err(),
        "the first phase has no teacher"
    );
}

/// As an optimizer would.
fn move_by(model: &mut dyn Detector, change: f32) {
    model.parameters("", &mut |_, param| {
        let values = param.value.values_mut();
        values.iter_mut().for_each(|value| *value += change);
    });
}

#[test]
fn the_teacher_is_the_student_and_then_follows_it() {
    let mut learner = learner(0.0);
    step(&mut *learner, &batch(SIDE), BURN_IN);
    let before = values(learner.student());
    assert_eq!(values(learner.teacher().unwrap()), before);
    // The optimizer moves the student; the teacher stays until the next step.
    move_by(learner.student(), 0.5);
    assert_eq!(values(learner.teacher().unwrap()), before);
    step(&mut *learner, &batch(SIDE), BURN_IN + 1);
    for (after, before) in values(learner.teacher().unwrap()).iter().zip(&before) {
        assert!(
            (after - (before + 0.25)).abs() < 1e-5,
            "{after} after {before}"
        );
    }
}

/// As PAIS: a copy at first, then the mean of the students before each step.
#[test]
fn with_a_ramp_the_teacher_is_the_mean_of_the_students() {
    let mut method = table_with(0.0);
    method["ema-ramp"] = "mean".into();
    method["ema"] = 0.999.into();
    let mut learner = last_phase(method);
    step(&mut *learner, &batch(SIDE), BURN_IN);
    let first = values(learner.student());
    for t in 1..4 {
        move_by(learner.student(), 0.5);
        step(&mut *learner, &batch(SIDE), BURN_IN + t);
        let expected = 0.25 * t as f32;
        for (after, first) in values(learner.teacher().unwrap()).iter().zip(&first) {
            assert!(
                (after - first - expected).abs() < 1e-5,
                "{after}, first {first}, after {t}"
            );
        }
    }
}

#[test]
fn the_loss_is_the_sum_of_its_parts_in_one_forward_or_two() {
    for side in [SIDE, 2 * SIDE] {
        let mut learner = learner(0.0);
        let (loss, report) = step(&mut *learner, &batch(side), BURN_IN);
        let (sup, unsup) = (report.supervised, report.unsupervised.unwrap());
        assert!((loss - (sup.total + 0.25 * unsup.total)).abs() < 1e-4 * loss);
        assert!(
            report.pseudo.unwrap().counts.kept > 0
                && unsup.terms.iter().all(|(_, loss)| *loss > 0.0)
        );
        // The labelled part neither sees the unlabelled images nor draws other points.
        let (_, alone) = step(&mut *supervised(), &batch(side), BURN_IN);
        assert!(
            (alone.supervised.total - sup.total).abs() < 1e-3 * sup.total,
            "{alone:?} {sup:?}"
        );
    }
}

#[test]
fn the_hidden_truth_changes_the_report_alone() {
    let without = batch(SIDE);
    let mut with = batch(SIDE);
    for views in &mut with.unlabelled {
        views.hidden_truth = without.labelled[0].instances.clone();
    }
    let (mut a, mut b) = (learner(0.0), learner(0.0));
    for t in BURN_IN..BURN_IN + 2 {
        let (left, right) = (step(&mut *a, &without, t), step(&mut *b, &with, t));
        assert_eq!(left.0.to_bits(), right.0.to_bits());
        assert_eq!(right.1.pseudo.unwrap().diagnosis.objects, 2);
    }
}

#[test]
fn steps_without_labels_are_counted_and_kept_in_the_state() {
    let mut first = learner(1.0);
    for t in BURN_IN..BURN_IN + 3 {
        let (loss, report) = step(&mut *first, &batch(SIDE), t);
        assert_eq!(report.unsupervised.unwrap().total, 0.0);
        assert!(loss.is_finite());
        assert_eq!(report.pseudo.unwrap().barren_steps, t - BURN_IN + 1);
    }
    let state = first.state();
    let mut second = learner(1.0);
    second.restore(&state).unwrap();
    assert!(second.teacher().is_some());
    let (_, report) = step(&mut *second, &batch(SIDE), BURN_IN + 3);
    assert_eq!(report.pseudo.unwrap().barren_steps, 4);
}

/// A learner whose student is at `place`, with an optimizer.
struct Training {
    learner: Box<dyn Learner>,
    optimizer: Optimizer,
}

impl Training {
    fn at(place: &Place) -> Self {
        Self::of(learner(0.0), place)
    }

    fn of(mut learner: Box<dyn Learner>, place: &Place) -> Self {
        let settings = OptimizerConfig {
            rule: UpdateRule::AdamW([0.9, 0.999]),
            weight_decay: 0.05,
            decay_embeddings: true,
            decay_biases: true,
            backbone_rate: 0.1,
            clip: 0.01,
        };
        move_to(learner.student(), place);
        Self {
            optimizer: Optimizer::new(settings, learner.student()),
            learner,
        }
    }

    /// Step `t` with all that belongs to it; its loss, which has not been waited for.
    fn step(&mut self, t: usize) -> Later<Vec<f32>> {
        self.step_with(batch(SIDE), t)
    }

    /// The same with another batch.
    fn step_with(&mut self, batch: Batch, t: usize) -> Later<Vec<f32>> {
        let mut tape = Tape::recording();
        let sent = self.learner.send(batch);
        let output = self.learner.step(&mut tape, &sent, t);
        let loss = ops::scalars(&[&output.loss]);
        let mut grads = tape.backward(&output.loss);
        let student = self.learner.student();
        self.optimizer.step(student, &mut grads, 1e-4);
        loss
    }

    /// The losses of the first steps with a teacher.
    fn losses(&mut self, steps: usize) -> Vec<f32> {
        let steps = BURN_IN..BURN_IN + steps;
        steps.map(|t| self.step(t).wait()[0]).collect()
    }
}

on_every_place! {
    /// Rounding differs between the two, and every step adds to it.
    fn training_follows_the_cpu(place) {
        let steps = if matches!(place, Place::Host) { 2 } else { 48 };
        let [found, expected] = [place, &Place::Host].map(|place| Training::at(place).losses(steps));
        for (t, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let most = if t < 5 { 1e-3 } else { 2e-2 };
            assert!((found - expected).abs() <= most * expected, "step {t}: {found}, on the CPU {expected}");
        }
    }
}

pub(in crate::method) mod oracle;
mod replicas;
mod whole_step;

#[cfg(feature = "cuda")]
mod waits;

#[cfg(feature = "cuda")]
mod on_a_gpu {
    use super::*;
    use crate::ops::check::gpu;

    /// Each on a stream of its own, with constants that both use.
    #[test]
    #[ignore = "needs a GPU"]
    fn trainings_beside_each_other_do_not_meet_cuda() {
        let place = gpu(Default::default());
        let alone = Training::at(&place).losses(2);
        let beside = || Training::at(&place).losses(2);
        let both = std::thread::scope(|scope| {
            [(); 2]
                .map(|()| scope.spawn(beside))
                .map(|one| one.join().unwrap())
        });
        assert_eq!(both, [alone.clone(), alone]);
    }
}
