//! Nearest-neighbour resize on the GPU: forward a thread has a value of the result; backward a thread has a value of
//! the input and gathers from the pixels that copied it, so that no two threads add to one place.

use crate::ops::cuda::source;
use crate::tensor::cuda::{Argument, Gpu, Grid, Source};
use crate::tensor::{Map, Tape};

static SOURCE: Source = source!("nearest");

const THREADS: u32 = 256;

/// As [`crate::ops::resize_nearest`], which has checked the shapes.
pub(super) fn resize_nearest(
    tape: &mut Tape,
    gpu: &Gpu,
    x: &Map,
    height: usize,
    width: usize,
    add: Option<&Map>,
) -> Map {
    let (channels, batch) = (x.channels(), x.batch);
    let input = x.data.on(gpu);
    let add = add.map(|add| add.data.on(gpu));
    let mut inputs = vec![&input];
    inputs.extend(&add);
    let out = tape.output_on(gpu, batch * height * width, channels, &inputs);
    let map = Map::new(out.clone(), batch, height, width);
    if out.is_empty() {
        return map;
    }
    let sizes: [Argument; 6] =
        [batch, x.height, x.width, height, width, channels].map(Argument::from);
    let mut arguments = vec![(&input).into(), add.as_ref().into(), (&out).into()];
    arguments.extend(sizes);
    let (per_result, per_input) = (
        Grid::items(out.len(), THREADS),
        Grid::items(input.len(), THREADS),
    );
    // SAFETY: x [batch, h, w, channels], add and out [batch, height, width, channels].
    unsafe { gpu.launch(&SOURCE, "nearest_forward", per_result, &arguments) };
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let Some(gradient) = source.gradient_address(grads) else {
            return;
        };
        if let Some(to) = add.as_ref().and_then(|add| add.gradient_address(grads)) {
            let arguments = [gradient.into(), to.into(), source.len().into()];
            // SAFETY: both are as large as the result.
            unsafe { gpu.launch(&SOURCE, "nearest_pass", per_result, &arguments) };
        }
        if let Some(to) = input.gradient_address(grads) {
            let mut arguments = vec![gradient.into(), to.into()];
            arguments.extend(sizes);
            // SAFETY: as forward; gradients are as large as their tensors.
            unsafe { gpu.launch(&SOURCE, "nearest_backward", per_input, &arguments) };
        }
    });
    map
}
