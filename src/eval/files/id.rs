//! Identifiers of images, categories and annotations.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt::{Display, Formatter};

/// A whole number or a text, ordered as pycocotools sorts them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    /// A number; `3.0` is 3, as in Python.
    Number(i64),
    /// A text.
    Text(String),
}

impl Display for Id {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = Id;

    fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
        f.write_str("an id: a whole number or a text")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Id, E> {
        Ok(Id::Number(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Id, E> {
        let number = i64::try_from(number);
        number
            .map(Id::Number)
            .map_err(|_| E::custom("an id above 2^63"))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Id, E> {
        let whole = number as i64;
        if whole as f64 == number {
            Ok(Id::Number(whole))
        } else {
            Err(E::custom(format!("the id {number} is no whole number")))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
        Ok(Id::Text(text.to_string()))
    }
}

/// A truth value, which COCO writes 0 or 1.
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagVisitor;
        impl Visitor<'_> for FlagVisitor {
            type Value = Flag;

            fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
                f.write_str("0 or 1")
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Flag, E> {
                Ok(Flag(flag))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Flag, E> {
                Ok(Flag(number != 0))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Flag, E> {
                Ok(Flag(number != 0))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Flag, E> {
                Ok(Flag(number != 0.0))
            }
        }
        deserializer.deserialize_any(FlagVisitor)
    }
}
