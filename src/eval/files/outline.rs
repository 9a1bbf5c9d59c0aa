//! Masks from segmentations, as pycocotools' `frPyObjects` and `merge` make them.

use anyhow::{Result, anyhow, bail, ensure};
use hotcoco::mask::{fr_bbox, fr_polys, merge};
use hotcoco::{Rle, Segmentation};

/// Numbers of a box; pycocotools takes a list whose first polygon has as many for a list of boxes.
const BOX: usize = 4;

/// The runs of `outline` in an image of `height` x `width` pixels. Runs keep their own size.
///
/// # Errors
/// What is wrong with the outline.
pub fn to_runs(outline: &Segmentation, height: u32, width: u32) -> Result<Rle> {
    let failed = |error: hotcoco::Error| anyhow!("{error}");
    let Segmentation::Polygon(polygons) = outline else {
        let runs = outline.to_rle(height, width).map_err(failed)?;
        let (found, size) = (runs.counts.iter().map(|run| u64::from(*run)).sum::<u64>(), (runs.h, runs.w));
        let needed = u64::from(size.0) * u64::from(size.1);
        ensure!(
            found == needed,
            "RLE of {found} pixels; its size {} x {} needs {needed}",
            size.0,
            size.1
        );
        return Ok(runs);
    };
    let Some(first) = polygons.first() else {
        bail!("no polygon; needed: at least one");
    };
    ensure!(
        first.len() >= BOX,
        "polygon of {} numbers; needed: x and y of at least 3 corners",
        first.len()
    );
    if first.len() > BOX {
        return fr_polys(polygons, height, width).map_err(failed);
    }
    let boxes = polygons.iter().map(|numbers| {
        let numbers: &[f64; BOX] = numbers.as_slice().try_into().map_err(|_| {
            anyhow!("a list of {} numbers after a box of 4", numbers.len())
        })?;
        fr_bbox(numbers, height, width).map_err(failed)
    });
    merge(&boxes.collect::<Result<Vec<_>>>()?, false).map_err(failed)
}
