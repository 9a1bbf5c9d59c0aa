//! The overlaps of the detections of one image with its objects, groups and void pixels: all that any threshold needs.

use super::pixels::Pixels;

/// An object with fewer pixels is not judged: it is neither missed nor found.
const LEAST_PIXELS: u64 = 100;

/// An annotated object, or a group of objects whose members are not told apart.
pub struct Object {
    /// Its class.
    pub class: usize,
    /// True for a group.
    pub is_group: bool,
    /// Its visible pixels.
    pub pixels: Pixels,
}

/// The annotations of an image.
#[derive(Default)]
pub struct Frame {
    /// The objects and groups.
    pub objects: Vec<Object>,
    /// The pixels that no class is judged on.
    pub void: Pixels,
}

/// A detected object.
pub struct Guess {
    /// Its class.
    pub class: usize,
    /// Its confidence.
    pub score: f64,
    /// Its pixels.
    pub pixels: Pixels,
}

/// An object that is judged: intersection over union and score of every detection of its class that touches it, in
/// the order of the detections.
pub struct Judged {
    /// Its class.
    pub class: usize,
    /// Pairs of overlap and score.
    pub touching: Vec<(f64, f64)>,
}

/// A detection beside the objects and groups of its class.
pub struct Placed {
    /// Its class.
    pub class: usize,
    /// Its confidence.
    pub score: f64,
    /// The largest intersection over union with any of them, also with groups and with objects that are not judged.
    pub best: f64,
    /// The share of its pixels that are void, in a group, or in an object that is not judged. A group that is too
    /// small counts twice, as in the official script.
    pub ignored: f64,
}

/// The overlaps of an image.
pub struct Matches {
    /// The judged objects.
    pub objects: Vec<Judged>,
    /// The detections that have a pixel.
    pub guesses: Vec<Placed>,
}

impl Frame {
    /// Compares `guesses` with the annotations.
    pub fn matches(&self, guesses: &[Guess]) -> Matches {
        let mut touching: Vec<Vec<(f64, f64)>> = vec![Vec::new(); self.objects.len()];
        let mut placed = Vec::new();
        for guess in guesses.iter().filter(|guess| guess.pixels.count() > 0) {
            let pixels = guess.pixels.count();
            let (mut ignored, mut best) = (guess.pixels.shared(&self.void), 0.0f64);
            for (object, touching) in self.objects.iter().zip(&mut touching) {
                if object.class != guess.class {
                    continue;
                }
                let shared = guess.pixels.shared(&object.pixels);
                if shared == 0 {
                    continue;
                }
                let union = object.pixels.count() + pixels - shared;
                let overlap = shared as f64 / union as f64;
                best = best.max(overlap);
                touching.push((overlap, guess.score));
                ignored += shared * u64::from(object.is_group);
                ignored += shared * u64::from(object.is_small());
            }
            placed.push(Placed {
                class: guess.class,
                score: guess.score,
                best,
                ignored: ignored as f64 / pixels as f64,
            });
        }
        let objects = self.objects.iter().zip(touching);
        let judged = objects.filter(|(object, _)| !object.is_group && !object.is_small());
        Matches {
            objects: judged
                .map(|(object, touching)| Judged {
                    class: object.class,
                    touching,
                })
                .collect(),
            guesses: placed,
        }
    }
}

impl Object {
    fn is_small(&self) -> bool {
        self.pixels.count() < LEAST_PIXELS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(begin: u32, end: u32) -> Pixels {
        let mut pixels = Pixels::default();
        pixels.add(begin, end);
        pixels
    }

    #[test]
    fn a_small_group_is_ignored_twice_and_void_once() {
        let object = |is_group, begin, end| Object {
            class: 1,
            is_group,
            pixels: span(begin, end),
        };
        let frame = Frame {
            objects: vec![
                object(true, 0, 50),
                object(false, 50, 150),
                object(false, 200, 299),
            ],
            void: span(150, 160),
        };
        let guess = |class, begin, end| Guess {
            class,
            score: 0.5,
            pixels: span(begin, end),
        };
        let found = frame.matches(&[
            guess(1, 0, 160),
            guess(1, 200, 300),
            guess(0, 0, 160),
            guess(1, 7, 7),
        ]);
        assert_eq!(found.objects.len(), 1, "99 pixels are too few, 100 are not");
        assert_eq!(found.objects[0].touching, [(100.0 / 160.0, 0.5)]);
        let placed: Vec<(f64, f64)> = found.guesses.iter().map(|g| (g.best, g.ignored)).collect();
        let first = (100.0 / 160.0, (50.0 + 50.0 + 10.0) / 160.0);
        assert_eq!(placed, [first, (0.99, 0.99), (0.0, 10.0 / 160.0)]);
    }
}
