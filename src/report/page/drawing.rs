//! Pictures with what lies on them. Whatever lies on a picture is drawn in half pixels of it, so that one copy of the
//! picture serves all panels, at any size and on paper.

use super::gallery_content::{GalleryPicture, Shape};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// The longer side in pixels up to which the pixels of a picture stay squares.
const SQUARES: usize = 160;

/// The pictures that the panels use, each once. `id` begins their ids.
pub fn kept(id: &str, pictures: &[GalleryPicture]) -> Markup {
    html! {
        svg class="kept" width="0" height="0" aria-hidden="true" {
            @for (place, picture) in pictures.iter().enumerate() {
                (image(&format!("{id}-picture-{place}"), picture))
            }
        }
    }
}

fn image(id: &str, picture: &GalleryPicture) -> Markup {
    let (height, width) = picture.size;
    let address = format!("data:image/jpeg;base64,{}", STANDARD.encode(&picture.jpeg));
    let squares = (height.max(width) <= SQUARES).then_some("squares");
    html! {
        image id=(id) class=[squares] width=(2 * width) height=(2 * height) href=(address) {}
    }
}

/// A picture among those of [`kept`], to draw on.
pub struct Canvas<'a> {
    /// The beginning of the ids of the pictures.
    pub id: &'a str,
    /// The place of the picture in the list.
    pub place: usize,
    /// The picture.
    pub picture: &'a GalleryPicture,
    /// The id of the caption of the figure.
    pub caption: &'a str,
}

impl Canvas<'_> {
    /// The picture with `layers` on it; `label` says to those who do not see it what is drawn.
    pub fn panel(&self, label: &str, layers: &Markup) -> Markup {
        let (height, width) = self.picture.size;
        let view = format!("0 0 {} {}", 2 * width, 2 * height);
        let label = format!("image {}, {label}", self.picture.id);
        html! {
            svg viewBox=(view) role="img" aria-label=(label) aria-describedby=(self.caption) {
                use class="photo" href=(format!("#{}-picture-{}", self.id, self.place)) {}
                (layers)
            }
        }
    }

    /// The picture with its annotations.
    pub fn truth(&self) -> Markup {
        let objects = html! { @for shape in &self.picture.objects { (object(shape)) } };
        self.panel("truth", &objects)
    }
}

fn object(shape: &Shape) -> Markup {
    let (class, words) = match shape.is_group {
        true => ("object right group", format!("a group: {}", shape.class)),
        false => ("object right", shape.class.clone()),
    };
    html! { path class=(class) style=(colour(shape)) d=(shape.outline) { title { (words) } } }
}

/// The boxes that switch layers off: class and words of each.
pub fn switches(layers: &[(&str, &str)]) -> Markup {
    html! {
        fieldset class="layers" {
            legend { "Show" }
            @for (class, words) in layers {
                label { input type="checkbox" class=(format!("show-{class}")) checked; " " (words) }
            }
        }
    }
}

/// The colour of a shape, which the style reads.
pub fn colour(shape: &Shape) -> String {
    format!("--o:{}", rgb(shape.colour))
}

/// A colour as the style writes it.
pub fn rgb([red, green, blue]: [u8; 3]) -> String {
    format!("rgb({red} {green} {blue})")
}
