//! The field `segmentation`: polygons, or runs (RLE) packed into a text or written as numbers.

use super::value::{FromList, FromObject, Numbers, Skipped, Value};
use hotcoco::Segmentation;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess};

/// The outline of an object as it stands in the file.
#[derive(Clone, Debug, Default)]
pub enum Outline {
    /// There is none: no key, `null` or `{}`.
    #[default]
    Absent,
    /// Polygons (perhaps none), or runs.
    Given(Segmentation),
    /// Several masks in runs; the object is all of them.
    United(Vec<Segmentation>),
    /// Another value, in words.
    Wrong(Box<str>),
}

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::<Parts, Runs>::deserialize(deserializer)? {
            Value::Null => Self::Absent,
            Value::List(Parts(outline)) => outline,
            Value::Object(Runs(Ok(Some(runs)))) => Self::Given(runs),
            Value::Object(Runs(Ok(None))) => Self::Absent,
            Value::Object(Runs(Err(message))) => Self::Wrong(message.into()),
            other => Self::Wrong(format!("{other}; {NEEDED}").into()),
        })
    }
}

const NEEDED: &str = "needed: polygons or RLE";

/// An outline that is a list.
struct Parts(Outline);

impl FromList for Parts {
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let (mut polygons, mut runs, mut wrong) = (Vec::new(), Vec::new(), None);
        while let Some(part) = list.next_element::<Value<Numbers, Runs>>()? {
            let problem = match part {
                Value::List(Ok(numbers)) => {
                    polygons.push(numbers);
                    continue;
                }
                Value::Object(Runs(Ok(Some(part)))) => {
                    runs.push(part);
                    continue;
                }
                Value::List(Err(found)) => format!("a polygon that is {found}"),
                Value::Object(Runs(Ok(None))) => "an empty object in the list".to_string(),
                Value::Object(Runs(Err(message))) => message,
                number if number.number().is_some() => {
                    "a list of numbers; needed: a list of polygons, each a list of numbers".into()
                }
                other => format!("a list with {other} in it; {NEEDED}"),
            };
            wrong.get_or_insert(problem);
        }
        polygons.shrink_to_fit();
        Ok(Self(match (wrong, polygons.is_empty(), runs.is_empty()) {
            (Some(wrong), ..) => Outline::Wrong(wrong.into()),
            (None, _, true) => Outline::Given(Segmentation::Polygon(polygons)),
            (None, true, false) => Outline::United(runs),
            (None, false, false) => Outline::Wrong("polygons and RLE in one list".into()),
        }))
    }
}

/// An outline that is an object: runs, nothing (no key), or in words the mistake.
struct Runs(Result<Option<Segmentation>, String>);

impl FromObject for Runs {
    /// The keys are `size` and `counts`; some writers have `h` and `w` in place of `size`.
    fn from_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        #[derive(serde::Deserialize)]
        #[serde(field_identifier, rename_all = "lowercase")]
        enum Key {
            Size,
            Counts,
            H,
            W,
            #[serde(other)]
            Other,
        }

        let (mut size, mut height, mut width) = (Value::Null, Value::Null, Value::Null);
        let (mut counts, mut is_empty) = (Value::Null, true);
        while let Some(key) = object.next_key()? {
            is_empty = false;
            match key {
                Key::Size => size = object.next_value::<Value<Numbers, Skipped>>()?,
                Key::Counts => counts = object.next_value::<Value<Numbers, Skipped>>()?,
                Key::H => height = object.next_value::<Value<Skipped, Skipped>>()?,
                Key::W => width = object.next_value::<Value<Skipped, Skipped>>()?,
                Key::Other => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        if is_empty {
            return Ok(Self(Ok(None)));
        }
        let size = match (size, height.number(), width.number()) {
            (Value::Null, Some(height), Some(width)) => whole(&[height, width]),
            (Value::List(Ok(size)), ..) => whole(&size),
            _ => None,
        };
        Ok(Self(runs(size, counts).map(Some)))
    }
}

fn runs(size: Option<Vec<u32>>, counts: Value<Numbers, Skipped>) -> Result<Segmentation, String> {
    let size = size.and_then(|size| <[u32; 2]>::try_from(size).ok());
    let size = size.ok_or("RLE without a valid `size`; needed: height and width")?;
    match counts {
        Value::Text(counts) => Ok(Segmentation::CompressedRle { size, counts }),
        Value::List(Ok(counts)) => {
            let counts = whole(&counts);
            let counts = counts.ok_or("RLE with a count that is no whole number from 0")?;
            Ok(Segmentation::UncompressedRle { size, counts })
        }
        Value::Null => Err("RLE without `counts`".into()),
        Value::List(Err(found)) => Err(format!("RLE whose `counts` are {found}")),
        other => Err(format!("RLE whose `counts` are {other}")),
    }
}

/// The numbers, if all are whole.
fn whole(numbers: &[f64]) -> Option<Vec<u32>> {
    let whole = |number: &f64| {
        let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number);
        fits.then_some(*number as u32)
    };
    numbers.iter().map(whole).collect()
}
