//! JSON files of a released model.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;

/// A JSON file whose root is an object.
pub(super) fn json(path: &Path) -> Result<Value> {
    let shown = path.display();
    let text = std::fs::read(path).with_context(|| format!("{shown}: cannot be read"))?;
    let value: Value =
        serde_json::from_slice(&text).with_context(|| format!("{shown}: not JSON"))?;
    ensure!(value.is_object(), "{shown}: not a JSON object");
    Ok(value)
}
