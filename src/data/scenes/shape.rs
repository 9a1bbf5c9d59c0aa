//! The outlines and textures of the drawn classes, in an object's own coordinates.
//!
//! An outline is an implicit function `f(u, v)` for an object with a radius of about 1. It is negative inside
//! and positive outside, and near the outline it is about the distance to it. Functions:
//! <https://iquilezles.org/articles/distfunctions2d/>.

use std::f32::consts::PI;

/// No outline reaches further than this from the origin along either axis (the tip of the triangle does).
pub const EXTENT: f32 = 1.2;

/// Half the side of the rectangles.
const HALF_SIDE: f32 = 0.85;

/// `f(u, v)` of `class`. Panics if the class does not exist.
pub fn outline(class: usize, u: f32, v: f32) -> f32 {
    let bar = |half_width: f32, half_height: f32, centre: f32| {
        (u.abs() - half_width).max((v - centre).abs() - half_height)
    };
    match class {
        0 | 7 => radius(u, v) - 1.0,
        1 | 4 | 5 => u.abs().max(v.abs()) - HALF_SIDE,
        2 => star(u, v),
        3 => bar(1.0, 0.34, 0.0).min(bar(0.34, 1.0, 0.0)),
        6 => (radius(u, v) - 0.72).abs() - 0.28,
        8 => (v - 0.6).max(u.abs() * 0.866 - v * 0.5 - 0.6),
        9 => bar(1.0, 0.33, -0.67).min(bar(0.32, 1.0, 0.0)),
        _ => panic!("class {class} of ten"),
    }
}

/// A star with five points, folded into half of one point: a line from the tip (1, 0) to the notch.
fn star(u: f32, v: f32) -> f32 {
    /// The angle from a tip to the next notch.
    const HALF: f32 = PI / 5.0;
    /// The distance of the notches from the centre.
    const NOTCH: f32 = 0.45;
    let turn = (libm::atan2f(v, u) + HALF) / (2.0 * HALF);
    let angle = ((turn - libm::floorf(turn)) * 2.0 * HALF - HALF).abs();
    let r = radius(u, v);
    let (x, y) = (r * libm::cosf(angle), r * libm::sinf(angle));
    let (dx, dy) = (NOTCH * libm::cosf(HALF) - 1.0, NOTCH * libm::sinf(HALF));
    ((x - 1.0) * dy - y * dx) / radius(dx, dy)
}

fn radius(u: f32, v: f32) -> f32 {
    libm::sqrtf(u * u + v * v)
}

/// Returns true if the second colour covers the point: the stripes of class 4 and the checks of class 5, both
/// `half_period` wide, and the inner dot of class 7.
pub fn second_colour(class: usize, u: f32, v: f32, half_period: f32) -> bool {
    let cell = |x: f32| libm::floorf(x / half_period) as i32;
    match class {
        4 => cell(v).rem_euclid(2) == 1,
        5 => (cell(u) + cell(v)).rem_euclid(2) == 1,
        7 => radius(u, v) < 0.5,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of points of a fine grid inside the outline, and the largest coordinate of any of them.
    fn measure(class: usize) -> (f32, f32) {
        let (mut inside, mut reach) = (0, 0.0f32);
        for i in 0..400 {
            for j in 0..400 {
                let (u, v) = (i as f32 / 100.0 - 2.0, j as f32 / 100.0 - 2.0);
                if outline(class, u, v) <= 0.0 {
                    inside += 1;
                    reach = reach.max(u.abs()).max(v.abs());
                }
            }
        }
        (inside as f32 / 1e4, reach)
    }

    #[test]
    fn areas_and_extents() {
        let notch_star = 5.0 * 0.45 * libm::sinf(PI / 5.0);
        let expected = [
            PI,
            2.89,
            notch_star,
            2.0 * 2.0 * 0.68 - 0.68 * 0.68,
            2.89,
            2.89,
            PI * (1.0 - 0.44 * 0.44),
            PI,
            1.871,
            2.0 * 0.66 + 0.64 * 1.34,
        ];
        for (class, expected) in expected.into_iter().enumerate() {
            let (area, reach) = measure(class);
            assert!(
                (area / expected - 1.0).abs() < 0.03,
                "class {class}: area {area}, expected {expected}"
            );
            assert!(reach <= EXTENT, "class {class} reaches {reach}");
        }
    }

    #[test]
    fn stripes_run_along_u_and_checks_along_both() {
        let half = 0.3;
        assert_eq!(
            second_colour(4, -0.9, 0.1, half),
            second_colour(4, 0.9, 0.1, half)
        );
        assert_ne!(
            second_colour(4, 0.0, 0.1, half),
            second_colour(4, 0.0, -0.1, half)
        );
        assert_ne!(
            second_colour(5, 0.1, 0.1, half),
            second_colour(5, -0.1, 0.1, half)
        );
        assert_eq!(
            second_colour(5, 0.1, 0.1, half),
            second_colour(5, -0.1, -0.1, half)
        );
    }
}
