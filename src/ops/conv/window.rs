//! The window that slides over an image, and the sizes that follow from it.

use std::ops::Range;

/// The sliding window of a convolution or pooling, square, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Side of the window.
    pub kernel: usize,
    /// Step between output pixels.
    pub stride: usize,
    /// Rows and columns added on every side of the image.
    pub padding: usize,
}

/// The sizes of one image, its window and its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Rows of the image.
    pub(crate) height: usize,
    /// Columns of the image.
    pub(crate) width: usize,
    /// Channels of the image.
    pub(crate) channels: usize,
    /// The sliding window.
    pub(crate) window: Window,
    /// Rows of the output.
    pub(crate) out_height: usize,
    /// Columns of the output.
    pub(crate) out_width: usize,
}

impl Geometry {
    /// Output size `$\lfloor (n + 2p - k) / s \rfloor + 1$`. Panics if the window is empty or larger than the
    /// padded image.
    pub(crate) fn new(height: usize, width: usize, channels: usize, window: Window) -> Self {
        let Window {
            kernel,
            stride,
            padding,
        } = window;
        assert!(kernel > 0 && stride > 0, "{window:?}");
        let size = |n: usize| {
            assert!(
                n + 2 * padding >= kernel,
                "{window:?} on an image of {height} x {width}"
            );
            (n + 2 * padding - kernel) / stride + 1
        };
        let (out_height, out_width) = (size(height), size(width));
        Self {
            height,
            width,
            channels,
            window,
            out_height,
            out_width,
        }
    }

    /// Values of one image.
    pub(crate) fn image(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Returns true if every output pixel reads only its own input pixel.
    pub(crate) fn pointwise(&self) -> bool {
        self.window
            == Window {
                kernel: 1,
                stride: 1,
                padding: 0,
            }
    }

    /// The window offsets that meet the image along one axis of `size`, for output position `out`, and the
    /// image position of the first of them.
    pub(crate) fn overlap(&self, out: usize, size: usize) -> (Range<usize>, usize) {
        let Window {
            kernel,
            stride,
            padding,
        } = self.window;
        let start = out * stride;
        let first = padding.saturating_sub(start).min(kernel);
        let last = (size + padding).saturating_sub(start).clamp(first, kernel);
        (first..last, (start + first).saturating_sub(padding))
    }
}
