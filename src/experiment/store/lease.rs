//! The lease of a stage: an operating system's lock, and a token that excludes an owner who has lost it.
//!
//! The kernel frees the lock when its owner ends for any reason, so no clock decides if an owner is alive.
//! Every owner raises the token in the locked file. Before it puts a result in place, it checks that the
//! token is still its own. If its lock went to another owner (which a network file system may do), it does
//! not touch that owner's work.

use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// A held lease. Dropping it frees it.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    token: u64,
    _locked: File,
}

impl Lease {
    /// Takes the lease of the file `path`, which is created if needed. Returns none if another owner holds
    /// it.
    ///
    /// # Errors
    /// The file cannot be written or locked.
    pub fn try_take(path: &Path) -> Result<Option<Self>> {
        let failed = || format!("cannot take the lease `{}`", path.display());
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).with_context(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
        }
        let mut text = String::new();
        // A damaged file may contain anything.
        if file.read_to_string(&mut text).is_err() {
            text.clear();
        }
        let token = parse(&text) + 1;
        file.rewind().with_context(failed)?;
        // It is written in place, in one write of constant length. A rename would leave the lock on the old
        // file.
        let line = format!("{token:020}\n");
        file.write_all(line.as_bytes())
            .and_then(|()| file.set_len(line.len() as u64))
            .with_context(failed)?;
        Ok(Some(Self {
            path: path.to_path_buf(),
            token,
            _locked: file,
        }))
    }

    /// The number of times that the lease has been taken, including this one. It is larger than every earlier
    /// owner's.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Checks that the lease is still this owner's.
    ///
    /// # Errors
    /// It is not, or its file is gone.
    pub fn check(&self) -> Result<()> {
        let now = last_token(&self.path);
        if now != self.token {
            bail!(
                "another process has taken over (token {now} in `{}`, not {}); its result stands",
                self.path.display(),
                self.token
            );
        }
        Ok(())
    }
}

/// Returns true if somebody holds the lease `path`. The check changes nothing; a process that tries to take
/// the lease at the same moment must try again.
pub fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// The token of the last owner of the lease `path`; 0 if it was never taken.
pub fn last_token(path: &Path) -> u64 {
    parse(&std::fs::read_to_string(path).unwrap_or_default())
}

fn parse(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn one_owner_at_a_time_and_every_one_has_a_larger_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        assert_eq!(last_token(&path), 0);
        let first = Lease::try_take(&path).unwrap().unwrap();
        assert!(Lease::try_take(&path).unwrap().is_none(), "it is held");
        assert!(is_held(&path));
        assert_eq!(first.token(), 1);
        first.check().unwrap();
        drop(first);
        assert!(!is_held(&path));
        assert_eq!(Lease::try_take(&path).unwrap().unwrap().token(), 2);
        assert_eq!(last_token(&path), 2, "a free lease keeps its token");
    }

    #[test]
    fn who_has_lost_the_lease_is_fenced_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        let lease = Lease::try_take(&path).unwrap().unwrap();
        // The file is another one, as after a lock that the file system has lost.
        std::fs::remove_file(&path).unwrap();
        assert!(lease.check().is_err(), "the file is gone");
        Lease::try_take(&path).unwrap().unwrap();
        let other = Lease::try_take(&path).unwrap().unwrap();
        let error = lease.check().unwrap_err().to_string();
        assert!(
            error.contains("another process has taken over (token 2"),
            "{error}"
        );
        other.check().unwrap();
    }

    #[test]
    fn no_clock_decides() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        let held = Lease::try_take(&path).unwrap().unwrap();
        for time in [
            SystemTime::UNIX_EPOCH,
            SystemTime::now() + Duration::from_secs(1 << 30),
        ] {
            File::open(&path).unwrap().set_modified(time).unwrap();
            assert!(Lease::try_take(&path).unwrap().is_none());
            held.check().unwrap();
        }
    }

    #[test]
    fn a_damaged_token_is_counted_from_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        for damage in [vec![0xff, 0xfe], vec![0xff; 300], vec![b'7'; 300]] {
            std::fs::write(&path, damage).unwrap();
            let lease = Lease::try_take(&path).unwrap().unwrap();
            assert_eq!(lease.token(), 1);
            lease.check().unwrap();
        }
    }
}
