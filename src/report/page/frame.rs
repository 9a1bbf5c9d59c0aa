//! The frame of the page: its head, index, style and script.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

/// The style of the page.
const STYLE: &str = include_str!("style.css");
/// The script of the page.
pub const SCRIPT: &str = concat!(include_str!("script.js"), include_str!("figures.js"));

/// A section of the page.
pub struct Section {
    /// Its id in links.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// The level of its heading: 1 for a part of the page, 2 for a part of that.
    pub level: usize,
    /// Its content.
    pub body: Markup,
}

/// The policy of the page: nothing is loaded, and no other script than [`SCRIPT`] runs.
pub fn policy() -> String {
    let digest = STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; \
         form-action 'none'"
    )
}

/// A page without its sections.
pub struct Frame<'a> {
    /// Its title.
    pub title: String,
    /// The version of the program that writes it.
    pub version: &'a str,
    /// The text of a file of JSON lines that the page holds; empty for none.
    pub records: &'a str,
    /// The seconds after which a browser reads the page again; none if it does not change any more.
    pub refresh: Option<u64>,
}

/// The whole document. The first section has the id `summary`.
pub fn document(frame: &Frame, sections: &[Section]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                @if let Some(seconds) = frame.refresh {
                    meta http-equiv="refresh" content=(seconds);
                }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content=(format!("harness {}", frame.version));
                title { (frame.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#summary" { "Skip to the summary" }
                (navigation(sections))
                main {
                    @for one in sections {
                        (section(one))
                    }
                }
                (help())
                (refused())
                @if !frame.records.is_empty() {
                    script type="application/jsonl" id="records" { (PreEscaped(in_script(frame.records))) }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn section(one: &Section) -> Markup {
    let heading = format!("{}-heading", one.id);
    html! {
        section id=(one.id) aria-labelledby=(heading) class=(format!("level{}", one.level)) {
            @if one.level == 1 {
                h1 id=(heading) { (one.title) }
            } @else {
                h2 id=(heading) { (one.title) }
            }
            (one.body)
        }
    }
}

/// The index, and the choice of the theme. The choice needs no script: the style reads which button is chosen.
fn navigation(sections: &[Section]) -> Markup {
    html! {
        nav aria-label="Sections" {
            @for one in sections {
                a href=(format!("#{}", one.id)) class=(format!("level{}", one.level)) { (one.title) }
            }
            fieldset class="theme" {
                legend { "Theme" }
                @for (name, checked) in [("system", true), ("light", false), ("dark", false)] {
                    label {
                        input type="radio" name="theme" id=(format!("theme-{name}")) checked[checked];
                        " " (name)
                    }
                }
            }
        }
    }
}

fn help() -> Markup {
    let keys = [
        ("j, k", "next and previous section"),
        ("/", "filter the rows of the tables"),
        ("?", "this help"),
    ];
    html! {
        dialog id="help" aria-label="Keys" {
            h2 { "Keys" }
            dl {
                @for (key, meaning) in keys {
                    dt { kbd { (key) } }
                    dd { (meaning) }
                }
            }
            form method="dialog" { button { "Close" } }
        }
    }
}

/// The text that a browser does not let the page copy, for the reader to copy it.
fn refused() -> Markup {
    html! {
        dialog id="refused" aria-labelledby="refused-heading" {
            h2 id="refused-heading" { "The browser does not let this page copy" }
            p { "The text is chosen: copy it, with Ctrl+C or Command+C." }
            textarea readonly aria-label="Text to copy" {}
            form method="dialog" { button { "Close" } }
        }
    }
}

/// JSON for an element `script`: a `<` stands in strings alone, and there `\u003c` means the same.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}
