//! The image files of a folder.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// Endings of the files that are images.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

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
    let context = || folder.display().to_string();
    let entries = std::fs::read_dir(folder).with_context(context)?;
    let paths = entries
        .map(|entry| {
            let entry = entry?;
            Ok((!entry.file_type()?.is_dir()).then(|| entry.path()))
        })
        .collect::<Result<Vec<_>>>()
        .with_context(context)?;
    let mut paths: Vec<PathBuf> = paths.into_iter().flatten().collect();
    paths.retain(|path| ends_as_image(path));
    paths.sort();
    let (hidden, images): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| is_hidden(path));
    let passed_over = match hidden.len() {
        0 => String::new(),
        hidden => format!("; passed over: {hidden} hidden, with a name that begins with a dot"),
    };
    ensure!(
        !images.is_empty(),
        "{}: no image; needed: files that end in {}{passed_over}",
        folder.display(),
        ENDINGS.join(", ")
    );
    Ok(ImageList { images, hidden })
}

fn ends_as_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let ending = ending.unwrap_or_default();
    let mut known = ENDINGS.iter();
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
}
