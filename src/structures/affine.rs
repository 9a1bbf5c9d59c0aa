//! Affine maps of the plane, in pixels: x to the right, y down; pixel i covers i to i + 1.
//!
//! `$$ x' = a\,x + b\,y + c, \qquad y' = d\,x + e\,y + f $$`

/// An affine map that can be turned round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AffineMap {
    /// `[[a, b, c], [d, e, f]]`.
    rows: [[f64; 3]; 2],
}

impl AffineMap {
    /// Every point stays.
    pub const IDENTITY: Self = Self {
        rows: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    };

    /// Moves every point by `[x, y]`.
    pub fn translation([x, y]: [f64; 2]) -> Self {
        Self {
            rows: [[1.0, 0.0, x], [0.0, 1.0, y]],
        }
    }

    /// Multiplies x and y. Panics if a factor is 0.
    pub fn scale([x, y]: [f64; 2]) -> Self {
        assert!(x != 0.0 && y != 0.0, "a scale of {x} and {y}");
        Self {
            rows: [[x, 0.0, 0.0], [0.0, y, 0.0]],
        }
    }

    /// Turns the plane around (0, 0), clockwise as a picture shows it, by `degrees`.
    pub fn rotation(degrees: f64) -> Self {
        let (sine, cosine) = libm::sincos(degrees.to_radians());
        Self {
            rows: [[cosine, -sine, 0.0], [sine, cosine, 0.0]],
        }
    }

    /// Shears along x, then along y, by these angles in degrees: (0, 1) moves along x by the tangent of the first.
    pub fn shear([along_x, along_y]: [f64; 2]) -> Self {
        let tangent = |degrees: f64| libm::tan(degrees.to_radians());
        let along_x = Self {
            rows: [[1.0, tangent(along_x), 0.0], [0.0, 1.0, 0.0]],
        };
        let along_y = Self {
            rows: [[1.0, 0.0, 0.0], [tangent(along_y), 1.0, 0.0]],
        };
        along_x.then(along_y)
    }

    /// This map, then `next`.
    pub fn then(self, next: Self) -> Self {
        let rows = next.rows.map(|[a, b, c]| {
            let [first, second] = self.rows;
            let column = |i: usize| a * first[i] + b * second[i];
            [column(0), column(1), column(2) + c]
        });
        Self { rows }
    }

    /// The same map with the point `centre` in the place of (0, 0).
    pub fn about(self, [x, y]: [f64; 2]) -> Self {
        Self::translation([-x, -y])
            .then(self)
            .then(Self::translation([x, y]))
    }

    /// The map that undoes this one.
    pub fn inverse(self) -> Self {
        let [[a, b, c], [d, e, f]] = self.rows;
        let determinant = a * e - b * d;
        let [a, b, d, e] = [
            e / determinant,
            -b / determinant,
            -d / determinant,
            a / determinant,
        ];
        Self {
            rows: [[a, b, -(a * c + b * f)], [d, e, -(d * c + e * f)]],
        }
    }

    /// The image of `[x, y]`.
    pub fn apply(self, [x, y]: [f64; 2]) -> [f64; 2] {
        self.rows.map(|[a, b, c]| a * x + b * y + c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(one: [f64; 2], other: [f64; 2]) -> bool {
        one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-9)
    }

    #[test]
    fn the_maps_do_what_they_are_called() {
        let turned = AffineMap::rotation(90.0).apply([1.0, 0.0]);
        assert!(close(turned, [0.0, 1.0]), "right goes down: {turned:?}");
        let about = AffineMap::rotation(90.0).about([2.0, 3.0]);
        assert!(close(about.apply([2.0, 3.0]), [2.0, 3.0]));
        assert!(close(about.apply([3.0, 3.0]), [2.0, 4.0]));
        let sheared = AffineMap::shear([45.0, 0.0]);
        assert!(close(sheared.apply([1.0, 2.0]), [3.0, 2.0]));
        let both = AffineMap::shear([45.0, 45.0]);
        assert!(close(both.apply([0.0, 1.0]), [1.0, 2.0]), "x first");
        let first = AffineMap::translation([1.0, 0.0]).then(AffineMap::scale([2.0, 3.0]));
        assert!(close(first.apply([1.0, 1.0]), [4.0, 3.0]));
    }

    proptest! {
        #[test]
        fn the_inverse_undoes_every_map(
            angle in -180.0..180.0f64, shear in [-60.0..60.0f64, -60.0..60.0],
            move_by in [-300.0..300.0f64, -300.0..300.0], scale in [0.1..4.0f64, -4.0..-0.1],
            point in [-1000.0..1000.0f64, -1000.0..1000.0],
        ) {
            let map = AffineMap::scale(scale)
                .then(AffineMap::rotation(angle).about(move_by))
                .then(AffineMap::shear(shear))
                .then(AffineMap::translation(move_by));
            let back = map.inverse().apply(map.apply(point));
            prop_assert!(back.iter().zip(point).all(|(a, b)| (a - b).abs() < 1e-6), "{back:?} {point:?}");
            let there = map.then(map.inverse()).apply(point);
            prop_assert!(there.iter().zip(point).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }
}
