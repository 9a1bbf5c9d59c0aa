//! Promises that every registered rule keeps, and the rules without a state against each other.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

pub(in crate::method) fn candidate(class: usize, c: f32, m: f32) -> Candidate {
    Candidate {
        mask: 0,
        class,
        class_quality: c,
        mask_quality: m,
        area: 100,
        bounds: None,
        foreground: true,
        probabilities: vec![],
    }
}

/// The filter of a table.
pub(in crate::method) fn built(toml: &str) -> Box<dyn Filter> {
    crate::registry::build(FILTERS, toml.parse().unwrap()).unwrap()
}

pub(super) const STEP: Clock = Clock {
    last_of_step: true,
    last_of_epoch: false,
};
pub(super) const INNER: Clock = Clock {
    last_of_step: false,
    last_of_epoch: false,
};
const EPOCH: Clock = Clock {
    last_of_step: true,
    last_of_epoch: true,
};

/// Number of classes of the random images.
const CLASSES: usize = 3;

/// Tables of every rule, with all settings that change what it remembers.
pub(crate) fn tables() -> Vec<String> {
    let mut tables: Vec<String> = [
        "name = 'coupled'\nthreshold = 0.4",
        "name = 'decoupled'\nclass = 0.4\nmask = 0.5",
        "name = 'class-only'\nthreshold = 0.4",
        "name = 'floors'\nclass = 0.4\nmask = 0.5",
        "name = 'best-or-above'\nthreshold = 0.8",
        "name = 'class-frequency'\ngrid = [0.1, 1.0, 0.01]\nwindow = 3\nevery = 2\nstart = 0.5",
        "name = 'top-share'\nshare = 0.3\nscope = 'image'",
        "name = 'top-share'\nshare = 0.3\nscope = 'run'\nrate = 0.05",
    ]
    .map(String::from)
    .into();
    for statistic in ["foreground", "kept", "all"] {
        for period in ["image", "step", "epoch"] {
            tables.push(format!(
                "name = 'adaptive'\nclass = [0.3, 0.5]\nmask = [0.3, 0.5]\ncounts = 'objects'\nalpha = 0.6\n\
                 clamp = [0.0, 1.0]\nclass-margin = 0.2\nmask-margin = 0.1\naccept = 0.5\n\
                 statistic = '{statistic}'\nperiod = '{period}'"
            ));
        }
    }
    tables
}

/// The filter of a table at the beginning of a training with three classes.
pub(crate) fn started(table: &str) -> Box<dyn Filter> {
    let mut filter = built(table);
    filter.start(&ClassCounts {
        images: 2,
        annotations: vec![5, 3, 1],
        objects: vec![4, 3, 1],
    });
    filter
}

/// An image of training: its candidates, those that become pseudo-labels, and its place.
type Image = (Vec<Candidate>, Vec<bool>, Clock);

fn images() -> impl Strategy<Value = Vec<Image>> {
    let one = (0..CLASSES, 0.0f32..=1.0, 0.0f32..=1.0, any::<bool>());
    let candidates = prop::collection::vec((one, any::<bool>()), 0..12);
    let clock = prop::sample::select(&[INNER, INNER, STEP, EPOCH][..]);
    let image = (candidates, clock).prop_map(|(list, clock)| {
        let of = |((class, c, m, foreground), kept)| {
            let candidate = Candidate {
                foreground,
                ..candidate(class, c, m)
            };
            (candidate, kept)
        };
        let (candidates, kept) = list.into_iter().map(of).unzip();
        (candidates, kept, clock)
    });
    prop::collection::vec(image, 1..12)
}

/// The tiers of every image, with all that shows after it.
fn run(filter: &mut dyn Filter, images: &[Image]) -> Vec<(Vec<Tier>, Readings, String)> {
    let one = |(image, kept, clock): &Image| {
        let tiers = filter.tiers(image, *clock);
        filter.learn(image, kept, *clock);
        (tiers, filter.readings(), filter.state().to_string())
    };
    images.iter().map(one).collect()
}

#[test]
fn every_rule_is_among_the_examples() {
    let name = |table: &String| table.split('\'').nth(1).unwrap().to_string();
    let tried: BTreeSet<String> = tables().iter().map(name).collect();
    let registered = FILTERS.iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(tried, registered);
}

proptest! {
    /// A forgotten part of a rule's memory, or one that text does not keep, shows in a later tier or reading.
    #[test]
    fn a_checkpoint_at_any_image_changes_nothing(images in images(), at in any::<prop::sample::Index>()) {
        for table in tables() {
            let (before, after) = images.split_at(at.index(images.len()));
            let mut whole = started(&table);
            run(&mut *whole, before);
            let mut resumed = started(&table);
            let text = whole.state().to_string();
            resumed.restore(&serde_json::from_str(&text).unwrap()).unwrap();
            prop_assert_eq!(whole.readings(), resumed.readings());
            prop_assert_eq!(run(&mut *whole, after), run(&mut *resumed, after), "{}", table);
        }
    }

    /// The images of a step may be labelled together: the tiers are the same where `learn` comes after all of them.
    #[test]
    fn labels_of_the_same_step_matter_only_to_rules_that_follow_them(images in images()) {
        for table in tables() {
            let (mut one_by_one, mut together) = (started(&table), started(&table));
            if one_by_one.follows_labels() {
                continue;
            }
            for step in images.chunk_by(|(_, _, clock), _| !clock.last_of_step) {
                let tiers: Vec<_> = run(&mut *one_by_one, step).into_iter().map(|(tiers, ..)| tiers).collect();
                let found: Vec<_> = step.iter().map(|(image, _, clock)| together.tiers(image, *clock)).collect();
                for (image, kept, clock) in step {
                    together.learn(image, kept, *clock);
                }
                prop_assert_eq!(found, tiers, "{}", table);
            }
        }
    }

    /// The competition of the coupled rule (section "DF-ACAT" of the paper): a weak class quality is bought
    /// with a good mask. What the decoupled rule keeps has both qualities, and at thresholds a and b a
    /// coupled rule at a * b keeps it too.
    #[test]
    fn decoupled_is_stricter_than_coupled(c in 0.0f32..=1.0, m in 0.0f32..=1.0, a in 0.1f32..1.0, b in 0.1f32..1.0) {
        let tier = |table: String| built(&table).tiers(&[candidate(0, c, m)], STEP)[0];
        let decoupled = tier(format!("name = \"decoupled\"\nclass = {a:?}\nmask = {b:?}"));
        // A hair below, because both products are rounded.
        let coupled = tier(format!("name = \"coupled\"\nthreshold = {:?}", a * b * 0.999));
        let kept = decoupled == Tier::High;
        prop_assert_eq!(kept, c >= a && m >= b);
        if kept {
            prop_assert_eq!(coupled, Tier::High);
        }
        prop_assert_ne!(decoupled, Tier::Medium);
        prop_assert_ne!(coupled, Tier::Medium);
    }
}

#[test]
fn the_coupled_rule_trades_one_quality_for_the_other() {
    let image = [(0.76, 0.96), (0.81, 0.9), (0.7, 0.96)].map(|(c, m)| candidate(0, c, m));
    let mut coupled = built("name = \"coupled\"\nthreshold = 0.72");
    assert_eq!(
        coupled.tiers(&image, STEP),
        [Tier::High, Tier::High, Tier::Low]
    );
    let mut decoupled = built("name = \"decoupled\"\nclass = 0.8\nmask = 0.9");
    assert_eq!(
        decoupled.tiers(&image, STEP),
        [Tier::Low, Tier::High, Tier::Low]
    );
}

#[test]
fn thresholds_out_of_range_are_refused() {
    for (toml, key) in [
        ("name = \"coupled\"\nthreshold = 1.2", "threshold"),
        ("name = \"decoupled\"\nclass = -0.1\nmask = 0.5", "class"),
        ("name = \"decoupled\"\nclass = 0.1\nmask = nan", "mask"),
    ] {
        let error = crate::registry::build(FILTERS, toml.parse().unwrap()).expect_err(toml);
        assert_eq!(error[0].key, key);
    }
}
