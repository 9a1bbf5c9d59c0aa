//! A step in pieces is the step of the whole batch.

use super::*;
use crate::data::loader::LabelledViews;
use serde_json::Value;

/// Images of noise with 0 to 3 objects, four of them labelled.
pub(super) struct Several;

impl Source for Several {
    fn len(&self) -> usize {
        8
    }

    fn classes_of(&self, _: usize) -> Vec<usize> {
        vec![0]
    }

    fn load(&self, index: usize) -> Result<Sample> {
        let mut stream = Stream::new(index as u64, "several");
        let pixels = (0..SIDE * SIDE * 3).map(|_| stream.below(256) as u8);
        let mask = |number: usize| {
            let rows = 10 * number..10 * number + 4 + index;
            let bit = |i: usize| u8::from(rows.contains(&(i / SIDE)) && i % SIDE < 20 - index);
            Mask::new(SIDE, SIDE, (0..SIDE * SIDE).map(bit).collect())
        };
        let instances = (0..index % 4).map(|number| Instance {
            class: 0,
            mask: mask(number),
            source: InstanceSource::Annotation,
        });
        Ok(Sample {
            image_id: index as u64,
            picture: Picture::new(SIDE, SIDE, pixels.collect()),
            instances: instances.collect(),
        })
    }
}

/// What a step gives: its loss, the gradients of the student, the report and the state of the learner.
struct Step {
    loss: f32,
    gradients: Vec<f32>,
    readings: Vec<(String, Reading)>,
    state: Value,
}

/// A step of a phase with 4 + 4 images in pieces of `images`, by `replicas`. With a teacher it is the second one, for
/// which the thresholds have moved.
fn step_of(
    model: &toml::Table,
    (method, phase): (&toml::Table, usize),
    images: usize,
    replicas: usize,
) -> Step {
    let has_teacher = method.contains_key("ema");
    let (model, method) = (Some(model.clone()), method.clone());
    let source = Arc::new(Several);
    let place = &Place::Host;
    let mut trainer = trainer_on(source, place, model, method, phase, |_, loader| {
        (loader.labelled, loader.unlabelled) = (4, 4);
        loader.labelled_views = LabelledViews::WeakStrong;
        (loader.micro_batch, loader.replicas) = (images, replicas);
    });
    let mut step = trainer.step;
    if has_teacher {
        let sent = trainer.batch(step).unwrap();
        trainer.forward_and_backward(&sent, step).1.wait();
        step += 1;
    }
    let sent = trainer.batch(step).unwrap();
    let (output, loss, mut grads) = trainer.forward_and_backward(&sent, step);
    let mut gradients = Vec::new();
    trainer.learner.student().parameters("", &mut |_, param| {
        gradients.extend(param.value.gradient(&mut grads));
    });
    Step {
        loss: loss.wait()[0],
        gradients,
        readings: readings_of(&output.report.wait()).unwrap(),
        state: trainer.learner.state(),
    }
}

/// The length of the difference of two lists, as a part of the length of the second.
pub(super) fn distance(found: &[f32], expected: &[f32]) -> f64 {
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let pairs = found.iter().zip(expected);
    let apart = length(&mut pairs.map(|(a, b)| f64::from(a - b)));
    apart / length(&mut expected.iter().map(|value| f64::from(*value)))
}

fn assert_same(found: &Step, expected: &Step, what: &str) {
    let far = f64::from((found.loss - expected.loss).abs() / expected.loss);
    assert!(far < 1e-6, "{what}: {} and {}", found.loss, expected.loss);
    let far = distance(&found.gradients, &expected.gradients);
    assert!(far < 1e-6, "{what}: gradients differ by {far:e}");
    assert_same_state(&found.state, &expected.state, what);
    assert_eq!(found.readings.len(), expected.readings.len(), "{what}");
    for (found, expected) in found.readings.iter().zip(&expected.readings) {
        match (found, expected) {
            ((name, Reading::Mean(found)), (other, Reading::Mean(expected))) => {
                assert_eq!(name, other, "{what}");
                let far = (found - expected).abs();
                assert!(far <= 1e-6 * expected.abs().max(1.0), "{what}: {name}");
            }
            ((name, Reading::Last(found)), (other, Reading::Last(expected))) => {
                assert_eq!(name, other, "{what}");
                assert_same_state(found, expected, what);
            }
            _ => assert_eq!(found, expected, "{what}"),
        }
    }
}

/// Compares two states of a learner, whose thresholds follow what networks say and are rounded as that is.
pub(super) fn assert_same_state(found: &Value, expected: &Value, what: &str) {
    match (found, expected) {
        (Value::Number(found), Value::Number(expected)) => {
            let [found, expected] = [found, expected].map(|number| number.as_f64().unwrap());
            let far = (found - expected).abs();
            assert!(
                far <= 1e-6 * expected.abs(),
                "{what}: {found} and {expected}"
            );
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{what}");
            for (found, expected) in found.iter().zip(expected) {
                assert_same_state(found, expected, what);
            }
        }
        (Value::Object(found), Value::Object(expected)) => {
            assert!(found.keys().eq(expected.keys()), "{what}");
            for (found, expected) in found.values().zip(expected.values()) {
                assert_same_state(found, expected, what);
            }
        }
        _ => assert_eq!(found, expected, "{what}"),
    }
}

/// The methods with pseudo-labels by rules that look at the whole batch: thresholds that move, weights with a common
/// divisor, and a teacher that judges regions.
pub(super) fn variants() -> Vec<(toml::Table, usize)> {
    let rule = |text: &str| toml::Value::Table(text.parse().unwrap());
    let all = methods();
    let adaptive = rule(
        "name = 'adaptive'\nclass = [0.0, 0.5]\nmask = [0.0, 0.5]\ncounts = 'objects'\nalpha = 0.6\n\
         clamp = [0.0, 1.0]\nclass-margin = 0.2\nmask-margin = 0.1\naccept = 0.5\n\
         statistic = 'all'\nperiod = 'image'",
    );
    let other = |period: &str, statistic: &str| {
        let mut other = all[1].clone();
        other["filter"] = adaptive.clone();
        other["filter"]["period"] = period.into();
        other["filter"]["statistic"] = statistic.into();
        other["supervised-weight"] = 0.5.into();
        other["lambda"] = rule("default = 2.0\nmask = 0.5\nclass = 0.25");
        (other, 1)
    };
    let others = [("step", "all"), ("epoch", "foreground"), ("image", "kept")];
    let others = others.map(|(period, statistic)| other(period, statistic));
    let mut uncertain = all[1].clone();
    uncertain["filter"] = adaptive.clone();
    uncertain["duplicate-iou"] = 0.7.into();
    uncertain["weighting"] =
        rule("name = 'uncertainty'\nrenormalise = true\npoints = 'importance'\ndivisor = 'masks'");
    let mut judged = all[1].clone();
    judged["weighting"] = rule(
        "name = 'dynamic-align'\nclass-scale = 2.0\nclass-cap = 0.5\nclass-power = 1.0\n\
         negative = 'teacher-background'\nmask-scale = 2.5\nmask-power = 1.0",
    );
    let frozen = (all[2].clone(), 1);
    let mut variants = vec![
        (all[0].clone(), 0),
        (uncertain, 1),
        (judged, 1),
        frozen,
        (all[3].clone(), 2),
    ];
    variants.extend(others);
    variants
}

/// The methods without pseudo-labels, with perturbations of every form of draws.
fn consistencies() -> Vec<(toml::Table, usize)> {
    let tables = methods().into_iter();
    let mut tables: Vec<_> = tables
        .filter(|table| table.contains_key("consistency"))
        .collect();
    for table in &mut tables {
        if let Some(kinds) = table["consistency"].get_mut("kinds") {
            let all = ["feature-noise", "spatial-dropout", "guided-cutout"];
            *kinds = all.map(toml::Value::from).to_vec().into();
        }
    }
    tables.into_iter().map(|table| (table, 0)).collect()
}

/// Compares the steps of all methods on the network `number` of [`models_with_heads`].
fn compare_pieces_with_whole_batches(number: usize) {
    let model = &models_with_heads()[number];
    for (method, phase) in [variants(), consistencies()].concat() {
        let rule = method.get("weighting");
        let judged = rule.and_then(|rule| rule.get("negative")).is_some();
        // Of all networks, Mask R-CNN alone has a probability of background for every region.
        if judged && number != 1 {
            continue;
        }
        let Some(model) = suited(&method, model) else {
            continue;
        };
        let mut method = method;
        // A CenterMask that has learned nothing says 0.01 of every class.
        if let Some(least) = method
            .get_mut("filter")
            .and_then(|filter| filter.get_mut("class"))
            && number == 2
        {
            *least = vec![0.0, 0.0].into();
        }
        let step = |images| step_of(&model, (&method, phase), images, 1);
        let whole = step(0);
        for (name, reading) in &whole.readings {
            if name == "kept" {
                assert!(
                    matches!(reading, Reading::Sum(1..)),
                    "{method:?}: {reading:?}"
                );
            }
        }
        // 3 leaves a rest.
        for images in [1, 2, 3, 4] {
            let what = format!("{} {method:?} in pieces of {images}", model["name"]);
            assert_same(&step(images), &whole, &what);
        }
    }
}

#[test]
fn a_step_of_queries_in_pieces_is_the_step_of_the_whole_batch() {
    compare_pieces_with_whole_batches(0);
}

#[test]
fn a_step_of_anchors_in_pieces_is_the_step_of_the_whole_batch() {
    compare_pieces_with_whole_batches(1);
}

#[test]
fn a_step_of_locations_in_pieces_is_the_step_of_the_whole_batch() {
    compare_pieces_with_whole_batches(2);
}

/// Mask2Former's losses of masks are divided by the mean number of objects of a replica. Their mean over the replicas
/// is then the loss of one machine, but for the random points.
#[test]
fn masks_of_replicas_are_divided_by_the_mean_number_of_objects() {
    let model = &models()[0];
    let (method, phase) = variants().swap_remove(0);
    let [one, two] = [1, 2].map(|replicas| step_of(model, (&method, phase), 1, replicas));
    for name in ["supervised-mask", "supervised-dice"] {
        let of = |step: &Step| {
            let found = step.readings.iter().find(|(known, _)| known == name);
            match found {
                Some((_, Reading::Mean(mean))) => *mean,
                other => panic!("{name}: {other:?}"),
            }
        };
        let ratio = of(&two) / of(&one);
        assert!((0.8..1.25).contains(&ratio), "{name}: {ratio}");
    }
}

/// The number of threads changes no bit of a step in pieces.
#[test]
fn a_step_in_pieces_has_the_same_bits_whatever_the_threads() {
    let model = &models_with_heads()[0];
    let (method, phase) = variants().swap_remove(1);
    let [one, two] = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let step = || step_of(model, (&method, phase), 1, 1);
        pool.build().unwrap().install(step)
    });
    assert_eq!(one.loss, two.loss);
    assert!(one.gradients == two.gradients && one.state == two.state);
}

/// The pieces of the replicas are memory alone.
#[test]
fn a_step_of_replicas_is_the_same_in_any_pieces() {
    for model in models_with_heads() {
        for (method, phase) in [variants().swap_remove(0), variants().swap_remove(1)] {
            let step = |images| step_of(&model, (&method, phase), images, 2);
            let whole = step(0);
            assert_same(&step(1), &whole, "pieces of 1");
            let one = step_of(&model, (&method, phase), 1, 1);
            let far = distance(&one.gradients, &whole.gradients);
            assert!(far > 1e-3, "two replicas are another step: {far:e}");
        }
    }
}

/// The gradients of one step are the mean of those of two machines that have half of the images each. All anchors and
/// regions count, so that nothing is drawn.
#[test]
fn replicas_average_the_gradients_of_their_own_images() {
    let mut model = models().swap_remove(1);
    for key in ["anchors", "regions"] {
        model["loss"][key] = 100_000.into();
    }
    for key in ["anchor-objects", "region-objects"] {
        model["loss"][key] = 0.5.into();
    }
    let (method, phase) = variants().swap_remove(0);
    let source = Arc::new(Several);
    let model = Some(model);
    let mut trainer = trainer_on(source, &Place::Host, model, method, phase, |_, loader| {
        loader.labelled = 4;
        loader.labelled_views = LabelledViews::WeakStrong;
        (loader.micro_batch, loader.replicas) = (1, 2);
    });
    let gradients = |trainer: &mut Trainer, sent: &DeviceBatch, replicas| {
        let mut sum = GradientSum::new();
        let pieces = crate::data::loader::Pieces {
            images: 0,
            replicas,
            labelled_views: 2,
        };
        let output = trainer.learner.step_in_pieces(&mut sum, sent, 0, pieces);
        let (mut found, mut grads) = (Vec::new(), sum.into_grads());
        trainer.learner.student().parameters("", &mut |_, param| {
            found.extend(param.value.gradient(&mut grads));
        });
        (output.loss.scalar(), found)
    };
    let sent = trainer.batch(0).unwrap();
    let (loss, both) = gradients(&mut trainer, &sent, 2);
    let mut expected = vec![0.0; both.len()];
    let mut expected_loss = 0.0;
    for replica in 0..2 {
        // The weak views of all images, then their strong views.
        let own = |place: &usize| place % 4 / 2 == replica;
        let views = sent.batch.labelled.iter().enumerate();
        let views = views.filter(|(place, _)| own(place));
        let batch = crate::data::Batch {
            labelled: views.map(|(_, view)| view.clone()).collect(),
            ..Default::default()
        };
        let half = trainer.learner.send(batch);
        let (loss, own) = gradients(&mut trainer, &half, 1);
        expected_loss += 0.5 * loss;
        for (sum, own) in expected.iter_mut().zip(own) {
            *sum += 0.5 * own;
        }
    }
    assert!(
        (loss - expected_loss).abs() < 1e-6 * loss,
        "{loss} and {expected_loss}"
    );
    let far = distance(&both, &expected);
    assert!(far < 1e-6, "gradients differ by {far:e}");
}

/// A run that is interrupted between two steps goes on to the last bit.
#[test]
fn a_training_in_pieces_is_resumed_to_the_last_bit() {
    let (method, phase) = variants().swap_remove(1);
    let made = || {
        let source = Arc::new(Several);
        let method = method.clone();
        trainer_on(source, &Place::Host, None, method, phase, |_, loader| {
            (loader.labelled, loader.unlabelled) = (2, 3);
            loader.micro_batch = 2;
        })
    };
    let mut whole = made();
    losses(&mut whole, 2);
    let middle = whole.checkpoint("key", true);
    let (expected, error) = losses(&mut whole, 2);
    assert!(expected.len() == 2 && error.is_none(), "{error:?}");
    let mut continued = made();
    continued.resume(&middle).unwrap();
    assert_eq!(losses(&mut continued, 2), (expected, None));
}
