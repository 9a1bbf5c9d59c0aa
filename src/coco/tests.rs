//! Tests of outlines as they stand in files, and of their masks.

use super::*;
use hotcoco::Rle;
use serde_json::{Value, json};

fn outline(value: &Value) -> Outline {
    serde_json::from_value(value.clone()).unwrap()
}

/// The mask in an image of 4 rows and 6 columns, column by column.
fn drawn(value: Value) -> Vec<u32> {
    draw(&outline(&value), Some([4, 6]))
        .unwrap_or_else(|error| panic!("{value}: {error}"))
        .counts
}

/// The message about an outline that no mask for training can be made of.
fn refused(value: Value) -> String {
    check(&outline(&value), [4, 6]).unwrap_err().to_string()
}

#[test]
fn a_mask_is_the_same_however_it_is_written() {
    let expected = vec![4, 2, 2, 2, 14];
    for value in [
        json!([[1, 0, 3, 0, 3, 2, 1, 2]]),
        json!([[1.0, 0.0, 3.0, 0.0, 3.0, 2.0, 1.0, 2.0]]),
        json!([["1", "0.0", 3, 0, 3, 2, 1, 2]]),
        json!([[1, 0, 3, 0, 3, 2, 1, 2], [5, 3]]),
        json!([[], [1, 0, 3, 0, 3, 2, 1, 2]]),
        json!([[1, 0, 2, 0, 2, 2, 1, 2], [2, 0, 3, 0, 3, 2, 2, 2]]),
        json!({"size": [4, 6], "counts": [4, 2, 2, 2, 14]}),
        json!({"size": [4.0, 6.0], "counts": [4.0, 2.0, 2.0, 2.0, 14.0]}),
        json!({"counts": [4, 2, 2, 2, 14], "h": 4, "w": 6, "more": {}}),
        json!({"size": [4, 6], "counts": hotcoco::mask::rle_to_string(&Rle { h: 4, w: 6, counts: expected.clone() })}),
        json!([{"size": [4, 6], "counts": [4, 2, 18]}, {"size": [4, 6], "counts": [8, 2, 14]}]),
    ] {
        assert_eq!(drawn(value.clone()), expected, "{value}");
        assert!(check(&outline(&value), [4, 6]).is_ok(), "{value}");
    }
}

#[test]
fn outlines_are_clipped_at_the_edge() {
    let over = json!([[4, 2, 60, 2, 60, 40, 4, 40]]);
    assert_eq!(drawn(over.clone()), [18, 2, 2, 2]);
    let look = check(&outline(&over), [4, 6]).unwrap();
    assert!(look.is_clipped && !look.has_bad_part);
    let rounded = json!([[0, 0, 6.5, 0, 6, 4]]);
    assert_eq!(check(&outline(&rounded), [4, 6]).unwrap(), Look::default());
    for bad_part in [
        json!([[1, 0, 3, 0, 3, 2, 1, 2], [5, 3]]),
        json!([[1, 0, 3, 0, 3, 2, 1, 2, 7]]),
    ] {
        assert!(check(&outline(&bad_part), [4, 6]).unwrap().has_bad_part);
        assert_eq!(drawn(bad_part), [4, 2, 2, 2, 14]);
    }
}

#[test]
fn every_kind_of_bad_outline_is_reported() {
    for (value, part) in [
        (Value::Null, "no `segmentation`"),
        (json!({}), "no `segmentation`"),
        (json!([]), "no polygon"),
        (json!("here"), "the text \"here\""),
        (json!(true), "true"),
        (json!([[]]), "polygon of 0 numbers"),
        (json!([[1, 1, 2, 2]]), "polygon of 4 numbers"),
        (
            json!([1, 1, 2, 2, 3, 3]),
            "a list of numbers; needed: a list of polygons",
        ),
        (
            json!([[[1, 1], [2, 2], [3, 3]]]),
            "a list with a list in it",
        ),
        (json!([[1, null, 2, 2, 3, 3]]), "a list with null in it"),
        (
            json!([[1, "x", 2, 2, 3, 3]]),
            "a list with the text \"x\" in it",
        ),
        (json!([[1, "\u{7f}", 2, 2, 3, 3]]), "corner (1, NaN)"),
        (
            json!([{"size": [4, 6], "counts": [24]}, [1, 1]]),
            "polygons and RLE in one list",
        ),
        (json!([[3, 3, 3, 3, 3, 3]]), "cover no pixel"),
        (json!([[30, 3, 40, 3, 40, 9]]), "cover no pixel"),
        (json!({"counts": [24]}), "without a valid `size`"),
        (
            json!({"size": [4], "counts": [24]}),
            "without a valid `size`",
        ),
        (json!({"size": [4, 6]}), "without `counts`"),
        (
            json!({"size": [4, 6], "counts": [3.5, 20.5]}),
            "no whole number",
        ),
        (
            json!({"size": [4, 6], "counts": [-1, 25]}),
            "no whole number",
        ),
        (
            json!({"size": [6, 4], "counts": [0, 24]}),
            "RLE of 6 x 4 pixels; its image has 4 x 6",
        ),
        (json!({"size": [4, 6], "counts": [24]}), "empty mask"),
        (
            json!({"size": [4, 6], "counts": [3, 2]}),
            "add up to 5; its size 4 x 6 needs 24",
        ),
        (json!({"size": [4, 6], "counts": [20, 10]}), "24"),
        (json!({"size": [4, 6], "counts": "\u{1}"}), "RLE"),
        (
            json!({"size": [65536, 65536], "counts": [4294967295u32, 1]}),
            "its image has 4 x 6",
        ),
    ] {
        let message = refused(value.clone());
        assert!(message.contains(part), "{value}: {message}");
    }
}

#[test]
fn only_needed_fields_decide() {
    let text = r#"{"id": [7], "image_id": 1e0, "category_id": 18446744073709551615, "area": "x", "iscrowd": "1",
                   "bbox": [1, 2, 3], "id": -1, "score": {}, "image_id": 3.0}"#;
    let read: Annotation = serde_json::from_str(text).unwrap();
    assert_eq!(read.id, Field::Is(Id::Number(-1)), "the last of two");
    assert_eq!(read.image_id, Field::Is(Id::Number(3)));
    assert_eq!(read.category_id, Field::Is(Id::Large(u64::MAX)));
    assert_eq!(read.iscrowd, Field::Is(true));
    assert_eq!(
        read.bbox.need("bbox").unwrap_err().to_string(),
        "`bbox` of 3 numbers; needed: x, y, width, height"
    );
    let message = read.area.need("area").unwrap_err().to_string();
    assert_eq!(message, "`area` is the text \"x\"; needed: a number");
    for (id, fits) in [
        ("1.5", false),
        ("1e30", false),
        ("-1e30", false),
        ("true", false),
        ("-9e18", true),
    ] {
        let id: Field<Id> = serde_json::from_str(id).unwrap();
        assert_eq!(id.get().is_some(), fits, "{id:?}");
    }
    assert!(Id::Number(5) < Id::Large(1 << 63) && Id::Large(1 << 63) < Id::Text("1".into()));
}
