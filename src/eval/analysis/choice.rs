//! The images of a gallery, chosen by a rule and not by hand.

/// The number of images of each kind.
const OF_EACH: usize = 4;

/// The reason why an image is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It gains most.
    Gain,
    /// It loses most.
    Loss,
    /// Its id has a small digest, whatever was found in it.
    Fixed,
}

/// The places of the chosen images. `images` are the ids of all, and `gains` how much each gains.
///
/// They are the four that gain most, the four that lose most (of equal ones those with the smaller id; an image that
/// neither gains nor loses is in neither group), and the four whose ids have the smallest BLAKE3 digests.
pub fn chosen(images: &[u64], gains: &[f64]) -> Vec<(usize, Why)> {
    let places = || 0..images.len().min(gains.len());
    let most = |why, sign: f64| {
        let mut own: Vec<usize> = places().filter(|at| sign * gains[*at] > 0.0).collect();
        own.sort_by(|one, other| {
            let gain = |at: &usize| sign * gains[*at];
            gain(other)
                .total_cmp(&gain(one))
                .then(images[*one].cmp(&images[*other]))
        });
        own.into_iter().take(OF_EACH).map(move |at| (at, why))
    };
    let digest = |at: &usize| *blake3::hash(images[*at].to_string().as_bytes()).as_bytes();
    let mut fixed: Vec<usize> = places().collect();
    fixed.sort_by_cached_key(digest);
    let fixed = fixed.into_iter().take(OF_EACH).map(|at| (at, Why::Fixed));
    most(Why::Gain, 1.0)
        .chain(most(Why::Loss, -1.0))
        .chain(fixed)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(found: &[(usize, Why)], wanted: Why) -> Vec<usize> {
        let own = found.iter().filter(|(_, why)| *why == wanted);
        own.map(|(at, _)| *at).collect()
    }

    #[test]
    fn the_largest_gains_and_losses_are_chosen_and_ties_go_to_the_smaller_id() {
        let images = [50, 40, 30, 20, 10, 60, 70, 80];
        let gains = [0.5, 0.5, 0.1, 0.9, 0.5, -0.2, 0.0, -0.7];
        let found = chosen(&images, &gains);
        assert_eq!(of(&found, Why::Gain), [3, 4, 1, 0]);
        assert_eq!(of(&found, Why::Loss), [7, 5], "what is equal is no loss");
    }

    #[test]
    fn the_fixed_images_depend_on_their_ids_alone() {
        let images: Vec<u64> = (0..100).collect();
        let ids = |images: &[u64], gain: f64| -> Vec<u64> {
            let found = chosen(images, &vec![gain; images.len()]);
            of(&found, Why::Fixed)
                .iter()
                .map(|at| images[*at])
                .collect()
        };
        let own = ids(&images, 0.3);
        assert_eq!(own.len(), 4);
        let turned: Vec<u64> = images.iter().rev().copied().collect();
        assert_eq!(ids(&turned, -0.5), own);
        assert!(own.windows(2).all(|pair| pair[0] != pair[1]) && own != [0, 1, 2, 3]);
    }
}
