//! What the tables `[method]` of several methods have in common.

use crate::registry::{self, ComponentErrors, Entry};

/// Makes the component of a slot; an error names the key with the slot in front.
pub(super) fn slot<T>(
    name: &str,
    entries: &[Entry<T>],
    table: &toml::Table,
) -> Result<T, ComponentErrors> {
    registry::build(entries, table.clone()).map_err(|errors| errors.within(name))
}

#[cfg(test)]
pub(super) mod tests {
    /// The tables of `recipes/pl-dc.toml`, the contract for all keys.
    pub(in crate::method) fn recipe() -> toml::Table {
        include_str!("../../recipes/pl-dc.toml")
            .parse()
            .expect("the recipe parses")
    }

    pub(in crate::method) fn table(name: &str) -> toml::Table {
        recipe()[name].as_table().expect("a table").clone()
    }
}
