//! A map that is added to the result of a resize in the same pass, as in the lateral connections of an FPN.

use crate::tensor::Map;

/// Panics if `add` has not the batch, height, width and channels of the result.
pub(super) fn check_addend(add: Option<&Map>, result: [usize; 4]) {
    if let Some(add) = add {
        let own = [add.batch, add.height, add.width, add.channels()];
        assert_eq!(own, result, "the map to add");
    }
}
