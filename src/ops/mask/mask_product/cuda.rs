//! Mask logits on the GPU: cuBLAS's product, once for all images.

use crate::tensor::cuda::{Gpu, Operand, Product};
use crate::tensor::{Map, Tape, Tensor2};

/// As [`crate::ops::mask_product`], which has checked the shapes.
pub(super) fn mask_product(
    tape: &mut Tape,
    gpu: &Gpu,
    embeddings: &Tensor2,
    pixels: &Map,
) -> Tensor2 {
    let (batch, area, channels) = (pixels.batch, pixels.pixels(), pixels.channels());
    let queries = embeddings.rows() / batch;
    let [embeddings, pixels] = [embeddings, &pixels.data].map(|input| input.on(gpu));
    let out = tape.output_on(gpu, batch * queries, area, &[&embeddings, &pixels]);
    if out.is_empty() {
        return out;
    }
    // Every image's matrix of each of the three.
    let of_queries = move |address| Operand::new(address, channels).every(queries * channels);
    let of_pixels = move |address| Operand::new(address, channels).every(area * channels);
    let of_masks = move |address| Operand::new(address, area).every(queries * area);
    let product = Product::one(queries, area, channels).times(batch);
    let (e, f) = (
        of_queries(embeddings.address()),
        of_pixels(pixels.address()),
    );
    // SAFETY: of every image embeddings [queries, channels], pixels [area, channels], masks [queries, area].
    unsafe { gpu.multiply(product, e, f.t(), of_masks(out.address())) };

    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let Some(gradient) = source.gradient_address(grads) else {
            return;
        };
        let g = of_masks(gradient);
        if let Some(to) = embeddings.gradient_address(grads) {
            let product = Product::one(queries, channels, area).times(batch).adding();
            let f = of_pixels(pixels.address());
            // SAFETY: as above; gradients are as large as their tensors.
            unsafe { gpu.multiply(product, g, f, of_queries(to)) };
        }
        if let Some(to) = pixels.gradient_address(grads) {
            let product = Product::one(area, channels, queries).times(batch).adding();
            let e = of_queries(embeddings.address());
            // SAFETY: as above.
            unsafe { gpu.multiply(product, g.t(), e, of_pixels(to)) };
        }
    });
    out
}
