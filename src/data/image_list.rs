//! The image files of a folder.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Endings of the files that are images.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

/// Further endings of pictures. A list may name a picture as it was called before it became a JPEG or PNG file.
const OTHER_ENDINGS: [&str; 7] = ["jpe", "jfif", "bmp", "gif", "tif", "tiff", "webp"];

/// The image files directly inside a folder, each list in the order of the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageList {
    /// The images; at least one.
    pub images: Vec<PathBuf>,
    /// The hidden files with the ending of an image. They are no images: macOS keeps its own notes about
    /// `a.jpg` in `._a.jpg`.
    pub hidden: Vec<PathBuf>,
}

/// Lists the image files of `folder`. Hidden files are passed over.
///
/// # Errors
/// The folder cannot be read or has no image.
pub fn images_in(folder: &Path) -> Result<ImageList> {
    let Entries { files, folders } = Entries::of(folder)?;
    let images = files.into_iter().filter(|path| ends_as_image(path));
    let (hidden, images): (Vec<_>, Vec<_>) = images.partition(|path| is_hidden(path));
    let mut passed_over = match hidden.len() {
        0 => String::new(),
        hidden => format!("; passed over: {hidden} hidden, with a name that begins with a dot"),
    };
    if !folders.is_empty() {
        passed_over += "; images of the folders in it are not listed";
    }
    ensure!(!images.is_empty(), none(folder, &passed_over));
    Ok(ImageList { images, hidden })
}

/// The image files of `folder` and of all folders below it, sorted by path. Hidden files and folders are passed over,
/// and so is the folder `but`. A link to a folder is followed, unless it leads to one that is listed already.
///
/// # Errors
/// A folder cannot be read, or there is no image.
pub fn images_below(folder: &Path, but: Option<&Path>) -> Result<Vec<PathBuf>> {
    let mut listed: BTreeSet<PathBuf> = but
        .and_then(|path| path.canonicalize().ok())
        .into_iter()
        .collect();
    let mut images = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    let mut linked = Vec::new();
    // Links come last, so that an image has the path without a link, if it has one.
    while let Some(next) = waiting.pop().or_else(|| linked.pop()) {
        let place = next.canonicalize();
        let place = place.with_context(|| next.display().to_string())?;
        if !listed.insert(place) && next != folder {
            continue;
        }
        let Entries { files, folders } = Entries::of(&next)?;
        let seen = |path: &PathBuf| !is_hidden(path);
        images.extend(
            files
                .into_iter()
                .filter(|path| seen(path) && ends_as_image(path)),
        );
        let (links, plain): (Vec<_>, Vec<_>) = folders
            .into_iter()
            .filter(seen)
            .partition(|path| path.is_symlink());
        waiting.extend(plain);
        // The last is taken first.
        linked.splice(0..0, links.into_iter().rev());
    }
    images.sort();
    ensure!(!images.is_empty(), none(folder, ""));
    Ok(images)
}

/// The message about a folder without an image.
fn none(folder: &Path, passed_over: &str) -> String {
    format!(
        "{}: no image; needed: files that end in {}{passed_over}",
        folder.display(),
        ENDINGS.join(", ")
    )
}

/// What a folder holds, each list sorted by name. A link counts as what it leads to.
struct Entries {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Entries {
    fn of(folder: &Path) -> Result<Self> {
        let context = || folder.display().to_string();
        let entries = std::fs::read_dir(folder).with_context(context)?;
        let paths = entries.map(|entry| Ok(entry?.path()));
        let mut paths = paths.collect::<Result<Vec<_>>>().with_context(context)?;
        paths.sort();
        let (folders, files) = paths.into_iter().partition(|path| path.is_dir());
        Ok(Self { files, folders })
    }
}

fn ends_as_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    is_one_of(ending.unwrap_or_default(), &ENDINGS)
}

/// `name` without the ending of an image, if it has one.
pub fn without_ending(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, ending))
            if is_one_of(ending, &ENDINGS) || is_one_of(ending, &OTHER_ENDINGS) =>
        {
            stem
        }
        _ => name,
    }
}

fn is_one_of(ending: &str, known: &[&str]) -> bool {
    let mut known = known.iter();
    known.any(|known| ending.eq_ignore_ascii_case(known))
}

/// Returns true if the name of `path` begins with a dot.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_are_no_images_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["._a.jpg", ".b.png", ".DS_Store"] {
            std::fs::write(path(name), "no picture").unwrap();
        }
        let refused = images_in(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("no image; needed"), "{refused}");
        assert!(refused.contains("passed over: 2 hidden"), "{refused}");
        std::fs::write(path("a.jpg"), "").unwrap();
        std::fs::write(path("b.PNG"), "").unwrap();
        std::fs::create_dir(path("c.png")).unwrap();
        let found = images_in(folder.path()).unwrap();
        assert_eq!(found.images, [path("a.jpg"), path("b.PNG")]);
        assert_eq!(found.hidden, [path("._a.jpg"), path(".b.png")]);
    }

    #[test]
    fn folders_below_are_listed_in_order_and_circles_of_links_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["ulm", "aachen/deeper", ".thumbs", "drawn"] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        let names = ["aachen/2.png", "aachen/deeper/1.jpg", "b.png", "ulm/1.png"];
        let others = ["ulm/._1.png", "ulm/1.txt", ".thumbs/b.png", "drawn/b.png"];
        for name in names.iter().chain(&others) {
            std::fs::write(path(name), "").unwrap();
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            symlink(folder.path(), path("aachen/up")).unwrap();
            symlink(path("ulm"), path("a-link-to-ulm")).unwrap();
        }
        let drawn = path("drawn");
        let found = images_below(folder.path(), Some(&drawn)).unwrap();
        assert_eq!(found, names.map(path));
        assert_eq!(images_below(&drawn, Some(&drawn)).unwrap().len(), 1);
        assert!(
            images_below(&path(".thumbs"), None).is_ok(),
            "it was asked for"
        );
        let empty = path("empty/inner");
        std::fs::create_dir_all(&empty).unwrap();
        let refused = images_in(&path("empty")).unwrap_err().to_string();
        assert!(
            refused.contains("folders in it are not listed"),
            "{refused}"
        );
        assert!(images_below(&path("empty"), None).is_err());
    }

    #[test]
    fn an_ending_is_one_of_a_picture() {
        for (name, stem) in [
            ("d/z.v2.png", "d/z.v2"),
            ("z.v2", "z.v2"),
            ("a.JPG", "a"),
            ("a.tif", "a"),
            ("a", "a"),
        ] {
            assert_eq!(without_ending(name), stem);
        }
    }
}
