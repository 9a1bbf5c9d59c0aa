//! The state of a dataset: a hash of what decides it besides pixels. It is the same on every machine that has the same
//! files, whatever their time stamps.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The end of the names of files whose content counts. Of pictures, only names and sizes do.
const ANNOTATIONS: &str = "json";

/// The hash of the content of annotation files and of the names and sizes of all others in `files`, in hexadecimal
/// digits. Of a folder, the names and sizes of the files in it count.
///
/// # Errors
/// A file cannot be read. The error names it.
pub fn of(files: &[PathBuf]) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        add(&mut hasher, file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn add(hasher: &mut blake3::Hasher, file: &Path) -> Result<()> {
    let found = fs::metadata(file)?;
    put(
        hasher,
        file.file_name().unwrap_or_default().as_encoded_bytes(),
    );
    if found.is_dir() {
        let mut entries: Vec<PathBuf> = fs::read_dir(file)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()?;
        entries.sort();
        put(hasher, &(entries.len() as u64).to_le_bytes());
        for entry in entries {
            put(
                hasher,
                entry.file_name().unwrap_or_default().as_encoded_bytes(),
            );
            put(hasher, &fs::metadata(&entry)?.len().to_le_bytes());
        }
    } else if file.extension().is_some_and(|end| end == ANNOTATIONS) {
        put(hasher, &found.len().to_le_bytes());
        hasher.update_reader(fs::File::open(file)?)?;
    } else {
        put(hasher, &found.len().to_le_bytes());
    }
    Ok(())
}

/// Adds `bytes` with their number, so that no two lists of words have the same bytes.
fn put(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn content_names_and_sizes_count_and_time_stamps_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let put = |name: &str, text: &str| fs::write(at(name), text).unwrap();
        fs::create_dir(at("more")).unwrap();
        put("a.json", "{}");
        put("b.png", "12");
        put("more/1.png", "1");
        let files = [at("a.json"), at("b.png"), at("more")];
        let now = || of(&files).unwrap();
        let first = now();
        fs::File::options()
            .write(true)
            .open(at("a.json"))
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        put("b.png", "34");
        assert_eq!(now(), first, "pixels are not read");
        put("a.json", "[]");
        let second = now();
        assert_ne!(second, first, "the same size, other bytes");
        put("b.png", "345");
        let third = now();
        assert_ne!(third, second);
        fs::rename(at("more/1.png"), at("more/2.png")).unwrap();
        assert_ne!(now(), third);
        fs::remove_file(at("a.json")).unwrap();
        let error = format!("{:#}", of(&files).unwrap_err());
        assert!(error.contains("a.json"), "{error}");
    }
}
