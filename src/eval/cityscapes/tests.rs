//! The metric against the official script's numbers, and its independence of any order.

use super::*;
use crate::data::{Sample, Source};
use crate::eval::Evaluators;
use crate::structures::{Detection, Instance, Mask};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::Arc;

/// Images that exist as annotations only.
struct Listed(Vec<Truth>);

impl Source for Listed {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn classes_of(&self, index: usize) -> Vec<usize> {
        let instances = self.0[index].instances.iter();
        instances.map(|instance| instance.class).collect()
    }
    fn load(&self, _: usize) -> Result<Sample> {
        anyhow::bail!("the evaluator needs no pixels")
    }
    fn truth(&self, index: usize) -> Result<Truth> {
        Ok(self.0[index].clone())
    }
}

/// The scores of `found`, detections by image, on `truth`, by the evaluator `name`.
fn scores(name: &str, truth: &[Truth], found: &[(u64, Vec<Detection>)]) -> Scores {
    let source = Arc::new(Listed(truth.to_vec()));
    let dataset = Dataset {
        classes: crate::cityscapes::CLASSES
            .map(|class| class.name.into())
            .to_vec(),
        train: source.clone(),
        extra_unlabelled: None,
        val: source,
        area_bounds: [1024.0, 9216.0],
        findings: Default::default(),
    };
    let evaluators = Evaluators::new(&[name.to_string()], &dataset).unwrap();
    let mut all = Found::default();
    for (image, detections) in found {
        evaluators.add(&mut all, *image, detections).unwrap();
    }
    evaluators.evaluate(all).unwrap()
}

/// The values of runs of `value, length, value, length ...`.
fn values(runs: &Value) -> Vec<u16> {
    let runs: Vec<u64> = serde_json::from_value(runs.clone()).unwrap();
    let runs = runs.as_chunks::<2>().0.iter();
    let values = runs.flat_map(|[value, length]| vec![*value as u16; *length as usize]);
    values.collect()
}

/// An image with annotations, and the detections in it.
type Judged = (Truth, Vec<Detection>);

fn golden() -> (Vec<Judged>, Value) {
    use crate::cityscapes::{class_of, class_of_id, is_void};
    let golden: Value =
        serde_json::from_str(include_str!("../../../tests/golden/cityscapes.json")).unwrap();
    let (height, width) = (64, 112);
    let mask = |bits: Vec<u8>| Mask::new(height, width, bits);
    let frames = golden["frames"].as_array().unwrap().iter().zip(1..);
    let frames = frames.map(|(frame, image_id)| {
        let ids = values(&frame["ids"]);
        let mut distinct = ids.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let instances: Vec<Instance> = distinct
            .into_iter()
            .filter_map(|id| {
                let (class, is_group) = class_of_id(id)?;
                Some(Instance {
                    class,
                    mask: mask(ids.iter().map(|other| u8::from(*other == id)).collect()),
                    source: match is_group {
                        true => InstanceSource::Crowd,
                        false => InstanceSource::Annotation,
                    },
                })
            })
            .collect();
        let areas = instances.iter().map(|one| one.mask.area() as f64).collect();
        let truth = Truth {
            image_id,
            height,
            width,
            instances,
            areas,
            void: Some(mask(ids.iter().map(|id| u8::from(is_void(*id))).collect())),
        };
        let found = frame["predictions"].as_array().unwrap().iter();
        let found = found.filter_map(|one| {
            Some(Detection {
                class: class_of(one["label"].as_u64().unwrap() as u16)?,
                score: one["score"].as_f64().unwrap() as f32,
                bounds: None,
                mask: mask(
                    values(&one["mask"])
                        .into_iter()
                        .map(|bit| bit as u8)
                        .collect(),
                ),
            })
        });
        (truth, found.collect())
    });
    let frames = frames.collect();
    (frames, golden)
}

fn of_golden(name: &str, frames: &[Judged]) -> Scores {
    let truth: Vec<Truth> = frames.iter().map(|(truth, _)| truth.clone()).collect();
    let found = frames
        .iter()
        .map(|(truth, found)| (truth.image_id, found.clone()));
    scores(name, &truth, &found.collect::<Vec<_>>())
}

fn assert_close(found: Option<f64>, expected: &Value, place: &str) {
    let expected = expected.as_f64().map(|value| 100.0 * value);
    let close = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() < 1e-10,
        (found, expected) => found == expected,
    };
    assert!(close, "{place}: {found:?}, expected {expected:?}");
}

#[test]
fn parity_with_the_official_script_and_pycocotools() {
    let (frames, golden) = golden();
    let (found, expected) = (of_golden("cityscapes", &frames), &golden["cityscapes"]);
    for (metric, key) in [("AP (Cityscapes)", "ap"), ("AP50 (Cityscapes)", "ap50")] {
        assert_close(found.metrics.get(metric), &expected[key], metric);
    }
    let classes = [("AP (Cityscapes)", 0), ("AP50 (Cityscapes)", 1)];
    for (metric, column) in classes {
        for (class, value) in found.per_class[metric].iter().enumerate() {
            let place = format!("{metric}, class {class}");
            assert_close(*value, &expected["classes"][class][column], &place);
        }
    }
    // The golden numbers of COCO are without the empty masks, which that metric would count as mistakes.
    let mut frames = frames;
    for (_, found) in &mut frames {
        found.retain(|one| one.mask.area() > 0);
    }
    let coco = of_golden("coco", &frames);
    for (index, metric) in ["mAP", "AP50", "AP75", "APs"].iter().enumerate() {
        assert_close(coco.metrics.get(metric), &golden["coco"][index], metric);
    }
}

#[test]
fn a_class_whose_detections_are_all_ignored_has_zero() {
    let whole = |bit| Mask::new(20, 20, vec![bit; 400]);
    let half = |top: bool| {
        let bits = (0..400).map(|pixel| u8::from((pixel < 200) == top));
        Mask::new(20, 20, bits.collect())
    };
    let truth = Truth {
        image_id: 1,
        height: 20,
        width: 20,
        instances: vec![Instance {
            class: 0,
            mask: half(true),
            source: InstanceSource::Annotation,
        }],
        areas: vec![200.0],
        void: Some(half(false)),
    };
    let found = |mask: Mask| Detection {
        class: 0,
        score: 0.5,
        bounds: None,
        mask,
    };
    let ap = |masks: Vec<Mask>| {
        let found = masks.into_iter().map(found).collect();
        let scores = scores("cityscapes", std::slice::from_ref(&truth), &[(1, found)]);
        scores.metrics.get("AP (Cityscapes)")
    };
    assert_eq!(ap(vec![half(false)]), Some(0.0), "on void alone");
    assert_eq!(ap(vec![whole(0)]), Some(0.0), "empty");
    assert_eq!(ap(vec![]), Some(0.0));
    assert_eq!(ap(vec![half(true), half(false)]), Some(100.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_order_of_images_or_of_detections_matters(seed in any::<u64>()) {
        let mut rng = crate::rng::Stream::new(seed, "order");
        let mut shuffled = golden().0;
        // Scores that differ: with equal ones the order of two detections of an object does not matter either.
        for (_, found) in &mut shuffled {
            found.iter_mut().for_each(|one| one.score = rng.uniform() as f32);
        }
        let before = of_golden("cityscapes", &shuffled);
        let mut shuffle = |length: usize| -> Vec<f64> { (0..length).map(|_| rng.uniform()).collect() };
        let keys = shuffle(shuffled.len());
        let mut keyed: Vec<(f64, Judged)> = keys.into_iter().zip(shuffled).collect();
        keyed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut shuffled: Vec<Judged> = keyed.into_iter().map(|(_, frame)| frame).collect();
        for (_, found) in &mut shuffled {
            let mut keyed: Vec<(f64, Detection)> = shuffle(found.len()).into_iter().zip(found.drain(..)).collect();
            keyed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            found.extend(keyed.into_iter().map(|(_, one)| one));
        }
        prop_assert_eq!(of_golden("cityscapes", &shuffled), before);
    }
}
