//! The content of `harness report`: reads a results folder, with its store as far as there is one, into the plain data
//! of [`crate::report::page`].

mod analysis;
mod class_order;
mod folder;
mod gallery;
mod labels;
mod labels_by_class;
mod lacking;
mod maps;
mod runs;
mod series;
mod settings;
mod snapshots;
mod sources;
mod sweep;

pub use folder::{names, report};
