//! Tests that what is exported reads back the same.

use super::*;
use crate::data::{coco, load};

#[test]
fn what_is_exported_reads_back_the_same() {
    let table = "name = 'scenes'\nsize = 64\ntrain-images = 6\ntrain-seed = 1\nval-images = 3\nval-seed = 2\narea-bounds = [100.0, 324.0]";
    let drawn = load(table.parse().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("scenes");
    let exported = export(&drawn, &root, Layout::Coco).unwrap();
    assert_eq!(exported.images, 9);

    let files = ["train", "val"].map(|part| format!("annotations/instances_{part}2017.json"));
    let [train, val] = &files;
    let mut table = coco::tests::table(&root, [train, val], "images");
    table.insert("unlabelled-images".into(), "images".into());
    table.insert("area-bounds".into(), vec![100.0, 324.0].into());
    let read = load(table).unwrap();
    assert_eq!(read.classes, drawn.classes);
    assert_eq!(read.extra_unlabelled.as_ref().unwrap().len(), 9);
    for (a, b) in [(&drawn.train, &read.train), (&drawn.val, &read.val)] {
        assert_eq!(a.len(), b.len());
        for index in 0..a.len() {
            let (a_sample, b_sample) = (a.load(index).unwrap(), b.load(index).unwrap());
            assert_eq!(a_sample.image_id, b_sample.image_id);
            assert_eq!(a_sample.picture, b_sample.picture);
            assert_eq!(a_sample.instances, b_sample.instances);
            assert_eq!(a.truth(index).unwrap().areas, b.truth(index).unwrap().areas);
            assert_eq!(a.classes_of(index), b.classes_of(index));
        }
    }
    let again = export(&drawn, &root, Layout::Coco).unwrap_err().to_string();
    assert!(again.contains("exists already"), "{again}");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing partial is left"
    );
}
