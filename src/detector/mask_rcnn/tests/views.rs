//! Detections from several views of a picture, against those of one.

use super::*;
use crate::structures::Picture;

/// A detector whose proposals suppress each other in no view, so that the union of one view is its own proposals.
fn open_detector() -> MaskRcnnDetector {
    let mut config = config(Semantics::Detectron2);
    config.proposals.overlap = 1.0;
    let network = MaskRcnn::new(&config, CLASSES, &mut Stream::new(0, "m"));
    MaskRcnnDetector::new(network.expect("torchvision's weights"), loss())
}

fn plain_view(picture: Picture) -> TestView {
    TestView {
        picture,
        flipped: false,
    }
}

fn by_proposal(size: (usize, usize)) -> ViewsRule {
    ViewsRule {
        size,
        top: 100,
        mask_threshold: 0.5,
        merge: Merge::MeanByProposal,
    }
}

fn judged(detector: &MaskRcnnDetector, picture: &Picture, size: (usize, usize)) -> Vec<Judged> {
    let images = detector.images(&[picture]);
    let output = detector.forward(&mut Tape::off(), &images);
    output.judge(&[size], 100).remove(0)
}

fn assert_same(found: &[Judged], expected: &[Judged]) {
    assert!(!expected.is_empty());
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let (found, expected) = (&found.detection, &expected.detection);
        assert_eq!(found.class, expected.class);
        assert!((found.score - expected.score).abs() < 1e-5);
        let boxes = found
            .bounds
            .unwrap()
            .into_iter()
            .zip(expected.bounds.unwrap());
        boxes.for_each(|(a, b)| assert!((a - b).abs() < 1e-2, "{a} {b}"));
        let differing = found.mask.bits.iter().zip(&expected.mask.bits);
        let differing = differing.filter(|(a, b)| a != b).count();
        assert!(differing <= 3, "{differing} pixels differ");
    }
}

#[test]
fn one_view_finds_what_the_network_finds_and_so_do_two_equal_ones() {
    let detector = open_detector();
    let picture = picture(0);
    let expected = judged(&detector, &picture, SIZES[0]);
    let view = plain_view(picture);
    let found = detector.judge_views(std::slice::from_ref(&view), &by_proposal(SIZES[0]));
    assert_same(&found, &expected);
    assert!(found.iter().all(|one| one.mask_quality > 0.0));
    let mut detector = open_detector();
    // The equal proposals of two views are duplicates.
    let mut rule = config(Semantics::Detectron2);
    rule.proposals.overlap = 0.9999;
    let network = MaskRcnn::new(&rule, CLASSES, &mut Stream::new(0, "m")).unwrap();
    detector.network = network;
    let once = detector.judge_views(std::slice::from_ref(&view), &by_proposal(SIZES[0]));
    let twice = detector.judge_views(&[view.clone(), view], &by_proposal(SIZES[0]));
    assert_same(&twice, &once);
}

/// Of the mirrored picture alone, marked as mirrored, the detections are those of it, mirrored back. The picture and
/// its masks are not symmetric.
#[test]
fn a_mirrored_view_is_mirrored_back() {
    let detector = open_detector();
    let mirror = picture(0).flipped();
    let width = SIZES[0].1 as f32;
    let mut expected = judged(&detector, &mirror, SIZES[0]);
    let plain = expected.clone();
    for one in &mut expected {
        let found = &mut one.detection;
        found.mask = found.mask.flipped();
        let [x1, y1, x2, y2] = found.bounds.unwrap();
        found.bounds = Some([width - x2, y1, width - x1, y2]);
    }
    assert_ne!(plain[0].detection.mask, expected[0].detection.mask);
    let view = TestView {
        picture: mirror,
        flipped: true,
    };
    let found = detector.judge_views(&[view], &by_proposal(SIZES[0]));
    assert_same(&found, &expected);
}

/// A view of another size finds its boxes in the pixels of the picture.
#[test]
fn a_view_of_half_the_size_is_mapped_to_the_picture() {
    let detector = open_detector();
    let picture = picture(1);
    let (height, width) = SIZES[1];
    let doubled = (2 * height, 2 * width);
    // The picture is the half of one with twice the size: boxes and masks are those of that size.
    let expected = judged(&detector, &picture, doubled);
    let found = detector.judge_views(&[plain_view(picture)], &by_proposal(doubled));
    assert_same(&found, &expected);
    let most = found.iter().map(|one| one.detection.bounds.unwrap()[2]);
    assert!(
        most.fold(0.0, f32::max) > width as f32,
        "beyond the view itself"
    );
}

#[test]
fn views_of_other_pictures_are_averaged_and_the_threshold_cuts_the_mean() {
    let detector = open_detector();
    let [one, other] = [picture(0), picture(0).flipped()].map(plain_view);
    let rule = by_proposal(SIZES[0]);
    // Wrongly not mirrored back, the two disagree about every object: the means are lower than the best of each.
    let both = detector.judge_views(&[one.clone(), other.clone()], &rule);
    let best = |found: &[Judged]| found.first().map_or(0.0, |one| one.detection.score);
    let alone = [one, other].map(|view| best(&detector.judge_views(&[view], &rule)));
    assert!(
        best(&both) < alone[0].max(alone[1]),
        "{} {alone:?}",
        best(&both)
    );
    let area = |mask_threshold: f32| -> usize {
        let rule = ViewsRule {
            mask_threshold,
            ..rule
        };
        let found = detector.judge_views(&[plain_view(picture(0))], &rule);
        found.iter().map(|one| one.detection.mask.area()).sum()
    };
    assert!(area(0.3) > area(0.5) && area(0.5) > area(0.7));
}
