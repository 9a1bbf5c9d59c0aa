//! The pictures that are kept for the evaluation if the user names none.

use crate::data::Source;
use crate::rng::Stream;
use anyhow::{Result, bail};
use std::collections::BTreeSet;

/// The share of the pictures that is kept.
pub const SHARE: f64 = 0.2;
/// The largest number of them: an evaluation should not take longer than the training.
const MOST: usize = 500;

/// The places of the pictures of both parts in the list of the file, ascending.
#[derive(Debug)]
pub struct Parts {
    pub train: Vec<usize>,
    pub val: Vec<usize>,
}

/// Draws the evaluated pictures of `source`, always the same ones for the same file. Every class that is in a picture
/// stays in a training picture, unless no other choice is left.
///
/// # Errors
/// No class is in two pictures: what is trained could not be evaluated.
pub fn held_out(source: &dyn Source) -> Result<Parts> {
    let classes: Vec<BTreeSet<usize>> = (0..source.len())
        .map(|picture| source.objects_of(picture).into_iter().collect())
        .collect();
    let count = classes.iter().flatten().max().map_or(0, |last| last + 1);
    let mut pictures_with = vec![0usize; count];
    classes
        .iter()
        .flatten()
        .for_each(|class| pictures_with[*class] += 1);
    let order = Stream::new(0, "init: evaluated pictures").permutation(source.len());
    let first = first(&order, &classes, &pictures_with)?;
    let wanted = ((SHARE * source.len() as f64).round() as usize).clamp(1, MOST);
    let mut val = BTreeSet::from([first]);
    classes[first]
        .iter()
        .for_each(|class| pictures_with[*class] -= 1);
    for &picture in order.iter().filter(|picture| **picture != first) {
        if val.len() < wanted && all_stay(&classes[picture], &pictures_with) {
            classes[picture]
                .iter()
                .for_each(|class| pictures_with[*class] -= 1);
            val.insert(picture);
        }
    }
    let train = (0..source.len()).filter(|picture| !val.contains(picture));
    Ok(Parts {
        train: train.collect(),
        val: val.into_iter().collect(),
    })
}

/// The first picture with objects whose classes all stay in others; or else with one class that does.
fn first(order: &[usize], classes: &[BTreeSet<usize>], pictures_with: &[usize]) -> Result<usize> {
    let mut with_objects = order
        .iter()
        .filter(|picture| !classes[**picture].is_empty());
    let best = with_objects
        .clone()
        .find(|picture| all_stay(&classes[**picture], pictures_with));
    let shares = |picture: &&usize| {
        classes[**picture]
            .iter()
            .any(|class| pictures_with[*class] > 1)
    };
    match best.or_else(|| with_objects.find(shares)) {
        Some(picture) => Ok(*picture),
        None => bail!(
            "no class has objects in two pictures, so none can be both trained and evaluated; name the evaluated \
             pictures with --val-coco and --val-images, or annotate more"
        ),
    }
}

/// True if each of these `classes` is in another picture too.
fn all_stay(classes: &BTreeSet<usize>, pictures_with: &[usize]) -> bool {
    classes.iter().all(|class| pictures_with[*class] > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::listed::Listed;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_parts_have_objects_and_no_class_is_lost(
            pictures in prop::collection::vec(prop::collection::vec(0usize..5, 0..4), 1..60)
        ) {
            let shared = (0..5).any(|class| pictures.iter().filter(|one| one.contains(&class)).count() > 1);
            let source = Listed(pictures.clone());
            let Ok(Parts { train, val }) = held_out(&source) else {
                prop_assert!(!shared);
                return Ok(());
            };
            let mut all = [train.clone(), val.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..pictures.len()).collect::<Vec<_>>());
            let of = |part: &[usize]| -> BTreeSet<usize> {
                part.iter().flat_map(|picture| pictures[*picture].clone()).collect()
            };
            prop_assert!(of(&val).intersection(&of(&train)).next().is_some());
            let lost = of(&val).difference(&of(&train)).count();
            let all_stay = |one: &Vec<usize>| one.iter().all(|class| {
                pictures.iter().filter(|other| other.contains(class)).count() > 1
            });
            if pictures.iter().any(|one| !one.is_empty() && all_stay(one)) {
                prop_assert_eq!(lost, 0);
            }
        }
    }

    #[test]
    fn a_fifth_is_kept_and_the_draw_is_the_same_each_time() {
        let source = Listed((0..100).map(|picture| vec![picture % 3]).collect());
        let parts = held_out(&source).unwrap();
        assert_eq!((parts.train.len(), parts.val.len()), (80, 20));
        assert_eq!(held_out(&source).unwrap().val, parts.val);
        let few = held_out(&Listed(vec![vec![0], vec![0], vec![]])).unwrap();
        assert!(
            few.val.iter().any(|picture| *picture < 2),
            "an object is evaluated"
        );
        assert!(held_out(&Listed(vec![vec![0], vec![1], vec![2]])).is_err());
    }
}
