//! From an outline to a mask, as pycocotools' `frPyObjects` and `merge` make it: what is beyond the edge of the image
//! is cut off, and each polygon of at least three corners is drawn.
//!
//! A polygon of fewer corners, or with a corner that is no place, has no area. It is passed over where another one can
//! be drawn. (pycocotools stops if it is the first one, and passes it over otherwise.) Of an odd number of values the
//! last one is passed over.

use super::outline::Outline;
use anyhow::{Context, Result, anyhow, bail, ensure};
use hotcoco::{Rle, Segmentation, mask};

/// Polygons may extend beyond their image by this many pixels without a word, because annotation tools round.
const TOLERANCE: f64 = 1.0;

/// If an outline inside its image encloses this area in square pixels, it certainly covers a pixel.
const CERTAIN: f64 = 16.0;

/// The number of values of a polygon with three corners.
const LEAST_NUMBERS: usize = 6;

/// The oddities of an outline that can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// It goes beyond the edge of its image.
    pub is_clipped: bool,
    /// One of its polygons has no area, or an odd number of values.
    pub has_bad_part: bool,
}

/// The runs of `outline` in an image of `[height, width]` pixels. Runs keep the size that the file gives them.
///
/// # Errors
/// No mask can be made of it, as by pycocotools.
pub fn draw(outline: &Outline, size: Option<[u32; 2]>) -> Result<Rle> {
    match outline {
        Outline::Absent => bail!("no `segmentation`; needed: polygons or RLE"),
        Outline::Wrong(found) => bail!("`segmentation`: {found}"),
        Outline::Given(Segmentation::Polygon(polygons)) => {
            let [height, width] = size.context("its image has no `height` and `width`")?;
            ensure!(!polygons.is_empty(), "no polygon; needed: at least one");
            if polygons.iter().all(|polygon| has_area(polygon)) {
                return runs(mask::fr_polys(polygons, height, width));
            }
            let drawn = polygons.iter().filter(|polygon| has_area(polygon));
            let drawn: Vec<Vec<f64>> = drawn.cloned().collect();
            ensure!(!drawn.is_empty(), "{}", fault(&polygons[0]));
            runs(mask::fr_polys(&drawn, height, width))
        }
        Outline::Given(given) => whole_runs(given),
        Outline::United(parts) => {
            let parts = parts.iter().map(whole_runs).collect::<Result<Vec<_>>>()?;
            runs(mask::merge(&parts, false))
        }
    }
}

/// Checks that `outline` is a mask for training in an image of `[height, width]` pixels.
///
/// # Errors
/// The outline is wrong, of another size than its image, or covers no pixel.
pub fn check(outline: &Outline, size: [u32; 2]) -> Result<Look> {
    if let Outline::Given(Segmentation::Polygon(polygons)) = outline {
        return check_polygons(outline, polygons, size);
    }
    let Rle { h, w, counts } = draw(outline, Some(size))?;
    let [height, width] = size;
    ensure!(
        [h, w] == size,
        "RLE of {h} x {w} pixels; its image has {height} x {width}"
    );
    let covered = counts.iter().skip(1).step_by(2).any(|count| *count > 0);
    ensure!(covered, "RLE of an empty mask; needed: at least one pixel");
    Ok(Look::default())
}

fn check_polygons(outline: &Outline, polygons: &[Vec<f64>], size: [u32; 2]) -> Result<Look> {
    let Some(first) = polygons.first() else {
        bail!("no polygon; needed: at least one");
    };
    let drawn = || polygons.iter().filter(|polygon| has_area(polygon));
    ensure!(drawn().next().is_some(), "{}", fault(first));
    let look = Look {
        is_clipped: drawn().any(|polygon| is_beyond(polygon, size)),
        has_bad_part: polygons
            .iter()
            .any(|polygon| !has_area(polygon) || polygon.len() % 2 == 1),
    };
    let enclosed: f64 = drawn().map(|polygon| enclosed(polygon)).sum();
    // Drawing is only needed where the corners do not tell.
    let covers =
        !look.is_clipped && enclosed > CERTAIN || mask::area(&draw(outline, Some(size))?) > 0;
    ensure!(covers, "polygons that cover no pixel; needed: at least one");
    Ok(look)
}

/// Returns true if pycocotools draws the polygon.
fn has_area(polygon: &[f64]) -> bool {
    polygon.len() >= LEAST_NUMBERS && polygon.iter().all(|number| number.is_finite())
}

/// The fault of a polygon without an area.
fn fault(polygon: &[f64]) -> String {
    let corners = polygon.as_chunks::<2>().0;
    match corners
        .iter()
        .find(|[x, y]| !x.is_finite() || !y.is_finite())
    {
        Some([x, y]) => format!("a polygon with the corner ({x}, {y}); needed: finite numbers"),
        None => format!(
            "polygon of {} numbers; needed: x and y of at least 3 corners",
            polygon.len()
        ),
    }
}

fn is_beyond(polygon: &[f64], [height, width]: [u32; 2]) -> bool {
    let inside =
        |value: f64, length: u32| (-TOLERANCE..=f64::from(length) + TOLERANCE).contains(&value);
    let mut corners = polygon.as_chunks::<2>().0.iter();
    corners.any(|[x, y]| !inside(*x, width) || !inside(*y, height))
}

/// The area that a polygon encloses, by the shoelace formula.
fn enclosed(polygon: &[f64]) -> f64 {
    let corners = polygon.as_chunks::<2>().0;
    let next = corners.iter().cycle().skip(1);
    let twice: f64 = corners
        .iter()
        .zip(next)
        .map(|([x, y], [next_x, next_y])| x * next_y - next_x * y)
        .sum();
    twice.abs() / 2.0
}

/// Runs that fill their size.
fn whole_runs(outline: &Segmentation) -> Result<Rle> {
    let [height, width] = match outline {
        Segmentation::CompressedRle { size, .. } | Segmentation::UncompressedRle { size, .. } => {
            *size
        }
        _ => bail!("no RLE"),
    };
    let found = runs(outline.to_rle(height, width))?;
    let told: u64 = found.counts.iter().map(|run| u64::from(*run)).sum();
    let needed = u64::from(height) * u64::from(width);
    ensure!(
        told == needed,
        "RLE whose counts add up to {told}; its size {height} x {width} needs {needed}"
    );
    Ok(found)
}

fn runs(made: hotcoco::error::Result<Rle>) -> Result<Rle> {
    made.map_err(|error| anyhow!("{error}"))
}
