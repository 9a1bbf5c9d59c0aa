//! The rules on heads that say what a test wants, and the method on a network.

use super::*;
use crate::data::{Batch, UnlabelledViews, View};
use crate::detector::{DETECTORS, Detector, HeadKind, Region, RegionDetection, RegionPredictions};
use crate::method::{Learner, METHODS, Method, Parts, Setup};
use crate::nn::params::move_to;
use crate::ops::check::on_every_place;
use crate::ops::{Bounds, sigmoid, softmax_rows};
use crate::registry;
use crate::rng::Stream;
use crate::structures::{Instance, InstanceSource, Mask, Picture};
use crate::tensor::Map;
use crate::train::{Optimizer, OptimizerConfig, UpdateRule};
use std::collections::BTreeMap;
use toml::Table;

const WIDTH: usize = 64;

/// Heads that say the given numbers of the regions of one image, and others of its mirror image.
struct Told {
    proposals: Vec<Bounds>,
    /// Classes `[R, K + 1]`, deltas `[R, 4 K]` and masks `[R, S * S]` of the image and of its mirror image.
    said: [[Tensor2; 3]; 2],
}

impl Told {
    fn of(&self, regions: &[Region]) -> &[Tensor2; 3] {
        let mirrored = regions[0].image;
        for region in regions {
            assert_eq!(region.image, mirrored);
            let bounds = match mirrored {
                0 => region.bounds,
                _ => region.bounds.mirrored(WIDTH as f32),
            };
            assert!(self.proposals.contains(&bounds), "{region:?}");
        }
        &self.said[mirrored]
    }
}

impl RegionHeads for Told {
    fn size(&self, _image: usize) -> (usize, usize) {
        (48, WIDTH)
    }

    fn proposals(&self, image: usize) -> Vec<Bounds> {
        assert_eq!(image, 0, "none of the mirror image");
        self.proposals.clone()
    }

    fn detections(&self) -> Vec<Vec<RegionDetection>> {
        panic!("nobody detects")
    }

    fn predict(&self, tape: &mut Tape, regions: &[Region]) -> RegionPredictions {
        let said = self.of(regions);
        let rows: Vec<usize> = regions
            .iter()
            .map(|region| {
                let x1 = match region.image {
                    0 => region.bounds.x1,
                    _ => region.bounds.mirrored(WIDTH as f32).x1,
                };
                let place = self.proposals.iter().position(|own| own.x1 == x1);
                place.expect("a proposal")
            })
            .collect();
        let mut pick =
            |of: &Tensor2| ops::pick(tape, of, &rows, &vec![0; rows.len()], of.columns());
        RegionPredictions {
            classes: pick(&said[0]),
            deltas: pick(&said[1]),
        }
    }

    fn masks(&self, _tape: &mut Tape, regions: &[Region], classes: &[usize]) -> Tensor2 {
        assert_eq!(classes, [1], "the class of the image itself");
        self.of(regions)[2].clone()
    }

    fn mask_side(&self) -> usize {
        2
    }

    fn bins(&self, _: &mut Tape, _: &[Region], _: HeadKind) -> Map {
        panic!("nobody perturbs")
    }

    fn auxiliary_classes(&self, _: &mut Tape, _: usize, _: &Map) -> Tensor2 {
        panic!("nobody perturbs")
    }

    fn auxiliary_masks(&self, _: &mut Tape, _: usize, _: &Map, _: &[usize]) -> Tensor2 {
        panic!("nobody perturbs")
    }
}

fn leaf(values: &[f32], rows: usize) -> Tensor2 {
    Tensor2::parameter(values.to_vec(), rows, values.len() / rows)
}

fn rule(text: &str) -> Box<dyn Consistency> {
    registry::build(CONSISTENCIES, text.parse().expect("TOML")).expect("a rule")
}

fn flip() -> Box<dyn Consistency> {
    rule("name = 'flip'\napplies-to = 'all'\nregions = 2\nramp = { up = 0.0, down-from = 1.0 }")
}

/// Of three proposals the first is background in the image, and the third is one too many.
fn told(
    own: [[f32; 3]; 3],
    mirrored: [f32; 3],
    deltas: [[f32; 8]; 2],
    masks: [[f32; 4]; 2],
) -> Told {
    let proposals = [
        [1.0, 2.0, 9.0, 12.0],
        [5.0, 3.0, 20.0, 30.0],
        [6.0, 3.0, 20.0, 30.0],
    ];
    let three = |row: [f32; 8]| leaf(&[[0.0; 8], row, [9.0; 8]].concat(), 3);
    Told {
        proposals: proposals.map(Bounds::new).into(),
        said: [
            [leaf(&own.concat(), 3), three(deltas[0]), leaf(&masks[0], 1)],
            [
                leaf(&[[9.0, 9.0, 0.0], mirrored, [9.0, 9.0, 0.0]].concat(), 3),
                three(deltas[1]),
                leaf(&masks[1], 1),
            ],
        ],
    }
}

const OWN: [[f32; 3]; 3] = [[0.0, 0.2, 1.0], [-0.5, 1.5, 0.5], [9.0, 0.0, 0.0]];
const DELTAS: [f32; 8] = [0.1, 0.2, 0.3, 0.4, -0.5, 0.6, 0.7, -0.8];
const TURNED: [f32; 8] = [-0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, -0.8];

fn group_of(heads: &Told) -> [Group<'_>; 1] {
    [Group { heads, images: 1 }]
}

/// The slope of the whole loss by a tensor that heads have said.
fn slopes(heads: &Told, rule: &dyn Consistency, of: impl Fn(&Told) -> &Tensor2) -> Vec<f32> {
    let mut tape = Tape::recording();
    let found = rule.losses(&mut tape, &group_of(heads), (1, 0));
    let mut grads = tape.backward(&found.losses.total);
    of(heads).gradient(&mut grads)
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (one, other) in found.iter().zip(expected) {
        assert!((one - other).abs() < 1e-5, "{found:?}, not {expected:?}");
    }
}

#[test]
fn what_is_the_mirror_image_agrees_and_has_no_slope() {
    let masks = [[1.0, -2.0, 0.5, 3.0], [-2.0, 1.0, 3.0, 0.5]];
    let heads = told(OWN, OWN[1], [DELTAS, TURNED], masks);
    let found = flip().losses(&mut Tape::off(), &group_of(&heads), (1, 0));
    assert_eq!(
        found.regions, 1,
        "the first is background, the third is not looked at"
    );
    let terms = &found.losses.terms;
    let names: Vec<&str> = terms.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, flip().terms());
    assert!(terms[0].1.scalar().abs() < 1e-6);
    assert_eq!(terms[1].1.scalar(), 0.0);
    // The entropy of the mask, which no slope changes.
    let entropy = |z: f32| {
        let p = sigmoid(z);
        -p * p.ln() - (1.0 - p) * (1.0 - p).ln()
    };
    let expected = masks[0].map(entropy).iter().sum::<f32>() / 4.0;
    close(&[terms[2].1.scalar()], &[expected]);
    for seen in 0..2 {
        for part in 0..3 {
            let found = slopes(&heads, &*flip(), |heads| &heads.said[seen][part]);
            assert!(
                found.iter().all(|slope| slope.abs() < 1e-6),
                "{seen} {part}: {found:?}"
            );
        }
    }
}

/// If a gradient flowed to the side that is compared with, the slopes would be others.
#[test]
fn each_side_is_drawn_to_the_other_one_as_it_is() {
    let mirrored = [0.5, 0.2, -1.0];
    let masks = [[1.0, -2.0, 0.5, 3.0], [0.1, 0.2, 0.3, -0.4]];
    let other = [0.3, 0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.2];
    let heads = told(OWN, mirrored, [DELTAS, other], masks);
    let probabilities = |mut logits: [f32; 3]| {
        softmax_rows(&mut logits, 3);
        logits
    };
    let (p, q) = (probabilities(OWN[1]), probabilities(mirrored));
    let zeros = vec![0.0; 3];
    let of_classes = |a: [f32; 3], b: [f32; 3]| -> Vec<f32> {
        let row = a.iter().zip(b).map(|(a, b)| (a - b) / 2.0);
        [zeros.clone(), row.collect(), zeros.clone()].concat()
    };
    let slope =
        |seen: usize, part: usize| slopes(&heads, &*flip(), move |heads| &heads.said[seen][part]);
    close(&slope(0, 0), &of_classes(p, q));
    close(&slope(1, 0), &of_classes(q, p));
    let kl = |p: [f32; 3], q: [f32; 3]| -> f32 { (0..3).map(|i| p[i] * (p[i] / q[i]).ln()).sum() };
    let found = flip()
        .losses(&mut Tape::off(), &group_of(&heads), (1, 0))
        .losses;
    close(&[found.terms[0].1.scalar()], &[(kl(p, q) + kl(q, p)) / 2.0]);

    // Errors of dx: 0.1 + 0.3, -0.5 + 0.5; of the rest: 0.2 - 0.1 and -0.8 - 0.2.
    close(&[found.terms[1].1.scalar()], &[(0.16 + 0.01 + 1.0) / 8.0]);
    let errors = [0.4, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0].map(|error| 2.0 * error / 8.0);
    close(&slope(0, 1)[8..16], &errors);
    let turned = [1.0, -1.0, -1.0, -1.0, 1.0, -1.0, -1.0, -1.0];
    let expected: Vec<f32> = errors
        .iter()
        .zip(turned)
        .map(|(e, sign)| e * sign)
        .collect();
    close(&slope(1, 1)[8..16], &expected);

    let of_masks = |a: [f32; 4], b: [f32; 4]| -> Vec<f32> {
        let mirror = [1, 0, 3, 2];
        (0..4)
            .map(|i| (sigmoid(a[i]) - sigmoid(b[mirror[i]])) / 2.0 / 4.0)
            .collect()
    };
    close(&slope(0, 2), &of_masks(masks[0], masks[1]));
    close(&slope(1, 2), &of_masks(masks[1], masks[0]));
}

#[test]
fn where_all_is_background_nothing_is_lost() {
    let heads = told([[0.0, 0.0, 0.1]; 3], OWN[1], [DELTAS; 2], [[0.0; 4]; 2]);
    let found = flip().losses(&mut Tape::recording(), &group_of(&heads), (1, 0));
    assert_eq!(found.regions, 0);
    let terms: Vec<f32> = found
        .losses
        .terms
        .iter()
        .map(|(_, term)| term.scalar())
        .collect();
    assert_eq!((terms, found.losses.total.scalar()), (vec![0.0; 3], 0.0));
    let nothing = Told {
        proposals: Vec::new(),
        ..heads
    };
    assert_eq!(
        flip()
            .losses(&mut Tape::off(), &group_of(&nothing), (1, 0))
            .regions,
        0
    );
}

/// Heads that find one object, and auxiliary heads that say the given numbers of it and of the others.
struct Found {
    /// Logits of the classes of the detection and of two proposals, `[3, K + 1]`.
    classes: Tensor2,
    /// Of each auxiliary head: logits of the classes, `[3, K + 1]`, and of the mask of the detection, `[1, S * S]`.
    auxiliary: [[Tensor2; 2]; 2],
}

const OBJECT: [f32; 4] = [1.0, 2.0, 9.0, 12.0];
const MASK: [f32; 4] = [2.0, -1.0, 0.0, 0.5];

impl RegionHeads for Found {
    fn size(&self, _image: usize) -> (usize, usize) {
        (48, WIDTH)
    }

    fn proposals(&self, _image: usize) -> Vec<Bounds> {
        [[0.0, 0.0, 8.0, 8.0], [4.0, 4.0, 20.0, 30.0]]
            .map(Bounds::new)
            .into()
    }

    fn detections(&self) -> Vec<Vec<RegionDetection>> {
        vec![vec![RegionDetection {
            bounds: Bounds::new(OBJECT),
            class: 1,
            mask: MASK.to_vec(),
        }]]
    }

    fn predict(&self, _: &mut Tape, regions: &[Region]) -> RegionPredictions {
        assert_eq!(regions[0].bounds, Bounds::new(OBJECT), "detections first");
        assert_eq!(regions.len(), 3);
        RegionPredictions {
            classes: self.classes.clone(),
            deltas: self.classes.clone(),
        }
    }

    fn masks(&self, _: &mut Tape, _: &[Region], _: &[usize]) -> Tensor2 {
        panic!("the masks of detections are known")
    }

    fn mask_side(&self) -> usize {
        2
    }

    fn bins(&self, _: &mut Tape, regions: &[Region], head: HeadKind) -> Map {
        let count = if head == HeadKind::Box { 3 } else { 1 };
        assert_eq!(regions.len(), count, "masks of detections alone");
        Map::new(leaf(&vec![1.0; 4 * count], 4 * count), count, 2, 2)
    }

    fn auxiliary_classes(&self, _: &mut Tape, number: usize, _: &Map) -> Tensor2 {
        self.auxiliary[number][0].clone()
    }

    fn auxiliary_masks(&self, _: &mut Tape, number: usize, _: &Map, classes: &[usize]) -> Tensor2 {
        assert_eq!(classes, [1]);
        self.auxiliary[number][1].clone()
    }
}

#[test]
fn the_squares_are_means_over_heads_regions_and_classes_and_the_heads_are_constants() {
    let rows = |shift: f32| -> Vec<f32> {
        (0..9)
            .map(|i| (i * 5 % 7) as f32 / 3.0 + shift * (i % 2) as f32)
            .collect()
    };
    let masks = [[1.0, -1.0, 0.5, 0.5], [-2.0, 0.0, 0.0, 3.0]];
    let heads = Found {
        classes: leaf(&rows(0.0), 3),
        auxiliary: [
            [leaf(&rows(1.0), 3), leaf(&masks[0], 1)],
            [leaf(&rows(-0.5), 3), leaf(&masks[1], 1)],
        ],
    };
    let rule = rule(
        "name = 'perturb'\napplies-to = 'all'\nothers = 5\nkinds = ['feature-noise', 'guided-cutout']\n\
         ramp = { up = 0.0, down-from = 1.0 }",
    );
    let mut tape = Tape::recording();
    let groups = [Group {
        heads: &heads,
        images: 1,
    }];
    let found = rule.losses(&mut tape, &groups, (1, 0));
    assert_eq!(found.regions, 3, "the detection and both proposals");
    let softmax = |mut logits: Vec<f32>| {
        softmax_rows(&mut logits, 3);
        logits
    };
    let squares =
        |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
    let told = softmax(rows(0.0));
    let classes = squares(&softmax(rows(1.0)), &told) + squares(&softmax(rows(-0.5)), &told);
    let told = MASK.map(sigmoid);
    let of_masks: f32 = masks
        .iter()
        .map(|mask| squares(&mask.map(sigmoid), &told))
        .sum();
    let terms: Vec<f32> = found
        .losses
        .terms
        .iter()
        .map(|(_, term)| term.scalar())
        .collect();
    // Two heads; three regions of three classes; a mask of four pixels.
    close(&terms, &[classes / 18.0, of_masks / 8.0]);
    let total = found.losses.total;
    close(&[total.scalar()], &[terms.iter().sum()]);
    let mut grads = tape.backward(&total);
    assert_eq!(heads.classes.gradient(&mut grads), [0.0; 9]);
    for [classes, masks] in &heads.auxiliary {
        assert!(
            classes
                .gradient(&mut grads)
                .iter()
                .any(|slope| *slope != 0.0)
        );
        assert!(masks.gradient(&mut grads).iter().any(|slope| *slope != 0.0));
    }
}

const SIDE: usize = 32;
const CLASSES: usize = 3;

/// A small Mask R-CNN with auxiliary heads.
fn network(heads: i64) -> Box<dyn Detector> {
    let body = include_str!("../../../recipes/bodies/mask-rcnn-scenes.toml");
    let body: Table = body.parse().expect("TOML");
    let mut model = body["model"].as_table().expect("a table").clone();
    model["auxiliary-heads"] = heads.into();
    model["fpn-width"] = 8.into();
    for (key, value) in [
        ("width", 16),
        ("mask-width", 8),
        ("mask-convs", 1),
        ("mask-side", 4),
    ] {
        model["heads"][key] = value.into();
    }
    for (key, value) in [
        ("kept-test", 24),
        ("per-level-test", 24),
        ("kept-train", 24),
    ] {
        model["proposals"][key] = value.into();
    }
    model["detections"]["most"] = 12.into();
    model["backbone"]["widths"] = vec![8, 8, 8, 16].into();
    model["backbone"]["stem"]["width"] = 8.into();
    model["loss"]["regions"] = 16.into();
    let config = registry::build(DETECTORS, model).expect("a network");
    config
        .build(CLASSES, &mut Stream::new(5, "weights"))
        .expect("values")
}

fn picture(seed: u64) -> Picture {
    let mut stream = Stream::new(seed, "picture");
    Picture::new(
        SIDE,
        SIDE,
        (0..SIDE * SIDE * 3)
            .map(|_| stream.below(256) as u8)
            .collect(),
    )
}

fn batch() -> Batch {
    let bits = (0..SIDE * SIDE).map(|i| u8::from(i % SIDE < 15 && i / SIDE < 20));
    let instances = vec![Instance {
        class: 1,
        mask: Mask::new(SIDE, SIDE, bits.collect()),
        source: InstanceSource::Annotation,
    }];
    Batch {
        labelled: vec![View {
            picture: picture(1),
            instances,
        }],
        unlabelled: (2..4)
            .map(|seed| UnlabelledViews {
                weak: picture(seed),
                strong: picture(10 + seed),
                hidden_truth: Vec::new(),
                moved: None,
            })
            .collect(),
        pseudo: Vec::new(),
    }
}

/// Table `[method]` of `rule`.
fn method(rule: &str, lambda: &str) -> Box<dyn Method> {
    let text = format!(
        "name = 'consistency'\nlambda = {lambda}\nempty-image = 'zero-batch'\nconsistency = {rule}"
    );
    registry::build(METHODS, text.parse().expect("TOML")).expect("a method")
}

const FLIP: &str =
    "{ name = 'flip', applies-to = 'all', regions = 60, ramp = { up = 0.25, down-from = 1.0 } }";
const PERTURB: &str = "{ name = 'perturb', applies-to = 'unlabelled', others = 20, \
                       kinds = ['spatial-dropout', 'feature-noise', 'feature-drop', 'guided-cutout', 'context-mask', \
                       'object-mask'], ramp = { up = 0.0, down-from = 1.0 } }";
const KINDS: i64 = 6;

fn learner(method: &dyn Method, student: Box<dyn Detector>) -> Box<dyn Learner> {
    let setup = Setup {
        seed: 3,
        counts: crate::data::split::ClassCounts {
            images: 1,
            annotations: vec![0, 1, 0],
            objects: vec![0, 1, 0],
        },
        epoch_steps: 4,
    };
    let parts = Parts {
        student,
        setup: &setup,
    };
    method
        .phases(8)
        .swap_remove(0)
        .learner(parts)
        .expect("networks learn")
}

/// The largest slope of the rule's loss alone for the parameters of each part of the network.
fn by_part(
    rule: &dyn Consistency,
    network: &mut dyn Detector,
    pictures: &[&Picture],
) -> BTreeMap<&'static str, f32> {
    let mut tape = Tape::recording();
    let images = network.images(pictures);
    let output = network.forward(&mut tape, &images);
    let images = pictures.len() / (1 + usize::from(rule.mirrors()));
    let heads = output.regions().expect("heads for regions");
    let found = rule.losses(&mut tape, &[Group { heads, images }], (7, 3));
    assert!(found.regions > 0);
    for (name, term) in &found.losses.terms {
        assert!(term.scalar() > 0.0 && term.scalar().is_finite(), "{name}");
    }
    let mut grads = tape.backward(&found.losses.total);
    let mut parts = BTreeMap::new();
    network.parameters("", &mut |name, param| {
        const PARTS: [(&str, &str); 5] = [
            ("auxiliary", "auxiliary"),
            ("proposal_generator", "proposals"),
            ("box_", "boxes"),
            ("mask_head", "masks"),
            ("", "backbone"),
        ];
        let (_, part) = PARTS
            .iter()
            .find(|(mark, _)| name.contains(mark))
            .expect("the last");
        let most = param
            .value
            .gradient(&mut grads)
            .iter()
            .fold(0f32, |most, g| most.max(g.abs()));
        let known = parts.entry(*part).or_insert(0f32);
        *known = known.max(most);
    });
    parts
}

on_every_place! {
    fn the_heads_learn_nothing_from_perturbed_regions_and_the_backbone_does(place) {
        let mut network = network(KINDS);
        move_to(&mut *network, place);
        let text = format!("rule = {PERTURB}").parse::<Table>().expect("TOML");
        let rule = registry::build(CONSISTENCIES, text["rule"].as_table().expect("a table").clone());
        let found = by_part(&*rule.expect("a rule"), &mut *network, &[&picture(1), &picture(2)]);
        for part in ["boxes", "masks", "proposals"] {
            assert_eq!(found[part], 0.0, "{part}");
        }
        assert!(found["auxiliary"] > 0.0 && found["backbone"] > 0.0, "{found:?}");
    }

    fn all_but_the_proposals_learn_from_mirrored_regions(place) {
        let mut network = network(0);
        move_to(&mut *network, place);
        let text = format!("rule = {FLIP}").parse::<Table>().expect("TOML");
        let rule = registry::build(CONSISTENCIES, text["rule"].as_table().expect("a table").clone());
        let (one, mirror) = (picture(1), picture(1).flipped());
        let found = by_part(&*rule.expect("a rule"), &mut *network, &[&one, &mirror]);
        assert_eq!(found["proposals"], 0.0);
        for part in ["boxes", "masks", "backbone"] {
            assert!(found[part] > 0.0, "{part}");
        }
    }
}

/// The bits of the student after some steps, and the reports of these.
fn trained(
    method: &dyn Method,
    student: Box<dyn Detector>,
    steps: usize,
) -> (Vec<u32>, Vec<crate::method::StepReport>) {
    let mut learner = learner(method, student);
    let config = OptimizerConfig {
        rule: UpdateRule::AdamW([0.9, 0.999]),
        weight_decay: 0.0,
        decay_embeddings: false,
        decay_biases: false,
        backbone_rate: 1.0,
        clip: 1.0,
    };
    let mut optimizer = Optimizer::new(config, learner.student());
    let mut reports = Vec::new();
    for step in 0..steps {
        let mut tape = Tape::recording();
        let sent = learner.send(batch());
        let output = learner.step(&mut tape, &sent, step);
        let mut grads = tape.backward(&output.loss);
        optimizer.step(learner.student(), &mut grads, 1e-3);
        reports.push(output.report.wait());
    }
    let mut bits = Vec::new();
    learner.student().parameters("", &mut |name, param| {
        if !name.contains("auxiliary") {
            bits.extend(
                param
                    .value
                    .host_values()
                    .iter()
                    .map(|value| value.to_bits()),
            );
        }
    });
    (bits, reports)
}

/// Without weight, the labelled part is that of the method `supervised`, whatever else goes through the network.
#[test]
fn without_weight_it_is_supervised_training_to_the_last_bit() {
    let text = "name = 'supervised'\nburn-in = 0\nempty-image = 'zero-batch'";
    let supervised = registry::build(METHODS, text.parse().expect("TOML")).expect("a method");
    let (expected, _) = trained(&*supervised, network(0), 2);
    for (rule, heads) in [(FLIP, 0), (PERTURB, KINDS)] {
        let (same, _) = trained(&*method(rule, "0.0"), network(heads), 2);
        assert!(same == expected, "{rule}");
        let (other, reports) = trained(&*method(rule, "1.0"), network(heads), 2);
        assert!(other != expected, "{rule}");
        let weights = reports
            .iter()
            .map(|report| report.consistency.as_ref().expect("a rule").ramp);
        let weights: Vec<f32> = weights.collect();
        let expected = match heads {
            0 => [0.0, libm::exp(-5.0 / 4.0) as f32],
            _ => [1.0; 2],
        };
        assert_eq!(weights, expected, "{rule}: of 8 steps");
    }
}

/// The weights of single terms change the loss, and what a step draws comes from its number alone.
#[test]
fn steps_repeat_and_terms_have_weights() {
    let bits =
        |rule: &str, heads, lambda: &str| trained(&*method(rule, lambda), network(heads), 2).0;
    let [plain, again] = ["1.0", "{ default = 1.0 }"].map(|lambda| bits(PERTURB, KINDS, lambda));
    assert!(plain == again);
    assert!(plain != bits(PERTURB, KINDS, "{ mask = 0.0 }"));
    assert!(bits(FLIP, 0, "{ class = 0.0, box = 0.0, mask = 0.0 }") == bits(FLIP, 0, "0.0"));
}

#[test]
fn what_does_not_fit_together_is_refused_with_its_key() {
    let keys = |method: &str, model: &str| -> Vec<String> {
        let method = registry::build(METHODS, method.parse().expect("TOML"));
        let method = match method {
            Ok(method) => method,
            Err(errors) => return errors.iter().map(|error| error.key.clone()).collect(),
        };
        let recipe: Table = model.parse().expect("TOML");
        let detector = registry::build(
            DETECTORS,
            recipe["model"].as_table().expect("a table").clone(),
        );
        let mut check = Check::new();
        method.check_detector(&*detector.expect("a network"), &mut check);
        let errors = check.finish().err().into_iter().flatten();
        errors.map(|error| error.key).collect()
    };
    let table = |rule: &str, lambda: &str| {
        format!(
            "name = 'consistency'\nlambda = {lambda}\nempty-image = 'zero-batch'\nconsistency = {rule}"
        )
    };
    let queries = include_str!("../../../recipes/pl-dc.toml");
    let regions = include_str!("../../../recipes/bodies/mask-rcnn-scenes.toml");
    let more = regions.replace("auxiliary-heads = 0", "auxiliary-heads = 6");
    assert!(more != regions);
    let none: [&str; 0] = [];
    assert_eq!(keys(&table(FLIP, "1.0"), regions), none);
    assert_eq!(keys(&table(PERTURB, "1.0"), &more), none);
    for rule in [FLIP, PERTURB] {
        assert_eq!(keys(&table(rule, "1.0"), queries), ["method.name"]);
    }
    assert_eq!(
        keys(&table(PERTURB, "1.0"), regions),
        ["model.auxiliary-heads"]
    );
    assert_eq!(keys(&table(FLIP, "1.0"), &more), ["model.auxiliary-heads"]);
    let supervised = "name = 'supervised'\nburn-in = 0\nempty-image = 'zero-batch'";
    assert_eq!(keys(supervised, &more), ["model.auxiliary-heads"]);
    assert_eq!(
        keys(&table(FLIP, "{ dice = 1.0 }"), regions),
        ["lambda.dice"]
    );
    assert_eq!(
        keys(&table(FLIP, "{ dice = 0.0, box = 1.0 }"), regions),
        none
    );
    assert_eq!(
        keys(&table(PERTURB, "{ box = 1.0 }"), &more),
        ["lambda.box"]
    );
    let unknown = PERTURB.replace("'context-mask'", "'contextmask'");
    assert_eq!(
        keys(&table(&unknown, "1.0"), &more),
        ["consistency.kinds[4]"]
    );
}
