//! Draws the objects of a picture: masks as a tint with an outline, and a text beside each.
//!
//! A small picture is enlarged first, so that outlines and texts do not cover its objects.

mod colour;
mod contour;
mod encode;
mod hatch;
mod objects;
#[cfg(test)]
mod tests;
mod text;

pub use colour::class_colour;
pub use contour::path;
pub use encode::{Embedded, embedded, jpeg, png, tinted};
pub use hatch::hatch;
pub use objects::{Object, drawn};
