//! Identifiers of images, categories and annotations.

use super::field::Kind;
use super::value::Scalar;
use serde::{Serialize, Serializer};
use std::fmt::{Display, Formatter};

/// A whole number or a text, ordered as pycocotools sorts them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    /// A number below 2^63; `3.0` is 3, as in Python.
    Number(i64),
    /// A number from 2^63 to 2^64 - 1, such as a hash.
    Large(u64),
    /// A text.
    Text(Box<str>),
}

impl Id {
    /// The id as a number that is not negative; none for a negative number or a text.
    pub fn unsigned(&self) -> Option<u64> {
        match self {
            Self::Number(number) => u64::try_from(*number).ok(),
            Self::Large(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or(Self::Large(number), Self::Number)
    }
}

impl Kind for Id {
    const NEEDED: &'static str = "an id: a whole number below 2^64 or a text";

    fn of(scalar: &Scalar) -> Option<Self> {
        /// 2^63 and 2^64.
        const BOUNDS: [f64; 2] = [9_223_372_036_854_775_808.0, 18_446_744_073_709_551_616.0];
        match scalar {
            Scalar::Whole(number) => Some(Self::Number(*number)),
            Scalar::Large(number) => Some(Self::Large(*number)),
            Scalar::Float(number) if number.fract() == 0.0 => match *number {
                number if (-BOUNDS[0]..BOUNDS[0]).contains(&number) => {
                    Some(Self::Number(number as i64))
                }
                number if (BOUNDS[0]..BOUNDS[1]).contains(&number) => {
                    Some(Self::Large(number as u64))
                }
                _ => None,
            },
            Scalar::Text(text) => Some(Self::Text(text.as_str().into())),
            _ => None,
        }
    }
}

impl Display for Id {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Large(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Large(number) => serializer.serialize_u64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}
