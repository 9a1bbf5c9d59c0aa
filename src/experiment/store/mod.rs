//! What stages leave on disk: the store of a results folder, its folders, their leases, and where results came from.

pub mod environment;
pub mod folder;
pub mod lease;
pub mod measured;
pub mod provenance;
pub mod renew;
pub mod root;
