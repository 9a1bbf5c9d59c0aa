//! Bilinear resize on the GPU: an output pixel reads its four pixels and the map to add; the backward gathers, so that no two threads add
//! to one place.

use crate::ops::cuda::source;
use crate::ops::cuda::walk::Pack;
use crate::tensor::cuda::{Argument, Gpu, Grid, Source};
use crate::tensor::{Map, Tape};

static SOURCE: Source = source!("resize");

const THREADS: u32 = 256;

/// As [`crate::ops::resize_bilinear`], which has checked the shapes.
pub(super) fn resize_bilinear(
    tape: &mut Tape,
    gpu: &Gpu,
    x: &Map,
    height: usize,
    width: usize,
    add: Option<&Map>,
) -> Map {
    let channels = x.channels();
    let input = x.data.on(gpu);
    let add = add.map(|add| add.data.on(gpu));
    let mut inputs = vec![&input];
    inputs.extend(&add);
    let rows = x.batch * height * width;
    let out = tape.output_on(gpu, rows, channels, &inputs);
    let map = Map::new(out.clone(), x.batch, height, width);
    if out.is_empty() {
        return map;
    }
    let pack = Pack::of(channels);
    let sizes = sizes((x.height, x.width), (height, width), channels);
    let mut arguments = vec![(&input).into(), add.as_ref().into(), (&out).into()];
    arguments.extend(sizes);
    let name = pack.name(["resize_forward_1", "resize_forward_4"]);
    let grid = pack.along(x.batch * height, width, channels);
    // SAFETY: x [B h w, channels], add and out [B height width, channels].
    unsafe { gpu.launch(&SOURCE, name, grid, &arguments) };

    let back = pack.along(x.batch * x.height, x.width, channels);
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let Some(gradient) = source.gradient_address(grads) else {
            return;
        };
        if let Some(to) = add.as_ref().and_then(|add| add.gradient_address(grads)) {
            let arguments = [gradient.into(), to.into(), rows.into(), channels.into()];
            let grid = Grid::items((rows * channels).div_ceil(4), THREADS);
            // SAFETY: both [rows, channels].
            unsafe { gpu.launch(&SOURCE, "resize_pass", grid, &arguments) };
        }
        if let Some(to) = input.gradient_address(grads) {
            let mut arguments = vec![gradient.into(), to.into()];
            arguments.extend(sizes);
            let name = pack.name(["resize_backward_1", "resize_backward_4"]);
            // SAFETY: as forward; gradients are as large as their tensors.
            unsafe { gpu.launch(&SOURCE, name, back, &arguments) };
        }
    });
    map
}

/// The last arguments of the kernels that resize.
fn sizes(from: (usize, usize), to: (usize, usize), channels: usize) -> [Argument; 7] {
    let scale = |size: usize, target: usize| Argument::from(size as f32 / target as f32);
    [
        from.0.into(),
        from.1.into(),
        channels.into(),
        to.0.into(),
        to.1.into(),
        scale(from.0, to.0),
        scale(from.1, to.1),
    ]
}
