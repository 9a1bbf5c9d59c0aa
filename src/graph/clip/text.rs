//! CLIP's text tower: a causal transformer whose state at the end token represents the text.
//!
//! `$$ t = W_t\, \mathrm{LN}(h_e), \qquad h = \mathrm{transformer}(E_{s_1} + p_1, E_{s_2} + p_2, \dots) $$`
//!
//! Shapes: L token ids s, e position of the end token, D width, E width of the shared space. No token attends
//! to later ones, so padding is not needed: a shorter sequence gives the same numbers.

use super::transformer::{Transformer, TransformerSizes};
use crate::nn::LayerNorm;
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::ops;
use crate::tensor::{Tape, Tensor2};

/// The sizes of a text tower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextSizes {
    /// The number of token ids.
    pub vocabulary: usize,
    /// The length of the longest sequence, including start and end token.
    pub context: usize,
    /// The sizes of its transformer.
    pub transformer: TransformerSizes,
    /// The token whose state represents the text.
    pub end: EndToken,
}

/// The token whose state represents the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndToken {
    /// The first token with the largest id: OpenAI's CLIP, OpenCLIP, and Hugging Face if `eos_token_id` has
    /// its historic value 2.
    LargestId,
    /// The first token with this id.
    Id(u32),
}

/// Maps token ids to the shared space.
#[derive(Clone, Debug)]
pub struct TextTower {
    sizes: TextSizes,
    token_embedding: Param,
    positional_embedding: Param,
    transformer: Transformer,
    ln_final: LayerNorm,
    text_projection: Param,
}

impl TextTower {
    /// All weights are 0. `shared` is E.
    pub fn new(sizes: &TextSizes, shared: usize) -> Self {
        let width = sizes.transformer.width;
        let embedding = |rows: usize| {
            let values = vec![0.0; rows * width];
            Param::new(ParamKind::Embedding, values, rows, width, &[rows, width])
        };
        Self {
            sizes: *sizes,
            token_embedding: embedding(sizes.vocabulary),
            positional_embedding: embedding(sizes.context),
            transformer: Transformer::new(&sizes.transformer),
            ln_final: LayerNorm::with_epsilon(width, sizes.transformer.epsilon),
            text_projection: projection(width, shared),
        }
    }

    /// The sizes of the tower.
    pub fn sizes(&self) -> &TextSizes {
        &self.sizes
    }

    /// One sequence of ids -> `[1, E]`, not normalised. Panics if an id is outside of the vocabulary, or if
    /// the sequence is empty or longer than the context.
    pub fn forward(&self, tape: &mut Tape, ids: &[u32]) -> Tensor2 {
        let (length, width) = (ids.len(), self.sizes.transformer.width);
        assert!(
            (1..=self.sizes.context).contains(&length),
            "{length} tokens in a context of {}",
            self.sizes.context
        );
        let table = self.token_embedding.value.values();
        let rows = ids.iter().map(|id| &table[*id as usize * width..][..width]);
        let tokens = Tensor2::constant(rows.flatten().copied().collect(), length, width);
        let positions = ops::slice_rows(tape, &self.positional_embedding.value, 0, length);
        let x = ops::add(tape, &tokens, &positions);
        let x = self.transformer.forward(tape, &x, true);
        let end = ops::slice_rows(tape, &x, self.end(ids), 1);
        let end = self.ln_final.forward(tape, &end, None);
        ops::linear(tape, &end, &self.text_projection.value, None, false)
    }

    /// The position of the end token; 0 if its id does not occur, as in `transformers`.
    fn end(&self, ids: &[u32]) -> usize {
        let wanted = match self.sizes.end {
            EndToken::LargestId => ids.iter().copied().max(),
            EndToken::Id(id) => Some(id),
        };
        ids.iter()
            .position(|id| Some(*id) == wanted)
            .unwrap_or_default()
    }
}

/// A linear map without bias to the shared space, all 0: `[E, D]`.
pub(super) fn projection(width: usize, shared: usize) -> Param {
    let values = vec![0.0; shared * width];
    Param::new(ParamKind::Weight, values, shared, width, &[shared, width])
}

impl Parameters for TextTower {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        let name = |name| join(prefix, name);
        visit(&name("token_embedding.weight"), &mut self.token_embedding);
        visit(
            &name("positional_embedding"),
            &mut self.positional_embedding,
        );
        self.transformer.parameters(&name("transformer"), visit);
        self.ln_final.parameters(&name("ln_final"), visit);
        visit(&name("text_projection"), &mut self.text_projection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Gelu;

    fn tower(end: EndToken) -> TextTower {
        let transformer = TransformerSizes {
            width: 4,
            layers: 1,
            heads: 2,
            hidden: 8,
            activation: Gelu::Quick,
            epsilon: 1e-5,
        };
        let sizes = TextSizes {
            vocabulary: 10,
            context: 5,
            transformer,
            end,
        };
        TextTower::new(&sizes, 3)
    }

    #[test]
    fn the_end_is_the_first_of_its_kind() {
        assert_eq!(tower(EndToken::LargestId).end(&[8, 3, 9, 4, 9]), 2);
        assert_eq!(tower(EndToken::Id(4)).end(&[8, 4, 9, 4]), 1);
        assert_eq!(tower(EndToken::Id(7)).end(&[8, 4, 9]), 0);
    }

    #[test]
    fn what_follows_the_end_does_not_matter() {
        let mut tower = tower(EndToken::Id(9));
        let mut count = 0;
        tower.parameters("", &mut |_, param| {
            for value in param.value.values_mut() {
                count += 1;
                *value = ((count * 7919 % 101) as f32 - 50.0) / 50.0;
            }
        });
        let embed = |ids: &[u32]| tower.forward(&mut Tape::off(), ids).values().to_vec();
        assert_eq!(embed(&[1, 2, 9]), embed(&[1, 2, 9, 0, 0]));
        assert_ne!(embed(&[1, 2, 9]), embed(&[1, 3, 9]));
    }
}
