//! RoIAlign: regions of feature maps, resampled to P x P bins.
//!
//! `$$ y_{r,ab} = \frac{1}{g_y g_x} \sum_{i < g_y,\, j < g_x} F_{m(r)}\Bigl(y_0 + \bigl(a + \tfrac{i + 1/2}{g_y}\bigr)
//!    \tfrac{h}{P},\; x_0 + \bigl(b + \tfrac{j + 1/2}{g_x}\bigr) \tfrac{w}{P}\Bigr) $$`
//!
//! F reads a map bilinearly. A sample more than one pixel outside is 0 and still counts; one just outside reads the
//! edge. Shapes: maps `[B*h*w, C]` of several levels, R regions -> a map of R images of P x P. Source: Mask R-CNN
//! (<https://arxiv.org/abs/1703.06870>), section 3, with the rules of torchvision's and detectron2's kernels. The
//! gradient flows to the maps alone: regions are constants.
//!
//! The weights are worked out once for each region on the host ([`taps`]) and shared by all channels. Backward every
//! line of a map is summed by one thread, region by region in their order, so the bits do not depend on threads.

#[allow(unsafe_code)]
mod cuda;
mod taps;

use crate::ops::boxes::Bounds;
use crate::ops::cpu::parallel::run;
use crate::ops::cpu::{Split, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Map, Tape, Tensor2};
use std::ops::Range;
use std::sync::Arc;
use taps::Taps;

pub use taps::RoiPool;

/// A region of one of several maps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roi {
    /// The number of the map.
    pub map: usize,
    /// The number of the image in the map.
    pub image: usize,
    /// The rectangle in pixels of the network's input.
    pub bounds: Bounds,
}

/// The regions of one call, with what their bins read.
#[derive(Clone, Debug)]
struct Regions {
    rois: Vec<Roi>,
    taps: Taps,
    /// P.
    side: usize,
    channels: usize,
}

impl Regions {
    /// `maps[i]` has a pixel for every `1 / scales[i]` pixels of the input.
    fn new(maps: &[&Map], scales: &[f32], rois: &[Roi], pool: RoiPool) -> Self {
        let mut taps = Taps::default();
        for roi in rois {
            let (map, scale) = (maps[roi.map], scales[roi.map]);
            let [x1, y1, x2, y2] = roi.bounds.to_array();
            taps.push((y1, y2), scale, map.height, pool);
            taps.push((x1, x2), scale, map.width, pool);
        }
        Self {
            rois: rois.to_vec(),
            taps,
            side: pool.side,
            channels: maps[0].channels(),
        }
    }

    /// Values of a region's result.
    fn values(&self) -> usize {
        self.side * self.side * self.channels
    }

    /// The spans of region `index` along y and along x.
    fn spans(&self, index: usize) -> (&[taps::Span], &[taps::Span]) {
        self.taps.spans[2 * self.side * index..][..2 * self.side].split_at(self.side)
    }

    /// The work of all regions in multiply-adds.
    fn work(&self) -> usize {
        let mean = self.taps.weights.len() / (2 * self.side * self.rois.len()).max(1) + 1;
        self.rois.len() * self.values() * mean * mean
    }

    /// Writes the bins of region `index` of `map`.
    fn read(&self, index: usize, map: &Map, out: &mut [f32]) {
        let (rows, columns) = self.spans(index);
        let (channels, values) = (self.channels, map.data.values());
        let first_line = self.rois[index].image * map.height;
        out.fill(0.0);
        let mut bins = out.chunks_exact_mut(channels);
        for row in rows {
            for (column, bin) in columns.iter().zip(bins.by_ref()) {
                for (y, wy) in (row.first..).zip(self.taps.of(*row)) {
                    let line = (first_line + y) * map.width;
                    for (x, wx) in (column.first..).zip(self.taps.of(*column)) {
                        let pixel = &values[(line + x) * channels..][..channels];
                        add_scaled(bin, pixel, wy * wx);
                    }
                }
            }
        }
    }

    /// Adds the gradient of the bins of region `index` to those `lines` of a map whose gradient is `to`; the lines of
    /// all images are counted together.
    fn spread(
        &self,
        index: usize,
        map: Shape,
        lines: &Range<usize>,
        gradient: &[f32],
        to: &mut [f32],
    ) {
        let (rows, columns) = self.spans(index);
        let channels = self.channels;
        let first_line = self.rois[index].image * map.height;
        let mut bins = gradient.chunks_exact(channels);
        for row in rows {
            for (column, bin) in columns.iter().zip(bins.by_ref()) {
                for (line, wy) in (first_line + row.first..).zip(self.taps.of(*row)) {
                    if !lines.contains(&line) {
                        continue;
                    }
                    let line = (line - lines.start) * map.width;
                    for (x, wx) in (column.first..).zip(self.taps.of(*column)) {
                        let pixel = &mut to[(line + x) * channels..][..channels];
                        add_scaled(pixel, bin, wy * wx);
                    }
                }
            }
        }
    }
}

/// `to += factor * from`.
#[inline]
fn add_scaled(to: &mut [f32], from: &[f32], factor: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

/// The sizes of a map.
#[derive(Clone, Copy, Debug)]
struct Shape {
    batch: usize,
    height: usize,
    width: usize,
}

impl Shape {
    fn of(map: &Map) -> Self {
        Self {
            batch: map.batch,
            height: map.height,
            width: map.width,
        }
    }
}

/// The regions `rois` of `maps`, one image of `pool.side` x `pool.side` pixels each, in their order. `scales`: pixels
/// of each map for a pixel of the network's input.
///
/// Panics without a map, if maps differ in their channels, or if a region names a map or image that is not there.
pub fn roi_align(
    tape: &mut Tape,
    maps: &[&Map],
    scales: &[f32],
    rois: &[Roi],
    pool: RoiPool,
) -> Map {
    assert_eq!(maps.len(), scales.len(), "a scale of every map");
    let channels = maps.first().expect("a map").channels();
    assert!(
        maps.iter().all(|map| map.channels() == channels),
        "maps of {channels} channels"
    );
    for roi in rois {
        assert!(
            roi.map < maps.len() && roi.image < maps[roi.map].batch,
            "{roi:?} of {} maps",
            maps.len()
        );
    }
    let regions = Regions::new(maps, scales, rois, pool);
    let of = |data| Map::new(data, rois.len(), pool.side, pool.side);
    let inputs: Vec<&Tensor2> = maps.iter().map(|map| &map.data).collect();
    if let Some(gpu) = Gpu::of(&inputs) {
        return of(cuda::roi_align(tape, &gpu, maps, regions));
    }
    let size = regions.values();
    let mut values = unfilled(rois.len() * size);
    let split = Split::new(rois.len(), regions.work());
    let shares = split.ranges().zip(split.cut(&mut values, size)).collect();
    run(shares, |(range, share): (Range<usize>, &mut [f32])| {
        for (index, out) in range.zip(share.chunks_exact_mut(size.max(1))) {
            regions.read(index, maps[rois[index].map], out);
        }
    });
    let rows = rois.len() * pool.side * pool.side;
    let out = tape.output(values, rows, channels, &inputs);
    let shapes: Vec<Shape> = maps.iter().map(|map| Shape::of(map)).collect();
    let inputs: Vec<Tensor2> = inputs.into_iter().cloned().collect();
    let (regions, source) = (Arc::new(regions), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        for (number, (input, shape)) in inputs.iter().zip(&shapes).enumerate() {
            if !input.requires_grad() {
                continue;
            }
            let split = Split::new(shape.batch * shape.height, regions.work());
            let to = input.gradient_mut(grads);
            let shares = split
                .ranges()
                .zip(split.cut(to, shape.width * channels))
                .collect();
            run(shares, |(lines, to): (Range<usize>, &mut [f32])| {
                for (index, roi) in regions.rois.iter().enumerate() {
                    if roi.map == number {
                        let gradient = &gradient[index * size..][..size];
                        regions.spread(index, *shape, &lines, gradient, to);
                    }
                }
            });
        }
    });
    of(out)
}

#[cfg(test)]
mod tests;
