use super::*;
use crate::structures::{AffineMap, Instance, Mask};
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

/// A view of an image of its own size, without padding.
pub fn placed(picture: Picture, instances: Vec<Instance>) -> Placed {
    let content = Content {
        rows: picture.height,
        columns: picture.width,
    };
    Placed {
        view: View { picture, instances },
        map: AffineMap::IDENTITY,
        content,
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
        let view = weak(&sample, &config(40, [0.5, 2.0]), &mut rng).view;
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
        let view = weak(&sample, &config, &mut rng).view;
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
        let strong = strong(&view, &config, &mut rng).view.picture;
        (view.view.picture, view.view.instances, strong)
    };
    assert_eq!(draw(0), draw(0));
    assert_ne!(draw(0).0, draw(1).0);
}

#[test]
fn the_strong_view_keeps_the_size_and_changes_colours() {
    let picture = Picture::new(24, 16, (0..24 * 16 * 3).map(|i| (i % 251) as u8).collect());
    let placed = placed(picture.clone(), Vec::new());
    let config = config::tests::from_recipe();
    let mut changed = 0;
    for index in 0..50 {
        let view = strong(&placed, &config, &mut Stream::at(1, "strong", index));
        let found = view.view.picture;
        assert_eq!((found.height, found.width), (24, 16));
        changed += usize::from(found != picture);
    }
    assert!(changed > 40, "{changed} of 50 views differ");
    let mut off = config;
    (off.jitter.probability, off.grayscale, off.blur.probability) = (0.0, 0.0, 0.0);
    off.cutout.clear();
    let same = strong(&placed, &off, &mut Stream::new(1, "strong"));
    assert_eq!(same.view.picture, picture);
    assert!(placed.to(&same).is_none());
}

/// No colour changes, only maps of the whole view. A picture of `size` x `size` pixels is not resized.
fn only_maps(size: usize) -> AugmentConfig {
    let mut config = config(size, [0.7, 1.4]);
    config.scale_probability = 0.0;
    (
        config.jitter.probability,
        config.grayscale,
        config.blur.probability,
    ) = (0.0, 0.0, 0.0);
    config.cutout.clear();
    config.affine = affine::tests::stac();
    config.affine.in_box.share = 0.0;
    config.affine.fill = [0; 3];
    config
}

fn white(picture: &Picture) -> Mask {
    let bits = picture.pixels.chunks_exact(3).map(|p| u8::from(p[0] > 127));
    Mask::new(picture.height, picture.width, bits.collect())
}

#[test]
fn an_object_stays_under_its_mask_through_every_map_and_pseudo_labels_follow() {
    let config = only_maps(48);
    let (mut moved, mut followed) = (0, 0);
    for index in 0..300 {
        let mut rng = Stream::at(1, "maps", index);
        let sample = sample(48, 48, &mut rng);
        let weak = weak(&sample, &config, &mut rng);
        let strong = strong(&weak, &config, &mut rng);
        let Some(object) = strong.view.instances.first() else {
            continue;
        };
        assert_eq!(object.mask, white(&strong.view.picture), "{index}");
        let resampling = weak.to(&strong).expect("a map was drawn");
        let teacher = &weak.view.instances[0].mask;
        followed += usize::from(resampling.moved(teacher) == object.mask);
        moved += 1;
        assert!(weak.to(&weak).is_none());
    }
    assert!(moved > 200 && followed == moved, "{followed} of {moved}");
}

/// The teacher's mask in the student's view is the student's own, as well as two resamplings allow.
#[test]
fn between_two_geometries_masks_lie_on_their_objects() {
    let mut config = only_maps(48);
    config.scale_probability = 1.0;
    let (mut compared, mut sum) = (0, 0.0);
    for index in 0..300 {
        let mut rng = Stream::at(2, "independent", index);
        let sample = sample(60, 50, &mut rng);
        let teacher = weak(&sample, &config, &mut rng);
        let student = strong(&weak(&sample, &config, &mut rng), &config, &mut rng);
        let resampling = teacher.to(&student).expect("two draws");
        let (Some(seen), Some(own)) = (
            teacher.view.instances.first(),
            student.view.instances.first(),
        ) else {
            continue;
        };
        // A crop may hide from the teacher what the student sees: what both see agrees.
        let all = Mask::new(48, 48, vec![1; 48 * 48]);
        let visible = resampling.moved(&all);
        let common = own.mask.bits.iter().zip(&visible.bits).map(|(a, b)| a & b);
        let common = Mask::new(48, 48, common.collect());
        if common.area() < 60 {
            continue;
        }
        let iou = resampling.moved(&seen.mask).iou(&common);
        assert!(iou > 0.5, "{index}: {iou}");
        (compared, sum) = (compared + 1, sum + iou);
    }
    let mean = sum / f64::from(compared);
    assert!(compared > 100 && mean > 0.88, "{compared}: {mean}");
}

#[test]
fn a_map_inside_a_rectangle_leaves_the_rest_and_the_place_of_the_view() {
    let mut config = only_maps(48);
    config.affine.in_box.share = 1.0;
    let mut changed = 0;
    for index in 0..100 {
        let mut rng = Stream::at(3, "in-box", index);
        let sample = sample(48, 48, &mut rng);
        let weak = weak(&sample, &config, &mut rng);
        let strong = strong(&weak, &config, &mut rng);
        assert!(weak.to(&strong).is_none());
        let Some(object) = weak.view.instances.first() else {
            continue;
        };
        let (rows, columns) = object.mask.bounds().unwrap();
        for place in 0..48 * 48 {
            if !rows.contains(&(place / 48)) || !columns.contains(&(place % 48)) {
                let pixel = place * 3..place * 3 + 3;
                assert_eq!(
                    strong.view.picture.pixels[pixel.clone()],
                    weak.view.picture.pixels[pixel]
                );
            }
        }
        changed += usize::from(strong.view.picture != weak.view.picture);
        assert_eq!(strong.view.instances[0].mask, white(&strong.view.picture));
    }
    assert!(changed > 50, "{changed}");
}

#[test]
fn objects_that_vanish_are_dropped_but_not_all_of_them() {
    // An object at the left border, one in the middle; every map shifts by up to the whole width.
    let at = |columns: std::ops::Range<usize>| Instance {
        class: 1,
        mask: Mask::new(
            20,
            40,
            (0..800)
                .map(|i| u8::from(columns.contains(&(i % 40))))
                .collect(),
        ),
        source: InstanceSource::Annotation,
    };
    let mut config = only_maps(40);
    config.affine.translate = 1.0;
    (config.affine.rotate, config.affine.shear) = (0.0, [0.0; 2]);
    let picture = Picture::new(20, 40, vec![200; 2400]);
    let mut seen = [0; 3];
    for index in 0..400 {
        let view = placed(picture.clone(), vec![at(0..4), at(18..22)]);
        let strong = strong(&view, &config, &mut Stream::at(4, "vanish", index));
        let left = strong.view.instances.len();
        seen[left] += 1;
        let vanished = strong.view.instances.iter().any(|one| one.mask.area() < 8);
        assert!(!vanished, "{index}");
        if view.to(&strong).is_none() {
            assert_eq!((left, &strong.view.picture), (2, &picture), "nothing moved");
        }
    }
    assert_eq!(seen[0], 0, "a view keeps an object");
    assert!(seen[1] > 50 && seen[2] > 50, "{seen:?}");
}

#[test]
fn colour_and_map_come_in_both_orders() {
    // Solarized or not, the fill of a map before the colours is changed with them.
    let mut config = only_maps(40);
    config.affine.fill = [255, 0, 0];
    config.colour = ColourChoice {
        name: ColourList::Randaugment,
        probability: 1.0,
    };
    let picture = Picture::new(40, 40, vec![130; 4800]);
    let mut pure = 0;
    let mut changed = 0;
    for index in 0..400 {
        let view = placed(picture.clone(), Vec::new());
        let found = strong(&view, &config, &mut Stream::at(5, "order", index));
        let (pixels, _) = found.view.picture.pixels.as_chunks::<3>();
        let is_pure = pixels.contains(&[255, 0, 0]);
        pure += usize::from(is_pure);
        let grey = |pixel: &[u8; 3]| pixel[0] == pixel[1] && pixel[1] == pixel[2];
        let inner = pixels[20 * 40 + 20];
        changed += usize::from(!is_pure && grey(&inner) && inner != [130; 3]);
    }
    assert!(pure > 150 && changed > 40, "{pure} {changed}");
}

#[test]
fn the_new_views_draw_nothing_at_their_defaults() {
    let sample = sample(30, 40, &mut Stream::new(1, "sample"));
    let config = config(32, [0.8, 1.25]);
    assert!(!config.colour.is_on() && !config.affine.is_on());
    assert_eq!(config.holes.count, [0, 0]);
    let (mut all, mut old) = (Stream::new(1, "draws"), Stream::new(1, "draws"));
    let view = weak(&sample, &config, &mut all);
    let strong = strong(&view, &config, &mut all);
    let before = weak(&sample, &config, &mut old);
    let mut picture = photometric(&before.view.picture, &config, &mut old);
    for erasing in &config.cutout {
        if old.chance(erasing.probability) {
            erase::erase(&mut picture, erasing, None, &mut old);
        }
    }
    assert_eq!((strong.view.picture, all.bits()), (picture, old.bits()));
}
