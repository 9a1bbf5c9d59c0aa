//! Checks if a mask can be made from an annotation without making it, and makes the mask.

use crate::structures::{Mask, rle};
use anyhow::{Result, anyhow, bail, ensure};
use hotcoco::{Rle, Segmentation};

/// Polygons may extend beyond their image by this many pixels, because annotation tools round.
const TOLERANCE: f64 = 1.0;

/// If an outline encloses this area in square pixels, it certainly covers a pixel.
const CERTAIN: f64 = 16.0;

/// The number of values of a polygon with three corners.
const LEAST_NUMBERS: usize = 6;

/// # Errors
/// The outline of an annotation of an image of `height` x `width` pixels is wrong.
pub fn check(outline: Option<&Segmentation>, height: usize, width: usize) -> Result<()> {
    match outline {
        None => bail!("no `segmentation`; needed: polygons or RLE"),
        Some(Segmentation::Polygon(polygons)) => {
            ensure!(!polygons.is_empty(), "no polygon; needed: at least one");
            for polygon in polygons {
                check_polygon(polygon, height, width)?;
            }
            let enclosed: f64 = polygons.iter().map(|polygon| enclosed(polygon)).sum();
            // Drawing is only needed for small outlines.
            let covers = enclosed > CERTAIN
                || to_mask(&Segmentation::Polygon(polygons.clone()), height, width)?.area() > 0;
            ensure!(covers, "polygons that cover no pixel; needed: at least one");
            Ok(())
        }
        Some(runs) => {
            let Rle { h, w, counts } = to_runs(runs, height, width)?;
            let found = (h as usize, w as usize);
            ensure!(
                found == (height, width),
                "RLE of {h} x {w} pixels; its image has {height} x {width}"
            );
            let told: u64 = counts.iter().map(|count| u64::from(*count)).sum();
            let pixels = height as u64 * width as u64;
            ensure!(
                told == pixels,
                "RLE whose counts add up to {told}; its image has {pixels} pixels"
            );
            let covered = counts.iter().skip(1).step_by(2).any(|count| *count > 0);
            ensure!(covered, "RLE of an empty mask; needed: at least one pixel");
            Ok(())
        }
    }
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

fn check_polygon(polygon: &[f64], height: usize, width: usize) -> Result<()> {
    let numbers = polygon.len();
    ensure!(
        numbers >= LEAST_NUMBERS && numbers.is_multiple_of(2),
        "polygon of {numbers} numbers; needed: x and y of at least 3 corners"
    );
    let inside =
        |value: f64, length: usize| (-TOLERANCE..=length as f64 + TOLERANCE).contains(&value);
    for corner in polygon.chunks_exact(2) {
        let (x, y) = (corner[0], corner[1]);
        ensure!(
            inside(x, width) && inside(y, height),
            "corner ({x}, {y}) lies outside its image of {width} x {height} pixels (width x height)"
        );
    }
    Ok(())
}

/// The mask of a checked outline.
///
/// # Errors
/// The runs cannot be decoded.
pub fn to_mask(outline: &Segmentation, height: usize, width: usize) -> Result<Mask> {
    Ok(rle::decode(&to_runs(outline, height, width)?))
}

fn to_runs(outline: &Segmentation, height: usize, width: usize) -> Result<Rle> {
    outline
        .to_rle(height as u32, width as u32)
        .map_err(|error| anyhow!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_is_rasterised_row_by_row() {
        // The rectangle x 1..4, y 0..2 in an image of 3 rows and 5 columns.
        let outline = Segmentation::Polygon(vec![vec![1.0, 0.0, 4.0, 0.0, 4.0, 2.0, 1.0, 2.0]]);
        let mask = to_mask(&outline, 3, 5).unwrap();
        assert_eq!(mask.bits, [0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn every_kind_of_bad_outline_is_reported() {
        let error = |outline: &Segmentation| check(Some(outline), 4, 6).unwrap_err().to_string();
        let polygon = |numbers: &[f64]| Segmentation::Polygon(vec![numbers.to_vec()]);
        let runs = |size, counts: &[u32]| Segmentation::UncompressedRle {
            size,
            counts: counts.to_vec(),
        };
        assert!(
            check(None, 4, 6)
                .unwrap_err()
                .to_string()
                .contains("no `segmentation`")
        );
        assert!(error(&Segmentation::Polygon(vec![])).contains("no polygon"));
        assert!(error(&polygon(&[])).contains("polygon of 0 numbers"));
        assert!(error(&polygon(&[1.0, 1.0, 2.0, 2.0])).contains("polygon of 4 numbers"));
        assert!(error(&polygon(&[1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 1.0])).contains("7 numbers"));
        assert!(error(&polygon(&[1.0, 1.0, 8.0, 2.0, 3.0, 3.0])).contains("(8, 2) lies outside"));
        assert!(error(&polygon(&[1.0, f64::NAN, 2.0, 2.0, 3.0, 3.0])).contains("lies outside"));
        assert!(error(&runs([6, 4], &[0, 24])).contains("RLE of 6 x 4"));
        assert!(error(&runs([4, 6], &[24])).contains("empty mask"));
        assert!(
            error(&runs([4, 6], &[20, 10])).contains("24"),
            "{}",
            error(&runs([4, 6], &[20, 10]))
        );
        assert!(error(&runs([4, 6], &[3, 2])).contains("add up to 5; its image has 24"));
        assert!(error(&polygon(&[3.0, 3.0, 3.0, 3.0, 3.0, 3.0])).contains("cover no pixel"));
        assert!(
            check(
                Some(&polygon(&[1.0, 1.0, 2.0, 1.0, 2.0, 2.0, 1.0, 2.0])),
                4,
                6
            )
            .is_ok()
        );
        assert!(check(Some(&polygon(&[0.0, 0.0, 6.5, 0.0, 6.0, 4.0])), 4, 6).is_ok());
        assert!(check(Some(&runs([4, 6], &[3, 2, 19])), 4, 6).is_ok());
    }
}
