//! Mean of the features under a mask, as it feeds a frozen vision-language model's head (PL-DC, eq. 7;
//! MasQCLIP and others).
//!
//! `$$ y_i = \frac{1}{s_i} \sum_p w_{ip}\, f_{b(i),p}, \qquad s_i = \sum_p w_{ip} + 10^{-8} $$`
//!
//! Shapes: n masks, each of one image b(i); p one of h*w pixels; features `[B*h*w, C]`, weights `[n*h*w]` >=
//! 0 -> `[n, C]`. An empty mask gives zeros. The weights receive no gradient. Pixels of weight zero, most of
//! them, are passed over.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::Split;
use crate::ops::cpu::parallel::run;
use crate::ops::cpu::vector::sum;
use crate::tensor::cuda::Gpu;
use crate::tensor::{Map, Tape, Tensor2};
use std::ops::Range;
use std::sync::Arc;

/// Added to the mass of a mask, so that an empty one divides by no zero (the released code's constant).
const SMALLEST_MASS: f32 = 1e-8;

/// `features` Map `[B*h*w, C]`, `images[i]` the image of mask i, `weights [n*h*w]` -> the weighted means
/// `[n, C]`.
///
/// Panics where the lengths disagree or an image is not in the map.
pub fn mask_pool(
    tape: &mut Tape,
    features: &Map,
    images: &[usize],
    weights: Arc<Vec<f32>>,
) -> Tensor2 {
    let (area, channels, count) = (features.pixels(), features.channels(), images.len());
    assert_eq!(weights.len(), count * area, "weights of {count} masks");
    assert!(
        images.iter().all(|image| *image < features.batch),
        "images {images:?} of {}",
        features.batch
    );
    if let Some(gpu) = Gpu::of(&[&features.data]) {
        return cuda::mask_pool(tape, &gpu, features, images, &weights, SMALLEST_MASS);
    }
    let masses: Vec<f32> = weights
        .chunks_exact(area)
        .map(|mask| sum(mask) + SMALLEST_MASS)
        .collect();
    let mut values = vec![0.0; count * channels];
    let split = Split::new(count, count * area * channels);
    let shares = split
        .ranges()
        .zip(split.cut(&mut values, channels))
        .collect();
    run(shares, |(masks, share): (Range<usize>, &mut [f32])| {
        for (i, out) in masks.zip(share.chunks_exact_mut(channels)) {
            let pixels =
                features.data.values()[images[i] * area * channels..].chunks_exact(channels);
            for (&weight, pixel) in weights[i * area..][..area]
                .iter()
                .zip(pixels)
                .filter(|(weight, _)| **weight != 0.0)
            {
                for (o, f) in out.iter_mut().zip(pixel) {
                    *o += weight * f;
                }
            }
            out.iter_mut().for_each(|o| *o /= masses[i]);
        }
    });

    let out = tape.output(values, count, channels, &[&features.data]);
    let (features, images, source) = (features.clone(), images.to_vec(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        // Masks of one image add to the same pixels: the parts are images.
        let split = Split::new(features.batch, images.len() * area * channels);
        let to = features.data.gradient_mut(grads);
        let shares = split.ranges().zip(split.cut(to, area * channels)).collect();
        run(shares, |(range, share): (Range<usize>, &mut [f32])| {
            for (i, image) in images
                .iter()
                .enumerate()
                .filter(|(_, image)| range.contains(image))
            {
                let g = &gradient[i * channels..][..channels];
                let pixels =
                    share[(image - range.start) * area * channels..].chunks_exact_mut(channels);
                for (weight, pixel) in weights[i * area..][..area]
                    .iter()
                    .zip(pixels)
                    .filter(|(weight, _)| **weight != 0.0)
                {
                    let factor = weight / masses[i];
                    for (to, g) in pixel.iter_mut().zip(g) {
                        *to += factor * g;
                    }
                }
            }
        });
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter, same_as_host, same_bits};
    use crate::ops::golden;

    fn weights(count: usize, area: usize) -> Arc<Vec<f32>> {
        Arc::new(
            (0..count * area)
                .map(|i| (i * 5 % 4) as f32 / 3.0)
                .collect(),
        )
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let w = weights(10, 100);
        let images: Vec<usize> = (0..10).map(|i| i * 7 % 4).collect();
        same_bits(&[parameter(1, 400, 128, 1.0)], |tape, i| {
            mask_pool(tape, &Map::new(i[0].clone(), 4, 10, 10), &images, w.clone())
        });
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for (batch, images) in [(1, vec![0]), (3, vec![2, 0, 2, 2])] {
                let w = weights(images.len(), 6);
                gradients(
                    place,
                    &[parameter(1, batch * 6, 5, 1.0)],
                    1e-2,
                    1e-3,
                    |tape, i| {
                        mask_pool(
                            tape,
                            &Map::new(i[0].clone(), batch, 2, 3),
                            &images,
                            w.clone(),
                        )
                    },
                );
            }
        }

        fn large_maps_and_many_masks(place) {
            let w = weights(9, 1200);
            let images: Vec<usize> = (0..9).map(|i| i * 7 % 2).collect();
            same_as_host(place, &[parameter(1, 3 * 1200, 33, 1.0)], 2e-5, |tape, i| {
                mask_pool(tape, &Map::new(i[0].clone(), 3, 30, 40), &images, w.clone())
            });
        }

        fn no_masks_give_nothing(place) {
            same_as_host(place, &[parameter(1, 6, 4, 1.0)], 0.0, |tape, i| {
                mask_pool(tape, &Map::new(i[0].clone(), 1, 2, 3), &[], Arc::new(Vec::new()))
            });
        }

        fn a_mask_averages_its_own_image_and_an_empty_one_is_zero(place) {
            let f = Map::new(Tensor2::constant(vec![1.0, 2.0, 3.0, 5.0], 4, 1).to(place), 2, 1, 2);
            let pooled = mask_pool(
                &mut Tape::off(),
                &f,
                &[1, 0, 0],
                Arc::new(vec![1.0, 1.0, 0.0, 0.5, 0.0, 0.0]),
            );
            assert_eq!(*pooled.host_values(), [4.0, 2.0, 0.0]);
        }

        fn parity_with_pytorch(place) {
            let tensors = golden::load("ops2");
            let weights = Arc::new(tensors["mask_pool.weights"].1.clone());
            golden::check(
                place,
                &tensors,
                "mask_pool",
                &["features"],
                1e-5,
                |tape, i| {
                    mask_pool(
                        tape,
                        &Map::new(i[0].clone(), 2, 2, 3),
                        &[1, 0, 1],
                        weights.clone(),
                    )
                },
            );
        }
    }
}
