//! Descriptions as bags of words.
//!
//! `$$ t_{d,w} = \frac{\text{count of word } w \text{ in description } d}{\text{words of } d} $$`
//!
//! With the word embeddings E, `t E` is the mean embedding of the description's words. Shapes: K classes, k
//! descriptions each, V words.

use crate::tensor::Tensor2;
use std::collections::BTreeSet;

/// The descriptions of all classes as rows of word frequencies.
#[derive(Clone, Debug)]
pub struct WordVocabulary {
    /// The number of classes K.
    pub classes: usize,
    /// The number of descriptions per class k.
    pub descriptions: usize,
    /// `[K * k, V]`, class-major; each row sums to 1. The words are in alphabetical order.
    pub frequencies: Tensor2,
}

impl WordVocabulary {
    /// Builds the vocabulary from the words of `descriptions`, one list per class. Case and punctuation are
    /// ignored.
    ///
    /// Panics unless every class has the same number of descriptions, at least one, and every description has
    /// a word.
    pub fn new<'a, D: AsRef<[&'a str]>>(descriptions: &[D]) -> Self {
        let per_class = descriptions.first().map_or(0, |class| class.as_ref().len());
        assert!(per_class > 0, "a description of every class");
        let texts: Vec<Vec<String>> = descriptions
            .iter()
            .flat_map(|class| class.as_ref())
            .map(|text| words(text))
            .collect();
        assert_eq!(
            texts.len(),
            descriptions.len() * per_class,
            "as many descriptions of every class"
        );

        let known: Vec<&String> = texts
            .iter()
            .flatten()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut frequencies = vec![0.0; texts.len() * known.len()];
        for (row, text) in frequencies.chunks_exact_mut(known.len()).zip(&texts) {
            assert!(!text.is_empty(), "a description without a word");
            for word in text {
                row[known
                    .binary_search(&word)
                    .expect("a word of the vocabulary")] += 1.0 / text.len() as f32;
            }
        }
        let frequencies = Tensor2::constant(frequencies, texts.len(), known.len());
        Self {
            classes: descriptions.len(),
            descriptions: per_class,
            frequencies,
        }
    }

    /// The number of words V.
    pub fn words(&self) -> usize {
        self.frequencies.columns()
    }

    /// One description of every class, `[K, V]`: description `chosen[c]` of class c.
    pub fn select(&self, chosen: &[usize]) -> Tensor2 {
        let width = self.words();
        let rows = chosen
            .iter()
            .enumerate()
            .map(|(class, description)| class * self.descriptions + description);
        let values = rows
            .flat_map(|row| {
                self.frequencies.values()[row * width..(row + 1) * width]
                    .iter()
                    .copied()
            })
            .collect();
        Tensor2::constant(values, chosen.len(), width)
    }
}

/// The words of a text in lower case, without punctuation.
fn words(text: &str) -> Vec<String> {
    let parts = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_the_mean_of_its_words() {
        let vocabulary = WordVocabulary::new(&[["A red, red box.", "disc"], ["disc", "a box"]]);
        assert_eq!(
            (
                vocabulary.classes,
                vocabulary.descriptions,
                vocabulary.words()
            ),
            (2, 2, 4)
        );
        // a, box, disc, red
        assert_eq!(
            vocabulary.frequencies.values()[..8],
            [0.25, 0.25, 0.0, 0.5, 0.0, 0.0, 1.0, 0.0]
        );
        assert_eq!(
            vocabulary.select(&[1, 1]).values(),
            [0.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.0, 0.0]
        );
    }

    #[test]
    #[should_panic(expected = "as many descriptions")]
    fn classes_with_different_numbers_of_descriptions_are_refused() {
        WordVocabulary::new(&[vec!["a", "b"], vec!["c"]]);
    }
}
