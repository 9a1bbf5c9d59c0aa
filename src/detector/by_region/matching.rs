//! The object that a candidate rectangle (an anchor or a proposal) has to find.
//!
//! A candidate belongs to the object that it overlaps most, if the IoU is at least `high`; below `low` it is
//! background; in between it teaches nothing. With [`LowQuality`] every object also gets the candidates that overlap
//! it most, all of them if several overlap it equally. Source: Faster R-CNN, section 3.1.2
//! (<https://arxiv.org/abs/1506.01497>).

use crate::graph::mask_rcnn::LowQuality;

/// The outcome for a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It has to find the object with this number.
    Object(usize),
    /// It has to find nothing.
    Background,
    /// It teaches nothing.
    Between,
}

/// The bounds of a matching.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matcher {
    /// Below this a candidate is background.
    pub low: f32,
    /// From this a candidate belongs to an object.
    pub high: f32,
    /// The rule for objects without such a candidate.
    pub low_quality: Option<LowQuality>,
}

impl Matcher {
    /// The outcome for each of `candidates` candidates, from the IoU of every object with every candidate,
    /// `[objects, candidates]`.
    ///
    /// Panics if `iou` is not a whole number of rows.
    pub fn of(&self, iou: &[f32], candidates: usize) -> Vec<Match> {
        if candidates == 0 {
            return Vec::new();
        }
        assert_eq!(iou.len() % candidates, 0, "rows of {candidates}");
        let mut best: Vec<Option<(usize, f32)>> = vec![None; candidates];
        for (object, row) in iou.chunks_exact(candidates).enumerate() {
            for (best, overlap) in best.iter_mut().zip(row) {
                if best.is_none_or(|(_, most)| *overlap > most) {
                    *best = Some((object, *overlap));
                }
            }
        }
        let outcome = |best: &Option<(usize, f32)>| match best {
            Some((object, overlap)) if *overlap >= self.high => Match::Object(*object),
            Some((_, overlap)) if *overlap >= self.low => Match::Between,
            _ => Match::Background,
        };
        let mut matches: Vec<Match> = best.iter().map(outcome).collect();
        let Some(rule) = self.low_quality else {
            return matches;
        };
        for (object, row) in iou.chunks_exact(candidates).enumerate() {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            if most < rule.least {
                continue;
            }
            for ((found, best), overlap) in matches.iter_mut().zip(&best).zip(row) {
                if *overlap == most {
                    let own = best.map_or(object, |(own, _)| own);
                    *found = Match::Object(if rule.reassigns { object } else { own });
                }
            }
        }
        matches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::golden;
    use Match::{Background, Between, Object};

    fn rpn(least: f32, reassigns: bool) -> Matcher {
        Matcher {
            low: 0.3,
            high: 0.7,
            low_quality: Some(LowQuality { least, reassigns }),
        }
    }

    /// Rows are objects.
    const PLAIN: [f32; 8] = [0.8, 0.2, 0.35, 0.0, 0.1, 0.2, 0.6, 0.0];

    #[test]
    fn an_object_without_a_good_candidate_gets_its_best() {
        let strict = Matcher {
            low_quality: None,
            ..rpn(0.0, false)
        };
        let expected = [Object(0), Background, Between, Background];
        assert_eq!(strict.of(&PLAIN, 4), expected);
        let expected = [Object(0), Background, Object(1), Background];
        assert_eq!(rpn(0.0, false).of(&PLAIN, 4), expected);
    }

    #[test]
    fn a_candidate_keeps_its_own_object_or_is_reassigned() {
        // The second object's best candidate overlaps the first object more.
        let iou = [0.65, 0.2, 0.6, 0.1];
        assert_eq!(rpn(0.0, false).of(&iou, 2), [Object(0), Background]);
        assert_eq!(rpn(0.0, true).of(&iou, 2), [Object(1), Background]);
        assert_eq!(rpn(0.62, true).of(&iou, 2), [Object(0), Background]);
    }

    #[test]
    fn an_object_that_overlaps_nothing_takes_everything_unless_there_is_a_least() {
        let mut iou = PLAIN.to_vec();
        iou.extend([0.0; 4]);
        let all = rpn(0.0, false).of(&iou, 4);
        assert!(all.iter().all(|found| matches!(found, Object(_))));
        let expected = [Object(0), Background, Object(1), Background];
        assert_eq!(rpn(0.3, false).of(&iou, 4), expected);
    }

    #[test]
    fn without_objects_all_is_background() {
        assert_eq!(rpn(0.0, false).of(&[], 3), [Background; 3]);
        assert!(rpn(0.0, false).of(&[], 0).is_empty());
    }

    #[test]
    fn parity_with_torchvision() {
        let tensors = golden::load("rcnn_ops");
        let heads = Matcher {
            low: 0.5,
            high: 0.5,
            low_quality: None,
        };
        for case in ["plain", "ties", "zero_row", "bounds"] {
            let (shape, iou) = &tensors[&format!("matcher.{case}.iou")];
            for (name, matcher) in [("rpn", rpn(0.0, false)), ("heads", heads)] {
                let expected = tensors[&format!("matcher.{case}.{name}")].1.iter();
                let expected: Vec<Match> = expected
                    .map(|number| match *number as i64 {
                        -1 => Background,
                        -2 => Between,
                        object => Object(object as usize),
                    })
                    .collect();
                assert_eq!(matcher.of(iou, shape[1]), expected, "{case} {name}");
            }
        }
    }
}
