//! Two maps of one size as one map with the channels of both.
//!
//! Shapes: B images of H x W with C and D channels -> C + D channels.

use crate::ops;
use crate::tensor::{Map, Tape};

/// The channels of `first`, then those of `second`.
///
/// Panics unless the maps have one size.
pub(in crate::graph) fn joined_channels(tape: &mut Tape, first: &Map, second: &Map) -> Map {
    let size = |map: &Map| (map.batch, map.height, map.width);
    assert_eq!(size(first), size(second), "maps of one size");
    let (pixels, channels) = (first.data.rows(), first.channels() + second.channels());
    let [one, other] = [first, second].map(|map| {
        let values = map.data.len();
        ops::reshape(tape, &map.data, values, 1)
    });
    // The values of a pixel are a sequence.
    let joined = ops::concat_tokens(tape, &[&one, &other], pixels);
    let data = ops::reshape(tape, &joined, pixels, channels);
    Map::new(data, first.batch, first.height, first.width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{self, on_every_place};

    on_every_place! {
        fn every_pixel_has_the_channels_of_both(place) {
            let map = |values: Vec<f32>, channels: usize| {
                let data = crate::tensor::Tensor2::constant(values, 2, channels).to(place);
                Map::new(data, 1, 1, 2)
            };
            let (one, other) = (map(vec![1.0, 2.0, 3.0, 4.0], 2), map(vec![9.0, 8.0], 1));
            let both = joined_channels(&mut Tape::off(), &one, &other);
            assert_eq!(both.data.host_values()[..], [1.0, 2.0, 9.0, 3.0, 4.0, 8.0]);
        }

        fn gradients(place) {
            let inputs = [check::parameter(1, 6, 3, 1.0), check::parameter(2, 6, 2, 1.0)];
            check::gradients(place, &inputs, 1e-2, 1e-3, |tape, x| {
                let maps = [&x[0], &x[1]].map(|data| Map::new(data.clone(), 1, 2, 3));
                joined_channels(tape, &maps[0], &maps[1]).data
            });
        }
    }
}
