//! The oddities: changes of a document or of its text that change no object.

use serde_json::{Value, json};

/// A change of the document that changes no object.
pub type Edit = fn(&mut Value);

/// Gives the images new ids.
fn image_ids(document: &mut Value, ids: [Value; 2]) {
    let place = |id: &Value| id.as_u64().unwrap() as usize - 1;
    for annotation in document["annotations"].as_array_mut().unwrap() {
        annotation["image_id"] = ids[place(&annotation["image_id"])].clone();
    }
    for image in document["images"].as_array_mut().unwrap() {
        image["id"] = ids[place(&image["id"])].clone();
    }
}

/// Gives the categories new ids.
fn category_ids(document: &mut Value, ids: [Value; 2]) {
    let place = |id: &Value| id.as_u64().unwrap() as usize - 1;
    for annotation in document["annotations"].as_array_mut().unwrap() {
        annotation["category_id"] = ids[place(&annotation["category_id"])].clone();
    }
    for category in document["categories"].as_array_mut().unwrap() {
        category["id"] = ids[place(&category["id"])].clone();
    }
}

/// Sets `key` of every entry of `list`, or removes it.
fn set(document: &mut Value, list: &str, key: &str, value: Option<Value>) {
    for entry in document[list].as_array_mut().unwrap() {
        let entry = entry.as_object_mut().unwrap();
        match &value {
            Some(value) => entry.insert(key.to_string(), value.clone()),
            None => entry.remove(key),
        };
    }
}

/// The outline of the first annotation, the columns 1 to 4 and the rows 1 to 5, as runs.
const RUNS: [u32; 9] = [11, 5, 5, 5, 5, 5, 5, 5, 74];

pub const EDITS: &[(&str, Edit)] = &[
    ("nothing", |_| {}),
    ("odd header", |d| {
        d["info"] = json!(["x"]);
        d["licenses"] = json!("");
        d["type"] = json!(7);
    }),
    ("odd fields of images", |d| {
        for (key, value) in [
            ("date_captured", json!(0)),
            ("license", json!("")),
            ("coco_url", json!(0)),
        ] {
            set(d, "images", key, Some(value));
        }
    }),
    ("odd fields of categories", |d| {
        for (key, value) in [
            ("supercategory", json!(0)),
            ("skeleton", json!(-1)),
            ("keypoints", json!({})),
        ] {
            set(d, "categories", key, Some(value));
        }
    }),
    ("odd fields of annotations", |d| {
        for (key, value) in [
            ("attributes", json!([{"occluded": null}])),
            ("num_keypoints", json!(-1)),
            ("keypoints", json!("none")),
            ("score", json!("0.9")),
            ("is_group_of", json!("no")),
            ("obb", json!([1, 2, 3, 4])),
        ] {
            set(d, "annotations", key, Some(value));
        }
    }),
    ("area null", |d| {
        set(d, "annotations", "area", Some(Value::Null))
    }),
    ("area a list", |d| {
        set(d, "annotations", "area", Some(json!([0])))
    }),
    ("area a text", |d| {
        set(d, "annotations", "area", Some(json!("large")))
    }),
    ("no area", |d| set(d, "annotations", "area", None)),
    ("bbox empty", |d| {
        set(d, "annotations", "bbox", Some(json!([])))
    }),
    ("bbox of five", |d| {
        set(d, "annotations", "bbox", Some(json!([1, 2, 3, 4, 5])))
    }),
    ("no bbox", |d| set(d, "annotations", "bbox", None)),
    ("iscrowd true and false", |d| {
        for annotation in d["annotations"].as_array_mut().unwrap() {
            annotation["iscrowd"] = json!(annotation["iscrowd"] == 1);
        }
    }),
    ("iscrowd a text or a float", |d| {
        d["annotations"][0]["iscrowd"] = json!("0");
        d["annotations"][1]["iscrowd"] = json!(0.0);
        d["annotations"][3]["iscrowd"] = json!("1");
    }),
    ("iscrowd null or absent", |d| {
        d["annotations"][0]["iscrowd"] = Value::Null;
        d["annotations"][1]
            .as_object_mut()
            .unwrap()
            .remove("iscrowd");
    }),
    ("image ids as texts", |d| {
        image_ids(d, [json!("img-b"), json!("img-a")])
    }),
    ("image ids that are negative", |d| {
        image_ids(d, [json!(-1), json!(i64::MIN)])
    }),
    ("image ids as hashes", |d| {
        image_ids(d, [json!(u64::MAX), json!(1u64 << 63)])
    }),
    ("image ids on both sides of 2^63", |d| {
        image_ids(d, [json!(u64::MAX), json!(5)])
    }),
    ("image ids above 2^53", |d| {
        image_ids(d, [json!((1u64 << 53) + 1), json!((1u64 << 53) + 2)])
    }),
    ("image ids as floats", |d| {
        image_ids(d, [json!(1.0), json!(2.0)])
    }),
    ("image ids of both kinds", |d| {
        image_ids(d, [json!("1"), json!(1)])
    }),
    ("category ids as texts", |d| {
        category_ids(d, [json!("a"), json!("b")])
    }),
    ("category ids from 0", |d| {
        category_ids(d, [json!(0), json!(1)])
    }),
    ("category ids as hashes", |d| {
        category_ids(d, [json!(u64::MAX - 1), json!(u64::MAX)])
    }),
    ("category ids as floats", |d| {
        category_ids(d, [json!(1.0), json!(2.0)])
    }),
    ("annotation ids of all kinds", |d| {
        for (index, id) in [json!("a"), json!(-3), json!(2.0), json!(u64::MAX)]
            .into_iter()
            .enumerate()
        {
            d["annotations"][index]["id"] = id;
        }
    }),
    ("sizes as floats and texts", |d| {
        set(d, "images", "width", Some(json!(12.0)));
        set(d, "images", "height", Some(json!("10")));
    }),
    ("file names with backslashes", |d| {
        d["images"][0]["file_name"] = json!(".\\p1.png")
    }),
    ("a category name that is a number", |d| {
        d["info"] = json!({"year": "2017"})
    }),
    ("polygon of floats", |d| {
        d["annotations"][0]["segmentation"] = json!([[1.0, 1.0, 5.0, 1.0, 5.0, 6.0, 1.0, 6.0]]);
    }),
    ("polygon of texts", |d| {
        d["annotations"][0]["segmentation"] = json!([["1", "1", "5", "1", "5", "6.0", "1", "6"]]);
    }),
    ("polygon with a stray part", |d| {
        d["annotations"][0]["segmentation"] = json!([[1, 1, 5, 1, 5, 6, 1, 6], [9, 9, 9, 9]]);
    }),
    ("polygon behind a stray part", |d| {
        d["annotations"][0]["segmentation"] = json!([[], [1, 1, 5, 1, 5, 6, 1, 6]]);
    }),
    ("polygon over the edge", |d| {
        d["annotations"][2]["segmentation"] = json!([[-9, -20, 6, -20, 6, 4, -9, 4]]);
    }),
    ("runs", |d| {
        d["annotations"][0]["segmentation"] = json!({"size": [10, 12], "counts": RUNS})
    }),
    ("runs as floats", |d| {
        let counts = RUNS.map(f64::from);
        d["annotations"][0]["segmentation"] = json!({"size": [10.0, 12.0], "counts": counts});
    }),
    ("runs with h and w", |d| {
        d["annotations"][0]["segmentation"] = json!({"h": 10, "w": 12, "counts": RUNS});
    }),
    ("packed runs", |d| {
        let runs = hotcoco::Rle {
            h: 10,
            w: 12,
            counts: RUNS.to_vec(),
        };
        let counts = hotcoco::mask::rle_to_string(&runs);
        d["annotations"][0]["segmentation"] = json!({"size": [10, 12], "counts": counts});
    }),
    ("runs in a list", |d| {
        d["annotations"][0]["segmentation"] = json!([{"size": [10, 12], "counts": RUNS}]);
    }),
    ("an annotation of an image that is not listed", |d| {
        let mut lost = d["annotations"][0].clone();
        lost["id"] = json!(9);
        lost["image_id"] = json!(99);
        d["annotations"].as_array_mut().unwrap().push(lost);
    }),
    ("an annotation of a category that is not listed", |d| {
        let mut lost = d["annotations"][0].clone();
        lost["id"] = json!(9);
        lost["category_id"] = json!(99);
        d["annotations"].as_array_mut().unwrap().insert(0, lost);
    }),
];

/// A change of the text that changes no object.
pub type Rewrite = fn(&str) -> Vec<u8>;

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

pub const REWRITES: &[(&str, Rewrite)] = &[
    ("byte order mark", |text| {
        [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat()
    }),
    ("UTF-16 with a mark", |text| {
        [vec![0xff, 0xfe], utf16(text, u16::to_le_bytes)].concat()
    }),
    ("UTF-16, big end first", |text| {
        [vec![0xfe, 0xff], utf16(text, u16::to_be_bytes)].concat()
    }),
    ("UTF-16 without a mark", |text| {
        utf16(text, u16::to_le_bytes)
    }),
    ("NaN", |text| {
        text.replacen(
            '{',
            "{\"info\": {\"a\": NaN, \"b\": [-Infinity, Infinity]},",
            1,
        )
        .into()
    }),
    ("area NaN", |text| {
        text.replace("\"area\":20", "\"area\":NaN").into()
    }),
    ("Windows lines", |text| text.replace(',', ",\r\n\t").into()),
    ("a key twice", |text| {
        text.replace("\"width\":12", "\"width\":\"x\",\"width\":12")
            .into()
    }),
    ("a list twice", |text| {
        text.replacen('{', "{\"images\":[],", 1).into()
    }),
    ("not UTF-8 where nobody reads", |text| {
        [b"{\"info\":\"\xe4\",", &text.as_bytes()[1..]].concat()
    }),
];
