//! Rectangles worked out by hand, both references, and many masks at once on every place.

use super::*;
use crate::ops::check::on_every_place;
use crate::ops::golden;
use crate::rng::Stream;

#[test]
fn a_full_mask_fills_its_rectangle() {
    let mask = vec![1.0; 16];
    let bounds = Bounds::new([2.0, 1.0, 6.0, 4.0]);
    let image = paste_mask(&mask, 4, bounds, (6, 8), PasteRule::Sampled);
    for (i, value) in image.iter().enumerate() {
        let inside = (2..6).contains(&(i % 8)) && (1..4).contains(&(i / 8));
        assert_eq!(*value >= 0.5, inside, "pixel {i}: {value}");
    }
}

#[test]
fn rectangles_outside_leave_the_image_empty() {
    for bounds in [
        [20.0, 20.0, 30.0, 30.0],
        [-30.0, -30.0, -20.0, -20.0],
        [f32::NAN, 0.0, 5.0, 5.0],
    ] {
        for rule in [PasteRule::Sampled, PasteRule::Expanded] {
            let image = paste_mask(&[1.0; 4], 2, Bounds::new(bounds), (10, 10), rule);
            assert!(image.iter().all(|v| *v == 0.0), "{bounds:?}");
        }
    }
}

#[test]
fn a_rectangle_without_width_is_nothing_or_a_column() {
    let bounds = Bounds::new([3.0, 3.0, 3.0, 6.0]);
    let pasted = |rule| paste_mask(&[1.0; 4], 2, bounds, (10, 10), rule);
    assert_eq!(pasted(PasteRule::Sampled), [0.0; 100]);
    // With its border the mask is 4 high, and the rectangle 6: rows 1 to 7, which read the mask at
    // 4/7 (i + 1/2) - 1/2.
    let column = [
        0.0,
        5.0 / 14.0,
        13.0 / 14.0,
        1.0,
        13.0 / 14.0,
        5.0 / 14.0,
        0.0,
    ];
    for (pixel, found) in pasted(PasteRule::Expanded).into_iter().enumerate() {
        let expected = match (pixel / 10, pixel % 10) {
            (row @ 1..=7, 3) => column[row - 1],
            _ => 0.0,
        };
        assert!(
            (found - expected).abs() < 1e-5,
            "pixel {pixel}: {found}, not {expected}"
        );
    }
}

#[test]
fn parity_with_both_programs() {
    let tensors = golden::load("rcnn_ops");
    let masks = tensors["paste.masks"].1.chunks_exact(28 * 28);
    let boxes = tensors["paste.boxes"].1.chunks_exact(4);
    let cases: Vec<_> = masks.zip(boxes).collect();
    for (name, rule) in [
        ("torchvision", PasteRule::Expanded),
        ("detectron2", PasteRule::Sampled),
    ] {
        let pasted = cases.iter().flat_map(|(mask, row)| {
            let bounds = Bounds::new([row[0], row[1], row[2], row[3]]);
            paste_mask(mask, 28, bounds, (36, 48), rule)
        });
        let expected = &tensors[&format!("paste.{name}")].1;
        golden::compare(name, &pasted.collect::<Vec<_>>(), expected, 1e-4);
    }
}

const BOTH: [PasteRule; 2] = [PasteRule::Sampled, PasteRule::Expanded];

/// Rectangles inside, across the borders, outside, without width, not finite, below a pixel and larger than the image.
const RECTANGLES: [[f32; 4]; 8] = [
    [3.2, 4.1, 20.7, 30.3],
    [-8.5, -3.5, 12.5, 9.5],
    [30.1, 20.2, 55.5, 44.4],
    [70.0, 60.0, 90.0, 80.0],
    [10.0, 10.0, 10.0, 18.0],
    [1.0, f32::NAN, 4.0, 6.0],
    [5.25, 7.5, 5.75, 7.75],
    [-20.0, -30.0, 80.0, 70.0],
];

fn masks(side: usize) -> Vec<Vec<f32>> {
    let mut stream = Stream::new(7, "masks");
    let mut mask = |_| (0..side * side).map(|_| stream.uniform_f32()).collect();
    RECTANGLES.iter().map(&mut mask).collect()
}

fn small<'m>(masks: &'m [Vec<f32>], side: usize, rule: PasteRule) -> SmallMasks<'m> {
    let rectangles = RECTANGLES.iter().map(|sides| Bounds::new(*sides));
    SmallMasks {
        masks: rectangles.zip(masks.iter().map(Vec::as_slice)).collect(),
        side,
        size: (36, 48),
        rule,
    }
}

on_every_place! {
    fn many_masks_are_pasted_as_each_one_is(place) {
        let masks = masks(10);
        for rule in BOTH {
            let small = small(&masks, 10, rule);
            let logits = small.logits(place);
            assert_eq!((logits.rows(), logits.columns()), (8, 36 * 48));
            let found = logits.host_values();
            for ((bounds, mask), found) in small.masks.iter().zip(found.chunks_exact(36 * 48)) {
                let expected = paste_mask(mask, 10, *bounds, (36, 48), rule);
                for (pixel, (found, expected)) in found.iter().zip(expected).enumerate() {
                    let probability = crate::ops::sigmoid(*found);
                    assert!((probability - expected).abs() < 1e-5, "{rule:?} {bounds:?}, pixel {pixel}: {probability}, not {expected}");
                }
            }
            let areas = small.areas(place).wait();
            let above = |row: &[f32]| row.iter().filter(|logit| **logit > 0.0).count();
            let expected: Vec<usize> = found.chunks_exact(36 * 48).map(above).collect();
            assert_eq!(areas, expected, "{rule:?}");
            assert!(areas[0] > 0 && areas[3] == 0 && areas[5] == 0, "{areas:?}");
        }
    }

    fn a_pixel_outside_is_surely_background_and_one_inside_as_sure_as_its_mask(place) {
        for (value, expected) in [(1.0, MOST_LOGIT), (0.9, 9f32.ln()), (0.5, 0.0), (0.0, -MOST_LOGIT)] {
            let mask = [value; 4];
            let small = SmallMasks {
                masks: vec![(Bounds::new([2.0, 1.0, 6.0, 4.0]), &mask)],
                side: 2,
                size: (6, 8),
                rule: PasteRule::Sampled,
            };
            let logits = small.logits(place);
            let logits = logits.host_values();
            assert_eq!(logits[0], -MOST_LOGIT);
            let inside = logits[2 * 8 + 4];
            assert!((inside - expected).abs() < 1e-5, "{inside}, not {expected}");
        }
    }

    fn no_mask_is_pasted_into_nothing(place) {
        let none = SmallMasks { masks: Vec::new(), side: 4, size: (5, 6), rule: PasteRule::Sampled };
        let logits = none.logits(place);
        assert_eq!((logits.rows(), logits.columns()), (0, 30));
        assert!(none.areas(place).wait().is_empty());
    }
}
