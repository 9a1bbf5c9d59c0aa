//! The weights of pseudo-labels, of background and of boundaries in the losses.

use super::*;
use crate::detector::{Background, Boundary, ObjectWeights, Padding, Reduction, RegionJudge};
use crate::ops::Bounds;

/// The terms of both pictures.
fn terms(
    model: &MaskRcnnDetector,
    edit: impl Fn(&mut Part),
    weights: Option<ObjectWeights>,
) -> Vec<f32> {
    terms_of(model, edit, |_, _| weights)
}

/// The same with weights for every picture and object.
fn terms_of(
    model: &MaskRcnnDetector,
    edit: impl Fn(&mut Part),
    weights: impl Fn(usize, usize) -> Option<ObjectWeights>,
) -> Vec<f32> {
    let images = model.images(&[&picture(0), &picture(1)]);
    let mut tape = Tape::recording();
    let output = model.forward(&mut tape, &images);
    let of_picture = |number: usize| {
        let targets = targets(number, 160);
        Targets {
            weights: (0..targets.len())
                .map(|object| weights(number, object))
                .collect(),
            ..targets
        }
    };
    let targets = [of_picture(0), of_picture(1)];
    let mut part = part(&targets, EmptyImage::Background);
    edit(&mut part);
    let losses = output
        .begin(&part, Stream::new(1, "draws"))
        .losses(&mut tape);
    losses.terms.iter().map(|(_, term)| term.scalar()).collect()
}

const CLASS: usize = 0;
const MASK: usize = 2;

fn same(class: f32, mask: f32) -> Option<ObjectWeights> {
    Some(ObjectWeights { class, mask })
}

fn close(found: f32, expected: f32) {
    assert!(
        (found - expected).abs() <= 2e-5 * expected.abs(),
        "{found}, not {expected}"
    );
}

on_every_place! {
    fn weights_are_factors_and_no_loss_is_divided_by_them(place) {
        let model = detector_at(place);
        let silent = |part: &mut Part| part.background = Background::Weight(0.0);
        let plain = terms(&model, |_| (), None);
        assert_eq!(terms(&model, |_| (), same(1.0, 1.0)), plain);
        let objects = terms(&model, silent, None);
        let halves = terms(&model, silent, same(0.5, 0.25));
        close(halves[CLASS], 0.5 * objects[CLASS]);
        close(halves[MASK], 0.25 * plain[MASK]);
        for term in [1, 3, 4] {
            assert_eq!((halves[term], objects[term]), (plain[term], plain[term]), "boxes and anchors have no weight");
        }
        // One mask is shut out: the others keep their divisor, and its class stays.
        let gated = |of: usize| {
            terms_of(&model, |_| (), move |picture, object| {
                same(1.0, f32::from(u8::from((picture == 0 && object == 0) == (of == 0))))
            })
        };
        let [first, others] = [0, 1].map(gated);
        close(first[MASK] + others[MASK], plain[MASK]);
        assert!(first[MASK] > 0.0 && others[MASK] > 0.0);
        assert_eq!((first[CLASS], others[CLASS]), (plain[CLASS], plain[CLASS]));
    }

    fn a_boundary_that_is_averaged_first_is_a_factor_on_the_masks(place) {
        let model = detector_at(place);
        let rule = |reduction, padding| Boundary { scale: 3.0, reduction, padding };
        let with = |boundary| terms(&model, |part| part.mask_loss.boundary = boundary, None);
        let plain = with(None);
        let released = with(Some(rule(Reduction::Released, Padding::Zero)));
        close(released[MASK], 3.0 * plain[MASK]);
        let zero = with(Some(rule(Reduction::Pixel, Padding::Zero)));
        let replicate = with(Some(rule(Reduction::Pixel, Padding::Replicate)));
        for (term, plain) in plain.iter().enumerate().filter(|(term, _)| *term != MASK) {
            assert_eq!([released[term], zero[term], replicate[term]], [*plain; 3]);
        }
        let differ = |a: f32, b: f32| assert!((a - b).abs() > 1e-4 * b, "{a} {b}");
        differ(zero[MASK], released[MASK]);
        differ(replicate[MASK], zero[MASK]);
    }
}

/// Says that every region is background with the same probability.
struct Says(f32);

impl RegionJudge for Says {
    fn background(&self, image: usize, regions: &[Bounds]) -> Vec<f32> {
        assert!(image < 2, "image {image} of the teacher's two");
        vec![self.0; regions.len()]
    }
}

#[test]
fn a_teacher_weighs_background_and_the_sum_of_the_weights_divides() {
    let model = detector_at(&Place::Host);
    let class =
        |background| terms(&model, |part: &mut Part| part.background = background, None)[CLASS];
    let (own, objects) = (class(Background::Own), class(Background::Weight(0.0)));
    close(class(Background::Weight(0.5)), 0.5 * (own + objects));
    close(class(Background::Teacher(&Says(1.0))), own);
    // Regions with an object among all, from the two divisors.
    let share = objects / class(Background::Teacher(&Says(0.0)));
    assert!(share > 0.01 && share < 0.9, "{share}");
    let background = own - objects;
    let expected = (objects + 0.25 * background) / (share + 0.25 * (1.0 - share));
    let found = class(Background::Teacher(&Says(0.25)));
    assert!(
        (found - expected).abs() < 1e-4 * expected,
        "{found}, not {expected}"
    );
}

/// The teacher's output has the images of the unlabelled part alone.
#[test]
fn the_teacher_is_asked_about_its_own_images() {
    let model = detector_at(&Place::Host);
    let images = model.images(&[&picture(0), &picture(0), &picture(1)]);
    let mut tape = Tape::recording();
    let output = model.forward(&mut tape, &images);
    let targets = [targets(0, 160), targets(1, 160)];
    let part = Part {
        images: 1..3,
        background: Background::Teacher(&Says(0.5)),
        ..part(&targets, EmptyImage::Background)
    };
    let losses = output
        .begin(&part, Stream::new(1, "draws"))
        .losses(&mut tape);
    assert!(losses.total.scalar().is_finite());
}

#[test]
fn the_background_of_a_region_is_the_rest_of_its_classes() {
    let model = detector_at(&Place::Host);
    let images = model.images(&[&picture(0), &picture(1)]);
    let output = model.forward(&mut Tape::off(), &images);
    let whole = Bounds::new([0.0, 0.0, 160.0, 96.0]);
    let corner = Bounds::new([2.0, 3.0, 30.0, 20.0]);
    let both = output.background(1, &[whole, corner]).unwrap();
    assert!(both.iter().all(|p| *p > 0.0 && *p < 1.0));
    assert_eq!(output.background(1, &[corner]).unwrap(), [both[1]]);
    assert_ne!(
        output.background(0, &[corner]).unwrap(),
        [both[1]],
        "another picture"
    );
    assert_eq!(output.background(1, &[]), Some(Vec::new()));
}

#[test]
fn a_focal_loss_counts_sure_regions_less_and_changes_no_other_term() {
    let with = |focal| {
        let mut model = detector_at(&Place::Host);
        model.criterion.config.focal = focal;
        terms(&model, |_| (), None)
    };
    let [plain, one, more] = [0.0, 1.0, 1.5].map(with);
    assert!(more[CLASS] < one[CLASS] && one[CLASS] < plain[CLASS] && more[CLASS] > 0.0);
    assert_eq!((&more[1..], &one[1..]), (&plain[1..], &plain[1..]));
}
