//! Coarse masks of queries, and masks that are made of coarse and fine ones: Noisy Boundaries' noise-tolerant masks
//! for a network of queries.
//!
//! `$$ m_c = \mathrm{MLP}_c(x) \cdot \mathrm{pool}(F), \qquad m = a\,\mathrm{up}(m_c) + b\,m_f + c $$`
//!
//! x: the normed queries; F: the mask features; `$m_f$`: the fine masks, which are those of the plain head; pool: the
//! mean of squares of 2 x 2 pixels; up: bilinear. a, b and c are learned and start as 0, 1 and 0: as the plain masks.
//! Both m and `$m_c$` have a loss. Our definition; no paper has it.
//!
//! Shapes: B images, Q queries, D width; F has M channels of h x w; `$m_c$` `[B * Q, h/2 * w/2]`, m `[B * Q, h * w]`.

use crate::graph::config::ModelConfig;
use crate::nn::Mlp;
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};

/// a, b and c at the start.
const START: [f32; 3] = [0.0, 1.0, 0.0];

/// The MLP of the coarse masks, and a, b, c.
#[derive(Clone, Debug)]
pub(super) struct CoarseMasks {
    embed: Mlp,
    /// `[3, 1]`.
    fusion: Param,
}

/// The masks of some queries.
pub(super) struct FusedMasks {
    /// m.
    pub masks: Tensor2,
    /// m_c.
    pub coarse: Tensor2,
}

/// The mean of every square of 2 x 2 pixels.
pub(super) fn halved(tape: &mut Tape, pixels: &Map) -> Map {
    let (height, width) = half((pixels.height, pixels.width));
    ops::resize_bilinear(tape, pixels, height, width, None)
}

/// Rows and columns of coarse masks beside fine ones of the size `(height, width)`.
pub(super) fn half((height, width): (usize, usize)) -> (usize, usize) {
    (height.div_ceil(2), width.div_ceil(2))
}

impl CoarseMasks {
    pub(super) fn new(config: &ModelConfig, rng: &mut Stream) -> Self {
        let (width, outputs) = (config.width, config.mask_width);
        Self {
            embed: Mlp::new(&[width, width, width, outputs], rng),
            fusion: Param::new(
                ParamKind::Norm,
                START.to_vec(),
                START.len(),
                1,
                &[START.len()],
            ),
        }
    }

    /// The masks of the queries `normed` `[B * Q, D]`, whose fine masks have these `embeddings` `[B * Q, M]`. `coarse`:
    /// `pixels`, halved.
    pub(super) fn forward(
        &self,
        tape: &mut Tape,
        normed: &Tensor2,
        embeddings: &Tensor2,
        (pixels, coarse): (&Map, &Map),
    ) -> FusedMasks {
        let mut factor = |which: usize| ops::slice_rows(tape, &self.fusion.value, which, 1);
        let [a, b, c] = std::array::from_fn(&mut factor);
        let own = self.embed.forward(tape, normed);
        let coarse_masks = ops::mask_product(tape, &own, coarse);
        // A factor of the masks is one of the embeddings, of which there are fewer.
        let embeddings = ops::scale_by(tape, embeddings, &b);
        let fine = ops::mask_product(tape, &embeddings, pixels);
        let queries = fine.rows();
        let planes = |tape: &mut Tape, masks: &Tensor2, of: &Map| {
            let data = ops::reshape(tape, masks, masks.len(), 1);
            Map::new(data, queries, of.height, of.width)
        };
        let scaled = ops::scale_by(tape, &coarse_masks, &a);
        let mut scaled = planes(tape, &scaled, coarse);
        scaled.data = ops::add_rows(tape, &scaled.data, &c, 1);
        let fine = planes(tape, &fine, pixels);
        let sum = ops::resize_bilinear(tape, &scaled, pixels.height, pixels.width, Some(&fine));
        FusedMasks {
            masks: ops::reshape(tape, &sum.data, queries, pixels.pixels()),
            coarse: coarse_masks,
        }
    }
}

impl Parameters for CoarseMasks {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.embed
            .parameters(&join(prefix, "mask_coarse_embed"), visit);
        visit(&join(prefix, "mask_coarse_fusion"), &mut self.fusion);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::params::{move_to, reference_gradient};
    use crate::ops::check::{loss_of, on_every_place};
    use crate::ops::golden;

    on_every_place! {
        fn masks_and_gradients_parity_with_pytorch(place) {
            let tensors = golden::load("rcnn_heads");
            let get = |name: &str| &tensors[&format!("query.{name}")];
            let leaf = |name: &str, columns: usize| {
                let values = get(name).1.clone();
                let rows = values.len() / columns;
                Tensor2::parameter(values, rows, columns).to(place)
            };
            let config = ModelConfig { width: 6, mask_width: 4, ..crate::graph::config::tests::small() };
            let mut head = CoarseMasks::new(&config, &mut Stream::new(0, "coarse"));
            let mut plain = 0.0;
            head.parameters("", &mut |name, param| {
                if name.ends_with("fusion") {
                    assert_eq!(param.value.values(), START);
                }
                param.set_from_reference(&get(name).1);
                plain += 1.0;
            });
            assert_eq!(plain, 7.0);
            move_to(&mut head, place);
            let (normed, embeddings) = (leaf("normed", 6), leaf("embeddings", 4));
            let pixels = Map::new(leaf("pixels", 4), 2, 4, 6);
            let mut tape = Tape::recording();
            let coarse = halved(&mut tape, &pixels);
            let found = head.forward(&mut tape, &normed, &embeddings, (&pixels, &coarse));
            let mut losses = Vec::new();
            for (name, found) in [("masks", &found.masks), ("coarse", &found.coarse)] {
                golden::compare(name, &found.host_values(), &get(&format!("{name}.out")).1, 1e-5);
                losses.push(loss_of(&mut tape, found, get(&format!("{name}.seed")).1.clone()));
            }
            let terms: Vec<_> = losses.iter().map(|loss| (loss, 1.0)).collect();
            let total = ops::weighted_sum(&mut tape, &terms);
            let mut grads = tape.backward(&total);
            for (name, leaf) in [("normed", &normed), ("embeddings", &embeddings), ("pixels", &pixels.data)] {
                golden::compare(name, &leaf.gradient(&mut grads), &get(&format!("{name}.grad")).1, 1e-5);
            }
            head.parameters("", &mut |name, param| {
                let found = reference_gradient(param, &mut grads);
                golden::compare(name, &found, &get(&format!("{name}.grad")).1, 1e-5);
            });
        }
    }
}
