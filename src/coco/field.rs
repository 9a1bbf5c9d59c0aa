//! A field of a record that may be absent or hold something else than it should. Only a command that needs the field
//! minds.

use super::value::{Numbers, Scalar, Skipped, Value};
use anyhow::{Result, bail};
use serde::de::{Deserialize, Deserializer};

/// A field as it stands in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Field<T> {
    /// There is none, or it is `null`.
    #[default]
    Absent,
    /// A value that is no `T`: what it is, and what is needed.
    Wrong(Box<str>),
    /// The value.
    Is(T),
}

impl<T> Field<T> {
    /// The value, if there is one of the right kind.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            _ => None,
        }
    }

    /// The value of the field `name`, which is needed.
    ///
    /// # Errors
    /// The field is absent or of another kind. The error names it.
    pub fn need(&self, name: &str) -> Result<&T> {
        match self {
            Self::Is(value) => Ok(value),
            Self::Absent => bail!("no `{name}`"),
            Self::Wrong(found) => bail!("`{name}` {found}"),
        }
    }
}

/// A type of field that stands in the file as one number, text or truth value.
pub trait Kind: Sized {
    /// The allowed values, for messages.
    const NEEDED: &'static str;

    /// The value of `scalar`, if it has one.
    fn of(scalar: &Scalar) -> Option<Self>;
}

impl<'de, T: Kind> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scalar = Scalar::deserialize(deserializer)?;
        Ok(match T::of(&scalar) {
            _ if scalar == Scalar::Null => Self::Absent,
            Some(value) => Self::Is(value),
            None => Self::Wrong(format!("is {scalar}; needed: {}", T::NEEDED).into()),
        })
    }
}

impl Kind for f64 {
    const NEEDED: &'static str = "a number";

    fn of(scalar: &Scalar) -> Option<Self> {
        scalar.number()
    }
}

/// A number of pixels.
impl Kind for u32 {
    const NEEDED: &'static str = "a whole number from 0";

    fn of(scalar: &Scalar) -> Option<Self> {
        let number = scalar.number()?;
        let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        fits.then_some(number as u32)
    }
}

/// A flag, which COCO writes 0 or 1.
impl Kind for bool {
    const NEEDED: &'static str = "0 or 1";

    fn of(scalar: &Scalar) -> Option<Self> {
        match scalar {
            Scalar::Bool(flag) => Some(*flag),
            Scalar::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Scalar::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            other => {
                let number = other.number().filter(|number| !number.is_nan());
                number.map(|number| number != 0.0)
            }
        }
    }
}

/// A name; a number is a name too.
impl Kind for String {
    const NEEDED: &'static str = "a text";

    fn of(scalar: &Scalar) -> Option<Self> {
        match scalar {
            Scalar::Text(text) => Some(text.clone()),
            Scalar::Whole(number) => Some(number.to_string()),
            Scalar::Large(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// A box: x, y, width, height. As in pycocotools, an empty list is none.
impl<'de> Deserialize<'de> for Field<[f64; 4]> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = match Value::<Numbers, Skipped>::deserialize(deserializer)? {
            Value::Null => return Ok(Self::Absent),
            Value::List(Ok(numbers)) if numbers.is_empty() => return Ok(Self::Absent),
            Value::List(Ok(numbers)) => match <[f64; 4]>::try_from(&numbers[..]) {
                Ok(numbers) if numbers.iter().all(|number| number.is_finite()) => {
                    return Ok(Self::Is(numbers));
                }
                Ok(_) => "holds NaN or Infinity".to_string(),
                Err(_) => format!("of {} numbers", numbers.len()),
            },
            Value::List(Err(found)) => format!("is {found}"),
            other => format!("is {other}"),
        };
        let message = format!("{found}; needed: x, y, width, height");
        Ok(Self::Wrong(message.into()))
    }
}
