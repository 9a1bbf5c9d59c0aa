//! The anchors of a feature pyramid, and the level that a region is read from.
//!
//! Every cell of a level has one anchor of each ratio r = height / width: `$w = \sqrt{s^2 / r}$`, `$h = r w$`, s the
//! anchor size of the level. The anchors are in the order (level, row, column, ratio). None is dropped or clipped.
//! Source: Feature Pyramid Networks, section 4 (<https://arxiv.org/abs/1612.03144>).

use super::semantics::{LevelRule, Rules};
use crate::ops::Bounds;

/// Rows and columns of a map.
type Size = (usize, usize);

/// All anchors of an input of `padded` rows and columns, whose pyramid has maps of these `sizes`. `strides`: pixels of
/// the input for a pixel of each map.
pub fn anchors(
    rules: &Rules,
    anchor_sizes: &[f32],
    ratios: &[f32],
    padded: Size,
    sizes: &[Size],
    strides: &[usize],
) -> Vec<Bounds> {
    let mut all = Vec::new();
    for ((&side, &(height, width)), &stride) in anchor_sizes.iter().zip(sizes).zip(strides) {
        let (down, across) = match rules.strides_of_maps {
            true => (padded.0 / height, padded.1 / width),
            false => (stride, stride),
        };
        let cell: Vec<Bounds> = ratios
            .iter()
            .map(|ratio| around_zero(side, *ratio, rules.rounded_anchors))
            .collect();
        for row in 0..height {
            for column in 0..width {
                let (x, y) = ((column * across) as f32, (row * down) as f32);
                all.extend(cell.iter().map(|anchor| Bounds {
                    x1: anchor.x1 + x,
                    y1: anchor.y1 + y,
                    x2: anchor.x2 + x,
                    y2: anchor.y2 + y,
                }));
            }
        }
    }
    all
}

/// The anchor of the size and ratio with its centre at (0, 0).
fn around_zero(side: f32, ratio: f32, rounded: bool) -> Bounds {
    let root = ratio.sqrt();
    let (width, height) = (1.0 / root * side, root * side);
    let half = |length: f32| match rounded {
        true => (length / 2.0).round_ties_even(),
        false => length / 2.0,
    };
    Bounds {
        x1: -half(width),
        y1: -half(height),
        x2: half(width),
        y2: half(height),
    }
}

/// The level of a region with this area, 0 the finest of `count`: a square of `canonical` pixels a side belongs to
/// level 2, one twice as large to the level after it.
pub fn level_of(rule: LevelRule, area: f32, canonical: f32, count: usize) -> usize {
    let side = area.max(0.0).sqrt() / canonical;
    let level = match rule {
        // From p2: 4 is added first, as in the references, because the sum is rounded to f32.
        LevelRule::Detectron2 => (4.0 + libm::log2f(side + 1e-8)).floor() - 2.0,
        LevelRule::Torchvision => (4.0 + libm::log2f(side) + 1e-6).floor() - 2.0,
        LevelRule::Mmdetection => libm::log2f(4.0 * side + 1e-6).floor(),
    };
    level.clamp(0.0, (count - 1) as f32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::mask_rcnn::Semantics;
    use crate::ops::golden;

    const SIZES: [f32; 5] = [32.0, 64.0, 128.0, 256.0, 512.0];
    const RATIOS: [f32; 3] = [0.5, 1.0, 2.0];
    const STRIDES: [usize; 5] = [4, 8, 16, 32, 64];
    const RULES: [LevelRule; 3] = [
        LevelRule::Torchvision,
        LevelRule::Detectron2,
        LevelRule::Mmdetection,
    ];

    #[test]
    fn a_tall_anchor_is_twice_as_high_as_wide() {
        let exact = around_zero(32.0, 2.0, false);
        assert!((exact.width() - 22.627).abs() < 1e-3 && (exact.height() - 45.255).abs() < 1e-3);
        assert_eq!(
            around_zero(32.0, 2.0, true).to_array(),
            [-11.0, -23.0, 11.0, 23.0]
        );
    }

    #[test]
    fn parity_of_anchors_with_torchvision() {
        let tensors = golden::load("rcnn_ops");
        for (name, semantics) in [
            ("rounded", Semantics::Torchvision),
            ("exact", Semantics::Detectron2),
        ] {
            for (height, width) in [(96, 128), (128, 160)] {
                let mut sizes: Vec<Size> = (2..6).map(|l| (height >> l, width >> l)).collect();
                sizes.push((sizes[3].0.div_ceil(2), sizes[3].1.div_ceil(2)));
                // torchvision takes the strides from the sizes of the maps, whether it rounds or not.
                let rules = Rules {
                    strides_of_maps: true,
                    ..semantics.rules()
                };
                let padded = (height, width);
                let found = anchors(&rules, &SIZES, &RATIOS, padded, &sizes, &STRIDES);
                let found: Vec<f32> = found.iter().flat_map(|anchor| anchor.to_array()).collect();
                let expected = &tensors[&format!("anchors.{name}.{height}.{width}")].1;
                golden::compare(name, &found, expected, 1e-7);
            }
        }
    }

    #[test]
    fn the_strides_of_a_level_are_its_own_or_those_of_its_map() {
        let rules = Semantics::Detectron2.rules();
        // The coarsest map of 96 rows has 2 rows: 48 pixels each, or the stride of 64.
        let of = |rules: &Rules| anchors(rules, &[512.0], &[1.0], (96, 128), &[(2, 2)], &[64]);
        assert_eq!(of(&rules)[2].y1, 64.0 - 256.0);
        assert_eq!(of(&Semantics::Torchvision.rules())[2].y1, 48.0 - 256.0);
    }

    #[test]
    fn parity_of_levels() {
        let tensors = golden::load("rcnn_ops");
        for (name, rule) in [
            ("torchvision", LevelRule::Torchvision),
            ("detectron2", LevelRule::Detectron2),
        ] {
            let expected = &tensors[&format!("levels.{name}")].1;
            for (side, expected) in tensors["levels.sides"].1.iter().zip(expected) {
                let level = 2 + level_of(rule, side * side, 224.0, 4);
                assert_eq!(level as f32, *expected, "{name} {side}");
            }
        }
        // mmdetection: floor(log2(side / 56 + 1e-6)) from the finest map.
        for (side, expected) in [(55.0, 0), (112.0, 1), (223.9, 1), (224.0, 2), (5000.0, 3)] {
            assert_eq!(
                level_of(LevelRule::Mmdetection, side * side, 224.0, 4),
                expected
            );
        }
        for rule in RULES {
            assert_eq!(level_of(rule, 0.0, 224.0, 4), 0, "no area");
        }
    }

    #[test]
    fn just_below_a_level_the_sum_is_rounded_as_in_the_references() {
        // The next f32 below 112, over 224, is 1/2 - 2^-25, whose logarithm is -1 - 2^-23 in f32. 3 - 2^-23 lies
        // between 3 - 2^-22 and 3 and becomes 3, the even one. 5 - 2^-24 becomes 5 likewise.
        for rule in RULES {
            for (side, level) in [(112f32, 1), (448.0, 3)] {
                let below = side.next_down();
                assert_eq!(
                    level_of(rule, below * below, 224.0, 4),
                    level,
                    "{rule:?} {side}"
                );
                let lower = 0.9999 * side;
                assert_eq!(
                    level_of(rule, lower * lower, 224.0, 4),
                    level - 1,
                    "{rule:?} {side}"
                );
            }
        }
    }
}
