//! Maximum over a sliding window on the GPU. Where a gradient is wanted the forward keeps which offset won, and the backward gathers: every
//! pixel asks the windows that it is in.

use crate::ops::conv::window::Geometry;
use crate::ops::cuda::source;
use crate::ops::cuda::walk::Pack;
use crate::tensor::cuda::{Argument, Gpu, Source};
use crate::tensor::{Map, Tape};

static SOURCE: Source = source!("max_pool");

/// As [`crate::ops::max_pool`], which has checked the shapes.
pub(super) fn max_pool(tape: &mut Tape, gpu: &Gpu, x: &Map, geometry: Geometry) -> Map {
    let Geometry {
        out_height,
        out_width,
        channels,
        ..
    } = geometry;
    let input = x.data.on(gpu);
    let rows = x.batch * out_height * out_width;
    let out = tape.output_on(gpu, rows, channels, &[&input]);
    let map = Map::new(out.clone(), x.batch, out_height, out_width);
    if out.is_empty() {
        return map;
    }
    let winners = out
        .requires_grad()
        .then(|| gpu.scratch::<i32>(rows * channels));
    let pack = Pack::of(channels);
    let mut arguments = vec![(&input).into(), (&out).into(), winners.as_ref().into()];
    arguments.extend(sizes(&geometry));
    let name = pack.name(["max_pool_forward_1", "max_pool_forward_4"]);
    let grid = pack.along(x.batch * out_height, out_width, channels);
    // SAFETY: x [B height width, channels]; out and the winners [B out_height out_width, channels].
    unsafe { gpu.launch(&SOURCE, name, grid, &arguments) };

    let lines = x.batch * x.height;
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let mut arguments = vec![
            source.gradient_address(grads).into(),
            winners.as_ref().into(),
            input.gradient_address(grads).into(),
        ];
        arguments.extend(sizes(&geometry));
        let name = pack.name(["max_pool_backward_1", "max_pool_backward_4"]);
        let grid = pack.along(lines, geometry.width, channels);
        // SAFETY: as above; gradients are as large as their tensors. Where this runs, x requires one and the winners were kept.
        unsafe { gpu.launch(&SOURCE, name, grid, &arguments) };
    });
    map
}

/// The last arguments of both kernels.
fn sizes(geometry: &Geometry) -> [Argument; 8] {
    let window = geometry.window;
    [
        geometry.height,
        geometry.width,
        geometry.channels,
        geometry.out_height,
        geometry.out_width,
        window.kernel,
        window.stride,
        window.padding,
    ]
    .map(Argument::from)
}
