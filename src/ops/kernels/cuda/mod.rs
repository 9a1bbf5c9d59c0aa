//! GPU code under the ops: for every op its kernels (`<op>.cu`) and what starts them (`<op>.rs`).
//!
//! An op asks [`Gpu::of`](crate::tensor::cuda::Gpu::of) whether any input lies on a GPU and then calls the function of its name here, which
//! makes the output, starts the forward kernels, and records a backward that starts the backward ones. Inputs of the host come along
//! by [`Tensor2::on`](crate::tensor::Tensor2::on). Backward kernels add to the gradients, which begin as zeros.

mod attention;
mod attention_backward;
mod deform_attention;
mod deform_value;
mod gelu;
mod glue;
mod layer_norm;
mod linear;
mod mask_pool;
mod reduce;
mod resident;
mod sort;
mod tokens;

pub(crate) use attention::attention;
pub(crate) use deform_attention::deform_attention;
pub(crate) use gelu::gelu;
pub(crate) use glue::{add, add_rows, exp_clamped, normalize_rows, repeat, scale_by, weighted_sum};
pub(crate) use layer_norm::layer_norm;
pub(crate) use linear::linear;
pub(crate) use mask_pool::mask_pool;
pub(crate) use tokens::{concat_tokens, slice_tokens};

/// The kernels in the file `$name.cu` of this folder.
macro_rules! source {
    ($name:literal) => {
        crate::tensor::cuda::Source {
            name: $name,
            text: include_str!(concat!($name, ".cu")),
            headers: super::HEADERS,
        }
    };
}
use source;

/// What kernels include.
const HEADERS: &[(&str, &str)] = &[
    ("attention.cuh", include_str!("attention.cuh")),
    ("harness.cuh", include_str!("harness.cuh")),
];

#[cfg(test)]
mod tests {
    use crate::tensor::cuda::Source;

    const SOURCES: &[&Source] = &[
        &super::attention::SOURCE,
        &super::attention_backward::SOURCE,
        &super::deform_attention::SOURCE,
        &super::deform_value::SOURCE,
        &super::gelu::SOURCE,
        &super::glue::SOURCE,
        &super::layer_norm::SOURCE,
        &super::linear::SOURCE,
        &super::mask_pool::SOURCE,
        &super::reduce::SOURCE,
        &super::sort::SOURCE,
        &super::tokens::SOURCE,
    ];

    #[test]
    fn every_file_of_kernels_is_known_by_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops/kernels/cuda");
        let entries = std::fs::read_dir(folder).unwrap();
        let mut files: Vec<String> = entries
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".cu").map(str::to_string))
            .collect();
        files.sort();
        let mut known: Vec<&str> = SOURCES.iter().map(|source| source.name).collect();
        known.sort_unstable();
        assert_eq!(files, known);
    }

    #[test]
    #[ignore = "needs NVRTC"]
    fn every_file_of_kernels_compiles_cuda() {
        crate::ops::check::gpu(Default::default());
        for source in SOURCES {
            source
                .compiled(80)
                .unwrap_or_else(|error| panic!("{error}"));
        }
    }
}
