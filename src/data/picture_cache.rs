//! Decoded pictures that are kept in memory, so that a later epoch, evaluation or trial does not decode them again: the
//! key `data.cache`.
//!
//! A picture is kept as it is decoded, 3 bytes a pixel. A smaller copy would be resized twice, which gives other
//! pixels. All datasets of the program share what is kept, and each adds pictures only while all of them together
//! stay within its own bound. A picture that no longer fits is decoded whenever it is read; none is given up for
//! another one, because an epoch reads every picture once, so that the one given up would be missed as soon.

use super::image_file::{Exif, decode};
use crate::registry::Check;
use crate::structures::Picture;
use anyhow::Result;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The largest bound, a tebibyte in mebibytes.
const MOST_MEBIBYTES: usize = 1 << 20;
/// The bytes of a mebibyte.
const MEBIBYTE: usize = 1 << 20;

/// Refuses a value of the key `cache`, in mebibytes.
pub fn check_cache(check: &mut Check, mebibytes: usize) {
    check.range("cache", mebibytes, 0..=MOST_MEBIBYTES);
}

/// Reads the pictures of a dataset.
#[derive(Clone)]
pub struct PictureReader {
    exif: Exif,
    /// What is kept, and the largest number of its bytes; none if nothing is kept.
    cache: Option<(Arc<PictureCache>, usize)>,
}

impl PictureReader {
    /// A reader that treats the orientation by `exif` and keeps pictures in the program's cache, as long as it holds at
    /// most this many mebibytes. With 0 it keeps nothing.
    pub fn new(exif: Exif, mebibytes: usize) -> Self {
        let cache = (mebibytes > 0).then(|| (PictureCache::shared(), mebibytes * MEBIBYTE));
        Self { exif, cache }
    }

    /// The treatment of the orientation.
    pub fn exif(&self) -> Exif {
        self.exif
    }

    /// The picture of the file `path`. A picture that is kept is not read again, even if its file has changed.
    ///
    /// # Errors
    /// The file is missing, corrupt or too large. The error names it.
    pub fn read(&self, path: &Path) -> Result<Picture> {
        match &self.cache {
            None => decode(path, self.exif),
            Some((cache, bound)) => cache.read(path, self.exif, *bound),
        }
    }
}

/// The pictures that are kept.
#[derive(Default)]
struct PictureCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    pictures: HashMap<(PathBuf, bool), Arc<Picture>>,
    /// The bytes of all pictures.
    bytes: usize,
}

impl PictureCache {
    /// The cache of the program. It ends with the last dataset that uses it.
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<PictureCache>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let cache = Arc::new(Self::default());
            *shared = Arc::downgrade(&cache);
            cache
        })
    }

    fn read(&self, path: &Path, exif: Exif, bound: usize) -> Result<Picture> {
        let key = (path.to_path_buf(), exif == Exif::Applied);
        // The lock is never held while a picture is decoded or copied.
        let kept = self.lock().pictures.get(&key).map(Arc::clone);
        if let Some(kept) = kept {
            return Ok(Picture::clone(&kept));
        }
        let picture = decode(path, exif)?;
        let bytes = picture.pixels.len();
        if self.lock().has_room(bytes, bound) {
            let copy = Arc::new(picture.clone());
            let mut kept = self.lock();
            // Another thread may have been faster.
            if kept.has_room(bytes, bound) && !kept.pictures.contains_key(&key) {
                kept.pictures.insert(key, copy);
                kept.bytes += bytes;
            }
        }
        Ok(picture)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn has_room(&self, bytes: usize, bound: usize) -> bool {
        self.bytes.saturating_add(bytes) <= bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use tempfile::TempDir;

    const PICTURES: usize = 24;
    const THREADS: usize = 8;

    /// Pictures of many sizes.
    fn written() -> (TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let path = |index: usize| folder.path().join(format!("{index}.png"));
        let paths: Vec<PathBuf> = (0..PICTURES).map(path).collect();
        for (index, path) in paths.iter().enumerate() {
            let grey = image::Luma([index as u8]);
            let picture = image::GrayImage::from_pixel(5 + index as u32, 30, grey);
            picture.save(path).unwrap();
        }
        (folder, paths)
    }

    #[test]
    fn the_bound_holds_whatever_the_threads_and_every_picture_is_right() {
        let (_folder, paths) = written();
        let sizes = (0..PICTURES).map(|index| (5 + index) * 30 * 3);
        let bound = sizes.clone().sum::<usize>() / 2;
        let cache = PictureCache::default();
        let read_all = |thread: u64| {
            for epoch in 0..20 {
                let mut rng = Stream::at(thread, "order", epoch);
                for index in rng.permutation(PICTURES) {
                    let picture = cache.read(&paths[index], Exif::Applied, bound).unwrap();
                    assert_eq!((picture.height, picture.width), (30, 5 + index));
                    assert!(
                        picture
                            .pixels
                            .iter()
                            .all(|value| usize::from(*value) == index)
                    );
                    let kept = cache.lock();
                    let bytes: usize = kept.pictures.values().map(|p| p.pixels.len()).sum();
                    assert_eq!(kept.bytes, bytes);
                    assert!(bytes <= bound, "{bytes} of {bound}");
                }
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..THREADS as u64 {
                scope.spawn(move || read_all(thread));
            }
        });
        let least = sizes.min().unwrap();
        let kept = cache.lock();
        let left: usize = (0..PICTURES)
            .filter(|index| !kept.pictures.contains_key(&(paths[*index].clone(), true)))
            .count();
        assert!(left > 0 && left < PICTURES);
        assert!(
            bound - kept.bytes < 30 * 30 * 3,
            "room is used, {least} at least"
        );
    }

    #[test]
    fn a_kept_picture_needs_no_file_and_the_orientation_tells_pictures_apart() {
        let (folder, paths) = written();
        let cache = PictureCache::default();
        let bytes = (5 + 3) * 30 * 3;
        let applied = cache.read(&paths[3], Exif::Applied, bytes).unwrap();
        assert!(
            cache.read(&paths[4], Exif::Applied, bytes).is_ok(),
            "no room"
        );
        drop(folder);
        assert_eq!(cache.read(&paths[3], Exif::Applied, 0).unwrap(), applied);
        for (path, exif) in [(&paths[3], Exif::Ignored), (&paths[4], Exif::Applied)] {
            let message = format!("{:#}", cache.read(path, exif, bytes).unwrap_err());
            assert!(message.contains(&path.display().to_string()), "{message}");
        }
    }

    #[test]
    fn readers_share_what_is_kept_and_without_a_bound_nothing_is() {
        let (folder, paths) = written();
        let [one, other] = [1, 2].map(|mebibytes| PictureReader::new(Exif::Applied, mebibytes));
        let none = PictureReader::new(Exif::Applied, 0);
        let picture = one.read(&paths[5]).unwrap();
        assert_eq!(none.read(&paths[5]).unwrap(), picture);
        drop((folder, one));
        assert_eq!(other.read(&paths[5]).unwrap(), picture);
        assert!(none.read(&paths[5]).is_err());
    }
}
