//! The commands on the dataset of a recipe.

use super::shared::RecipeArgs;
use crate::experiment::Layout;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Data {
    /// Write the dataset as COCO JSON and PNG, or in the layout of Cityscapes
    Export(ExportDataArgs),
    /// Decode every picture of the dataset once, draw the splits, and report all problems
    Check(CheckDataArgs),
    /// Write the splits as COCO JSON, for other frameworks: the labelled images, and the unlabelled ones without
    /// annotations
    Split(SplitDataArgs),
    /// Show what the first trial feeds its network: views with masks, a table of classes, as PNG and one HTML file
    Look(LookDataArgs),
}

#[derive(Debug, Args)]
pub struct LookDataArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// A new or empty folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Images of each kind and phase
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=50))]
    pub images: u16,
}

#[derive(Debug, Args)]
pub struct SplitDataArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Folder of the files `<annotations>.<seed>@<percent>.json` and `...-unlabeled.json`
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct CheckDataArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Folder of the results, where the checked pictures are noted for `sweep` [default: results/<recipe>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ExportDataArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// A new or empty folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Layout of the files
    #[arg(long, value_name = "NAME", default_value = Layout::ALL[0].0, value_parser = layout())]
    pub layout: Layout,
}

/// A layout by its name.
fn layout() -> impl TypedValueParser<Value = Layout> {
    let values = Layout::ALL.map(|(name, about, _)| PossibleValue::new(name).help(about));
    PossibleValuesParser::new(values).map(|name| {
        let found = Layout::ALL.into_iter().find(|(known, ..)| *known == name);
        found.map(|(.., layout)| layout).unwrap_or_default()
    })
}
