//! One drawn scene: a background, distractor strokes, and two to five objects. Later objects cover earlier
//! ones.

use super::canvas::{Canvas, bell, knot_of};
use super::classes::{draw_class, draw_colour};
use super::shape::{EXTENT, outline, second_colour};
use crate::data::Sample;
use crate::rng::Stream;
use crate::structures::{Instance, InstanceSource, Mask};

/// The side of the picture in which all lengths below are measured; other sizes scale with it.
const DESIGN_SIDE: f64 = 64.0;

/// An object is annotated if at least this many pixels of it are visible (in a 64-pixel picture) ...
const LEAST_PIXELS: f64 = 20.0;
/// ... and at least this fraction of its own area.
const LEAST_VISIBLE: f64 = 0.25;

/// The minimum mean difference between the colour of an object and the pixels that it covers, and the number
/// of colours that are drawn to reach it.
const CONTRAST: f32 = 0.15;
const COLOUR_TRIES: usize = 20;

/// The strength and grid of the objects' grain.
const GRAIN: f32 = 0.06;
const GRAIN_CELLS: usize = 24;

/// Draws image `index` of the scenes of `seed`. It depends only on the arguments. `image_id` is `index + 1`.
/// A scene without any annotated object is drawn again from another stream. If `balanced`, all classes are
/// equally likely.
pub fn draw(size: usize, seed: u64, index: u64, balanced: bool) -> Sample {
    let scene = |name: &str| {
        draw_scene(
            size,
            index + 1,
            balanced,
            &mut Stream::at(seed, name, index),
        )
    };
    let mut sample = scene("scenes");
    let mut attempt = 0;
    while sample.instances.is_empty() {
        attempt += 1;
        sample = scene(&format!("scenes/again/{attempt}"));
    }
    sample
}

fn draw_scene(size: usize, image_id: u64, balanced: bool, rng: &mut Stream) -> Sample {
    let unit = size as f64 / DESIGN_SIDE;
    let mut canvas = Canvas::background(size, rng);
    for _ in 0..rng.below(5) {
        canvas.stroke(unit, rng);
    }
    let objects = 2 + rng.below(4);
    // The topmost object of every pixel; 0 is the background.
    let mut owner = vec![0u8; size * size];
    let mut drawn = Vec::with_capacity(objects);
    for number in 1..=objects {
        let object = Object::draw(size, unit, balanced, rng);
        let area = object.paint(&mut canvas, &mut owner, number as u8, unit, rng);
        drawn.push((object.class, area));
    }
    let instances = (1u8..)
        .zip(drawn)
        .filter_map(|(number, (class, area))| {
            let bits = owner.iter().map(|top| u8::from(*top == number)).collect();
            let mask = Mask::new(size, size, bits);
            let visible = mask.area() as f64;
            let kept =
                visible >= LEAST_PIXELS * unit * unit && visible >= LEAST_VISIBLE * area as f64;
            kept.then_some(Instance {
                class,
                mask,
                source: InstanceSource::Annotation,
            })
        })
        .collect();
    Sample {
        image_id,
        picture: canvas.develop(rng),
        instances,
    }
}

/// The position of an object. Its own coordinates are rotated by the angle, sheared, then divided by the
/// radii.
struct Object {
    class: usize,
    centre: [f32; 2],
    radius: f32,
    /// The radius along u and along v.
    radii: [f32; 2],
    cos: f32,
    sin: f32,
    shear: f32,
}

impl Object {
    fn draw(size: usize, unit: f64, balanced: bool, rng: &mut Stream) -> Self {
        let class = draw_class(balanced, rng);
        let radius = unit * libm::exp(rng.range(libm::log(6.0), libm::log(16.0)));
        let centre = [(); 2].map(|()| rng.range(0.5 * radius, size as f64 - 0.5 * radius) as f32);
        let angle = rng.range(0.0, 2.0 * std::f64::consts::PI);
        let aspect = libm::exp(rng.range(-0.25, 0.25));
        Self {
            class,
            centre,
            radius: radius as f32,
            radii: [(radius * aspect) as f32, (radius / aspect) as f32],
            cos: libm::cos(angle) as f32,
            sin: libm::sin(angle) as f32,
            shear: rng.range(-0.2, 0.2) as f32,
        }
    }

    /// The object's own coordinates of a pixel, in units of the radii.
    fn local(&self, x: usize, y: usize) -> (f32, f32) {
        let (dx, dy) = (
            x as f32 + 0.5 - self.centre[0],
            y as f32 + 0.5 - self.centre[1],
        );
        let v = dy * self.cos - dx * self.sin;
        let u = dx * self.cos + dy * self.sin + self.shear * v;
        (u / self.radii[0], v / self.radii[1])
    }

    /// Paints the object and writes it into `owner` at its pixels. Returns its area in pixels before later
    /// objects cover it.
    fn paint(
        &self,
        canvas: &mut Canvas,
        owner: &mut [u8],
        number: u8,
        unit: f64,
        rng: &mut Stream,
    ) -> usize {
        let edge = (rng.range(0.5, 2.0) * unit) as f32;
        // At a corner, an outline function grows at most twice as fast as the distance, so the margin is a
        // whole edge.
        let reach = EXTENT + edge / self.radius;
        let along_v = reach * self.radii[1];
        let along_u = reach * self.radii[0] + self.shear.abs() * along_v;
        let columns = canvas.span(
            self.centre[0],
            along_u * self.cos.abs() + along_v * self.sin.abs(),
        );
        let rows = canvas.span(
            self.centre[1],
            along_u * self.sin.abs() + along_v * self.cos.abs(),
        );

        let mut cover = Vec::with_capacity(rows.len() * columns.len());
        let (mut area, mut under) = (0, [0.0f32; 3]);
        for y in rows {
            for x in columns.clone() {
                let (u, v) = self.local(x, y);
                let distance = outline(self.class, u, v) * self.radius;
                let index = y * canvas.side + x;
                if distance <= 0.0 {
                    area += 1;
                    owner[index] = number;
                    under = std::array::from_fn(|c| under[c] + canvas.pixels[index][c]);
                }
                let alpha = (0.5 - distance / edge).clamp(0.0, 1.0);
                if alpha > 0.0 {
                    cover.push((x, y, u, v, alpha));
                }
            }
        }
        let under = under.map(|sum| sum / (area as f32).max(1.0));
        let look = Look::draw(self, under, unit, rng);
        for (x, y, u, v, alpha) in cover {
            let index = y * canvas.side + x;
            let colour = look.colour(self.class, u, v, [x, y], canvas.side);
            canvas.blend(index, colour, alpha);
        }
        area
    }
}

/// An object's colours, gradient and grain.
struct Look {
    first: [f32; 3],
    second: [f32; 3],
    /// The width of a stripe, in the object's own coordinates.
    half_period: f32,
    gradient: [f32; 2],
    grain: Vec<f32>,
}

impl Look {
    /// `under` is the mean colour of the pixels that the object covers.
    fn draw(object: &Object, under: [f32; 3], unit: f64, rng: &mut Stream) -> Self {
        let mut first = draw_colour(object.class, rng);
        for _ in 1..COLOUR_TRIES {
            let difference: f32 = first.iter().zip(&under).map(|(a, b)| (a - b).abs()).sum();
            if difference / 3.0 > CONTRAST {
                break;
            }
            first = draw_colour(object.class, rng);
        }
        let bright = first.iter().sum::<f32>() / 3.0 > 0.45;
        let strength = rng.range(0.55, 0.825) as f32;
        let second = first.map(|c| {
            if bright {
                c * (1.0 - strength)
            } else {
                c + strength * (1.0 - c)
            }
        });
        let half_period = (rng.range(5.0, 8.0) * unit / 2.0) as f32 / object.radius;
        Self {
            first,
            second,
            half_period,
            gradient: [(); 2].map(|()| rng.range(-0.12, 0.12) as f32),
            grain: (0..GRAIN_CELLS * GRAIN_CELLS)
                .map(|_| GRAIN * bell(rng))
                .collect(),
        }
    }

    fn colour(&self, class: usize, u: f32, v: f32, [x, y]: [usize; 2], side: usize) -> [f32; 3] {
        let base = if second_colour(class, u, v, self.half_period) {
            self.second
        } else {
            self.first
        };
        let shade = (self.gradient[0] * u + self.gradient[1] * v).clamp(-0.3, 0.3);
        let ((row, fy), (column, fx)) =
            (knot_of(y, side, GRAIN_CELLS), knot_of(x, side, GRAIN_CELLS));
        let knot = |row: usize| {
            let at = row * GRAIN_CELLS + column;
            self.grain[at] + (self.grain[at + 1] - self.grain[at]) * fx
        };
        let (above, below) = (knot(row), knot(row + 1));
        base.map(|value| value + shade + above + (below - above) * fy)
    }
}
