//! Work that is handed over to Slurm: `harness submit` writes a frozen copy of the plan ([`submission`]), cuts the
//! missing stages into elements ([`elements`]) and hands them over as arrays of jobs ([`arrays`], [`script`]). Each
//! element runs `harness work`. Slurm decides who runs what; the store says what is done; [`standing`] joins both.
//!
//! Nothing here changes a result: the profile of a site ([`profiles`]) enters no hash. All that is known of Slurm's
//! commands stands in [`slurm`] and [`queue`].

pub mod arrays;
pub mod data;
pub mod elements;
pub mod ends;
pub mod jobs;
pub mod lead;
pub mod mounts;
pub mod profile;
mod profile_keys;
pub mod profiles;
pub mod queue;
pub mod script;
pub mod slurm;
pub mod standing;
pub mod submission;
