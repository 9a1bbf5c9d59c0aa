//! Tests the faults that a sweep must survive, on the program itself with mock trials.

mod changes;
mod containment;
mod damage;
mod dataset;
#[cfg(target_os = "linux")]
mod deaths;
mod disk;
mod kills;
mod rig;
mod sharing;
mod stage;
mod stops;
