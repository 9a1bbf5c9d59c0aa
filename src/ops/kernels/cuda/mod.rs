//! GPU code under the ops: for every op its kernels (`<op>.cu`) and what starts them (`<op>.rs`).
//!
//! An op asks [`Gpu::of`](crate::tensor::cuda::Gpu::of) whether any input lies on a GPU and then calls the function of its name here, which
//! makes the output, starts the forward kernels, and records a backward that starts the backward ones. Inputs of the host come along
//! by [`Tensor2::on`](crate::tensor::Tensor2::on). Backward kernels add to the gradients, which begin as zeros.

mod above_zero;
mod adamw;
mod add_relu;
mod attention;
mod attention_backward;
mod average;
mod conv2d;
mod cross_entropy;
mod deform_attention;
mod deform_sizes;
mod deform_value;
mod depthwise;
mod fold_norm;
mod foreground;
mod gelu;
mod glue;
mod group_norm;
mod layer_norm;
mod linear;
mod many;
mod mask_pool;
mod mask_product;
mod mask_stack;
mod match_costs;
mod max_pool;
mod outside_masks;
mod pictures;
mod point_losses;
mod point_sample;
mod random_points;
mod reduce;
mod resident;
mod resize;
mod resize_rows;
mod rows_on_host;
mod scalars;
mod sort;
mod tokens;
mod uncertainty;
mod undecided_points;
mod walk;
mod weights_at;
pub(crate) use above_zero::above_zero;
pub(crate) use adamw::{AdamW, Coefficients, Treatment, Walk};
pub(crate) use add_relu::add_relu;
pub(crate) use attention::attention;
pub(crate) use average::Average;
pub(crate) use conv2d::conv2d;
pub(crate) use cross_entropy::cross_entropy;
pub(crate) use deform_attention::deform_attention;
pub(crate) use depthwise::depthwise_conv2d;
pub(crate) use fold_norm::fold_norm;
pub(crate) use foreground::foreground;
pub(crate) use gelu::gelu;
pub(crate) use glue::{add, add_rows, exp_clamped, normalize_rows, repeat, scale_by, weighted_sum};
pub(crate) use group_norm::group_norm;
pub(crate) use layer_norm::layer_norm;
pub(crate) use linear::linear;
pub(crate) use mask_pool::mask_pool;
pub(crate) use mask_product::mask_product;
pub(crate) use mask_stack::PackedMasks;
pub(crate) use match_costs::match_costs;
pub(crate) use max_pool::max_pool;
pub(crate) use outside_masks::outside_masks;
pub(crate) use pictures::picture_values;
pub(crate) use point_losses::{bce_points, dice_points};
pub(crate) use point_sample::point_sample;
pub(crate) use random_points::random_points;
pub(crate) use resize::resize_bilinear;
pub(crate) use resize_rows::resize_rows;
pub(crate) use rows_on_host::rows_on_host;
pub(crate) use scalars::scalars;
pub(crate) use tokens::{concat_tokens, slice_tokens};
pub(crate) use uncertainty::uncertainties;
pub(crate) use undecided_points::undecided_points;
pub(crate) use weights_at::weights_at;

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
    ("many.cuh", include_str!("many.cuh")),
    ("points.cuh", include_str!("points.cuh")),
    ("resize.cuh", include_str!("resize.cuh")),
];

#[cfg(test)]
mod tests {
    use crate::tensor::cuda::Source;

    const SOURCES: &[&Source] = &[
        &super::above_zero::SOURCE,
        &super::adamw::SOURCE,
        &super::add_relu::SOURCE,
        &super::attention::SOURCE,
        &super::attention_backward::SOURCE,
        &super::average::SOURCE,
        &super::conv2d::SOURCE,
        &super::cross_entropy::SOURCE,
        &super::deform_attention::SOURCE,
        &super::deform_value::SOURCE,
        &super::depthwise::SOURCE,
        &super::fold_norm::SOURCE,
        &super::foreground::SOURCE,
        &super::gelu::SOURCE,
        &super::glue::SOURCE,
        &super::group_norm::SOURCE,
        &super::layer_norm::SOURCE,
        &super::linear::SOURCE,
        &super::mask_pool::SOURCE,
        &super::mask_stack::SOURCE,
        &super::match_costs::SOURCE,
        &super::max_pool::SOURCE,
        &super::outside_masks::SOURCE,
        &super::pictures::SOURCE,
        &super::point_losses::SOURCE,
        &super::point_sample::SOURCE,
        &super::random_points::SOURCE,
        &super::reduce::SOURCE,
        &super::resize::SOURCE,
        &super::resize_rows::SOURCE,
        &super::rows_on_host::SOURCE,
        &super::scalars::SOURCE,
        &super::sort::SOURCE,
        &super::tokens::SOURCE,
        &super::uncertainty::SOURCE,
        &super::undecided_points::SOURCE,
        &super::weights_at::SOURCE,
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

    #[cfg(feature = "cuda")]
    #[test]
    #[ignore = "needs NVRTC"]
    fn every_file_of_kernels_compiles_cuda() {
        crate::ops::check::gpu(Default::default());
        for source in SOURCES {
            source
                .compiled(80, true)
                .unwrap_or_else(|error| panic!("{error}"));
        }
    }
}
