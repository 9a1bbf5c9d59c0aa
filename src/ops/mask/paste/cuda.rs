//! Pasted masks on the GPU: small masks are sent there, and nothing but logits or areas of the image is written.

use super::places::{corners, padded};
use super::{MOST_LOGIT, PasteRule, SmallMasks};
use crate::ops::cuda::source;
use crate::tensor::cuda::{Argument, Buffer, Gpu, Grid, Source};
use crate::tensor::{Later, Tensor2};

static SOURCE: Source = source!("paste");

const THREADS: u32 = 256;

/// Masks and their places on the GPU.
struct Sent {
    masks: Buffer<f32>,
    side: usize,
    places: Places,
}

enum Places {
    /// x1, y1, x2, y2 of the rectangle of each mask; all 0 if it is not finite.
    Sampled(Buffer<f32>),
    /// x1, y1, x2, y2 of the pixels of each mask, both included; the last before the first if there are none.
    Expanded(Buffer<i32>),
}

impl Sent {
    fn new(gpu: &Gpu, small: &SmallMasks) -> Self {
        let finite = |index: usize| Some(small.masks[index].0).filter(|b| b.is_finite());
        let numbers = 0..small.masks.len();
        match small.rule {
            PasteRule::Sampled => {
                let values: Vec<f32> = small
                    .masks
                    .iter()
                    .flat_map(|(_, mask)| *mask)
                    .copied()
                    .collect();
                let places = numbers.flat_map(|i| finite(i).unwrap_or_default().to_array());
                Self {
                    masks: gpu.upload(&values),
                    side: small.side,
                    places: Places::Sampled(gpu.upload(&places.collect::<Vec<_>>())),
                }
            }
            PasteRule::Expanded => {
                let (side, _) = padded(&[], small.side);
                let values = small
                    .masks
                    .iter()
                    .flat_map(|(_, mask)| padded(mask, small.side).1);
                let nowhere = [0, 0, -1, -1];
                let place = |i| finite(i).map_or(nowhere, |bounds| corners(bounds, small.side));
                Self {
                    masks: gpu.upload(&values.collect::<Vec<_>>()),
                    side,
                    places: Places::Expanded(
                        gpu.upload(&numbers.flat_map(place).collect::<Vec<_>>()),
                    ),
                }
            }
        }
    }

    /// The kernel of the rule, of the two for [`PasteRule::Sampled`] and [`PasteRule::Expanded`].
    fn name(&self, [sampled, expanded]: [&'static str; 2]) -> &'static str {
        match self.places {
            Places::Sampled(_) => sampled,
            Places::Expanded(_) => expanded,
        }
    }

    /// The arguments of all kernels, whose output is `out`.
    fn arguments(&self, out: Argument, size: (usize, usize)) -> Vec<Argument> {
        let places = match &self.places {
            Places::Sampled(places) => places.into(),
            Places::Expanded(places) => places.into(),
        };
        vec![
            (&self.masks).into(),
            places,
            out,
            self.side.into(),
            size.0.into(),
            size.1.into(),
        ]
    }
}

/// As [`SmallMasks::logits`], which has checked the masks.
///
/// Panics where there are more masks than a grid has along y (65,535), as in no batch.
pub(super) fn logits(gpu: &Gpu, small: &SmallMasks) -> Tensor2 {
    let count = small.masks.len();
    let out = gpu.unwritten(count, small.size.0 * small.size.1);
    if out.is_empty() {
        return out;
    }
    let sent = Sent::new(gpu, small);
    let mut arguments = sent.arguments((&out).into(), small.size);
    arguments.push(MOST_LOGIT.into());
    let name = sent.name(["paste_sampled", "paste_expanded"]);
    let grid = Grid::items(out.columns(), THREADS).by(count, 1);
    // SAFETY: a mask and four numbers for each of `count`, and an image of `size` in out.
    unsafe { gpu.launch(&SOURCE, name, grid, &arguments) };
    out
}

/// As [`SmallMasks::areas`], which has checked the masks.
pub(super) fn areas(gpu: &Gpu, small: &SmallMasks) -> Later<Vec<usize>> {
    let count = small.masks.len();
    if count == 0 {
        return Later::ready(Vec::new());
    }
    let sent = Sent::new(gpu, small);
    let out = gpu.scratch::<f32>(count);
    let arguments = sent.arguments((&out).into(), small.size);
    let name = sent.name(["area_sampled", "area_expanded"]);
    // SAFETY: a mask and four numbers for each of `count`, and a number for each in out.
    unsafe { gpu.launch(&SOURCE, name, Grid::blocks(count, THREADS), &arguments) };
    out.later()
        .map(|areas| areas.into_iter().map(|area| area as usize).collect())
}
