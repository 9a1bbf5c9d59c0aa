//! `[augment.colour]`: one colour operation out of a published list, on the part of a view that is not padding.

use super::content::Content;
use super::{one_of, rand_augment};
use crate::rng::Stream;
use crate::structures::Picture;
use schemars::JsonSchema;
use serde::Deserialize;

/// One colour operation of the strong view.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ColourChoice {
    /// The list.
    pub name: ColourList,
    /// The probability that an operation is drawn.
    pub probability: f64,
}

/// A list of colour operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ColourList {
    /// No operation.
    None,
    /// RandAugment's nine, as in STAC and PAIS.
    Randaugment,
    /// Noisy Boundaries' seven.
    OneOf,
}

impl ColourChoice {
    /// Returns true if an operation may be drawn.
    pub fn is_on(&self) -> bool {
        self.name != ColourList::None && self.probability > 0.0
    }

    /// The picture with other colours in the rows and columns `content`. Draws nothing if it is off.
    pub fn apply(&self, picture: Picture, content: Content, rng: &mut Stream) -> Picture {
        if !self.is_on() || !rng.chance(self.probability) {
            return picture;
        }
        let part = content.of(&picture);
        let changed = match self.name {
            ColourList::None => None,
            ColourList::Randaugment => {
                rand_augment::draw(rng).map(|operation| operation.apply(&part))
            }
            ColourList::OneOf => Some(one_of::draw(rng).apply(&part, rng)),
        };
        match changed {
            Some(changed) => content.put(picture, &changed),
            None => picture,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of 6 x 5 pixels in a grey picture of 9 x 8.
    fn padded() -> Picture {
        let mut rng = Stream::new(1, "padded");
        let mut picture = Picture::new(9, 8, vec![128; 9 * 8 * 3]);
        for row in 0..6 {
            for value in &mut picture.pixels[row * 24..row * 24 + 15] {
                *value = 60 + rng.below(100) as u8;
            }
        }
        picture
    }

    const CONTENT: Content = Content {
        rows: 6,
        columns: 5,
    };

    fn choice(name: ColourList, probability: f64) -> ColourChoice {
        ColourChoice { name, probability }
    }

    #[test]
    fn only_what_is_not_padding_changes_and_padding_changes_nothing() {
        let whole = Content {
            rows: 6,
            columns: 5,
        }
        .of(&padded());
        for name in [ColourList::Randaugment, ColourList::OneOf] {
            let mut changed = 0;
            for index in 0..200 {
                let draw = |picture: Picture, content| {
                    let mut rng = Stream::at(1, "colour", index);
                    choice(name, 1.0).apply(picture, content, &mut rng)
                };
                let found = draw(padded(), CONTENT);
                let alone = draw(whole.clone(), CONTENT);
                assert_eq!(CONTENT.of(&found), alone, "{name:?} {index}");
                assert_eq!(CONTENT.put(found.clone(), &whole), padded());
                changed += usize::from(found != padded());
            }
            // The picture is too small for equalize; a factor of 1 and the identity change nothing.
            assert!(changed > 120, "{name:?}: {changed}");
        }
    }

    #[test]
    fn an_operation_is_drawn_with_its_probability_and_none_draws_nothing() {
        let mut rng = Stream::new(3, "share");
        let seven_of_eight = choice(ColourList::OneOf, 0.875);
        let same = (0..2000)
            .filter(|_| seven_of_eight.apply(padded(), CONTENT, &mut rng) == padded())
            .count();
        // A few of the drawn operations change nothing: a blur or a noise near 0.
        assert!((200..330).contains(&same), "{same}");
        for off in [
            choice(ColourList::None, 1.0),
            choice(ColourList::OneOf, 0.0),
        ] {
            let (mut used, mut fresh) = (Stream::new(1, "none"), Stream::new(1, "none"));
            assert_eq!(off.apply(padded(), CONTENT, &mut used), padded());
            assert_eq!(used.bits(), fresh.bits());
        }
    }
}
