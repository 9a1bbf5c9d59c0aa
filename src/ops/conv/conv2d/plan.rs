//! The sizes of a convolution and how its rows are divided.

use crate::ops::conv::window::{Geometry, Window};
use crate::ops::cpu::{Matrix, Split};
use crate::tensor::{Map, Tensor2};
use std::ops::Range;

/// Output pixels that a part should hold where there are more than two parts.
const PART_PIXELS: usize = 128;

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Number of images.
    pub(super) batch: usize,
    /// Sizes of one image.
    pub(super) geometry: Geometry,
    /// Groups of channels.
    pub(super) groups: usize,
    /// Output channels.
    pub(super) out: usize,
}

impl Plan {
    /// Panics unless there are values, the shapes agree and the groups divide the channels.
    pub(super) fn new(x: &Map, weight: &Tensor2, window: Window, groups: usize) -> Self {
        let (channels, out) = (x.channels(), weight.rows());
        assert!(!x.data.is_empty() && out > 0, "a convolution of nothing");
        assert!(
            groups > 0 && channels.is_multiple_of(groups) && out.is_multiple_of(groups),
            "{groups} groups of {channels} -> {out} channels"
        );
        let geometry = Geometry::new(x.height, x.width, channels, window);
        let plan = Self {
            batch: x.batch,
            geometry,
            groups,
            out,
        };
        assert_eq!(
            weight.columns(),
            plan.patch(),
            "columns of the weight of {window:?} on {channels} channels in {groups} groups"
        );
        plan
    }

    /// Pixels of one output image.
    pub(super) fn out_pixels(&self) -> usize {
        self.geometry.out_height * self.geometry.out_width
    }

    /// Values of one patch of one group: k k Ci / G.
    pub(super) fn patch(&self) -> usize {
        self.geometry.window.kernel.pow(2) * self.geometry.channels / self.groups
    }

    /// Multiply-adds.
    pub(super) fn work(&self) -> usize {
        self.batch * self.out_pixels() * self.patch() * self.out
    }

    /// The division of the output rows of all images for the forward.
    pub(super) fn split_rows(&self) -> Split {
        self.split(self.batch * self.geometry.out_height)
    }

    /// The division of the images for the backward: patches of neighbouring rows overlap, so that a part owns whole images.
    pub(super) fn split_images(&self) -> Split {
        self.split(self.batch)
    }

    /// Every part reads all weights, or sums a gradient for each: with few pixels that costs more than the part gains, but two
    /// parts serve two threads.
    fn split(&self, items: usize) -> Split {
        let pixels = self.batch * self.out_pixels();
        Split::new(items, self.work()).at_most((pixels / PART_PIXELS).max(2))
    }

    /// The input channels of a group.
    pub(super) fn channels(&self, group: usize) -> Range<usize> {
        let taken = self.geometry.channels / self.groups;
        group * taken..(group + 1) * taken
    }

    /// The weight [Co / G, k k Ci / G] of a group.
    pub(super) fn weight<'a>(&self, weight: &'a [f32], group: usize) -> Matrix<'a> {
        let rows = self.out / self.groups;
        Matrix::new(&weight[group * rows * self.patch()..], rows, self.patch())
    }

    /// Cuts output rows, counted over the whole batch, into bands of at most `most` rows of one image: the image and the rows
    /// within it.
    pub(super) fn bands(
        &self,
        rows: Range<usize>,
        most: usize,
    ) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let height = self.geometry.out_height;
        let mut row = rows.start;
        std::iter::from_fn(move || {
            let (image, first) = (row / height, row % height);
            let last = height.min(first + most).min(first + (rows.end - row));
            row += last - first;
            (last > first).then_some((image, first..last))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::parameter;

    #[test]
    fn bands_stop_at_images_and_cover_all_rows() {
        let x = Map::new(parameter(1, 3 * 7 * 5, 2, 1.0), 3, 7, 5);
        let window = Window {
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        let plan = Plan::new(&x, &parameter(2, 4, 18, 1.0), window, 1);
        for (rows, most) in [(0..21, 7), (0..21, 3), (2..19, 4), (5..6, 9), (8..8, 2)] {
            let bands: Vec<_> = plan.bands(rows.clone(), most).collect();
            assert!(
                bands
                    .iter()
                    .all(|(_, rows)| rows.len() <= most && rows.end <= 7)
            );
            let covered = bands
                .into_iter()
                .flat_map(|(i, rows)| rows.map(move |row| i * 7 + row));
            assert_eq!(covered.collect::<Vec<_>>(), rows.collect::<Vec<_>>());
        }
    }
}
