//! The code of a rectangle relative to another, its anchor.
//!
//! `$$ d_x = w_x \frac{x - x_a}{W_a}, \quad d_w = w_w \ln\frac{W}{W_a}, \qquad
//!    x = \frac{d_x}{w_x} W_a + x_a, \quad W = W_a \exp\min\Bigl(\frac{d_w}{w_w}, \ln\frac{1000}{16}\Bigr) $$`
//!
//! x is the centre and W the width; y and the height likewise. Source: R-CNN, appendix C
//! (<https://arxiv.org/abs/1311.2524>), with the weights w and the bound of Fast R-CNN's implementations.

use super::Bounds;

/// A decoded rectangle is at most this many times as wide and high as its anchor.
pub const LARGEST_GROWTH: f32 = 1000.0 / 16.0;

/// The weights of the four deltas, and the rule for very small rectangles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxCoder {
    /// Weights of dx, dy, dw, dh.
    pub weights: [f32; 4],
    /// True if a rectangle is also at least one [`LARGEST_GROWTH`]-th as wide and high as its anchor.
    pub bounded_below: bool,
}

impl BoxCoder {
    /// The deltas from `anchor` to `target`.
    pub fn encode(self, target: Bounds, anchor: Bounds) -> [f32; 4] {
        let [wx, wy, ww, wh] = self.weights;
        let ([ax, ay], [tx, ty]) = (centre(anchor), centre(target));
        let (width, height) = (anchor.width(), anchor.height());
        [
            wx * (tx - ax) / width,
            wy * (ty - ay) / height,
            ww * libm::logf(target.width() / width),
            wh * libm::logf(target.height() / height),
        ]
    }

    /// The rectangle with these deltas from `anchor`. It may reach outside the image, and a delta that is not a number
    /// makes it not finite.
    pub fn decode(self, deltas: [f32; 4], anchor: Bounds) -> Bounds {
        let [wx, wy, ww, wh] = self.weights;
        let [ax, ay] = centre(anchor);
        let most = libm::logf(LARGEST_GROWTH);
        let least = match self.bounded_below {
            true => -most,
            false => f32::NEG_INFINITY,
        };
        // `clamp` keeps NaN; `min` and `max` would make a bound of it.
        let grown = |delta: f32, weight: f32| libm::expf((delta / weight).clamp(least, most));
        let x = deltas[0] / wx * anchor.width() + ax;
        let y = deltas[1] / wy * anchor.height() + ay;
        let half_width = 0.5 * (grown(deltas[2], ww) * anchor.width());
        let half_height = 0.5 * (grown(deltas[3], wh) * anchor.height());
        Bounds::new([
            x - half_width,
            y - half_height,
            x + half_width,
            y + half_height,
        ])
    }
}

fn centre(bounds: Bounds) -> [f32; 2] {
    [
        bounds.x1 + 0.5 * bounds.width(),
        bounds.y1 + 0.5 * bounds.height(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::golden;
    use proptest::prelude::*;

    const UNIT: BoxCoder = BoxCoder {
        weights: [1.0; 4],
        bounded_below: false,
    };
    const BOX_HEAD: BoxCoder = BoxCoder {
        weights: [10.0, 10.0, 5.0, 5.0],
        bounded_below: false,
    };

    #[test]
    fn numbers_worked_out_by_hand() {
        let anchor = Bounds::new([0.0, 0.0, 10.0, 20.0]);
        let deltas = [1.0, 0.0, 2f32.ln(), 9.0];
        // Centre (15, 10), 20 wide, 20 * 62.5 high.
        let expected = [5.0, -615.0, 25.0, 635.0];
        let decoded = UNIT.decode(deltas, anchor).to_array();
        for (got, expected) in decoded.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-2, "{decoded:?}");
        }
        let decoded = BOX_HEAD.decode(deltas, anchor);
        assert!((decoded.width() - 11.487).abs() < 1e-2);
        assert!((decoded.height() - 120.99).abs() < 1e-1);
    }

    #[test]
    fn only_one_rule_bounds_small_rectangles() {
        let anchor = Bounds::new([0.0, 0.0, 625.0, 625.0]);
        let shrunk = [0.0, 0.0, -9.0, -9.0];
        assert!(UNIT.decode(shrunk, anchor).width() < 1.0);
        let bounded = BoxCoder {
            bounded_below: true,
            ..UNIT
        };
        assert!((bounded.decode(shrunk, anchor).width() - 10.0).abs() < 1e-2);
    }

    #[test]
    fn a_delta_that_is_no_number_makes_no_rectangle() {
        let anchor = Bounds::new([0.0, 0.0, 10.0, 20.0]);
        for bounded_below in [false, true] {
            let coder = BoxCoder {
                bounded_below,
                ..BOX_HEAD
            };
            assert!(coder.decode([0.0; 4], anchor).is_finite());
            for place in 0..4 {
                let mut deltas = [0.0; 4];
                deltas[place] = f32::NAN;
                assert!(!coder.decode(deltas, anchor).is_finite(), "delta {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(
            x in 0f32..50.0, y in 0f32..50.0, w in 1f32..40.0, h in 1f32..40.0,
            ax in 0f32..50.0, ay in 0f32..50.0, aw in 1f32..40.0, ah in 1f32..40.0,
        ) {
            let target = Bounds::new([x, y, x + w, y + h]);
            let anchor = Bounds::new([ax, ay, ax + aw, ay + ah]);
            for coder in [UNIT, BOX_HEAD] {
                let again = coder.decode(coder.encode(target, anchor), anchor);
                for (a, b) in again.to_array().iter().zip(target.to_array()) {
                    prop_assert!((a - b).abs() < 1e-3, "{:?} {:?}", again, target);
                }
            }
        }
    }

    #[test]
    fn parity_with_torchvision() {
        let tensors = golden::load("rcnn_ops");
        let rows = |name: &str| -> Vec<[f32; 4]> {
            let rows = tensors[name].1.chunks_exact(4);
            rows.map(|row| [row[0], row[1], row[2], row[3]]).collect()
        };
        let anchors = rows("boxes.a");
        for (name, coder) in [("unit", UNIT), ("box_head", BOX_HEAD)] {
            let of = |field: &str| rows(&format!("coder.{name}.{field}"));
            let encoded = of("truth").into_iter().zip(&anchors);
            let encoded = encoded.flat_map(|(t, a)| coder.encode(Bounds::new(t), Bounds::new(*a)));
            let expected = &tensors[&format!("coder.{name}.encoded")].1;
            golden::compare("encoded", &encoded.collect::<Vec<_>>(), expected, 1e-6);
            let decoded = of("deltas").into_iter().zip(&anchors);
            let decoded = decoded.flat_map(|(d, a)| coder.decode(d, Bounds::new(*a)).to_array());
            let expected = &tensors[&format!("coder.{name}.decoded")].1;
            golden::compare("decoded", &decoded.collect::<Vec<_>>(), expected, 1e-6);
        }
    }
}
