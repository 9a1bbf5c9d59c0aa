use super::*;
use crate::nn::params::move_to;
use crate::ops::check::on_every_place;
use crate::tensor::{Place, Tape, Tensor2};
use serde::Deserialize;

/// A named parameter each, in order.
#[derive(Clone)]
struct Model(Vec<(&'static str, Param)>);

impl Parameters for Model {
    fn parameters(&mut self, _: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        for (name, param) in &mut self.0 {
            visit(name, param);
        }
    }
}

/// The model of `tests/golden/adamw.py`: value i of parameter k is ((i * 5 + k * 3) % 7 - 3) / 4.
fn model() -> Model {
    let kinds = [
        ("backbone.conv.weight", ParamKind::Weight, 6),
        ("head.weight", ParamKind::Weight, 20),
        ("head.bias", ParamKind::Bias, 3),
        ("norm.weight", ParamKind::Norm, 3),
        ("query.weight", ParamKind::Embedding, 4),
    ];
    let params = kinds.into_iter().enumerate().map(|(k, (name, kind, n))| {
        let values = (0..n)
            .map(|i| ((i * 5 + k * 3) % 7) as f32 / 4.0 - 0.75)
            .collect();
        (name, Param::new(kind, values, 1, n, &[1, n]))
    });
    Model(params.collect())
}

fn model_at(place: &Place) -> Model {
    let mut model = model();
    move_to(&mut model, place);
    model
}

/// The gradients of that script: ((i * 7 + k * 5 + step * 3) % 11 - 5) / 8.
fn gradients(model: &mut Model, step: usize) -> Grads {
    let mut tape = Tape::recording();
    let leaves: Vec<Tensor2> = model
        .0
        .iter()
        .map(|(_, param)| param.value.clone())
        .collect();
    let inputs: Vec<&Tensor2> = leaves.iter().collect();
    let loss = match leaves[0].place() {
        Place::Host => tape.output(vec![0.0], 1, 1, &inputs),
        Place::Gpu(gpu) => tape.output_on(&gpu, 1, 1, &inputs),
    };
    tape.record(&loss, move |grads| {
        for (k, leaf) in leaves
            .iter()
            .enumerate()
            .filter(|(_, leaf)| leaf.requires_grad())
        {
            let gradient = |i| ((i * 7 + k * 5 + step * 3) % 11) as f32 / 8.0 - 0.625;
            leaf.set_gradient(grads, (0..leaf.len()).map(gradient).collect());
        }
    });
    tape.backward(&loss)
}

fn config() -> OptimizerConfig {
    OptimizerConfig {
        rule: UpdateRule::AdamW([0.9, 0.98]),
        weight_decay: 0.05,
        decay_embeddings: true,
        decay_biases: false,
        backbone_rate: 0.1,
        clip: 1.5,
    }
}

#[derive(Deserialize)]
struct Golden {
    norms: Vec<f64>,
    values: Vec<Vec<f32>>,
}

/// Ten steps from `base` on follow the golden ones.
fn follows(place: &Place, config: OptimizerConfig, base: f32, golden: &str) {
    let golden: Golden = serde_json::from_str(golden).unwrap();
    let mut model = model_at(place);
    let mut optimizer = Optimizer::new(config, &mut model);
    for (step, expected) in golden.norms.iter().enumerate() {
        let mut grads = gradients(&mut model, step);
        let rate = base / (1.0 + step as f32);
        let norm = optimizer.step(&mut model, &mut grads, rate).value();
        assert!(
            (norm - expected).abs() < 1e-5,
            "norm {norm} of step {step}, not {expected}"
        );
    }
    for ((name, param), expected) in model.0.iter().zip(&golden.values) {
        for (value, expected) in param.value.host_values().iter().zip(expected) {
            assert!(
                (value - expected).abs() < 2e-6,
                "{name}: {value}, not {expected}"
            );
        }
    }
}

/// The same settings for SGD.
fn sgd_config() -> OptimizerConfig {
    OptimizerConfig {
        rule: UpdateRule::Sgd(0.9),
        ..config()
    }
}

on_every_place! {
    fn parity_of_ten_steps_with_pytorch(place) {
        follows(place, config(), 0.01, include_str!("../../../tests/golden/adamw.json"));
    }

    fn parity_of_ten_steps_of_sgd_with_pytorch(place) {
        follows(place, sgd_config(), 0.05, include_str!("../../../tests/golden/sgd.json"));
    }

    fn sgd_goes_on_from_its_state(place) {
        let mut model = model_at(place);
        let mut optimizer = Optimizer::new(sgd_config(), &mut model);
        for step in 0..3 {
            let mut grads = gradients(&mut model, step);
            optimizer.step(&mut model, &mut grads, 0.05).value();
        }
        let state = optimizer.state();
        assert!(state.moments.iter().all(|moments| moments.second.is_empty()));
        let (mut twin, mut other) = (model.clone(), Optimizer::new(sgd_config(), &mut model));
        other.restore(state).unwrap();
        let mut grads = gradients(&mut model, 3);
        optimizer.step(&mut model, &mut grads, 0.05).value();
        let mut grads = gradients(&mut twin, 3);
        other.step(&mut twin, &mut grads, 0.05).value();
        for ((_, one), (_, two)) in model.0.iter().zip(&twin.0) {
            assert_eq!(one.value.host_values(), two.value.host_values());
        }
    }

    /// A parameter of several chunks with a rest, and one that no gradient reaches.
    fn ten_steps_follow_those_of_the_cpu(place) {
        let large = |place: &Place| {
            let mut model = model();
            let values = (0..40_003).map(|i| (i % 19) as f32 / 8.0 - 1.0).collect();
            let param = Param::new(ParamKind::Weight, values, 1, 40_003, &[1, 40_003]);
            model.0.push(("large.weight", param));
            move_to(&mut model, place);
            let optimizer = Optimizer::new(config(), &mut model);
            (model, optimizer)
        };
        let ((mut ours, mut there), (mut theirs, mut here)) = (large(place), large(&Place::Host));
        for step in 0..10 {
            let take = |model: &mut Model, optimizer: &mut Optimizer| {
                let mut grads = gradients(model, step);
                optimizer.step(model, &mut grads, 0.01).value()
            };
            let (a, b) = (take(&mut ours, &mut there), take(&mut theirs, &mut here));
            assert!((a - b).abs() <= 1e-6 * b, "norm {a}, on the CPU {b}");
        }
        for ((name, a), (_, b)) in ours.0.iter().zip(&theirs.0) {
            assert_close(name, &a.value.host_values(), b.value.values());
        }
        let (there, here) = (there.state(), here.state());
        assert_eq!(there.steps, here.steps);
        for (a, b) in there.moments.iter().zip(&here.moments) {
            assert_close(&a.name, &a.first, &b.first);
            assert_close(&a.name, &a.second, &b.second);
        }
    }

    fn frozen_parameters_and_buffers_stay(place) {
        let mut model = model();
        model.0[1].1.value.set_requires_grad(false);
        model.0.push((
            "running",
            Param::new(ParamKind::Buffer, vec![1.0; 4], 1, 4, &[4]),
        ));
        move_to(&mut model, place);
        // Shares every storage, as a teacher does that has just been made.
        let before = model.clone();
        let mut optimizer = Optimizer::new(config(), &mut model);
        let mut grads = gradients(&mut model, 0);
        optimizer.step(&mut model, &mut grads, 0.1);
        for (k, moved) in [(0, true), (1, false), (2, true), (5, false)] {
            let same = model.0[k].1.value.host_values() == before.0[k].1.value.host_values();
            assert_eq!(!same, moved, "{}", model.0[k].0);
        }
        assert_eq!(optimizer.state().moments.len(), 4);
    }

    fn a_restored_state_continues_bit_for_bit(place) {
        let (mut straight, mut steps) = (model_at(place), Optimizer::new(config(), &mut model()));
        for step in 0..4 {
            let mut grads = gradients(&mut straight, step);
            steps.step(&mut straight, &mut grads, 0.01);
        }
        let (mut resumed, mut first) = (model_at(place), Optimizer::new(config(), &mut model()));
        for step in 0..2 {
            let mut grads = gradients(&mut resumed, step);
            first.step(&mut resumed, &mut grads, 0.01);
        }
        let mut second = Optimizer::new(config(), &mut resumed);
        second.restore(first.state()).unwrap();
        for step in 2..4 {
            let mut grads = gradients(&mut resumed, step);
            second.step(&mut resumed, &mut grads, 0.01);
        }
        assert_eq!(second.state(), steps.state());
        for (a, b) in straight.0.iter().zip(&resumed.0) {
            assert_eq!(a.1.value.host_values(), b.1.value.host_values(), "{}", a.0);
        }
    }

    /// A run that began on the CPU goes on wherever it is resumed.
    fn a_state_of_the_other_place_continues(place) {
        let (mut model, mut here) = (model(), Optimizer::new(config(), &mut model()));
        let mut grads = gradients(&mut model, 0);
        here.step(&mut model, &mut grads, 0.01);
        let mut moved = model.clone();
        move_to(&mut moved, place);
        let mut there = Optimizer::new(config(), &mut moved);
        there.restore(here.state()).unwrap();
        for (model, optimizer) in [(&mut model, &mut here), (&mut moved, &mut there)] {
            let mut grads = gradients(model, 1);
            optimizer.step(model, &mut grads, 0.01);
        }
        for ((name, a), (_, b)) in moved.0.iter().zip(&model.0) {
            assert_close(name, &a.value.host_values(), b.value.values());
        }
        let mut back = Optimizer::new(config(), &mut model);
        back.restore(there.state()).unwrap();
        let mut grads = gradients(&mut model, 2);
        back.step(&mut model, &mut grads, 0.01);
    }
}

/// Panics unless the values agree within 1e-6 of the largest.
fn assert_close(name: &str, found: &[f32], expected: &[f32]) {
    let scale = expected
        .iter()
        .fold(0f32, |most, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs();
        assert!(error <= 1e-6 * scale, "{name}: {found}, not {expected}");
    }
}

#[test]
fn a_state_of_another_model_is_refused() {
    let mut small = model();
    small.0.pop();
    let state = Optimizer::new(config(), &mut small).state();
    let error = Optimizer::new(config(), &mut model())
        .restore(state)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "the optimizer has moments of 4 parameters, the model trains 5"
    );
}
