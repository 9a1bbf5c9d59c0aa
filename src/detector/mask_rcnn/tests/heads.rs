//! Heads that a recipe may add to the network.

use super::*;
use crate::detector::Origin;
use crate::graph::mask_rcnn::{Branches, IouHeadKind, MaskHeadKind};

const KINDS: [IouHeadKind; 2] = [IouHeadKind::Flat, IouHeadKind::Scoring];

/// The detector with a changed config. The file has nothing of other heads: they have their first values.
fn changed(place: &Place, change: impl Fn(&mut MaskRcnnConfig)) -> MaskRcnnDetector {
    let mut config = config(Semantics::Detectron2);
    change(&mut config);
    let network = MaskRcnn::new(&config, CLASSES, &mut Stream::new(0, "m"));
    let mut model = MaskRcnnDetector::new(network.expect("torchvision's weights"), loss())
        .sampling(SampleOrder::First);
    move_to(&mut model, place);
    model
}

fn with_iou_head(place: &Place, kind: IouHeadKind) -> MaskRcnnDetector {
    changed(place, |config| config.iou_head = kind)
}

fn both_targets() -> [Targets<'static>; 2] {
    [targets(0, 160), targets(1, 160)]
}

/// The gradients of the term `name`, by the names of parameters, where they are not 0.
fn touched(model: &mut MaskRcnnDetector, name: &str) -> Vec<String> {
    let images = model.images(&[&picture(0), &picture(1)]);
    let mut tape = Tape::recording();
    let output = model.forward(&mut tape, &images);
    let targets = both_targets();
    let part = part(&targets, EmptyImage::Background);
    let losses = output
        .begin(&part, Stream::new(1, "draws"))
        .losses(&mut tape);
    let term = losses.terms.iter().find(|(known, _)| *known == name);
    let mut grads = tape.backward(&term.expect("the term").1);
    let mut names = Vec::new();
    model.parameters("", &mut |name, param| {
        if param.value.gradient(&mut grads).iter().any(|g| *g != 0.0) {
            names.push(name.to_string());
        }
    });
    names
}

on_every_place! {
    fn an_iou_head_adds_a_term_and_changes_no_other(place) {
        let (plain, ..) = step(&detector_at(place), &both_targets());
        for kind in KINDS {
            let mut model = with_iou_head(place, kind);
            model.criterion.config.iou = 0.25;
            let (terms, total, _) = step(&model, &both_targets());
            assert_eq!(terms[..5], plain[..]);
            let (name, iou) = terms[5];
            assert!(name == "iou" && iou > 0.0, "{kind:?}: {name} {iou}");
            let expected = plain.iter().map(|(_, term)| term).sum::<f32>() + 0.25 * iou;
            assert!((total - expected).abs() < 1e-5 * expected, "{kind:?}");
            let none = [Targets::default(), Targets::default()];
            assert_eq!(step(&model, &none).0[5], ("iou", 0.0), "no object, no mask");
        }
    }

    fn candidates_may_have_the_predicted_iou_as_quality(place) {
        for kind in KINDS {
            let model = with_iou_head(place, kind);
            let images = model.images(&[&picture(0)]);
            let output = model.forward(&mut Tape::off(), &images);
            let arrays = output.raw();
            let ious = &arrays.iter().find(|(name, _)| *name == "ious").unwrap().1.1;
            let with = |quality| {
                let choice = CandidateChoice { quality, ..CHOICE };
                output.propose(choice).wait().images.remove(0)
            };
            let (mean, head) = (with(MaskQuality::MeanForeground), with(MaskQuality::IouHead));
            assert!(!ious.is_empty() && ious.len() == head.len());
            for ((mean, head), iou) in mean.iter().zip(&head).zip(ious) {
                assert_eq!(head.mask_quality, *iou);
                assert!((0.0..=1.0).contains(iou));
                assert_ne!(mean.mask_quality, *iou);
                let same = crate::detector::Candidate { mask_quality: mean.mask_quality, ..head.clone() };
                assert_eq!(&same, mean);
            }
        }
    }

    fn a_scoring_head_is_a_factor_of_the_score_and_a_flat_one_is_none(place) {
        let judged = |model: &MaskRcnnDetector| {
            let images = model.images(&[&picture(0)]);
            let output = model.forward(&mut Tape::off(), &images);
            let found = output.judge(&SIZES[..1], 100).remove(0);
            let detections: Vec<_> = found.iter().map(|one| one.detection.clone()).collect();
            assert_eq!(output.detect(&SIZES[..1], 100).remove(0), detections);
            found
        };
        let plain = judged(&detector_at(place));
        assert_eq!(judged(&with_iou_head(place, IouHeadKind::Flat)), plain);
        // An IoU for each class, whatever the mask.
        let by_class = [0.5, 0.625, 1.75];
        let mut model = with_iou_head(place, IouHeadKind::Scoring);
        model.parameters("", &mut |name, param| {
            let (rows, columns) = (param.value.rows(), param.value.columns());
            let values = match name {
                "roi_heads.maskiou_head.maskiou.bias" => by_class.to_vec(),
                "roi_heads.maskiou_head.maskiou.weight" => vec![0.0; rows * columns],
                _ => return,
            };
            param.value = Tensor2::parameter(values, rows, columns).to(place);
        });
        let scored = judged(&model);
        assert_eq!(scored.len(), plain.len());
        for (scored, plain) in scored.iter().zip(&plain) {
            assert_eq!(scored.class_quality, plain.detection.score);
            assert_eq!(scored.mask_quality, by_class[plain.detection.class].min(1.0));
            assert_eq!(scored.detection.score, scored.class_quality * scored.mask_quality);
            assert_eq!(scored.detection.mask, plain.detection.mask);
        }
        assert!(scored.iter().any(|one| one.mask_quality < 1.0));
    }
}

/// A target gives its mask no gradient: the flat head reads the features before the mask's own layers, the scoring head
/// the mask itself.
#[test]
fn the_term_of_an_iou_head_reaches_what_the_head_reads() {
    let own = |names: &[String], part: &str| names.iter().any(|name| name.contains(part));
    let flat = touched(&mut with_iou_head(&Place::Host, IouHeadKind::Flat), "iou");
    assert!(own(&flat, "fc_iou_before") && own(&flat, "mask_fcn1") && own(&flat, "fpn_output"));
    assert!(!own(&flat, "mask_head.predictor") && !own(&flat, "mask_head.deconv"));
    let scoring = touched(
        &mut with_iou_head(&Place::Host, IouHeadKind::Scoring),
        "iou",
    );
    assert!(own(&scoring, "maskiou_fcn1") && own(&scoring, "fpn_output"));
    assert!(own(&scoring, "mask_head.predictor") && own(&scoring, "mask_fcn1"));
    assert!(!own(&scoring, "box_head") && !own(&flat, "box_head"));
}

#[test]
fn a_step_with_an_iou_head_has_the_same_bits_at_any_number_of_threads() {
    for kind in KINDS {
        let run = |threads| {
            with_threads(threads, || {
                let mut model = with_iou_head(&Place::Host, kind);
                let (_, total, mut grads) = step(&model, &both_targets());
                bits_of(&mut model, total, &mut grads)
            })
        };
        assert!(run(1) == run(3), "{kind:?}");
    }
}

/// A network with a noise-tolerant mask head, whose predictor fits no file.
fn noise_tolerant(place: &Place) -> MaskRcnnDetector {
    changed(place, |config| {
        config.mask_head = MaskHeadKind::NoiseTolerant;
        config.weights = "".into();
    })
}

on_every_place! {
    fn a_noise_tolerant_head_has_a_second_term_for_its_masks(place) {
        let model = noise_tolerant(place);
        let with = |edit: &dyn Fn(&mut Part)| {
            let images = model.images(&[&picture(0), &picture(1)]);
            let mut tape = Tape::recording();
            let output = model.forward(&mut tape, &images);
            let targets = both_targets();
            let mut part = part(&targets, EmptyImage::Background);
            edit(&mut part);
            let losses = output.begin(&part, Stream::new(1, "draws")).losses(&mut tape);
            let terms = losses.terms.iter();
            terms.map(|(name, term)| (*name, term.scalar())).collect::<Vec<_>>()
        };
        let plain = with(&|_| ());
        assert_eq!(plain[5].0, "mask-coarse");
        let (mask, coarse) = (plain[2].1, plain[5].1);
        assert!(mask > 0.0 && coarse > 0.0 && mask != coarse);
        // Both have the rule of the masks.
        let boundary = crate::detector::Boundary {
            scale: 3.0,
            reduction: crate::detector::Reduction::Released,
            padding: crate::detector::Padding::Zero,
        };
        let tripled = with(&|part| part.mask_loss.boundary = Some(boundary));
        for term in [2, 5] {
            let (found, expected) = (tripled[term].1, 3.0 * plain[term].1);
            assert!((found - expected).abs() < 2e-5 * expected, "{found}, not {expected}");
        }
        for term in [0, 1, 3, 4] {
            assert_eq!(tripled[term], plain[term]);
        }
    }
}

#[test]
fn coarse_masks_do_not_teach_the_layers_of_the_fine_ones() {
    let mut model = noise_tolerant(&Place::Host);
    let own = |names: &[String], part: &str| names.iter().any(|name| name.contains(part));
    let coarse = touched(&mut model, "mask-coarse");
    assert!(own(&coarse, "conv5_fc") && own(&coarse, "conv_logits_coarse"));
    assert!(own(&coarse, "mask_fcn1") && !own(&coarse, "mask_fcn2"));
    for fine in [
        "deconv",
        "mask_head.predictor",
        "upsample2",
        "conv_logits_final",
    ] {
        assert!(!own(&coarse, fine), "{fine}");
    }
    let mask = touched(&mut model, "mask");
    for layer in ["mask_fcn2", "conv4_fc", "upsample2", "conv_logits_final"] {
        assert!(own(&mask, layer), "{layer}");
    }
}

fn two_branches(place: &Place) -> MaskRcnnDetector {
    changed(place, |config| config.branches = Branches::StrongWeak)
}

/// The terms of targets of this origin, and the names of the parameters that they teach.
fn learned(model: &mut MaskRcnnDetector, origin: Origin) -> (Vec<f32>, Vec<String>) {
    let images = model.images(&[&picture(0), &picture(1)]);
    let mut tape = Tape::recording();
    let output = model.forward(&mut tape, &images);
    let targets = both_targets();
    let part = Part {
        origin,
        ..part(&targets, EmptyImage::Background)
    };
    let losses = output
        .begin(&part, Stream::new(1, "draws"))
        .losses(&mut tape);
    let mut grads = tape.backward(&losses.total);
    let mut names = Vec::new();
    model.parameters("", &mut |name, param| {
        if param.value.gradient(&mut grads).iter().any(|g| *g != 0.0) {
            names.push(name.to_string());
        }
    });
    let terms = losses.terms.iter();
    (terms.map(|(_, term)| term.scalar()).collect(), names)
}

#[test]
fn each_branch_learns_from_targets_of_its_origin_and_the_rest_from_both() {
    let mut model = two_branches(&Place::Host);
    let all = |names: &[String], weak: bool| {
        let of_heads = names.iter().filter(|name| name.starts_with("roi_heads."));
        of_heads
            .clone()
            .all(|name| name.starts_with("roi_heads.weak.") == weak)
            && of_heads.count() == 16
    };
    let shared = |names: &[String]| {
        ["backbone.fpn", "backbone.bottom_up", "proposal_generator"]
            .iter()
            .all(|part| names.iter().any(|name| name.starts_with(part)))
    };
    let (strong, of_strong) = learned(&mut model, Origin::Labelled);
    let (weak, of_weak) = learned(&mut model, Origin::Pseudo);
    assert!(
        all(&of_strong, false) && shared(&of_strong),
        "{of_strong:?}"
    );
    assert!(all(&of_weak, true) && shared(&of_weak), "{of_weak:?}");
    for term in 0..3 {
        assert_ne!(strong[term], weak[term], "heads with other values");
    }
    assert_eq!(strong[3..], weak[3..], "the same proposals");
    // A network of one branch has the losses of the strong one, whatever the origin.
    let mut single = detector_at(&Place::Host);
    for origin in [Origin::Labelled, Origin::Pseudo] {
        assert_eq!(learned(&mut single, origin).0, strong);
    }
}

on_every_place! {
    fn the_strong_branch_finds_the_objects(place) {
        let mut model = two_branches(place);
        let found = |model: &MaskRcnnDetector| {
            let images = model.images(&[&picture(0)]);
            model.forward(&mut Tape::off(), &images).detect(&SIZES[..1], 100)
        };
        let expected = found(&detector_at(place));
        assert_eq!(found(&model), expected);
        let (mut strong, mut copied) = (std::collections::BTreeMap::new(), 0);
        model.parameters("", &mut |name, param| {
            strong.insert(name.to_string(), param.value.clone());
        });
        // Equal branches have equal losses.
        model.parameters("", &mut |name, param| {
            if let Some(inner) = name.strip_prefix("roi_heads.weak.") {
                let values = strong[&format!("roi_heads.{inner}")].host_values().into_owned();
                param.value.assign(&values);
                copied += 1;
            }
        });
        assert_eq!(copied, 16);
        let weak = learned(&mut model, Origin::Pseudo).0;
        assert_eq!(weak, learned(&mut model, Origin::Labelled).0);
        // The weak branch has no part in what is found.
        model.parameters("", &mut |name, param| {
            if name.starts_with("roi_heads.weak.") {
                let none = vec![0.0; param.value.len()];
                param.value.assign(&none);
            }
        });
        assert_eq!(found(&model), expected);
    }
}
