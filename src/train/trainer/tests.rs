//! A few steps of a tiny network on noise.

use super::*;
use crate::data::augment::{AugmentConfig, ImageSize};
use crate::data::loader::{LoaderConfig, Mixing, Share};
use crate::data::pool_labels::{PoolImage, PoolLabels, PoolObject};
use crate::data::split::{Split, SplitConfig};
use crate::data::{Dataset, Sample, Source};
use crate::detector::DETECTORS;
use crate::method::{
    Build, ConsistencyReport, METHODS, Parts, Setup, Start, filter, trains_networks,
};
use crate::nn::params::move_to;
use crate::ops::check::on_every_place;
use crate::rng::Stream;
use crate::structures::{Instance, InstanceSource, Mask, Picture, rle};
use crate::tensor::Place;
use crate::train::JOURNAL_KEYS;
use anyhow::bail;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tables::{methods, models, models_with_heads, suited};

const SIDE: usize = 32;
/// The steps of a training.
const STEPS: usize = 9;

/// Images of noise with one object; those that are read after the first `readable` are broken.
struct Noise {
    read: AtomicUsize,
    readable: usize,
}

impl Source for Noise {
    fn len(&self) -> usize {
        8
    }

    fn classes_of(&self, _: usize) -> Vec<usize> {
        vec![0]
    }

    fn load(&self, index: usize) -> Result<Sample> {
        if self.read.fetch_add(1, Ordering::Relaxed) >= self.readable {
            bail!("images/{index}.jpg: corrupt");
        }
        let mut stream = Stream::new(index as u64, "noise");
        let pixels = (0..SIDE * SIDE * 3).map(|_| stream.below(256) as u8);
        let bits = (0..SIDE * SIDE).map(|i| u8::from(i % SIDE < 16));
        Ok(Sample {
            image_id: index as u64,
            picture: Picture::new(SIDE, SIDE, pixels.collect()),
            instances: vec![Instance {
                class: 0,
                mask: Mask::new(SIDE, SIDE, bits.collect()),
                source: InstanceSource::Annotation,
            }],
        })
    }
}

/// A supervised run on one image a step.
fn trainer(place: &Place, readable: usize) -> Trainer {
    let method = "name = 'supervised'\nburn-in = 9\nempty-image = 'zero-batch'";
    trainer_of(place, readable, method.parse().unwrap(), 0)
}

/// A run of a phase of `method`, given by its place in the method's list, on one labelled image a step.
fn trainer_of(place: &Place, readable: usize, method: toml::Table, phase: usize) -> Trainer {
    trainer_with(place, readable, None, method, phase, |_, _| {})
}

/// The same with another table `[model]`, other views or other batches.
fn trainer_with(
    place: &Place,
    readable: usize,
    model: Option<toml::Table>,
    method: toml::Table,
    phase: usize,
    edit: impl Fn(&mut AugmentConfig, &mut LoaderConfig),
) -> Trainer {
    let noise = Arc::new(Noise {
        read: AtomicUsize::new(0),
        readable,
    });
    trainer_on(noise, place, model, method, phase, edit)
}

/// The same on other images.
fn trainer_on(
    train: Arc<dyn Source>,
    place: &Place,
    model: Option<toml::Table>,
    method: toml::Table,
    phase: usize,
    edit: impl Fn(&mut AugmentConfig, &mut LoaderConfig),
) -> Trainer {
    trainer_of_share(Share::WHOLE, train, place, model, (method, phase), edit)
}

/// The same for one of several processes.
fn trainer_of_share(
    share: Share,
    train: Arc<dyn Source>,
    place: &Place,
    model: Option<toml::Table>,
    (method, phase): (toml::Table, usize),
    edit: impl Fn(&mut AugmentConfig, &mut LoaderConfig),
) -> Trainer {
    let recipe: toml::Table = include_str!("../../../recipes/pl-dc.toml").parse().unwrap();
    let table = |name: &str| recipe[name].clone();
    let mut augment: AugmentConfig = table("augment").try_into().unwrap();
    (augment.size, augment.min_area) = (ImageSize::square(SIDE), 1);
    let mut one_image = table("loader").as_table().unwrap().clone();
    for (key, value) in [("labelled", 1), ("unlabelled", 1), ("prefetch", 0)] {
        one_image.insert(key.into(), value.into());
    }
    one_image.insert("labelled-views".into(), "weak".into());
    let mut loader: LoaderConfig = one_image.try_into().unwrap();
    edit(&mut augment, &mut loader);
    let dataset = Dataset {
        classes: vec!["thing".to_string()],
        val: Arc::clone(&train),
        train,
        extra_unlabelled: None,
        area_bounds: [1.0, 2.0],
        findings: Default::default(),
    };
    let split = SplitConfig::of_permutation(0.5, 1);
    let split = Split::new(&dataset, &split, 4).unwrap();
    let model = crate::registry::build(
        DETECTORS,
        model.unwrap_or(table("model").try_into().unwrap()),
    );
    let model = model.unwrap();
    let student = model.build(1, &mut Stream::new(5, "weights")).unwrap();
    let setup = Setup {
        seed: 3,
        counts: split.counts.clone(),
        epoch_steps: 2,
    };
    let method = crate::registry::build(METHODS, method).unwrap();
    let parts = Parts {
        student,
        setup: &setup,
    };
    let phase = method.phases(STEPS).swap_remove(phase);
    let mut learner = phase.learner(parts).unwrap();
    if matches!(phase.start, Start::Under(_)) {
        learner.add_teacher().unwrap();
    }
    move_to(learner.student(), place);
    let labels = matches!(phase.start, Start::Labelled { .. }).then(|| labels(&split));
    let loader = Loader::of_share(&dataset, &split, &augment, &loader, 3, labels, share);
    let mut trainer = Trainer::new(learner, &TrainConfig::for_tests(), 0, loader);
    trainer.step = phase.steps.start;
    trainer
}

/// The objects of the unlabelled images as their pseudo-labels.
fn labels(split: &Split) -> PoolLabels {
    let mut labels = PoolLabels::default();
    for image in &split.unlabelled {
        let bits = (0..SIDE * SIDE).map(|i| u8::from(i % SIDE < 16));
        let object = PoolObject {
            class: 0,
            qualities: [0.9, 0.8],
            bounds: [0.0, 0.0, 16.0, SIDE as f32],
            mask: rle::encode(&Mask::new(SIDE, SIDE, bits.collect())),
        };
        let of_image = PoolImage {
            id: *image as u64,
            size: (SIDE, SIDE),
            objects: vec![object],
        };
        labels.insert(*image, of_image);
    }
    labels
}

/// The losses of the steps up to the first that fails, and its error.
fn losses(trainer: &mut Trainer, steps: usize) -> (Vec<f32>, Option<String>) {
    let mut losses = Vec::new();
    for _ in 0..steps {
        match trainer.advance() {
            Ok(advance) => losses.push(advance.loss),
            Err(error) => return (losses, Some(format!("{error:#}"))),
        }
    }
    (losses, None)
}

on_every_place! {
    /// On a GPU the batch of a step is sent during the one before: what is wrong with it is told at its own
    /// step.
    fn every_step_has_its_own_batch(place) {
        let (expected, error) = losses(&mut trainer(&Place::Host, 99), 4);
        assert!(expected.len() == 4 && error.is_none());
        let (found, error) = losses(&mut trainer(place, 3), 4);
        assert_eq!(found.len(), 3, "{error:?}");
        assert!(error.unwrap().contains(".jpg: corrupt"));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-3 * expected, "{found}, on the CPU {expected}");
        }
    }

    /// A step that goes back does not take the batch that was sent for the step after.
    fn a_run_that_goes_back_takes_its_steps_again(place) {
        let mut trainer = trainer(place, 99);
        let start = trainer.checkpoint("key", true);
        let (first, _) = losses(&mut trainer, 3);
        trainer.resume(&start).unwrap();
        let (again, _) = losses(&mut trainer, 3);
        assert_eq!(first, again);
    }
}

#[test]
fn rectangles_train_in_every_mixing() {
    for mixing in [Mixing::Pairs, Mixing::ByProbability, Mixing::Pool] {
        let method = methods().swap_remove(1);
        let mut trainer = trainer_with(&Place::Host, 999, None, method, 1, |augment, loader| {
            augment.size = ImageSize {
                height: SIDE,
                width: 2 * SIDE,
            };
            (loader.mixing, loader.unlabelled) = (mixing, 2);
        });
        let (losses, error) = losses(&mut trainer, 3);
        assert_eq!((losses.len(), error), (3, None), "{mixing:?}");
    }
}

#[test]
fn the_journal_takes_losses_by_the_names_that_the_detector_gives() {
    let losses = |terms: &[(&'static str, f32)]| PartLosses {
        terms: terms.to_vec(),
        total: 9.0,
    };
    let report = StepReport {
        supervised: losses(&[("rpn-objectness", 1.0), ("box", 2.0)]),
        unsupervised: Some(losses(&[("box", 3.0)])),
        pseudo: None,
        consistency: Some(ConsistencyReport {
            losses: losses(&[("box", 4.0)]),
            ramp: 0.5,
            regions: 7,
        }),
    };
    let readings = readings_of(&report).unwrap();
    let expected = [
        ("supervised-rpn-objectness", 1.0),
        ("supervised-box", 2.0),
        ("unsupervised-box", 3.0),
    ]
    .map(|(name, mean)| (name.to_string(), Reading::Mean(mean)));
    let more = [
        ("consistency-box", Reading::Mean(4.0)),
        ("consistency-weight", Reading::Last(0.5.into())),
        ("consistency-regions", Reading::Sum(7)),
    ];
    let more = more.map(|(name, reading)| (name.to_string(), reading));
    assert_eq!(readings, [&expected[..], &more[..]].concat());
}

#[test]
fn the_journal_counts_pseudo_labels_by_class_as_it_does_together() {
    let mut trainer = trainer_with(
        &Place::Host,
        999,
        None,
        methods().swap_remove(1),
        1,
        |_, _| {},
    );
    let mut steps = 0;
    while steps < 4 {
        let Advance { readings, .. } = trainer.advance().unwrap();
        let of = |name: &str| readings.iter().find(|(known, _)| known == name);
        for (name, key) in [
            ("kept", "kept-by-class"),
            ("right", "right-by-class"),
            ("objects", "objects-by-class"),
        ] {
            let (Some((_, Reading::Sum(count))), Some((_, Reading::SumByClass(counts)))) =
                (of(name), of(key))
            else {
                panic!("{name} in {readings:?}");
            };
            assert_eq!(counts.iter().sum::<u64>(), *count, "{name}");
            assert!(name == "right" || *count > 0, "the filter keeps everything");
        }
        steps += 1;
    }
}

/// A run that is continued from a checkpoint does not differ from one that was not interrupted.
#[test]
fn consistency_is_resumed_to_the_last_bit() {
    let tables = methods();
    let with_rule = tables
        .iter()
        .filter(|table| table.contains_key("consistency"));
    let mut model = models().swap_remove(1);
    model["fpn-width"] = 8.into();
    for (key, value) in [("width", 16), ("mask-width", 8), ("mask-side", 4)] {
        model["heads"][key] = value.into();
    }
    let mut tried = 0;
    for method in with_rule {
        let made = || {
            let model = suited(method, &model).expect("a network with heads for regions");
            trainer_with(&Place::Host, 99, Some(model), method.clone(), 0, |_, _| {})
        };
        let mut whole = made();
        losses(&mut whole, 2);
        let middle = whole.checkpoint("key", true);
        let (expected, _) = losses(&mut whole, 2);
        let mut continued = made();
        continued.resume(&middle).unwrap();
        assert_eq!(losses(&mut continued, 2), (expected, None));
        let bytes = |trainer: &mut Trainer| {
            let mut bits = Vec::new();
            trainer.learner.student().parameters("", &mut |_, param| {
                bits.extend(param.value.values().iter().map(|value| value.to_bits()));
            });
            bits
        };
        assert!(bytes(&mut whole) == bytes(&mut continued), "{method:?}");
        tried += 1;
    }
    assert_eq!(tried, 2);
}

/// Whoever adds a method, a filter or a detector explains what it writes.
#[test]
fn every_key_that_a_component_writes_is_explained() {
    let detectors: Vec<&str> = DETECTORS.iter().map(|entry| entry.name).collect();
    let models = models_with_heads();
    let trained: Vec<&str> = models
        .iter()
        .filter_map(|model| model["name"].as_str())
        .collect();
    assert_eq!(
        detectors, trained,
        "the trainings below have networks of these kinds"
    );
    let names = METHODS.iter().map(|entry| entry.name);
    let names: BTreeSet<&str> = names.filter(|name| trains_networks(name)).collect();
    let mut tables = methods();
    for quality in tables
        .iter_mut()
        .filter_map(|table| table.get_mut("mask-quality"))
    {
        *quality = "iou-head".into();
    }
    let tried = tables.iter().filter_map(|table| table["name"].as_str());
    assert_eq!(tried.collect::<BTreeSet<_>>(), names);

    let mut written = BTreeSet::from(["step".to_string()]);
    let pairs = tables
        .iter()
        .flat_map(|method| models.iter().map(move |model| (method, model)));
    for (method, model) in
        pairs.filter_map(|(method, model)| Some((method, suited(method, model)?)))
    {
        let built = crate::registry::build(METHODS, method.clone()).unwrap();
        for (phase, one) in built.phases(STEPS).into_iter().enumerate() {
            if let Build::Pool(_) = one.build {
                let report = PoolReport::new(1).ended(Vec::new());
                let readings = pool_readings(report).unwrap();
                written.extend(readings.into_iter().map(|(name, _)| name));
                continue;
            }
            let (model, method) = (Some(model.clone()), method.clone());
            let mut trainer = trainer_with(&Place::Host, 99, model, method, phase, |_, _| {});
            let advance = trainer.advance().unwrap();
            written.extend(advance.readings.into_iter().map(|(name, _)| name));
        }
    }
    assert!(
        written.contains("flips-broken"),
        "some phase has pseudo-labels: {written:?}"
    );
    for table in filter::tests::tables() {
        let readings = filter::tests::started(&table).readings();
        written.extend(readings.into_iter().map(|(name, _)| name.to_string()));
    }
    // The evaluations between the steps write these (experiment/run/validation.rs).
    let of_steps = JOURNAL_KEYS
        .iter()
        .filter(|key| !key.name.starts_with("val-"));
    let explained: BTreeSet<String> = of_steps.map(|key| key.name.into()).collect();
    assert_eq!(written, explained);
}

mod pieces;
mod ranks;
mod snapshots;
mod tables;
