//! Files with oddities, which are counted and told.

use super::*;

/// The fixture's document with outlines and flags of every odd kind in its annotations.
fn odd_document() -> Value {
    let mut document = document();
    let template = document["annotations"][0].clone();
    let mut add = |id: u64, edit: &dyn Fn(&mut Value)| {
        let mut annotation = template.clone();
        annotation["id"] = json!(id);
        edit(&mut annotation);
        document["annotations"]
            .as_array_mut()
            .unwrap()
            .push(annotation);
    };
    add(4, &|a| a["segmentation"] = json!([]));
    add(5, &|a| a["segmentation"] = json!([1, 1, 4, 1, 4, 4]));
    add(6, &|a| {
        a["segmentation"] = json!([[5, 1, 20, 1, 20, 4, 5, 4]])
    });
    add(7, &|a| {
        a["segmentation"] = json!([[5, 1, 7, 1, 7, 4, 5, 4], [1, 1, 2, 2]])
    });
    add(8, &|a| a["iscrowd"] = Value::Null);
    add(9, &|a| a["image_id"] = json!(77));
    add(9, &|_| {});
    document
}

#[test]
fn what_is_left_out_clipped_or_odd_is_counted() {
    let fixture = Fixture::new().with("on-bad-annotation", "skip");
    fixture.write("train.json", &odd_document());
    fixture.write("val.json", &odd_document());
    let dataset = fixture.build();
    let found = |part| {
        let found = dataset.findings.iter();
        let found = found.filter(|(of, why, _)| *of == part && *why != Reason::IsEvaluated);
        let found = found.map(|(_, reason, finding)| (reason, finding.names.join(" and ")));
        found.collect::<Vec<_>>()
    };
    let same = [
        (Reason::Unlisted, "annotation 9"),
        (Reason::Clipped, "annotation 6"),
        (Reason::BadPart, "annotation 7"),
        (Reason::Crowd, "annotation 2"),
        (Reason::NoCrowdFlag, "annotation 8"),
        (Reason::RepeatedId, "annotation 9"),
    ]
    .map(|(reason, names)| (reason, names.to_string()));
    let with = |reason| {
        [
            &[(reason, "annotation 4 and annotation 5".to_string())],
            &same[..],
        ]
        .concat()
    };
    assert_eq!(found(Part::Train), with(Reason::LeftOut));
    assert_eq!(found(Part::Val), with(Reason::EmptyMask));
    let sizes = |part: &dyn Source| -> Vec<usize> {
        part.truth(0)
            .unwrap()
            .instances
            .iter()
            .map(|instance| instance.mask.area())
            .collect()
    };
    assert_eq!(sizes(&*dataset.train), [6, 12, 9, 6, 6, 6]);
    assert_eq!(
        sizes(&*dataset.val),
        [6, 12, 0, 0, 9, 6, 6, 6],
        "nothing is lost in the truth"
    );
}

#[test]
fn objects_are_left_out_of_the_truth_on_demand_only() {
    let mut fixture = Fixture::new().with("on-bad-annotation", "skip");
    fixture.write("val.json", &odd_document());
    fixture.table.insert("skip-in-truth".into(), true.into());
    let dataset = fixture.build();
    assert_eq!(dataset.val.truth(0).unwrap().instances.len(), 6);
    assert_eq!(dataset.findings.count(Part::Val, Reason::LeftOut), 2);
}

#[test]
fn odd_names_are_told() {
    let fixture = Fixture::new();
    let mut train = document();
    train["categories"][0]["name"] = json!("car");
    train["categories"][2]["name"] = Value::Null;
    fixture.write("val.json", &train);
    train["categories"][2]["name"] = json!(" ");
    train["annotations"].as_array_mut().unwrap().remove(0);
    train["images"][0]["file_name"] = json!(".\\a.jpg");
    fixture.write("train.json", &train);
    let dataset = fixture.build();
    assert_eq!(dataset.classes, ["car", "car", "90"]);
    let lines = dataset.findings.lines().join("\n");
    for part in [
        "train: 1 category with the same name as another: `car` (ids 44 and 3)",
        "train: 1 category without a name; the id stands for it: category 90",
        "val: 1 category without a name; the id stands for it: category 90",
        "val: 1 class without an object in the training images: `car`",
        "train: 1 file with backslashes in the name found with slashes: ",
    ] {
        assert!(lines.contains(part), "`{part}` is not in\n{lines}");
    }
    train["images"][0]["file_name"] = json!("sub\\a.jpg");
    fixture.write("train.json", &train);
    let (_, message) = fixture.error();
    assert!(
        message.contains("written with backslashes, as on Windows"),
        "{message}"
    );
}

#[test]
fn images_are_numbered_where_their_ids_are_no_numbers() {
    let numbers = |ids: [Value; 2]| {
        let fixture = Fixture::new();
        let mut train = document();
        for (annotation, image) in [(0, 0), (1, 0), (2, 1)] {
            train["annotations"][annotation]["image_id"] = ids[image].clone();
        }
        for (image, id) in ids.into_iter().enumerate() {
            train["images"][image]["id"] = id;
        }
        fixture.write("train.json", &train);
        let train = fixture.build().train;
        [0, 1].map(|index| train.load(index).unwrap().image_id)
    };
    assert_eq!(numbers([json!(u64::MAX), json!(9.0)]), [u64::MAX, 9]);
    assert_eq!(numbers([json!("b"), json!("a")]), [2, 1]);
    assert_eq!(numbers([json!("b"), json!(-4)]), [2, 1]);
}

#[test]
fn a_size_that_is_absent_is_that_of_the_file() {
    let fixture = Fixture::new();
    let mut train = document();
    train["images"][0].as_object_mut().unwrap().remove("width");
    train["images"][0]["height"] = json!("6");
    fixture.write("train.json", &train);
    assert_eq!(fixture.build().train.truth(0).unwrap().width, 8);
}
