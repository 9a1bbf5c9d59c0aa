//! Draws the objects of a picture: masks as a tint with an outline, and a text beside each.
//!
//! A small picture is enlarged first, so that outlines and texts do not cover its objects.

mod colour;
mod contour;
mod encode;
mod objects;
mod text;

pub use colour::class_colour;
pub use contour::{hatch, path};
pub use encode::{Embedded, embedded, jpeg, png};
pub use objects::{Object, drawn};
