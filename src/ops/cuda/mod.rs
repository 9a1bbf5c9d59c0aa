//! The GPU code that several ops share.
//!
//! - [`bits`]: masks of 32 pixels per word;
//! - [`many`]: many tensors in one launch;
//! - [`reduce`]: sums over the rows of a matrix;
//! - [`resident`]: arrays of the host that are needed again in every call;
//! - [`sort`](mod@sort): stable sort by small whole keys;
//! - [`walk`]: the order in which kernels visit maps.
//!
//! The code of an op is beside it: `cuda.rs` launches the kernels of `<op>.cu`. The op checks with
//! [`Gpu::of`](crate::tensor::cuda::Gpu::of) if any input is on a GPU. Then it calls the function with its
//! own name in `cuda.rs`, which makes the output, launches the forward kernels, and records a function that
//! launches the backward kernels. Inputs on the host are sent along with
//! [`Tensor2::on`](crate::tensor::Tensor2::on). Backward kernels add to the gradients, which are zero at
//! first.

pub(in crate::ops) mod bits;
#[cfg(test)]
pub(in crate::ops) mod files;
pub(in crate::ops) mod many;
#[allow(unsafe_code)]
pub(in crate::ops) mod reduce;
pub(in crate::ops) mod resident;
#[allow(unsafe_code)]
pub(in crate::ops) mod sort;
pub(in crate::ops) mod walk;

/// The kernels in the file `$name.cu` beside the one that names it so.
macro_rules! source {
    ($name:literal) => {
        crate::tensor::cuda::Source {
            name: $name,
            text: include_str!(concat!($name, ".cu")),
            headers: crate::ops::cuda::HEADERS,
        }
    };
}
pub(in crate::ops) use source;

/// The headers that kernels include.
pub(in crate::ops) const HEADERS: &[(&str, &str)] = &[
    (
        "attention.cuh",
        include_str!("../attention/multi_head/cuda/attention.cuh"),
    ),
    ("harness.cuh", include_str!("harness.cuh")),
    ("many.cuh", include_str!("many.cuh")),
    ("points.cuh", include_str!("points.cuh")),
    ("resize.cuh", include_str!("resize.cuh")),
];

#[cfg(test)]
mod tests {
    use super::files::{files, name};
    use std::collections::BTreeSet;
    use std::fs;

    /// Kernels are loaded by the names of their files, so no two files may have the same.
    #[test]
    fn every_file_of_kernels_is_used_beside_it_and_has_its_own_name() {
        let mut names = BTreeSet::new();
        for file in files() {
            let name = name(&file);
            let use_of_it = format!("source!(\"{name}\")");
            let mut beside = fs::read_dir(file.parent().unwrap()).unwrap();
            let is_used = beside.any(|entry| {
                let path = entry.unwrap().path();
                path.extension().is_some_and(|ending| ending == "rs")
                    && fs::read_to_string(path).unwrap().contains(&use_of_it)
            });
            assert!(is_used, "{}: no `{use_of_it}` beside it", file.display());
            assert!(names.insert(name), "{}: a second one", file.display());
        }
        assert!(
            names.contains("conv2d") && names.contains("adamw"),
            "{names:?}"
        );
    }
}
