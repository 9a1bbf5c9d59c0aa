//! Random changes: of a JSON document, node by node, and of the bytes of any file.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

/// One change of a JSON document.
#[derive(Clone, Debug)]
pub enum Change {
    /// The node gets another value.
    Replace(Value),
    /// The node is taken out of its list or object.
    Remove,
    /// The node stands twice in its list.
    Repeat,
    /// The node is put into a list of one.
    Wrap,
}

/// Values that a program may meet where it expects another one.
fn odd_values() -> Vec<Value> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(3.0),
        json!(1e300),
        json!(-1e300),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1u64 << 31),
        json!(1u64 << 53),
        json!(""),
        json!("x"),
        json!("7"),
        json!("../../x"),
        json!("a\u{0}b"),
        json!("\u{65e5}\u{672c}"),
        json!("x".repeat(5000)),
        json!([]),
        json!({}),
        json!([null]),
        json!([[]]),
        json!([[1, 2, 3]]),
        json!([[0, 0, 4, 0, 4, 4]]),
        json!([[0.5, "0", null, 1, 2, 3]]),
        json!({ "size": [1u64 << 31, 1u64 << 31], "counts": "04" }),
        json!({ "size": [1u64 << 31, 1], "counts": [1u64 << 31] }),
        json!({ "size": [4, 4], "counts": [u64::MAX, u64::MAX, 2] }),
        json!({ "size": [4, 4], "counts": [-1, 17] }),
        json!({ "size": [4, 4], "counts": "ooooooooooooooooo" }),
        json!({ "size": [60000, 60000], "counts": [0, 3_600_000_000u64] }),
        deep,
    ]
}

/// A few changes, each of a random node.
pub fn changes() -> impl Strategy<Value = Vec<(Index, Change)>> {
    let change = prop_oneof![
        6 => select(odd_values()).prop_map(Change::Replace),
        1 => Just(Change::Remove),
        1 => Just(Change::Repeat),
        1 => Just(Change::Wrap),
    ];
    prop::collection::vec((any::<Index>(), change), 1..4)
}

/// `document` after the changes.
pub fn changed(document: &Value, changes: &[(Index, Change)]) -> Value {
    changes
        .iter()
        .fold(document.clone(), |document, (at, change)| {
            let count = nodes(&document);
            let mut left = at.index(count);
            walk(document, &mut left, change).unwrap_or(Value::Null)
        })
}

/// The number of nodes of a document, itself included.
fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(entries) => entries.values().map(nodes).sum(),
        _ => 0,
    }
}

/// Changes the node that is `left` nodes further on. Returns none if this node is taken out.
fn walk(value: Value, left: &mut usize, change: &Change) -> Option<Value> {
    let here = *left == 0;
    *left = left.wrapping_sub(1);
    match (here, change) {
        (true, Change::Replace(other)) => return Some(other.clone()),
        (true, Change::Remove) => return None,
        (true, Change::Wrap) => return Some(json!([value])),
        _ => {}
    }
    Some(match value {
        Value::Array(items) => {
            let mut kept = Vec::with_capacity(items.len() + 1);
            for item in items {
                let hit = *left == 0;
                if let Some(item) = walk(item, left, change) {
                    if hit && matches!(change, Change::Repeat) {
                        kept.push(item.clone());
                    }
                    kept.push(item);
                }
            }
            Value::Array(kept)
        }
        Value::Object(entries) => {
            let kept = entries
                .into_iter()
                .filter_map(|(key, inner)| walk(inner, left, change).map(|inner| (key, inner)));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        plain => plain,
    })
}

/// One change of a file's bytes.
#[derive(Clone, Debug)]
pub enum Edit {
    /// The byte gets another value.
    Set(u8),
    /// Bytes are inserted before it.
    Insert(Vec<u8>),
    /// The file ends before it.
    Cut,
}

/// A few edits, each at a random byte. Half of them are among the first hundred bytes, where headers are.
pub fn edits() -> impl Strategy<Value = Vec<(bool, Index, Edit)>> {
    let edit = prop_oneof![
        6 => any::<u8>().prop_map(Edit::Set),
        2 => select(vec![0u8, 0xff, 0x7f, 0x80]).prop_map(Edit::Set),
        1 => prop::collection::vec(any::<u8>(), 1..9).prop_map(Edit::Insert),
        1 => Just(Edit::Cut),
    ];
    prop::collection::vec((any::<bool>(), any::<Index>(), edit), 1..6)
}

/// `bytes` after the edits.
pub fn edited(bytes: &[u8], edits: &[(bool, Index, Edit)]) -> Vec<u8> {
    edits
        .iter()
        .fold(bytes.to_vec(), |mut bytes, (early, at, edit)| {
            let end = if *early { 100 } else { usize::MAX };
            let at = at.index(bytes.len().clamp(1, end));
            match edit {
                Edit::Set(value) => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = *value;
                    }
                }
                Edit::Insert(more) => {
                    let at = at.min(bytes.len());
                    bytes.splice(at..at, more.iter().copied());
                }
                Edit::Cut => bytes.truncate(at),
            }
            bytes
        })
}

#[test]
fn every_node_can_be_changed() {
    let document = json!({ "a": [1, { "b": 2 }], "c": 3 });
    assert_eq!(nodes(&document), 6);
    let results = |change: Change| -> Vec<Option<Value>> {
        let at = 0..nodes(&document);
        at.map(|at| walk(document.clone(), &mut { at }, &change))
            .collect()
    };
    let removed = [
        None,
        Some(json!({ "c": 3 })),
        Some(json!({ "a": [{ "b": 2 }], "c": 3 })),
        Some(json!({ "a": [1], "c": 3 })),
        Some(json!({ "a": [1, {}], "c": 3 })),
        Some(json!({ "a": [1, { "b": 2 }] })),
    ];
    assert_eq!(results(Change::Remove), removed);
    let repeated = results(Change::Repeat);
    assert_eq!(
        repeated[2],
        Some(json!({ "a": [1, 1, { "b": 2 }], "c": 3 }))
    );
    let replaced = results(Change::Replace(json!("x")));
    assert_eq!(replaced[4], Some(json!({ "a": [1, { "b": "x" }], "c": 3 })));
}
