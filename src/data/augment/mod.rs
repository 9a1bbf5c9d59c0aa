//! The weak and the strong view of an image.
//!
//! There is one geometric draw per image: flip, scale, crop or pad ([`geometry`]). The weak view is its result, for
//! Cityscapes with other colours ([`ssd`]). The strong view changes only the colours of the weak view ([`strong`]), so
//! masks predicted on the weak view fit the strong view. Source: the augmentations of the PL-DC code, after Unbiased
//! Teacher.

mod blur;
mod change;
mod colour;
mod config;
mod core;
mod erase;
mod geometry;
mod resize;
mod size;
mod ssd;
mod window;

pub use config::{
    AugmentConfig, Blur, Erasing, Fill, GeometryKind, Jitter, ScaleDistribution, WeakColour,
};
pub use geometry::{Geometry, Placing};
pub use resize::{fitted, fitted_size};
pub use size::ImageSize;

use super::{Sample, View};
use crate::rng::Stream;
use crate::structures::{InstanceSource, Picture};
use blur::Kernel;
use change::Change;
use colour::Colouring;

/// The weak view: `sample` in a random geometry, of the size `size`, with other colours if `weak-colour` says so.
/// Crowds are removed, and so are objects with fewer than `min-area` pixels left.
pub fn weak(sample: &Sample, config: &AugmentConfig, rng: &mut Stream) -> View {
    let picture = &sample.picture;
    let (height, width) = (picture.height, picture.width);
    let placing = Geometry::draw(height, width, config, rng).of(height, width);
    let instances = sample
        .instances
        .iter()
        .filter(|instance| instance.source == InstanceSource::Annotation)
        .map(|instance| {
            let mask = placing.mask(&instance.mask);
            crate::structures::Instance { mask, ..*instance }
        })
        .filter(|instance| instance.mask.area() >= config.min_area.max(1))
        .collect();
    let mut picture = placing.picture(picture, config.pad_value);
    if config.weak_colour == WeakColour::Ssd {
        let colouring = Colouring {
            changes: ssd::changes(rng),
            blur: None,
        };
        picture = colouring.apply(&picture);
    }
    View { picture, instances }
}

/// The strong view of a weak one: colour jitter, grayscale, blur and erasings in this order, each with its
/// probability.
pub fn strong(picture: &Picture, config: &AugmentConfig, rng: &mut Stream) -> Picture {
    let mut colouring = Colouring::default();
    if rng.chance(config.jitter.probability) {
        colouring.changes = change::jitter(&config.jitter, rng);
    }
    if rng.chance(config.grayscale) {
        colouring.changes.push(Change::Grey);
    }
    if rng.chance(config.blur.probability) {
        let [low, high] = config.blur.sigma;
        colouring.blur = Some(Kernel::new(rng.range(low, high)));
    }
    let mut picture = colouring.apply(picture);
    let grey = (config.cutout_fill == Fill::Grey).then_some(config.pad_value);
    for erasing in &config.cutout {
        if rng.chance(erasing.probability) {
            erase::erase(&mut picture, erasing, grey, rng);
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structures::{Instance, Mask};
    use proptest::prelude::*;

    /// A white object on black, with its mask.
    fn sample(height: usize, width: usize, rng: &mut Stream) -> Sample {
        let (top, left) = (rng.below(height / 2), rng.below(width / 2));
        let inside = |i: usize| {
            let (y, x) = (i / width, i % width);
            (top..top + height / 3).contains(&y) && (left..left + width / 3).contains(&x)
        };
        let bits: Vec<u8> = (0..height * width).map(|i| u8::from(inside(i))).collect();
        let pixels = bits.iter().flat_map(|bit| [bit * 255; 3]).collect();
        let mask = Mask::new(height, width, bits);
        let object = Instance {
            class: 3,
            mask,
            source: InstanceSource::Annotation,
        };
        let crowd = Instance {
            source: InstanceSource::Crowd,
            ..object.clone()
        };
        Sample {
            image_id: 1,
            picture: Picture::new(height, width, pixels),
            instances: vec![crowd, object],
        }
    }

    fn config(size: usize, scale: [f64; 2]) -> AugmentConfig {
        AugmentConfig {
            size: ImageSize::square(size),
            scale,
            scale_probability: 1.0,
            pad_value: 0,
            ..config::tests::from_recipe()
        }
    }

    proptest! {
        #[test]
        fn an_object_stays_under_its_mask(seed in any::<u64>(), height in 20usize..50, width in 20usize..50) {
            let mut rng = Stream::new(seed, "geometry");
            let sample = sample(height, width, &mut rng);
            let view = weak(&sample, &config(40, [0.5, 2.0]), &mut rng);
            prop_assert_eq!((view.picture.height, view.picture.width), (40, 40));
            let white: Vec<u8> = view.picture.pixels.chunks_exact(3).map(|p| u8::from(p[0] > 127)).collect();
            let white = Mask::new(40, 40, white);
            prop_assert!(view.instances.len() <= 1, "the crowd is removed");
            match view.instances.first() {
                Some(object) => prop_assert_eq!(&object.mask, &white),
                None => prop_assert!(white.area() < 8),
            }
        }

        #[test]
        fn flip_twice_is_the_identity(seed in any::<u64>(), height in 1usize..9, width in 1usize..9) {
            let mut rng = Stream::new(seed, "flip");
            let pixels = (0..height * width * 3).map(|_| rng.bits() as u8).collect();
            let picture = Picture::new(height, width, pixels);
            let bits: Vec<u8> = (0..height * width).map(|_| u8::from(rng.chance(0.5))).collect();
            let mask = Mask::new(height, width, bits);
            prop_assert_eq!(&picture.flipped().flipped(), &picture);
            prop_assert_eq!(&mask.flipped().flipped(), &mask);
            // Both mirror the same axis: a picture painted from the mask stays equal to it.
            let painted = Picture::new(height, width, mask.bits.iter().flat_map(|bit| [*bit; 3]).collect());
            let bits: Vec<u8> = painted.flipped().pixels.chunks_exact(3).map(|p| p[0]).collect();
            prop_assert_eq!(bits, mask.flipped().bits);
        }
    }

    /// In every geometry, on pictures that are smaller or larger than the view, or both.
    #[test]
    fn an_object_stays_under_its_mask_in_a_rectangle() {
        for index in 0..120 {
            let mut rng = Stream::at(3, "rectangle", index);
            let (height, width) = (20 + rng.below(50), 20 + rng.below(50));
            let sample = sample(height, width, &mut rng);
            let geometry = match index % 2 {
                0 => GeometryKind::ScaleJitter,
                _ => GeometryKind::ShorterSide,
            };
            let config = AugmentConfig {
                size: ImageSize {
                    height: 24,
                    width: 48,
                },
                geometry,
                shorter: vec![15, 24, 40],
                longer: 60,
                ..config(0, [0.5, 2.0])
            };
            let view = weak(&sample, &config, &mut rng);
            assert_eq!((view.picture.height, view.picture.width), (24, 48));
            let white: Vec<u8> = view
                .picture
                .pixels
                .chunks_exact(3)
                .map(|p| u8::from(p[0] > 127))
                .collect();
            let white = Mask::new(24, 48, white);
            match view.instances.first() {
                Some(object) => assert_eq!(object.mask, white, "{index}"),
                None => assert!(white.area() < 8, "{index}"),
            }
        }
    }

    #[test]
    fn views_are_functions_of_their_stream() {
        let sample = sample(30, 40, &mut Stream::new(1, "sample"));
        let config = config(32, [0.8, 1.25]);
        let draw = |index| {
            let mut rng = Stream::at(5, "augment", index);
            let view = weak(&sample, &config, &mut rng);
            let strong = strong(&view.picture, &config, &mut rng);
            (view.picture, view.instances, strong)
        };
        assert_eq!(draw(0), draw(0));
        assert_ne!(draw(0).0, draw(1).0);
    }

    #[test]
    fn the_strong_view_keeps_the_size_and_changes_colours() {
        let picture = Picture::new(24, 16, (0..24 * 16 * 3).map(|i| (i % 251) as u8).collect());
        let config = config::tests::from_recipe();
        let mut changed = 0;
        for index in 0..50 {
            let view = strong(&picture, &config, &mut Stream::at(1, "strong", index));
            assert_eq!((view.height, view.width), (24, 16));
            changed += usize::from(view != picture);
        }
        assert!(changed > 40, "{changed} of 50 views differ");
        let mut off = config;
        (off.jitter.probability, off.grayscale, off.blur.probability) = (0.0, 0.0, 0.0);
        off.cutout.clear();
        assert_eq!(
            strong(&picture, &off, &mut Stream::new(1, "strong")),
            picture
        );
    }
}
