//! Layers: parameters plus the op that uses them.

pub mod params;
