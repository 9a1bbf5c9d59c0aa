//! The colours of classes.

/// A colour: red, green, blue.
pub type Colour = [u8; 3];

/// The share of a turn between the hues of neighbouring classes: the golden angle, so that hues stay apart for any
/// number of classes.
const TURN: f64 = 0.381_966_011_250_105;
/// The lightnesses, one after another: classes with similar hues differ in it.
const LIGHTNESS: [f64; 3] = [0.50, 0.66, 0.40];
/// The saturation of every colour.
const SATURATION: f64 = 0.85;

/// The colour of a class. It depends on the index alone, so a class has one colour in all pictures.
pub fn class_colour(class: usize) -> Colour {
    let hue = (class as f64 * TURN).fract() * 6.0;
    let lightness = LIGHTNESS[class % LIGHTNESS.len()];
    let chroma = (1.0 - (2.0 * lightness - 1.0).abs()) * SATURATION;
    // How far a channel is from its peak: those of red, green and blue are a third of a turn apart.
    let channel = |shift: f64| {
        let place = (hue + shift) % 6.0;
        let share = (2.0 - (place - 3.0).abs()).clamp(0.0, 1.0);
        let level = lightness - chroma / 2.0 + chroma * (1.0 - share);
        (level * 255.0).round() as u8
    };
    [channel(0.0), channel(4.0), channel(2.0)]
}

/// Black or white, whichever is easier to read on `ground`.
pub fn readable_on(ground: Colour) -> Colour {
    let [red, green, blue] = ground.map(f64::from);
    match 0.299 * red + 0.587 * green + 0.114 * blue > 140.0 {
        true => [0; 3],
        false => [255; 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_class_is_red_and_no_two_classes_of_coco_share_a_colour() {
        let [red, green, blue] = class_colour(0);
        assert!(
            red > 200 && green < 40 && blue < 40,
            "{:?}",
            class_colour(0)
        );
        let colours: Vec<Colour> = (0..80).map(class_colour).collect();
        for (place, one) in colours.iter().enumerate() {
            let far = |other: &Colour| {
                let parts = one.iter().zip(other).map(|(a, b)| a.abs_diff(*b));
                parts.max().unwrap_or(0)
            };
            let nearest = colours[..place].iter().map(far).min().unwrap_or(255);
            assert!(nearest >= 4, "class {place} is {nearest} from another one");
        }
    }

    #[test]
    fn texts_stand_out_from_their_ground() {
        assert_eq!(readable_on([250, 250, 80]), [0; 3]);
        assert_eq!(readable_on([120, 0, 40]), [255; 3]);
    }
}
