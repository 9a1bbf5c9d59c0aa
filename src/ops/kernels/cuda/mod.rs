//! GPU code under the ops: for every op its kernels (`<op>.cu`) and what starts them (`<op>.rs`).
//!
//! An op asks [`Gpu::of`](crate::tensor::cuda::Gpu::of) whether any input lies on a GPU and then calls the function of its name here, which
//! makes the output, starts the forward kernels, and records a backward that starts the backward ones. Inputs of the host come along
//! by [`Tensor2::on`](crate::tensor::Tensor2::on). Backward kernels add to the gradients, which begin as zeros.

mod above_zero;
mod add_relu;
mod attention;
mod attention_backward;
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
pub(in crate::ops) mod many;
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
pub(crate) use add_relu::add_relu;
pub(crate) use attention::attention;
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

/// The kernels in the file `$name.cu` beside the one that names it so.
macro_rules! source {
    ($name:literal) => {
        crate::tensor::cuda::Source {
            name: $name,
            text: include_str!(concat!($name, ".cu")),
            headers: crate::ops::kernels::cuda::HEADERS,
        }
    };
}
pub(in crate::ops) use source;

/// What kernels include.
pub(in crate::ops) const HEADERS: &[(&str, &str)] = &[
    ("attention.cuh", include_str!("attention.cuh")),
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
