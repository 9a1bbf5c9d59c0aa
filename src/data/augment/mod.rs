//! The weak and the strong view of an image.
//!
//! There is one geometric draw per image: flip, scale, crop or pad ([`geometry`]). The weak view is its result, for
//! Cityscapes with other colours ([`ssd`]). The strong view changes the colours of the weak view ([`strong`]), and with
//! [`affine`] also its geometry. So masks predicted on the weak view fit the strong view, or follow into it by the map
//! between the two ([`Placed::to`]). Source: the augmentations of the PL-DC code, after Unbiased Teacher.

mod affine;
mod blur;
mod change;
mod colour;
mod colour_choice;
mod config;
mod content;
mod core;
mod erase;
mod geometry;
mod holes;
mod jitter;
mod one_of;
mod pillow;
mod placed;
mod rand_augment;
mod resize;
mod size;
mod ssd;
mod window;

pub use affine::{Affine, InBox};
pub use colour_choice::{ColourChoice, ColourList};
pub use config::{
    AugmentConfig, Blur, Erasing, Fill, GeometryKind, ScaleDistribution, TeacherGeometry,
    WeakColour,
};
pub use content::Content;
pub use geometry::{Geometry, Placing};
pub use holes::Holes;
pub use jitter::Jitter;
pub use placed::Placed;
pub use resize::{fitted, fitted_size};
pub use size::ImageSize;

use super::{Sample, View};
use crate::rng::Stream;
use crate::structures::{InstanceSource, Picture, Resampling};
use blur::Kernel;
use change::Change;
use colour::Colouring;

/// The weak view: `sample` in a random geometry, of the size `size`, with other colours if `weak-colour` says so.
/// Crowds are removed, and so are objects with fewer than `min-area` pixels left.
pub fn weak(sample: &Sample, config: &AugmentConfig, rng: &mut Stream) -> Placed {
    let picture = &sample.picture;
    let (height, width) = (picture.height, picture.width);
    let placing = Geometry::draw(height, width, config, rng).of(height, width);
    let instances = sample
        .instances
        .iter()
        .filter(|instance| instance.source != InstanceSource::Crowd)
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
    Placed {
        view: View { picture, instances },
        map: placing.map(),
        content: placing.content(),
    }
}

/// The strong view of a weak one: colour jitter, grayscale and blur in this order, then an operation on the colours and
/// an affine map in random order, then erasings and holes, each with its probability.
pub fn strong(weak: &Placed, config: &AugmentConfig, rng: &mut Stream) -> Placed {
    let mut view = Placed {
        view: View {
            picture: photometric(&weak.view.picture, config, rng),
            instances: weak.view.instances.clone(),
        },
        ..*weak
    };
    // Where one of the two is off, their order is not drawn.
    let both = config.colour.is_on() && config.affine.is_on();
    if both && rng.chance(0.5) {
        view = mapped(view, config, rng);
        view.recolour(&config.colour, rng);
    } else {
        view.recolour(&config.colour, rng);
        view = mapped(view, config, rng);
    }
    let picture = &mut view.view.picture;
    let grey = (config.cutout_fill == Fill::Grey).then_some(config.pad_value);
    for erasing in &config.cutout {
        if rng.chance(erasing.probability) {
            erase::erase(picture, erasing, grey, rng);
        }
    }
    config.holes.make(picture, view.content, rng);
    view
}

/// The picture after colour jitter, grayscale and blur.
fn photometric(picture: &Picture, config: &AugmentConfig, rng: &mut Stream) -> Picture {
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
    colouring.apply(picture)
}

/// The view after an affine map, if one is drawn. An object with too few pixels left is dropped. If none would be left
/// of some, the view stays as it is (STAC keeps the boxes of such a view, which would then lie on other pixels).
fn mapped(view: Placed, config: &AugmentConfig, rng: &mut Stream) -> Placed {
    let objects = &view.view.instances;
    let Some(drawn) = config.affine.draw(view.content, objects, rng) else {
        return view;
    };
    let resampling = Resampling::new(drawn.map, drawn.area.clone(), drawn.area);
    let instances: Vec<_> = objects
        .iter()
        .map(|object| crate::structures::Instance {
            mask: resampling.mask(&object.mask),
            ..*object
        })
        .filter(|object| object.mask.area() >= config.min_area.max(1))
        .collect();
    if instances.is_empty() && !objects.is_empty() {
        return view;
    }
    Placed {
        view: View {
            picture: resampling.picture(&view.view.picture, config.affine.fill),
            instances,
        },
        // A map inside a rectangle moves no other pixel: the view stays in its place.
        map: match drawn.is_in_box {
            true => view.map,
            false => view.map.then(drawn.map),
        },
        ..view
    }
}

#[cfg(test)]
mod tests;
