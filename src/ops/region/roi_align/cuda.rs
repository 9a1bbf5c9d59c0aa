//! RoIAlign on the GPU. Forward a block has a bin; backward a block has a pixel of a map and gathers from the regions
//! of its image in their order, so that no gradient is added to by two threads and the bits are the same at every run.

use super::{Regions, Shape};
use crate::ops::cuda::source;
use crate::tensor::cuda::{Buffer, Gpu, Grid, Source};
use crate::tensor::{Map, Tape, Tensor2};

static SOURCE: Source = source!("roi_align");

/// Most threads of a block; each has some channels.
const THREADS: usize = 256;

/// The regions of one map, ordered by image.
struct OnMap {
    /// Numbers of the regions.
    order: Vec<i32>,
    /// The place in `order` where each image begins, and the end.
    starts: Vec<i32>,
}

impl OnMap {
    fn new(regions: &Regions, number: usize, batch: usize) -> Self {
        let (mut order, mut starts) = (Vec::new(), vec![0]);
        for image in 0..batch {
            let here = regions.rois.iter().enumerate();
            let here = here.filter(|(_, roi)| (roi.map, roi.image) == (number, image));
            order.extend(here.map(|(index, _)| index as i32));
            starts.push(order.len() as i32);
        }
        Self { order, starts }
    }
}

/// What the bins read, on the GPU.
struct Uploaded {
    /// `[R, 2, P, 3]`: first pixel, number of pixels, place of the weights.
    spans: Buffer<i32>,
    weights: Buffer<f32>,
}

impl Uploaded {
    fn new(gpu: &Gpu, regions: &Regions) -> Self {
        let spans = regions.taps.spans.iter();
        let spans: Vec<i32> = spans
            .flat_map(|span| [span.first, span.len, span.offset])
            .map(|number| i32::try_from(number).expect("fewer than 2^31 weights"))
            .collect();
        Self {
            spans: gpu.upload(&spans),
            weights: gpu.upload(&regions.taps.weights),
        }
    }
}

/// As [`crate::ops::roi_align`], which has checked the regions.
pub(super) fn roi_align(tape: &mut Tape, gpu: &Gpu, maps: &[&Map], regions: Regions) -> Tensor2 {
    let inputs: Vec<Tensor2> = maps.iter().map(|map| map.data.on(gpu)).collect();
    let shapes: Vec<Shape> = maps.iter().map(|map| Shape::of(map)).collect();
    let (side, channels) = (regions.side, regions.channels);
    let bins = side * side;
    let rows = regions.rois.len() * bins;
    let out = tape.output_on(gpu, rows, channels, &inputs.iter().collect::<Vec<_>>());
    if out.is_empty() {
        return out;
    }
    let threads = channels.next_multiple_of(32).min(THREADS) as u32;
    let lists: Vec<OnMap> = (shapes.iter().enumerate())
        .map(|(number, shape)| OnMap::new(&regions, number, shape.batch))
        .collect();
    let uploaded = Uploaded::new(gpu, &regions);
    for ((input, shape), list) in inputs.iter().zip(&shapes).zip(&lists) {
        if list.order.is_empty() {
            continue;
        }
        let images = list
            .order
            .iter()
            .map(|roi| regions.rois[*roi as usize].image as i32);
        let images = gpu.upload(&images.collect::<Vec<_>>());
        let order = gpu.upload(&list.order);
        let arguments = [
            input.into(),
            (&order).into(),
            (&images).into(),
            (&uploaded.spans).into(),
            (&uploaded.weights).into(),
            (&out).into(),
            side.into(),
            shape.height.into(),
            shape.width.into(),
            channels.into(),
        ];
        let grid = Grid::blocks(list.order.len() * bins, threads);
        // SAFETY: the regions of this map, each once over all maps, with spans inside its height and width; out
        // [R, side, side, channels].
        unsafe { gpu.launch(&SOURCE, "roi_align_forward", grid, &arguments) };
    }
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let Some(gradient) = source.gradient_address(grads) else {
            return;
        };
        for ((input, shape), list) in inputs.iter().zip(&shapes).zip(&lists) {
            let Some(to) = input
                .gradient_address(grads)
                .filter(|_| !list.order.is_empty())
            else {
                continue;
            };
            let (order, starts) = (gpu.upload(&list.order), gpu.upload(&list.starts));
            let arguments = [
                gradient.into(),
                (&order).into(),
                (&starts).into(),
                (&uploaded.spans).into(),
                (&uploaded.weights).into(),
                to.into(),
                side.into(),
                shape.height.into(),
                shape.width.into(),
                channels.into(),
            ];
            let grid = Grid::blocks(shape.batch * shape.height * shape.width, threads);
            // SAFETY: as forward; the gradient of the map is as large as the map.
            unsafe { gpu.launch(&SOURCE, "roi_align_backward", grid, &arguments) };
        }
    });
    out
}
