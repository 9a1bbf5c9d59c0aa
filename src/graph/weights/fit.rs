//! What goes where: the arrays of a file beside the parameters of a network.

use super::arrays::{Arrays, Entry};
use super::layout::Layout;
use crate::nn::params::Parameters;
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::fmt;

/// One array of the file.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name in the file.
    pub name: String,
    /// Type of its values, as safetensors calls it.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is (a part of) this parameter.
    Loaded(String),
    /// It is not needed, for this reason.
    Ignored(&'static str),
    /// It belongs to this parameter but cannot be it, for this reason.
    Unfit(String, String),
    /// Nothing here has its name.
    Surplus,
}

/// Every array of a file and every parameter that finds none.
#[derive(Clone, Debug)]
pub struct Fit {
    /// In order of the names.
    pub rows: Vec<Row>,
    /// Names that the file should have, with their shapes.
    pub missing: Vec<(String, Vec<usize>)>,
}

impl Fit {
    /// Compares `arrays`, whose names are of `layout`, with the parameters of `network`.
    pub fn new(network: &mut dyn Parameters, arrays: &Arrays, layout: &Layout) -> Self {
        let mut fates = BTreeMap::new();
        let mut missing = Vec::new();
        network.parameters("", &mut |ours, param| {
            let sources = layout.sources(ours);
            let mut wanted = param.shape.clone();
            wanted[0] /= sources.len();
            for source in sources {
                match arrays.get(&source) {
                    None => missing.push((source, wanted.clone())),
                    Some(entry) => {
                        fates.insert(source, fate(ours, entry, &wanted));
                    }
                }
            }
        });
        let row = |(name, entry): (&str, &Entry)| Row {
            name: name.to_string(),
            dtype: format!("{:?}", entry.dtype),
            shape: entry.shape.clone(),
            fate: fates
                .remove(name)
                .unwrap_or_else(|| layout.ignores(name).map_or(Fate::Surplus, Fate::Ignored)),
        };
        Self {
            rows: arrays.entries().map(row).collect(),
            missing,
        }
    }

    /// Everything that keeps the file from being loaded, one line each.
    pub fn problems(&self) -> Vec<String> {
        let missing = self
            .missing
            .iter()
            .map(|(name, shape)| format!("`{name}` {shape:?} is missing"));
        let rows = self.rows.iter().filter_map(|row| match &row.fate {
            Fate::Unfit(_, reason) => Some(format!("`{}` {reason}", row.name)),
            Fate::Surplus => Some(format!("`{}` has no place here", row.name)),
            Fate::Loaded(_) | Fate::Ignored(_) => None,
        });
        missing.chain(rows).collect()
    }
}

fn fate(ours: &str, entry: &Entry, wanted: &[usize]) -> Fate {
    if entry.shape != wanted {
        let reason = format!("is {:?}, must be {wanted:?}", entry.shape);
        return Fate::Unfit(ours.to_string(), reason);
    }
    if !entry.is_float() {
        let reason = format!("is {:?}, must be F32, F16, BF16 or F64", entry.dtype);
        return Fate::Unfit(ours.to_string(), reason);
    }
    Fate::Loaded(ours.to_string())
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded(ours) => write!(f, "-> {ours}"),
            Self::Ignored(reason) => write!(f, "ignored: {reason}"),
            Self::Unfit(ours, reason) => write!(f, "does not fit {ours}: {reason}"),
            Self::Surplus => write!(f, "has no place"),
        }
    }
}

/// Sets every parameter of `network`. `what` are the weights and `place` what they must fit, for the message.
///
/// # Errors
/// All names that are missing, left over or of another shape or type, in one message; `network` is then as it was.
pub(super) fn load(
    network: &mut dyn Parameters,
    arrays: &Arrays,
    layout: &Layout,
    (what, place): (&str, &str),
) -> Result<()> {
    let problems = Fit::new(network, arrays, layout).problems();
    if !problems.is_empty() {
        bail!(
            "{what} `{}` do not fit {place}:\n  {}",
            arrays.path().display(),
            problems.join("\n  ")
        );
    }
    network.parameters("", &mut |ours, param| {
        let sources = layout.sources(ours).into_iter();
        let values = sources.filter_map(|name| arrays.values(arrays.get(&name)?));
        param.set_from_reference(&values.collect::<Vec<_>>().concat());
    });
    Ok(())
}
