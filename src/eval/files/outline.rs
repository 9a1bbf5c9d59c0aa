//! Masks from segmentations, as pycocotools' `frPyObjects` and `merge` make them.

use anyhow::{Result, anyhow, bail, ensure};
use hotcoco::{Rle, Segmentation};

/// The least numbers of the first polygon; pycocotools stops at fewer.
const LEAST_NUMBERS: usize = 5;

/// The runs of `outline` in an image of `height` x `width` pixels. Runs keep their own size.
///
/// # Errors
/// The outline is wrong.
pub fn to_runs(outline: &Segmentation, height: u32, width: u32) -> Result<Rle> {
    if let Segmentation::Polygon(polygons) = outline {
        let Some(first) = polygons.first() else {
            bail!("no polygon; needed: at least one");
        };
        ensure!(
            first.len() >= LEAST_NUMBERS,
            "polygon of {} numbers; needed: x and y of at least 3 corners",
            first.len()
        );
    }
    let runs = outline.to_rle(height, width);
    let runs = runs.map_err(|error| anyhow!("{error}"))?;
    let found: u64 = runs.counts.iter().map(|run| u64::from(*run)).sum();
    let needed = u64::from(runs.h) * u64::from(runs.w);
    ensure!(
        found == needed,
        "RLE of {found} pixels; its size {} x {} needs {needed}",
        runs.h,
        runs.w
    );
    Ok(runs)
}
