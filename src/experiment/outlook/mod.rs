//! What a results folder holds of a plan, and what is left to do: `harness plan` before a run, `harness status` while it runs.

pub mod commits;
mod estimate;
mod plan;
mod reason;
mod standing;
mod status;

pub use plan::Outlook;
pub use standing::FrozenPlan;
pub use status::Status;
