//! The file, and the way of pseudo-labels into the views.

use super::*;
use crate::data::augment::AugmentConfig;
use crate::data::loader::{Loader, LoaderConfig, UnlabelledView};
use crate::data::split::{Split, SplitConfig};
use crate::data::{Batch, load};
use crate::structures::Mask;

fn dataset() -> Dataset {
    let recipe: toml::Table = include_str!("../../../recipes/pl-dc.toml").parse().unwrap();
    let mut data = recipe["data"].as_table().unwrap().clone();
    data["train-images"] = 40.into();
    data["val-images"] = 2.into();
    load(data).unwrap()
}

fn around(mask: &Mask) -> [f32; 4] {
    let (rows, columns) = mask.bounds().expect("an object has a pixel");
    [columns.start, rows.start, columns.end, rows.end].map(|side| side as f32)
}

/// The hidden objects of all images as their pseudo-labels; the qualities tell which is which.
fn labels(dataset: &Dataset, split: &Split) -> PoolLabels {
    let mut labels = PoolLabels::default();
    for image in &split.unlabelled {
        let sample = dataset.train.load(*image).unwrap();
        let object = |(number, instance): (usize, Instance)| PoolObject {
            class: instance.class,
            qualities: [number as f32 / 100.0, 0.5],
            bounds: around(&instance.mask),
            mask: rle::encode(&instance.mask),
        };
        let of_image = PoolImage {
            id: sample.image_id,
            size: (sample.picture.height, sample.picture.width),
            objects: sample
                .instances
                .into_iter()
                .enumerate()
                .map(object)
                .collect(),
        };
        labels.insert(*image, of_image);
    }
    labels
}

fn split(dataset: &Dataset) -> Split {
    Split::new(dataset, &SplitConfig::of_permutation(0.25, 1), 4).unwrap()
}

#[test]
fn a_file_holds_all_labels_and_says_the_same_every_time() {
    let dataset = dataset();
    let labels = labels(&dataset, &split(&dataset));
    let text = labels.to_json(&dataset).unwrap();
    assert_eq!(labels.to_json(&dataset).unwrap(), text);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.json");
    std::fs::write(&path, &text).unwrap();
    assert_eq!(PoolLabels::read(&path, &dataset.classes).unwrap(), labels);
    // COCO's own reader takes it.
    let coco = crate::coco::read_annotations(&path).unwrap();
    let objects = labels.images.values().map(|image| image.objects.len());
    assert_eq!(coco.annotations.unwrap().len(), objects.sum::<usize>());
    assert_eq!(coco.images.unwrap().len(), labels.images.len());
}

#[test]
fn a_damaged_file_is_refused_with_its_place() {
    let dataset = dataset();
    let text = labels(&dataset, &split(&dataset))
        .to_json(&dataset)
        .unwrap();
    let text = String::from_utf8(text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.json");
    let refused = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let error = PoolLabels::read(&path, &dataset.classes).unwrap_err();
        format!("{error:#}")
    };
    assert!(refused(&text[..text.len() / 2]).contains("labels.json: no file of pseudo-labels"));
    let category = text.replacen("\"category_id\":", "\"category_id\":77", 1);
    assert!(refused(&category).contains("annotation 1: the dataset has no such category"));
    let size = text.replacen("\"size\":[64,64]", "\"size\":[64,63]", 1);
    assert!(refused(&size).contains("annotation 1: its mask has another size"));
    let image = text.replacen("\"image_index\":", "\"image_index\":9999", 1);
    assert!(refused(&image).contains("annotation 1: its image is not listed"));
}

/// The batch of a step with hidden truth, and with the same objects as pseudo-labels.
fn batches(step: usize, change: impl Fn(&mut AugmentConfig, &mut LoaderConfig)) -> [Batch; 2] {
    let recipe: toml::Table = include_str!("../../../recipes/pl-dc.toml").parse().unwrap();
    let mut augment: AugmentConfig = recipe["augment"].clone().try_into().unwrap();
    let mut loader: LoaderConfig = recipe["loader"].clone().try_into().unwrap();
    change(&mut augment, &mut loader);
    let dataset = dataset();
    let split = split(&dataset);
    let labels = labels(&dataset, &split);
    let hidden = Loader::new(&dataset, &split, &augment, &loader, 3).batch(step, true);
    let known = Loader::with_labels(&dataset, &split, &augment, &loader, 3, labels);
    [hidden, { known }.batch(step, true)].map(Result::unwrap)
}

#[test]
fn pseudo_labels_follow_into_a_view_as_annotations_do() {
    let (mut seen, mut tight) = (0, 0);
    for step in 0..6 {
        for view in [UnlabelledView::Strong, UnlabelledView::Weak] {
            let [hidden, known] = batches(step, |_, loader| loader.unlabelled_view = view);
            assert!(known.unlabelled.is_empty() && hidden.pseudo.is_empty());
            assert_eq!(known.labelled[0].picture, hidden.labelled[0].picture);
            for (image, truth) in known.pseudo.iter().zip(&hidden.unlabelled) {
                assert_eq!(image.view.picture, truth.strong);
                let masks = |all: &[Instance]| {
                    let all = all.iter().map(|one| (one.class, one.mask.clone()));
                    all.collect::<Vec<_>>()
                };
                assert_eq!(masks(&image.view.instances), masks(&truth.hidden_truth));
                assert_eq!(image.qualities.len(), image.view.instances.len());
                for (place, instance) in image.view.instances.iter().enumerate() {
                    let InstanceSource::Pseudo(number) = instance.source else {
                        panic!("a pseudo-label");
                    };
                    assert_eq!(image.qualities[place], [number as f32 / 100.0, 0.5]);
                    // A crop leaves a part of the object, but all of the rectangle that lies in the view.
                    let [left, top, right, bottom] = around(&instance.mask);
                    let [x1, y1, x2, y2] = image.bounds[place];
                    let inside = x1 <= left + 1.5
                        && y1 <= top + 1.5
                        && x2 >= right - 1.5
                        && y2 >= bottom - 1.5;
                    assert!(
                        inside,
                        "{:?} {left} {top} {right} {bottom}",
                        image.bounds[place]
                    );
                    let spare = (left - x1) + (top - y1) + (x2 - right) + (y2 - bottom);
                    tight += usize::from(spare.abs() < 3.0);
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 50 && tight > 3 * seen / 4, "{seen} {tight}");
}

#[test]
fn rectangles_follow_an_affine_map_of_the_view_and_none_inside_a_rectangle() {
    let affine = |share: f64| {
        move |augment: &mut AugmentConfig, _: &mut LoaderConfig| {
            augment.affine.probability = 1.0;
            augment.affine.in_box.share = share;
        }
    };
    let (mut moved, mut seen) = (0, 0);
    for step in 0..6 {
        let [hidden, known] = batches(step, affine(0.0));
        for (image, truth) in known.pseudo.iter().zip(&hidden.unlabelled) {
            moved += usize::from(truth.moved.is_some());
            for (instance, [x1, y1, x2, y2]) in image.view.instances.iter().zip(&image.bounds) {
                let [left, top, right, bottom] = around(&instance.mask);
                let inside = *x1 <= left + 1.5
                    && *y1 <= top + 1.5
                    && *x2 >= right - 1.5
                    && *y2 >= bottom - 1.5;
                assert!(
                    inside,
                    "{:?} {:?}",
                    [x1, y1, x2, y2],
                    [left, top, right, bottom]
                );
                seen += 1;
            }
        }
        let plain = batches(step, |_, _| {});
        let [_, in_box] = batches(step, affine(1.0));
        for (one, other) in in_box.pseudo.iter().zip(&plain[1].pseudo) {
            if one.bounds.len() == other.bounds.len() {
                assert_eq!(one.bounds, other.bounds, "the rectangles stay");
            }
        }
    }
    assert!(moved > 5 && seen > 20, "{moved} {seen}");
}
