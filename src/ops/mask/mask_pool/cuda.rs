//! Mean of the features under masks on the GPU: sums over tiles of pixels, then over the tiles, divided by the masks' masses.

use crate::ops::cuda::source;
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Map, Tape, Tensor2};

static SOURCE: Source = source!("mask_pool");

const THREADS: u32 = 128;
/// Pixels, at least, of a block.
const TILE: usize = 128;
/// Tiles of a mask, at most.
const MOST_PARTS: usize = 64;

/// As [`crate::ops::mask_pool()`], which has checked the lengths; `smallest` is added to the masses.
pub(super) fn mask_pool(
    tape: &mut Tape,
    gpu: &Gpu,
    features: &Map,
    images: &[usize],
    weights: &[f32],
    smallest: f32,
) -> Tensor2 {
    let (area, channels, masks) = (features.pixels(), features.channels(), images.len());
    let out = tape.output_on(gpu, masks, channels, &[&features.data]);
    if out.is_empty() {
        return out;
    }
    let images: Vec<i32> = images.iter().map(|image| *image as i32).collect();
    let (images, weights) = (gpu.upload(&images), gpu.upload(weights));
    let masses = gpu.scratch::<f32>(masks);
    let arguments = [
        (&weights).into(),
        (&masses).into(),
        area.into(),
        smallest.into(),
    ];
    let grid = Grid::blocks(masks, THREADS);
    // SAFETY: weights [masks, area], a mass for every mask.
    unsafe { gpu.launch(&SOURCE, "mask_pool_masses", grid, &arguments) };
    let (parts, tile) = parts(area);
    let partials = gpu.scratch::<f32>(parts * masks * channels);
    let arguments = [
        (&features.data).into(),
        (&images).into(),
        (&weights).into(),
        (&partials).into(),
        area.into(),
        channels.into(),
        tile.into(),
    ];
    let grid = Grid::items(channels, THREADS).by(parts, masks);
    // SAFETY: features [batch * area, channels], every mask's image one of the batch, partials [parts, masks, channels].
    unsafe { gpu.launch(&SOURCE, "mask_pool_partly", grid, &arguments) };
    let arguments = [
        (&partials).into(),
        (&masses).into(),
        (&out).into(),
        parts.into(),
        masks.into(),
        channels.into(),
    ];
    let grid = Grid::items(masks * channels, THREADS);
    // SAFETY: as above; out [masks, channels].
    unsafe { gpu.launch(&SOURCE, "mask_pool_means", grid, &arguments) };

    let (gpu, features, source) = (gpu.clone(), features.clone(), out.clone());
    tape.record(&out, move |grads| {
        let arguments = [
            (&images).into(),
            (&weights).into(),
            (&masses).into(),
            source.gradient_address(grads).into(),
            features.data.gradient_address(grads).into(),
            masks.into(),
            area.into(),
            channels.into(),
        ];
        let grid = Grid::items(area * channels, THREADS).by(features.batch, 1);
        // SAFETY: as forward; gradients are as large as their tensors.
        unsafe { gpu.launch(&SOURCE, "mask_pool_backward", grid, &arguments) };
    });
    out
}

/// Into how many tiles the pixels of a mask are divided, and the pixels of each.
fn parts(area: usize) -> (usize, usize) {
    let tile = area.div_ceil(MOST_PARTS).max(TILE);
    (area.div_ceil(tile).max(1), tile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_a_mask() {
        for area in [0, 1, 128, 129, 1024, 16_384, 1 << 20] {
            let (parts, tile) = parts(area);
            assert!(parts * tile >= area && (parts - 1) * tile <= area);
            assert!((1..=MOST_PARTS).contains(&parts));
        }
    }
}
