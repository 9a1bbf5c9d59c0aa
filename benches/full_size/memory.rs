//! Handles images that do not fit into the GPU's memory: reports it, or tries fewer.

use anyhow::{Result, bail};
use std::panic::{self, AssertUnwindSafe};

/// Runs `work` on `images` images. With `halve`, it tries half as many until they fit.
///
/// The driver's refusal is a panic, as everywhere in `harness`. Any other panic is passed on.
pub fn fitting<T>(
    mut images: usize,
    halve: bool,
    mut work: impl FnMut(usize) -> Result<T>,
) -> Result<T> {
    loop {
        let told = panic::take_hook();
        // The refusal is reported below in this program's own words.
        panic::set_hook(Box::new(|_| {}));
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| work(images)));
        panic::set_hook(told);
        let cause = match outcome {
            Ok(outcome) => return outcome,
            Err(cause) => cause,
        };
        let text = match (cause.downcast_ref::<String>(), cause.downcast_ref::<&str>()) {
            (Some(text), _) => text.as_str(),
            (_, Some(text)) => text,
            _ => "",
        };
        if !is_full(text) {
            eprintln!("{text}");
            panic::resume_unwind(cause);
        }
        if !halve {
            bail!(
                "--images {images} does not fit into the GPU's memory ({text}); --largest looks for what fits"
            );
        }
        if images == 1 {
            bail!("not even one image fits into the GPU's memory ({text})");
        }
        images /= 2;
        eprintln!("the GPU's memory is full: {images} images");
    }
}

/// Returns true if a panic means that memory is used up: in the driver's words, as dfdx prints its code, or
/// by cuBLAS.
fn is_full(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    [
        "out of memory",
        "out_of_memory",
        "outofmemory",
        "alloc_failed",
    ]
    .iter()
    .any(|words| text.contains(words))
}
