//! Arguments that several commands have.

use crate::experiment::{DeviceChoice, DeviceRequest, GpuList, RecipeRequest, RowRequest};
use clap::Args;
use std::path::PathBuf;

/// A trial by the label of its row.
#[derive(Debug, Args)]
pub struct RowArgs {
    /// Label of a row of the results folder, for example `--row "PL-DC"`
    #[arg(long, value_name = "LABEL", allow_hyphen_values = true)]
    pub row: Option<String>,
    /// Seed of the row's trial
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Sweep of the row, where rows of several sweeps have its label
    #[arg(long, value_name = "NAME")]
    pub sweep: Option<String>,
}

impl RowArgs {
    /// The row in the results folder `results`, in the form that the commands use.
    pub fn request(self, results: PathBuf) -> RowRequest {
        RowRequest {
            results,
            sweep: self.sweep,
            row: self.row,
            seed: self.seed,
        }
    }
}

#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// Device: auto, cpu, cuda or cuda:N; auto uses the first usable GPU, or else the CPU
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Train on these GPUs, for example `0,1,3`; each runs --workers trials at the same time
    #[arg(long, value_name = "LIST", conflicts_with = "device")]
    gpus: Option<GpuList>,
}

impl DeviceArgs {
    /// The choice in the form that the commands use.
    pub fn request(self) -> DeviceRequest {
        match self.gpus {
            Some(GpuList(numbers)) => DeviceRequest::Gpus(numbers),
            None => DeviceRequest::One(self.device),
        }
    }
}

#[derive(Debug, Args)]
pub struct RecipeArgs {
    /// The recipe's TOML file
    pub recipe: PathBuf,
    /// Override a setting, for example `--set train.steps=1200`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl From<RecipeArgs> for RecipeRequest {
    fn from(args: RecipeArgs) -> Self {
        Self {
            recipe: args.recipe,
            set: args.set,
        }
    }
}
