//! The files of stages on disk: the store of a results folder, its folders, their leases, and the provenance
//! of results.

pub mod analyses;
pub mod checked;
mod claims;
pub mod decisions;
pub mod environment;
pub mod folder;
pub mod frozen;
pub mod lease;
pub mod measured;
pub mod owner;
pub mod pace;
pub mod pictures;
pub mod program;
pub mod provenance;
pub mod renew;
pub mod result_aside;
pub mod reused;
pub mod root;
pub mod snapshots;
pub mod sources;
pub mod states;
pub mod system;
mod titles;
