//! The objects of a picture.

use super::colour::{Colour, class_colour, readable_on};
use super::text::{LINES, set, width, write};
use crate::structures::{Mask, Picture};

/// The longer side that a picture has at least, in pixels.
const LEAST_SIDE: usize = 320;
/// The pixels of the longer side for which letters grow by their own size.
const SIDE_OF_A_LETTER: usize = 900;
/// The pixels of the longer side for each pixel of an outline's width.
const SIDE_OF_A_LINE: usize = 400;
/// The weight of an object's colour in its pixels.
const TINT: f64 = 0.35;
/// The characters of a text that has room.
const LETTERS: usize = 28;

/// An object to draw.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    /// Its class, which decides the colour.
    pub class: usize,
    /// Its pixels, in a mask of the picture's size.
    pub mask: &'a Mask,
    /// The text beside it; empty for none.
    pub text: String,
}

/// The picture with every pixel repeated so often in both directions that the longer side has 320 pixels or more.
pub fn enlarged(picture: &Picture) -> Picture {
    let times = times(picture);
    let (height, width) = (picture.height * times, picture.width * times);
    let mut pixels = Vec::with_capacity(height * width * 3);
    for row in 0..height {
        for column in 0..width {
            let at = (row / times * picture.width + column / times) * 3;
            pixels.extend_from_slice(&picture.pixels[at..at + 3]);
        }
    }
    Picture::new(height, width, pixels)
}

/// The number of times that [`enlarged`] repeats a pixel in each direction.
fn times(picture: &Picture) -> usize {
    let longer = picture.height.max(picture.width).max(1);
    LEAST_SIDE.div_ceil(longer)
}

/// The [`enlarged`] picture with the objects: the largest first, so that a small one in front of it stays visible.
/// Texts come last, and avoid each other where there is room.
///
/// Panics if a mask has another size than the picture.
pub fn drawn(picture: &Picture, objects: &[Object]) -> Picture {
    let times = times(picture);
    let mut canvas = enlarged(picture);
    let longer = canvas.height.max(canvas.width);
    let line = (longer / SIDE_OF_A_LINE).max(1);
    let scale = (longer / SIDE_OF_A_LETTER).max(1);
    let mut order: Vec<&Object> = objects.iter().collect();
    order.sort_by_key(|object| std::cmp::Reverse(object.mask.area()));
    for object in &order {
        let size = (object.mask.height, object.mask.width);
        assert_eq!(size, (picture.height, picture.width), "a mask of the size");
        cover(&mut canvas, object, times, line);
    }
    let mut taken = Vec::new();
    for object in &order {
        if let Some(tag) = Tag::new(&canvas, object, times, scale, &taken) {
            tag.write(&mut canvas, class_colour(object.class));
            taken.push(tag.area);
        }
    }
    canvas
}

/// Tints the pixels of an object, and gives those near its edge its colour.
fn cover(canvas: &mut Picture, object: &Object, times: usize, line: usize) {
    let colour = class_colour(object.class);
    let mask = object.mask;
    let is_in =
        |row: usize, column: usize| mask.bits[row / times * mask.width + column / times] == 1;
    for row in 0..canvas.height {
        for column in 0..canvas.width {
            if !is_in(row, column) {
                continue;
            }
            let inner = (1..=line).all(|far| {
                row >= far
                    && column >= far
                    && row + far < canvas.height
                    && column + far < canvas.width
                    && is_in(row - far, column)
                    && is_in(row + far, column)
                    && is_in(row, column - far)
                    && is_in(row, column + far)
            });
            let at = (row * canvas.width + column) * 3;
            let tint =
                |old: u8, new: u8| (f64::from(old) * (1.0 - TINT) + f64::from(new) * TINT) as u8;
            let new: Colour = match inner {
                true => std::array::from_fn(|c| tint(canvas.pixels[at + c], colour[c])),
                false => colour,
            };
            set(canvas, row, column, new);
        }
    }
}

/// A rectangle: its first row and column, and its rows and columns.
type Area = [usize; 4];

/// The text of an object on a ground of its colour.
struct Tag {
    area: Area,
    text: String,
    scale: usize,
}

impl Tag {
    /// The tag at the first of these places that no other one has taken: above the object, on its upper edge, below it,
    /// on its lower edge, any line beside it. If all are taken, the first one. None without a text or without a pixel.
    fn new(
        canvas: &Picture,
        object: &Object,
        times: usize,
        scale: usize,
        taken: &[Area],
    ) -> Option<Self> {
        let text = cut(&object.text);
        let [top, left, bottom] = bounds(object.mask)?.map(|place| place * times);
        if text.is_empty() {
            return None;
        }
        let (height, width) = (LINES * scale, width(&text, scale) + 2 * scale);
        let column = left.min(canvas.width.saturating_sub(width));
        let lowest = canvas.height.saturating_sub(height);
        let rows = [
            top.saturating_sub(height),
            top,
            bottom,
            bottom.saturating_sub(height),
        ];
        let rows = rows.into_iter().chain((0..=lowest).step_by(height));
        let mut places = rows.map(|row| [row.min(lowest), column, height, width]);
        let first = places.clone().next()?;
        let is_free = |area: &Area| !taken.iter().any(|other| meet(*area, *other));
        Some(Self {
            area: places.find(is_free).unwrap_or(first),
            text,
            scale,
        })
    }

    fn write(&self, canvas: &mut Picture, ground: Colour) {
        let [top, left, height, width] = self.area;
        for row in top..top + height {
            for column in left..left + width {
                set(canvas, row, column, ground);
            }
        }
        let place = [top, left + self.scale];
        write(canvas, &self.text, place, self.scale, readable_on(ground));
    }
}

/// The first row, the first column and the row behind the last one of a mask; none if it is empty.
fn bounds(mask: &Mask) -> Option<[usize; 3]> {
    let set = mask.bits.iter().enumerate().filter(|(_, bit)| **bit == 1);
    let places = set.map(|(at, _)| [at / mask.width, at % mask.width]);
    places.fold(None, |bounds, [row, column]| {
        let [top, left, bottom] = bounds.unwrap_or([row, column, row]);
        Some([top.min(row), left.min(column), bottom.max(row + 1)])
    })
}

/// Returns true if two rectangles have a pixel in common.
fn meet([top, left, height, width]: Area, other: Area) -> bool {
    top < other[0] + other[2]
        && other[0] < top + height
        && left < other[1] + other[3]
        && other[1] < left + width
}

/// The text, or as much of it as has room.
fn cut(text: &str) -> String {
    match text.chars().count() > LETTERS {
        true => text.chars().take(LETTERS - 1).chain(['…']).collect(),
        false => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(size: usize, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Mask {
        let inside = |at: usize| rows.contains(&(at / size)) && columns.contains(&(at % size));
        let bits = (0..size * size).map(|at| u8::from(inside(at))).collect();
        Mask::new(size, size, bits)
    }

    fn pixel(picture: &Picture, row: usize, column: usize) -> Colour {
        let at = (row * picture.width + column) * 3;
        [0, 1, 2].map(|c| picture.pixels[at + c])
    }

    #[test]
    fn a_mask_is_tinted_inside_outlined_at_its_edge_and_nowhere_else() {
        let picture = Picture::new(400, 400, vec![100; 400 * 400 * 3]);
        let mask = square(400, 100..200, 150..300);
        let object = Object {
            class: 0,
            mask: &mask,
            text: String::new(),
        };
        let found = drawn(&picture, &[object]);
        let colour = class_colour(0);
        let tinted = colour.map(|new| (100.0 * (1.0 - TINT) + f64::from(new) * TINT) as u8);
        for (row, column) in [(100, 150), (199, 299), (150, 150), (100, 200)] {
            assert_eq!(pixel(&found, row, column), colour, "{row} {column}");
        }
        assert_eq!(pixel(&found, 150, 200), tinted);
        for (row, column) in [(99, 200), (200, 200), (150, 149), (150, 300)] {
            assert_eq!(pixel(&found, row, column), [100; 3], "{row} {column}");
        }
    }

    #[test]
    fn a_small_picture_is_enlarged_with_its_masks_and_a_large_one_is_not() {
        let mut picture = Picture::new(16, 64, vec![0; 16 * 64 * 3]);
        set(&mut picture, 2, 3, [9, 8, 7]);
        let large = enlarged(&picture);
        assert_eq!((large.height, large.width), (80, 320));
        for (row, column) in [(10, 15), (14, 19)] {
            assert_eq!(pixel(&large, row, column), [9, 8, 7]);
        }
        assert_eq!(pixel(&large, 15, 15), [0; 3]);
        let picture = Picture::new(10, 500, vec![3; 15000]);
        assert_eq!(enlarged(&picture), picture);
    }

    #[test]
    fn texts_keep_apart_and_inside() {
        let picture = Picture::new(400, 400, vec![0; 400 * 400 * 3]);
        let masks = [
            square(400, 0..40, 380..400),
            square(400, 0..60, 370..390),
            square(400, 390..400, 0..5),
        ];
        let object = |mask| Object {
            class: 1,
            mask,
            text: "a long name 0.93".into(),
        };
        let objects: Vec<Object> = masks.iter().map(object).collect();
        let mut taken: Vec<Area> = Vec::new();
        for object in &objects {
            let tag = Tag::new(&picture, object, 1, 1, &taken).unwrap();
            let [top, left, height, width] = tag.area;
            assert!(top + height <= 400 && left + width <= 400, "{:?}", tag.area);
            assert!(!taken.iter().any(|other| meet(tag.area, *other)));
            taken.push(tag.area);
        }
        let empty = Mask::new(400, 400, vec![0; 160_000]);
        assert!(Tag::new(&picture, &object(&empty), 1, 1, &[]).is_none());
    }
}
