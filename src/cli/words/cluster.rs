//! The commands that hand work over to Slurm.

use super::shared::{DeviceArgs, RecipeArgs};
use super::sweeps::{ExecutorArgs, ReuseArgs};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct SubmitArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Folder of the results [default: results/<recipe>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Profile of harness.slurm.toml beside the recipe, or else of ~/.config/harness/slurm.toml [default: that of the
    /// file]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Submit nothing; show the scripts and the calls of sbatch, and ask Slurm whether it would take them
    #[arg(long)]
    pub dry_run: bool,
    /// Try a failed stage again, at most N times; it continues from its last checkpoint
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub retries: u32,
    /// Do the work again if another version of the program's computations did it; the old results move to
    /// a subfolder
    #[arg(long, conflicts_with = "dry_run")]
    pub renew: bool,
    /// Let this recipe replace the tables that another recipe has in the folder of the results
    #[arg(long)]
    pub replace: bool,
    /// Cancel elements of an earlier plan of this recipe that this plan does not need
    #[arg(long, conflicts_with = "dry_run")]
    pub cancel_unwanted: bool,
    #[command(flatten)]
    pub reuse: ReuseArgs,
}

#[derive(Debug, Args)]
pub struct CancelArgs {
    /// A results folder, for example results/ablation
    pub results: PathBuf,
    /// Only the trial whose hash begins so; stages that other trials need stay
    #[arg(long, value_name = "HASH")]
    pub trial: Option<String>,
    /// Only what no other recipe of the folder needs
    #[arg(long, value_name = "NAME", conflicts_with = "trial")]
    pub recipe: Option<String>,
    /// Only what waits, not what runs
    #[arg(long)]
    pub pending: bool,
}

#[derive(Debug, Args)]
pub struct WorkArgs {
    /// The folder of a submission: RESULTS/.store/submissions/ID
    pub submission: PathBuf,
    /// Number of the element, from 0 on
    #[arg(long, value_name = "N", required_unless_present = "finish")]
    pub element: Option<usize>,
    /// Write the records and tables of what is done
    #[arg(long, conflicts_with_all = ["element", "device", "gpus", "workers"])]
    pub finish: bool,
    /// Number of trials that run at the same time: on each GPU [default: 1], or in total on the CPU
    /// [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    #[command(flatten)]
    pub devices: DeviceArgs,
    #[command(flatten)]
    pub executor: ExecutorArgs,
    /// Wait so long for results of other jobs, and for other processes that work on the same stages
    #[arg(long, value_name = "SECONDS", default_value_t = 90, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub patience: u64,
    /// For the process that the command itself starts
    #[arg(long, hide = true)]
    pub supervised: bool,
}
