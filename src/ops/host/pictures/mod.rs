//! Bytes of pictures as values: one padded map of a batch.
//!
//! `$$ y_{b,c} = \begin{cases} T_{k(c),\,x_{b,k(c)}} & \text{within picture } b \\
//!    0 & \text{in its padding} \end{cases} $$`
//!
//! T `[3, 256]`: the value of every byte, per colour; k(c) is the colour of channel c. A byte is a quarter of a value:
//! a GPU is sent bytes, and computes the values itself.

#[allow(unsafe_code)]
mod cuda;

use crate::tensor::{Place, Tensor2};
use std::ops::Range;

/// Red, green, blue.
pub const COLOURS: usize = 3;
/// Values of a byte.
pub const LEVELS: usize = 256;

/// The bytes of some pictures, one after the other, where a network is.
#[derive(Debug)]
pub struct Pixels {
    bytes: Bytes,
    /// Rows and columns of each picture.
    sizes: Vec<(usize, usize)>,
    /// The offset of each picture in bytes.
    starts: Vec<usize>,
}

#[derive(Debug)]
enum Bytes {
    Host(Vec<u8>),
    Gpu(crate::tensor::cuda::Buffer<u8>),
}

impl Pixels {
    /// Pictures of any sizes (rows, columns), each `rows * columns * 3` bytes, sent to `place`; nobody waits
    /// until they are there.
    ///
    /// Panics if one has another number of bytes.
    pub fn new(place: &Place, pictures: &[(&[u8], (usize, usize))]) -> Self {
        let mut starts = Vec::with_capacity(pictures.len());
        let mut end = 0;
        for (bytes, (rows, columns)) in pictures {
            assert_eq!(
                bytes.len(),
                rows * columns * COLOURS,
                "a {rows} x {columns} picture"
            );
            starts.push(end);
            end += bytes.len();
        }
        let write = |mut to: &mut [u8]| {
            for (bytes, _) in pictures {
                let (here, rest) = to.split_at_mut(bytes.len());
                here.copy_from_slice(bytes);
                to = rest;
            }
        };
        let bytes = match place {
            Place::Host => {
                let mut bytes = vec![0; end];
                write(&mut bytes);
                Bytes::Host(bytes)
            }
            Place::Gpu(gpu) => Bytes::Gpu(gpu.upload_written(end, write)),
        };
        Self {
            bytes,
            sizes: pictures.iter().map(|(_, size)| *size).collect(),
            starts,
        }
    }

    /// Rows and columns of every picture.
    pub fn sizes(&self) -> &[(usize, usize)] {
        &self.sizes
    }

    /// The pictures `which`, padded at the right and at the bottom to `size`, with the values of `table`
    /// `[3 * 256]`: `[pictures * rows * columns, 3]`. `colours`: the colour of each channel.
    ///
    /// Panics if there is no such picture or colour, or a picture is larger than `size`.
    pub fn values(
        &self,
        which: Range<usize>,
        table: &[f32],
        colours: [usize; COLOURS],
        size: (usize, usize),
    ) -> Tensor2 {
        assert!(
            colours.iter().all(|colour| *colour < COLOURS),
            "colours {colours:?}"
        );
        assert_eq!(
            table.len(),
            COLOURS * LEVELS,
            "a value for every byte and colour"
        );
        for (rows, columns) in &self.sizes[which.clone()] {
            assert!(
                *rows <= size.0 && *columns <= size.1,
                "{rows} x {columns} in {size:?}"
            );
        }
        let (sizes, starts) = (&self.sizes[which.clone()], &self.starts[which]);
        match &self.bytes {
            Bytes::Host(bytes) => on_host(bytes, sizes, starts, table, colours, size),
            Bytes::Gpu(bytes) => cuda::picture_values(bytes, sizes, starts, table, colours, size),
        }
    }
}

fn on_host(
    bytes: &[u8],
    sizes: &[(usize, usize)],
    starts: &[usize],
    table: &[f32],
    colours: [usize; COLOURS],
    (height, width): (usize, usize),
) -> Tensor2 {
    let mut values = vec![0.0; sizes.len() * height * width * COLOURS];
    let maps = values.chunks_exact_mut((height * width * COLOURS).max(1));
    for ((map, (rows, columns)), start) in maps.zip(sizes).zip(starts) {
        let bytes = &bytes[*start..][..rows * columns * COLOURS];
        let lines = bytes.chunks_exact((columns * COLOURS).max(1));
        for (line, row) in lines.zip(map.chunks_exact_mut(width * COLOURS)) {
            let pixels = line.as_chunks::<COLOURS>().0;
            for (pixel, out) in pixels.iter().zip(row.as_chunks_mut::<COLOURS>().0) {
                for (out, colour) in out.iter_mut().zip(colours) {
                    *out = table[colour * LEVELS + usize::from(pixel[colour])];
                }
            }
        }
    }
    Tensor2::constant(values, sizes.len() * height * width, COLOURS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::on_every_place;

    on_every_place! {
        fn every_byte_has_its_value_and_padding_is_zero(place) {
            let sizes = [(2, 3), (5, 1), (1, 40), (4, 4)];
            let pictures: Vec<Vec<u8>> = sizes.iter().map(|(r, c)| (0..r * c * 3).map(|i| (i * 37 + r) as u8).collect()).collect();
            let table: Vec<f32> = (0..COLOURS * LEVELS).map(|i| 1.0 + i as f32).collect();
            let listed: Vec<(&[u8], (usize, usize))> = pictures.iter().map(Vec::as_slice).zip(sizes).collect();
            let pixels = Pixels::new(place, &listed);
            assert_eq!(pixels.sizes(), sizes);
          for colours in [[0, 1, 2], [2, 1, 0]] {
            let found = pixels.values(1..4, &table, colours, (6, 41));
            assert_eq!((found.rows(), found.columns()), (3 * 6 * 41, 3));
            let found = found.host_values();
            for (at, value) in found.iter().enumerate() {
                let (colour, pixel) = (colours[at % 3], at / 3);
                let (image, y, x) = (1 + pixel / (6 * 41), pixel / 41 % 6, pixel % 41);
                let (rows, columns) = sizes[image];
                let expected = match y < rows && x < columns {
                    true => table[colour * LEVELS + usize::from(pictures[image][(y * columns + x) * 3 + colour])],
                    false => 0.0,
                };
                assert_eq!(*value, expected, "image {image}, row {y}, column {x}");
            }
          }
        }
    }
}
