//! Any JSON value, of which a reader keeps what it needs.

use super::text::unmarked;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt::{Display, Formatter};
use std::marker::PhantomData;

/// A value. A list is read as `L` and an object as `O`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<L, O> {
    Null,
    Bool(bool),
    /// Below 2^63.
    Whole(i64),
    /// From 2^63.
    Large(u64),
    /// May be NaN or infinite.
    Float(f64),
    Text(String),
    List(L),
    Object(O),
}

/// A value without the content of lists and objects.
pub type Scalar = Value<Skipped, Skipped>;

/// A list or an object that nobody needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Skipped;

/// The content of a list.
pub trait FromList: Sized {
    /// Reads the elements.
    ///
    /// # Errors
    /// The text is not JSON.
    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error>;
}

/// The content of an object.
pub trait FromObject: Sized {
    /// Reads the entries.
    ///
    /// # Errors
    /// The text is not JSON.
    fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Self, A::Error>;
}

/// Numbers, or in words the first other value among them.
pub type Numbers = Result<Vec<f64>, String>;

impl FromList for Skipped {
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self)
    }
}

impl FromObject for Skipped {
    fn from_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self)
    }
}

impl FromList for Numbers {
    /// The vector has exactly the length of the list: files hold millions of them.
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut numbers = Vec::new();
        let mut other = None;
        while let Some(value) = list.next_element::<Scalar>()? {
            match value.number() {
                Some(number) => numbers.push(number),
                None if other.is_none() => other = Some(format!("a list with {value} in it")),
                None => {}
            }
        }
        numbers.shrink_to_fit();
        Ok(other.map_or(Ok(numbers), Err))
    }
}

impl<L, O> Value<L, O> {
    /// The number. As in numpy, a text that is a number is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(number) => Some(*number as f64),
            Self::Large(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

/// The number of characters of a text that a message shows.
const SHOWN: usize = 40;

impl<L, O> Display for Value<L, O> {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(flag) => flag.fmt(f),
            Self::Whole(number) => number.fmt(f),
            Self::Large(number) => number.fmt(f),
            Self::Float(number) if number.is_finite() => number.fmt(f),
            Self::Float(number) => write!(f, "{number} (of Python, not JSON)"),
            Self::Text(text) => {
                let start: String = text.chars().take(SHOWN).collect();
                write!(f, "the text {start:?}")
            }
            Self::List(_) => f.write_str("a list"),
            Self::Object(_) => f.write_str("an object"),
        }
    }
}

impl<'de, L: FromList, O: FromObject> Deserialize<'de> for Value<L, O> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor(PhantomData))
    }
}

struct ValueVisitor<L, O>(PhantomData<(L, O)>);

impl<'de, L: FromList, O: FromObject> Visitor<'de> for ValueVisitor<L, O> {
    type Value = Value<L, O>;

    fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Value::Whole(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Value::Large(number), Value::Whole))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(unmarked(text).map_or_else(|| Value::Text(text.to_string()), Value::Float))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        L::from_list(list).map(Value::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        O::from_object(object).map(Value::Object)
    }
}
