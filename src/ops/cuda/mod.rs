//! What the GPU's code of several ops shares.
//!
//! - [`bits`]: masks of 32 pixels a word;
//! - [`many`]: many tensors in one launch;
//! - [`reduce`]: sums over the rows of a matrix;
//! - [`resident`]: arrays of the host that call after call needs again;
//! - [`sort`](mod@sort): stable sort by small whole keys;
//! - [`walk`]: how kernels go over maps.
//!
//! An op's own code is beside it: `cuda.rs` starts the kernels of `<op>.cu`. The op asks [`Gpu::of`](crate::tensor::cuda::Gpu::of) whether any
//! input lies on a GPU and then calls the function of its name in `cuda.rs`, which makes the output, starts the forward kernels, and
//! records a backward that starts the backward ones. Inputs of the host come along by [`Tensor2::on`](crate::tensor::Tensor2::on).
//! Backward kernels add to the gradients, which begin as zeros.

pub(in crate::ops) mod bits;
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

/// What kernels include.
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
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// Every file of kernels under `ops`.
    fn files() -> Vec<PathBuf> {
        fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    visit(&path, found);
                } else if path.extension().is_some_and(|ending| ending == "cu") {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        let ops = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops");
        visit(Path::new(ops), &mut found);
        found
    }

    fn name(file: &Path) -> String {
        file.file_stem().unwrap().to_str().unwrap().to_string()
    }

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

    #[cfg(feature = "cuda")]
    #[test]
    #[ignore = "needs NVRTC"]
    fn every_file_of_kernels_compiles_cuda() {
        crate::ops::check::gpu(Default::default());
        for file in files() {
            let text: &str = fs::read_to_string(&file).unwrap().leak();
            let source = crate::tensor::cuda::Source {
                name: name(&file).leak(),
                text,
                headers: super::HEADERS,
            };
            let code = source.compiled(80, true);
            code.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }
}
