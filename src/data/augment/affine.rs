//! `[augment.affine]`: the strong view is moved, turned or sheared, and its masks with it.
//!
//! One of four maps is drawn, all equally likely, with a uniform amount in both directions: along x or along y by a
//! part of that side, a turn, or a shear. It acts about the middle of the part of the view that is not padding. What
//! comes from outside of it is filled. With `in-box`, the map may act inside the rectangle of one object alone; all
//! that does not lie in the rectangle stays, and no mask gets pixels from outside of it.
//!
//! Sources: google-research/ssl_detection 00d5227, `utils/augmentation.py` (STAC), and hujiecpp/PAIS 3f3e24d,
//! `configs/PAIS/base_weight.py`. STAC shears along x, PAIS along x and then along y. Ours: always bilinear; the shear
//! is by the tangent, about the middle. In-box, the rectangle of an object follows its mask, because masks are all
//! that the networks are given; STAC leaves its boxes as they are.

use super::content::Content;
use crate::registry::Check;
use crate::rng::Stream;
use crate::structures::{AffineMap, Area, Instance};
use schemars::JsonSchema;
use serde::Deserialize;

/// The affine maps of the strong view.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Affine {
    /// The probability of a map.
    pub probability: f64,
    /// The largest shift, as a part of the side along which it goes.
    pub translate: f64,
    /// The largest turn in degrees.
    pub rotate: f64,
    /// The largest shear along x and, after it, along y, in degrees.
    pub shear: [f64; 2],
    /// Red, green and blue of what comes from outside.
    pub fill: [u8; 3],
    /// Maps inside the rectangle of one object.
    pub in_box: InBox,
}

/// Maps inside the rectangle of one object.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InBox {
    /// The part of the maps that act inside a rectangle. None is drawn for a view without objects.
    pub share: f64,
    /// The largest shift, as a part of the rectangle's side.
    pub translate: f64,
    /// The largest turn in degrees.
    pub rotate: f64,
    /// The largest shear along x and, after it, along y, in degrees.
    pub shear: [f64; 2],
}

/// A drawn map, and the rectangle in which it acts.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawnMap {
    /// In pixels of the view.
    pub map: AffineMap,
    /// The whole content of the view, or the rectangle of an object.
    pub area: Area,
    /// True if it is the rectangle of an object.
    pub is_in_box: bool,
}

/// The largest amounts of the maps that are drawn.
struct Amounts {
    translate: f64,
    rotate: f64,
    shear: [f64; 2],
}

/// The largest angle of a shear: the tangent of 90 degrees has no end.
const MOST_SHEAR: f64 = 80.0;

impl Affine {
    /// Returns true if a map may be drawn.
    pub fn is_on(&self) -> bool {
        self.probability > 0.0
    }

    /// Draws a map for a view with this content and these objects; none if there is to be no map. Draws nothing if it
    /// is off.
    pub fn draw(
        &self,
        content: Content,
        objects: &[Instance],
        rng: &mut Stream,
    ) -> Option<DrawnMap> {
        if !self.is_on() || !rng.chance(self.probability) {
            return None;
        }
        let in_box = self.in_box.share > 0.0 && rng.chance(self.in_box.share);
        if !in_box {
            let area = Area {
                rows: 0..content.rows,
                columns: 0..content.columns,
            };
            return Some(DrawnMap {
                map: self.amounts().draw(&area, rng),
                area,
                is_in_box: false,
            });
        }
        if objects.is_empty() {
            return None;
        }
        let (rows, columns) = objects[rng.below(objects.len())].mask.bounds()?;
        let area = Area { rows, columns };
        Some(DrawnMap {
            map: self.in_box.amounts().draw(&area, rng),
            area,
            is_in_box: true,
        })
    }

    fn amounts(&self) -> Amounts {
        Amounts {
            translate: self.translate,
            rotate: self.rotate,
            shear: self.shear,
        }
    }

    /// Checks the keys.
    pub fn check(&self, check: &mut Check) {
        check.range("probability", self.probability, 0.0..=1.0);
        self.amounts().check(check);
        let none = self.is_on() && self.in_box.share < 1.0 && self.amounts().kinds().is_empty();
        let allowed = "an amount above 0 of translate, rotate or shear";
        check.require(!none, "probability", self.probability, allowed);
        check.within("in-box", |check| {
            check.range("share", self.in_box.share, 0.0..=1.0);
            let amounts = self.in_box.amounts();
            amounts.check(check);
            let none = self.is_on() && self.in_box.share > 0.0 && amounts.kinds().is_empty();
            check.require(!none, "share", self.in_box.share, allowed);
        });
    }
}

impl InBox {
    fn amounts(&self) -> Amounts {
        Amounts {
            translate: self.translate,
            rotate: self.rotate,
            shear: self.shear,
        }
    }
}

/// A kind of map.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    AlongX,
    AlongY,
    Turn,
    Shear,
}

impl Amounts {
    /// The kinds with an amount above 0.
    fn kinds(&self) -> Vec<Kind> {
        let all = [
            (Kind::AlongX, self.translate),
            (Kind::AlongY, self.translate),
            (Kind::Turn, self.rotate),
            (Kind::Shear, self.shear[0].max(self.shear[1])),
        ];
        let some = all.into_iter().filter(|(_, most)| *most > 0.0);
        some.map(|(kind, _)| kind).collect()
    }

    /// Draws a map about the middle of `area`.
    fn draw(&self, area: &Area, rng: &mut Stream) -> AffineMap {
        let kinds = self.kinds();
        let kind = kinds[rng.below(kinds.len())];
        let mut amount = |most: f64| rng.range(-most, most);
        let [width, height] = [area.columns.len() as f64, area.rows.len() as f64];
        let map = match kind {
            Kind::AlongX => AffineMap::translation([amount(self.translate) * width, 0.0]),
            Kind::AlongY => AffineMap::translation([0.0, amount(self.translate) * height]),
            Kind::Turn => AffineMap::rotation(amount(self.rotate)),
            Kind::Shear => AffineMap::shear(self.shear.map(amount)),
        };
        map.about([
            area.columns.start as f64 + width / 2.0,
            area.rows.start as f64 + height / 2.0,
        ])
    }

    fn check(&self, check: &mut Check) {
        check.range("translate", self.translate, 0.0..=1.0);
        check.range("rotate", self.rotate, 0.0..=180.0);
        for most in self.shear {
            check.range("shear", most, 0.0..=MOST_SHEAR);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::structures::{InstanceSource, Mask};

    /// STAC's maps.
    pub fn stac() -> Affine {
        Affine {
            probability: 1.0,
            translate: 0.1,
            rotate: 30.0,
            shear: [30.0, 0.0],
            fill: [125; 3],
            in_box: InBox {
                share: 0.5,
                translate: 0.05,
                rotate: 10.0,
                shear: [10.0, 0.0],
            },
        }
    }

    const CONTENT: Content = Content {
        rows: 40,
        columns: 60,
    };

    /// An object in rows 4 to 23 and columns 10 to 49.
    fn object() -> Instance {
        let inside = |i: usize| (4..24).contains(&(i / 80)) && (10..50).contains(&(i % 80));
        Instance {
            class: 0,
            mask: Mask::new(50, 80, (0..4000).map(|i| u8::from(inside(i))).collect()),
            source: InstanceSource::Annotation,
        }
    }

    /// The kind of a map, and its amount as a part of the largest one.
    fn kind(drawn: &DrawnMap, affine: &Affine) -> (Kind, f64) {
        let amounts = match drawn.is_in_box {
            true => affine.in_box.amounts(),
            false => affine.amounts(),
        };
        let Area { rows, columns } = &drawn.area;
        let [x, y] = [
            (columns.start + columns.end) as f64 / 2.0,
            (rows.start + rows.end) as f64 / 2.0,
        ];
        let from_middle = |point: [f64; 2]| {
            let [to_x, to_y] = drawn.map.apply([x + point[0], y + point[1]]);
            [to_x - x, to_y - y]
        };
        let [along_x, along_y] = from_middle([0.0, 0.0]);
        if along_x.abs() > 1e-9 {
            assert!(along_y.abs() < 1e-9);
            return (
                Kind::AlongX,
                along_x / columns.len() as f64 / amounts.translate,
            );
        }
        if along_y.abs() > 1e-9 {
            return (
                Kind::AlongY,
                along_y / rows.len() as f64 / amounts.translate,
            );
        }
        let [right_x, right_y] = from_middle([1.0, 0.0]);
        if right_y.abs() > 1e-9 {
            let angle = libm::atan2(right_y, right_x).to_degrees();
            return (Kind::Turn, angle / amounts.rotate);
        }
        let [sheared, down] = from_middle([0.0, 1.0]);
        assert!((down - 1.0).abs() < 1e-9 && (right_x - 1.0).abs() < 1e-9);
        (
            Kind::Shear,
            libm::atan(sheared).to_degrees() / amounts.shear[0],
        )
    }

    #[test]
    fn all_kinds_are_equally_likely_and_use_their_whole_range() {
        let affine = stac();
        let mut rng = Stream::new(1, "affine");
        let mut seen = [[(); 4]; 2].map(|row| row.map(|()| Vec::new()));
        for _ in 0..4000 {
            let drawn = affine.draw(CONTENT, &[object()], &mut rng).unwrap();
            let expected = match drawn.is_in_box {
                true => (4..24, 10..50),
                false => (0..40, 0..60),
            };
            assert_eq!(
                (drawn.area.rows.clone(), drawn.area.columns.clone()),
                expected
            );
            let (kind, amount) = kind(&drawn, &affine);
            seen[usize::from(drawn.is_in_box)][kind as usize].push(amount);
        }
        for amounts in seen.iter().flatten() {
            assert!(amounts.len().abs_diff(500) < 90, "{}", amounts.len());
            let low = amounts.iter().copied().fold(f64::INFINITY, f64::min);
            let high = amounts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert!(
                (-1.0001..-0.97).contains(&low) && (0.97..1.0001).contains(&high),
                "{low} {high}"
            );
        }
    }

    #[test]
    fn an_amount_of_zero_leaves_its_kind_out_and_off_draws_nothing() {
        let mut affine = Affine {
            translate: 0.0,
            shear: [0.0, 0.0],
            ..stac()
        };
        affine.in_box.share = 0.0;
        let mut rng = Stream::new(2, "turns");
        for _ in 0..50 {
            let drawn = affine.draw(CONTENT, &[object()], &mut rng).unwrap();
            assert_eq!(kind(&drawn, &affine).0, Kind::Turn);
        }
        affine.probability = 0.0;
        let (mut used, mut fresh) = (Stream::new(1, "off"), Stream::new(1, "off"));
        assert_eq!(affine.draw(CONTENT, &[object()], &mut used), None);
        assert_eq!(used.bits(), fresh.bits());
    }

    #[test]
    fn without_an_object_there_is_no_rectangle() {
        let mut affine = stac();
        affine.in_box.share = 1.0;
        let mut rng = Stream::new(3, "none");
        assert_eq!(affine.draw(CONTENT, &[], &mut rng), None);
        assert!(affine.draw(CONTENT, &[object()], &mut rng).is_some());
    }
}
