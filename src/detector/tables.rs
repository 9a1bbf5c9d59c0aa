//! Reads the table `[model]` of a detector: the keys of its network, and its loss in `[model.loss]`.

use crate::registry::{self, Check, Checked, ComponentError, ComponentErrors};
use schemars::JsonSchema;
use toml::{Table, Value};

/// The key of the loss in the table of the network.
const LOSS: &str = "loss";

/// The network N and the loss L of a table without its name.
///
/// # Errors
/// Everything that is wrong, by the path of its key.
pub(super) fn with_loss<N, L>(mut table: Table) -> Result<(N, L), ComponentErrors>
where
    N: Checked + JsonSchema,
    L: Checked + JsonSchema,
{
    let loss = table.remove(LOSS);
    let mut check = Check::new();
    let network: Option<N> = check.keep("", registry::read(table).map_err(naming_the_loss));
    let loss = check.keep(LOSS, table_of(loss));
    let loss: Option<L> = loss.and_then(|loss| registry::read_within(&mut check, LOSS, loss));
    check.finish()?;
    let both = network.zip(loss);
    Ok(both.expect("nothing was refused"))
}

/// Adds the key of the loss to the lists of known keys in `errors`.
fn naming_the_loss(errors: ComponentErrors) -> ComponentErrors {
    let named = |mut error: ComponentError| {
        let of_the_network = !error.key.contains('.');
        if of_the_network && error.message.starts_with("unknown field") {
            error.message += &format!(", `{LOSS}`");
        }
        error
    };
    let errors = errors.into_iter().map(named).collect();
    ComponentErrors::of(errors).expect("as many as before")
}

/// The table of the loss. One that is missing lacks all its keys.
fn table_of(value: Option<Value>) -> Result<Table, ComponentError> {
    match value {
        Some(Value::Table(table)) => Ok(table),
        Some(other) => Err(ComponentError::new("", format!("{other} is not a table"))),
        None => Ok(Table::new()),
    }
}
