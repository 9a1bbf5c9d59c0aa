//! The program's commands, one function for each.

pub mod ahead;
mod analyse;
mod begun;
pub mod cancel;
pub mod check;
pub mod clip;
pub mod curves;
mod details;
pub mod evaluate;
mod finish;
pub mod first;
pub mod init;
pub mod last_job;
mod last_snapshots;
mod live;
pub mod logs;
pub mod look;
mod pictures;
pub mod predict;
pub mod publish;
pub mod report;
pub mod show;
pub mod split_data;
pub mod stage;
pub mod submit;
pub mod sweep;
pub mod tables;
pub mod tensorboard;
pub mod weights;
pub mod work;

#[cfg(test)]
mod tests;
