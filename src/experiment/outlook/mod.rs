//! Compares a plan with the content of a results folder: `harness plan` before a run, `harness status` while
//! it runs.

pub mod commits;
mod estimate;
mod plan;
mod power;
#[cfg(test)]
mod published;
mod reason;
pub mod speed;
pub mod splits;
pub mod standing;
mod status;
mod until;

pub use plan::Outlook;
pub use power::{PowerOutlook, PowerRequest};
pub use status::Status;
pub use until::SeedsOutlook;
