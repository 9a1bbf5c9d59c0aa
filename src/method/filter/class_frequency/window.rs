//! The last images that a rule has seen: of every candidate the class, and how far up the grid of thresholds it is.
//!
//! A checkpoint has it as a text, because lists in a state keep their lengths: every image ends with `;`, its
//! candidates are `class:passed` with commas between them. Candidates that are above no threshold are left out: no
//! threshold keeps them.

use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};
use std::collections::VecDeque;

/// A candidate of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its class.
    pub class: usize,
    /// The number of thresholds that its class quality is above.
    pub passed: usize,
}

/// The images, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Window(VecDeque<Vec<Seen>>);

impl Window {
    /// Adds an image with the candidates `seen`, and forgets the oldest ones so that at most `most` are left.
    pub fn push(&mut self, seen: impl Iterator<Item = Seen>, most: usize) {
        self.0
            .push_back(seen.filter(|one| one.passed > 0).collect());
        while self.0.len() > most {
            self.0.pop_front();
        }
    }

    /// The number of images.
    pub fn images(&self) -> usize {
        self.0.len()
    }

    /// The candidates of each of `classes` classes above each of `thresholds` thresholds.
    pub fn above(&self, classes: usize, thresholds: usize) -> Vec<Vec<usize>> {
        let mut counts = vec![vec![0; thresholds]; classes];
        for one in self.0.iter().flatten() {
            counts[one.class][..one.passed]
                .iter_mut()
                .for_each(|count| *count += 1);
        }
        counts
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let of_image = |image: &Vec<Seen>| {
            let all: Vec<String> = image
                .iter()
                .map(|one| format!("{}:{}", one.class, one.passed))
                .collect();
            all.join(",") + ";"
        };
        self.0
            .iter()
            .map(of_image)
            .collect::<String>()
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let candidate = |text: &str| {
            let (class, passed) = text.split_once(':')?;
            Some(Seen {
                class: class.parse().ok()?,
                passed: passed.parse().ok()?,
            })
        };
        let image = |text: &str| -> Option<Vec<Seen>> {
            text.split(',')
                .filter(|one| !one.is_empty())
                .map(candidate)
                .collect()
        };
        let images = text.split_terminator(';').map(image).collect::<Option<_>>();
        images
            .map(Self)
            .ok_or_else(|| D::Error::custom("no list of images with `class:passed`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn images() -> impl Strategy<Value = Vec<Vec<(usize, usize)>>> {
        prop::collection::vec(prop::collection::vec((0usize..3, 0usize..5), 0..6), 0..8)
    }

    fn window(images: &[Vec<(usize, usize)>], most: usize) -> Window {
        let mut window = Window::default();
        for image in images {
            window.push(
                image.iter().map(|(class, passed)| Seen {
                    class: *class,
                    passed: *passed,
                }),
                most,
            );
        }
        window
    }

    proptest! {
        #[test]
        fn a_checkpoint_keeps_every_image(images in images()) {
            let window = window(&images, 5);
            let text = serde_json::to_string(&window).unwrap();
            prop_assert_eq!(serde_json::from_str::<Window>(&text).unwrap(), window);
        }

        #[test]
        fn it_counts_the_last_images(images in images(), most in 1usize..6) {
            let window = window(&images, most);
            let last = &images[images.len().saturating_sub(most)..];
            prop_assert_eq!(window.images(), last.len());
            for (class, counts) in window.above(3, 4).iter().enumerate() {
                for (threshold, count) in counts.iter().enumerate() {
                    let all = last.iter().flatten();
                    let expected = all.filter(|(of, passed)| *of == class && *passed > threshold).count();
                    prop_assert_eq!(*count, expected);
                }
            }
        }
    }

    #[test]
    fn a_damaged_text_is_refused() {
        for text in ["\"0:1,2;\"", "\"a:1;\"", "\"0:-1;\"", "3"] {
            assert!(serde_json::from_str::<Window>(text).is_err(), "{text}");
        }
    }
}
