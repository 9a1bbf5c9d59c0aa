//! What a results folder holds of a plan, and what is left to do: `harness plan` before a run, `harness status` while it runs.

mod estimate;
mod plan;
mod reason;
mod standing;
mod status;

pub use plan::Outlook;
pub use standing::FrozenPlan;
#[cfg(test)]
pub use standing::{StageEntry, TrialEntry};
pub use status::Status;
