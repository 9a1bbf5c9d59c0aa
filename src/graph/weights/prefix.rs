//! The choice of one of several networks in a file whose parameters have the names of this program after a prefix.

use super::arrays::Arrays;
use anyhow::{Result, bail};

/// The beginning of the names of the optimizer's moments in our checkpoints.
pub(super) const MOMENTS: &str = "optimizer.";
/// The default network of a file with several networks.
const TEACHER: &str = "teacher";

/// The prefix of the network in `arrays` that has the parameter `mark`; none if there is no such network. `part`
/// chooses one of several networks by a part of its prefix.
///
/// # Errors
/// It is not clear which network is meant.
pub(super) fn prefix_of(arrays: &Arrays, mark: &str, part: Option<&str>) -> Result<Option<String>> {
    let prefixes: Vec<&str> = arrays
        .entries()
        .filter_map(|(name, _)| name.strip_suffix(mark))
        .filter(|prefix| !prefix.starts_with(MOMENTS))
        .collect();
    if prefixes.is_empty() {
        return Ok(None);
    }
    let wanted = part.unwrap_or(match prefixes.len() {
        1 => "",
        _ => TEACHER,
    });
    let fits = |prefix: &&&str| prefix.contains(wanted);
    match &prefixes.iter().filter(fits).collect::<Vec<_>>()[..] {
        [one] => Ok(Some(one.to_string())),
        _ => bail!(
            "{}: which network? The file holds {}; name one after `#`, as in FILE#{TEACHER}",
            arrays.path().display(),
            prefixes.join(", ")
        ),
    }
}
