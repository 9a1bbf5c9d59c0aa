//! The page of `harness data look`: the pictures that a recipe feeds its network, and a table of the classes.

use super::coded::coded;
use super::frame::{Frame, Section, document};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// The content of the page.
#[derive(Clone, Debug, Default)]
pub struct Views {
    /// The name of the recipe.
    pub recipe: String,
    /// Facts about the dataset and the split, one sentence each.
    pub facts: Vec<String>,
    /// The pictures, part by part.
    pub parts: Vec<ViewPart>,
    /// The headings of the counts in [`Self::classes`].
    pub counted: Vec<String>,
    /// The classes, in the order of the dataset.
    pub classes: Vec<ClassLine>,
    /// The version of the program.
    pub version: String,
}

/// A kind of pictures.
#[derive(Clone, Debug)]
pub struct ViewPart {
    /// Its heading.
    pub title: String,
    /// A sentence about it.
    pub about: String,
    /// Its images.
    pub rows: Vec<ViewRow>,
}

/// An image with its views.
#[derive(Clone, Debug)]
pub struct ViewRow {
    /// The image in words.
    pub title: String,
    /// Its views.
    pub pictures: Vec<ShownPicture>,
}

/// A picture with its caption.
#[derive(Clone, Debug)]
pub struct ShownPicture {
    /// The caption.
    pub caption: String,
    /// The media type of the bytes.
    pub media: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A class.
#[derive(Clone, Debug)]
pub struct ClassLine {
    /// Its name.
    pub name: String,
    /// Its colour in the pictures: red, green, blue.
    pub colour: [u8; 3],
    /// Its counts.
    pub counts: Vec<usize>,
}

/// The page as HTML: one file that asks for nothing.
pub fn views_page(views: &Views) -> String {
    let title = format!("Views of {}", views.recipe);
    let facts = html! {
        ul { @for fact in &views.facts { li { (coded(fact)) } } }
    };
    let mut sections = vec![
        Section {
            id: "summary".into(),
            title: title.clone(),
            level: 1,
            body: facts,
        },
        Section {
            id: "classes".into(),
            title: "Classes".into(),
            level: 1,
            body: classes(views),
        },
    ];
    for (place, part) in views.parts.iter().enumerate() {
        sections.push(Section {
            id: format!("part-{place}"),
            title: part.title.clone(),
            level: 1,
            body: body(part),
        });
    }
    let frame = Frame {
        title,
        version: &views.version,
        records: "",
        refresh: None,
    };
    document(&frame, &sections)
}

fn classes(views: &Views) -> Markup {
    html! {
        div class="wide" tabindex="0" role="region" aria-label="Classes" {
            table class="results" {
                thead {
                    tr {
                        th scope="col" data-sorts="text" { "class" }
                        @for title in &views.counted {
                            th scope="col" class="number" data-sorts="number" { (title) }
                        }
                    }
                }
                tbody {
                    @for class in &views.classes {
                        @let [red, green, blue] = class.colour;
                        tr {
                            th scope="row" {
                                span class="swatch" style=(format!("background:rgb({red} {green} {blue})")) {}
                                " " (class.name)
                            }
                            @for count in &class.counts {
                                td class="number" data-value=(count) { (count) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn body(part: &ViewPart) -> Markup {
    html! {
        p { (coded(&part.about)) }
        @for row in &part.rows {
            h3 { (row.title) }
            div class="pictures" {
                @for picture in &row.pictures {
                    figure {
                        img alt=(format!("{}: {}", row.title, picture.caption)) src=(source(picture));
                        figcaption { (picture.caption) }
                    }
                }
            }
        }
    }
}

/// The picture as the address of itself.
fn source(picture: &ShownPicture) -> String {
    format!(
        "data:{};base64,{}",
        picture.media,
        STANDARD.encode(&picture.bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_its_pictures_and_escapes_names() {
        let views = Views {
            recipe: "own".into(),
            facts: vec!["`x` is <b>".into()],
            parts: vec![ViewPart {
                title: "Labelled".into(),
                about: "All views.".into(),
                rows: vec![ViewRow {
                    title: "image 7 (\"a\".png)".into(),
                    pictures: vec![ShownPicture {
                        caption: "weak".into(),
                        media: "image/png",
                        bytes: vec![1, 2, 3],
                    }],
                }],
            }],
            counted: vec!["labelled".into()],
            classes: vec![ClassLine {
                name: "<img src=x>".into(),
                colour: [1, 2, 3],
                counts: vec![41],
            }],
            version: "1".into(),
        };
        let page = views_page(&views);
        for part in [
            "<img alt=\"image 7 (&quot;a&quot;.png): weak\" src=\"data:image/png;base64,AQID\">",
            "<code>x</code> is &lt;b&gt;",
            "&lt;img src=x&gt;",
            "background:rgb(1 2 3)",
            "<td class=\"number\" data-value=\"41\">41</td>",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("id=\"records\""));
    }
}
