//! What the tables `[method]` of several methods have in common.

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
