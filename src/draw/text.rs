//! Texts in a picture, in GNU Unifont: a bitmap font of 16 lines with the letters of nearly all languages.

use super::colour::Colour;
use crate::structures::Picture;

/// The lines of a letter.
pub const LINES: usize = 16;
/// The character in place of one that the font does not have.
const UNKNOWN: char = '\u{fffd}';

/// The letters of a text, one after another.
fn letters(text: &str) -> impl Iterator<Item = &'static unifont::Glyph> {
    let shown = text.chars().filter(|letter| !letter.is_control());
    shown.filter_map(|letter| unifont::get_glyph(letter).or_else(|| unifont::get_glyph(UNKNOWN)))
}

/// The columns of `text`, with letters enlarged `scale` times.
pub fn width(text: &str, scale: usize) -> usize {
    letters(text).map(unifont::Glyph::get_width).sum::<usize>() * scale
}

/// Writes `text` with its upper left corner in row `top` and column `left`. Pixels outside of the picture are left out.
pub fn write(
    picture: &mut Picture,
    text: &str,
    [top, left]: [usize; 2],
    scale: usize,
    colour: Colour,
) {
    let mut start = left;
    for letter in letters(text) {
        let columns = letter.get_width();
        for y in 0..LINES * scale {
            for x in 0..columns * scale {
                if letter.get_pixel(x / scale, y / scale) {
                    set(picture, top + y, start + x, colour);
                }
            }
        }
        start += columns * scale;
    }
}

/// Gives a pixel a colour, if the picture has the pixel.
pub fn set(picture: &mut Picture, row: usize, column: usize, colour: Colour) {
    if row < picture.height && column < picture.width {
        let at = (row * picture.width + column) * 3;
        picture.pixels[at..at + 3].copy_from_slice(&colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pixels that a text sets, as rows and columns.
    fn inked(text: &str, scale: usize) -> Vec<[usize; 2]> {
        let mut picture = Picture::new(40, 80, vec![0; 40 * 80 * 3]);
        write(&mut picture, text, [3, 5], scale, [255; 3]);
        let set = picture.pixels.chunks_exact(3).enumerate();
        let set = set.filter(|(_, pixel)| pixel[0] == 255);
        set.map(|(at, _)| [at / 80, at % 80]).collect()
    }

    #[test]
    fn letters_of_many_languages_have_their_own_shapes() {
        let shapes: Vec<Vec<[usize; 2]>> = ["a", "ж", "狗", "ب", "한", "ü"]
            .map(|text| inked(text, 1))
            .to_vec();
        for (place, shape) in shapes.iter().enumerate() {
            assert!(!shape.is_empty() && !shapes[..place].contains(shape));
            assert!(shape.iter().all(|[row, column]| *row >= 3 && *column >= 5));
        }
        assert_eq!([width("a狗", 1), width("a狗", 2)], [24, 48]);
    }

    #[test]
    fn a_larger_scale_repeats_every_pixel_and_the_edge_cuts() {
        assert_eq!(inked("a", 2).len(), 4 * inked("a", 1).len());
        let wide = inked("mmmmmmmmmmmmmmmm", 2);
        assert!(wide.iter().all(|[row, column]| *row < 40 && *column < 80));
    }

    #[test]
    fn a_character_without_a_letter_is_shown_as_unknown() {
        assert_eq!(inked("\u{1f9b8}", 1), inked("\u{fffd}", 1));
    }
}
