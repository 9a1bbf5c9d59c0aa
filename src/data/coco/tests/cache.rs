//! Tests that kept pictures change no batch and save the reading of files.

use super::*;
use crate::data::Batch;
use crate::data::augment::AugmentConfig;
use crate::data::loader::{Loader, LoaderConfig};
use crate::data::split::{Split, SplitConfig};

const STEPS: usize = 6;

/// The batches of a trial on `dataset`.
fn batches(dataset: &Dataset, threads: usize) -> Vec<Batch> {
    let recipe: toml::Table = include_str!("../../../../recipes/pl-dc.toml")
        .parse()
        .unwrap();
    let augment: AugmentConfig = recipe["augment"].clone().try_into().unwrap();
    let mut config: LoaderConfig = recipe["loader"].clone().try_into().unwrap();
    config.threads = threads;
    let split = Split::new(dataset, &SplitConfig::of_permutation(0.5, 0), 1).unwrap();
    let mut loader = Loader::new(dataset, &split, &augment, &config, 1);
    let steps = (0..STEPS).map(|step| loader.batch(step, true));
    steps.map(Result::unwrap).collect()
}

/// Every pixel of the views, and every mask.
fn bytes(batches: &[Batch]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for batch in batches {
        for view in &batch.labelled {
            bytes.extend(&view.picture.pixels);
            let masks = view
                .instances
                .iter()
                .flat_map(|instance| &instance.mask.bits);
            bytes.extend(masks);
        }
        for views in &batch.unlabelled {
            bytes.extend(&views.weak.pixels);
            bytes.extend(&views.strong.pixels);
        }
    }
    bytes
}

#[test]
fn kept_pictures_change_no_batch_and_the_second_trial_reads_no_file() {
    let mut fixture = Fixture::new();
    let without = fixture.build();
    let expected = bytes(&batches(&without, 0));
    fixture.table.insert("cache".into(), 1.into());
    let first = fixture.build();
    assert_eq!(bytes(&batches(&first, 0)), expected);
    let second = fixture.build();
    fs::remove_dir_all(fixture.folder.path().join("pictures")).unwrap();
    for threads in [0, 3] {
        assert_eq!(bytes(&batches(&second, threads)), expected);
    }
    assert!(
        without.train.load(0).is_err(),
        "nothing is kept without a bound"
    );
}

#[test]
fn a_negative_or_huge_cache_is_refused() {
    for wrong in [-1, i64::from(u32::MAX)] {
        let mut fixture = Fixture::new();
        fixture.table.insert("cache".into(), wrong.into());
        let (key, message) = fixture.error();
        assert_eq!(key, "cache", "{message}");
    }
}
