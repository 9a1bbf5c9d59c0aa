//! What happens where the images do not fit into the GPU's memory: it is said, or fewer are tried.

use anyhow::{Result, bail};
use std::panic::{self, AssertUnwindSafe};

/// Runs `work` on `images` images. With `halve`, on half as many as long as they do not fit.
///
/// The driver's refusal is a panic, as everywhere in `harness`; any other panic goes on.
pub fn fitting<T>(
    mut images: usize,
    halve: bool,
    mut work: impl FnMut(usize) -> Result<T>,
) -> Result<T> {
    loop {
        let told = panic::take_hook();
        // A refusal is told below, in words of this program.
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

/// Whether a panic says that memory is used up: in the driver's words, as dfdx shows its code, or by cuBLAS.
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
