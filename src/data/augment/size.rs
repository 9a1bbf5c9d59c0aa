//! The size of the training images: a square's side, or height and width.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use std::borrow::Cow;
use toml::Value;

/// Longest side of a training image, in pixels.
pub(super) const LARGEST_SIZE: usize = 8192;

/// Rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSize {
    /// The number of rows.
    pub height: usize,
    /// The number of columns.
    pub width: usize,
}

impl ImageSize {
    /// A square.
    pub fn square(side: usize) -> Self {
        Self {
            height: side,
            width: side,
        }
    }

    /// Returns true if height and width are the same.
    pub fn is_square(self) -> bool {
        self.height == self.width
    }
}

impl<'de> Deserialize<'de> for ImageSize {
    /// A number is the side of a square; a list is `[height, width]`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let side = |value: &Value| usize::try_from(value.as_integer()?).ok();
        let size = match &value {
            Value::Array(sides) => match &sides[..] {
                [height, width] => side(height).zip(side(width)),
                _ => None,
            },
            one => side(one).map(|side| (side, side)),
        };
        let other = || {
            let allowed = "a whole number from 0 on, the side of a square, or [height, width]";
            D::Error::custom(format!("expected {allowed}, found {value}"))
        };
        let (height, width) = size.ok_or_else(other)?;
        Ok(Self { height, width })
    }
}

impl JsonSchema for ImageSize {
    fn schema_name() -> Cow<'static, str> {
        "ImageSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let side = json_schema!({ "type": "integer", "minimum": 1, "maximum": LARGEST_SIZE });
        let sides = json_schema!({ "type": "array", "items": side, "minItems": 2, "maxItems": 2 });
        json_schema!({ "anyOf": [side, sides] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_side_or_height_and_width() {
        let read = |text: &str| {
            let mut table: toml::Table = format!("size = {text}").parse().unwrap();
            let size = ImageSize::deserialize(table.remove("size").unwrap());
            size.map_err(|error| error.to_string())
        };
        assert_eq!(read("64"), Ok(ImageSize::square(64)));
        let wide = ImageSize {
            height: 512,
            width: 1024,
        };
        assert_eq!(read("[512, 1024]"), Ok(wide));
        assert!(!wide.is_square() && ImageSize::square(3).is_square());
        for wrong in ["-1", "[1]", "[1, 2, 3]", "[1, -2]", "'big'", "1.5"] {
            let message = read(wrong).unwrap_err();
            assert!(message.contains("or [height, width], found"), "{message}");
        }
    }
}
