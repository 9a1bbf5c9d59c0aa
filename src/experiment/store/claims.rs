//! Leases on a file system without locks: whoever creates the file `lease.<token>` holds the lease with that token.
//! Creating a file that must not exist is one step on every file system.
//!
//! The owner writes its file again and again. An owner that is not known to be gone is alive as long as its file is
//! younger than [`FRESH`]; a file written just now on the same server tells what time it is there. A lease that is
//! freed says so in its file.

use super::owner::Owner;
use crate::atomic::{Durability, write_durably};
use anyhow::{Context, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// The time between two signs of life.
const BEAT: Duration = Duration::from_secs(60);
/// The age of the last sign of life from which on an owner counts as gone.
const FRESH: Duration = Duration::from_secs(300);
/// The word behind the token of a lease that is free.
const FREE: &str = "free";

/// The token of the newest claim to the lease `path`, with its file; none if there is none.
pub fn newest(path: &Path) -> Option<(u64, PathBuf)> {
    let folder = path.parent()?;
    let name = format!("{}.", path.file_name()?.to_str()?);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let tokens = entries.filter_map(|entry| {
        let token = entry
            .file_name()
            .to_str()?
            .strip_prefix(&name)?
            .parse::<u64>()
            .ok()?;
        Some((token, entry.path()))
    });
    tokens.max()
}

/// Removes the newest claim to the lease `path`, whose owner is gone.
pub fn remove(path: &Path) {
    if let Some((_, claim)) = newest(path) {
        fs::remove_file(claim).ok();
    }
}

/// Returns true if somebody holds the lease `path` by a claim, as far as `this` owner can know.
pub fn is_held(path: &Path, this: &Owner) -> bool {
    newest(path).is_some_and(|(_, claim)| is_alive(&claim, this))
}

/// Returns true if the owner of the file `claim` may still work.
fn is_alive(claim: &Path, this: &Owner) -> bool {
    let text = fs::read_to_string(claim).unwrap_or_default();
    if text.split_whitespace().nth(1) == Some(FREE) {
        return false;
    }
    if Owner::of_line(&text).is_some_and(|owner| this.knows_gone(&owner)) {
        return false;
    }
    let Ok(beat) = fs::metadata(claim).and_then(|found| found.modified()) else {
        return false;
    };
    // A file of the future is a fresh one.
    let age = now_beside(claim).duration_since(beat);
    age.unwrap_or_default() < FRESH
}

/// The time of the file system at the file `path`; the time of this machine if nothing can be written there.
fn now_beside(path: &Path) -> SystemTime {
    let probe = path.with_file_name(format!(".now.{}.tmp", std::process::id()));
    let written = write_durably(&probe, b"now\n", Durability::Cached).ok();
    let time = written.and_then(|()| fs::metadata(&probe).and_then(|found| found.modified()).ok());
    fs::remove_file(&probe).ok();
    time.unwrap_or_else(SystemTime::now)
}

/// A lease that is held by a claim. Dropping it frees it.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    token: u64,
    over: Arc<(Mutex<bool>, Condvar)>,
    beats: Option<JoinHandle<()>>,
}

impl Claim {
    /// Claims the lease `path` for `owner`, with a larger token than `last`. Returns none if another owner has it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn try_make(path: &Path, last: u64, owner: &Owner) -> Result<Option<Self>> {
        let newest = newest(path);
        if newest
            .as_ref()
            .is_some_and(|(_, claim)| is_alive(claim, owner))
        {
            return Ok(None);
        }
        let token = newest.as_ref().map_or(0, |(token, _)| *token).max(last) + 1;
        let claim = claim_at(path, token);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&claim) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            file => file.with_context(|| format!("cannot take the lease `{}`", claim.display()))?,
        };
        let line = owner.line(token);
        let written = file
            .write_all(line.as_bytes())
            .and_then(|()| file.sync_all());
        written.with_context(|| format!("cannot write `{}`", claim.display()))?;
        // The newest file alone counts.
        if let Some((_, earlier)) = newest {
            fs::remove_file(earlier).ok();
        }
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let heard = Arc::clone(&over);
        let beats = std::thread::spawn(move || beat(file, &line, &heard));
        Ok(Some(Self {
            path: claim,
            token,
            over,
            beats: Some(beats),
        }))
    }

    /// The token.
    pub fn token(&self) -> u64 {
        self.token
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        *self.over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.1.notify_all();
        if let Some(beats) = self.beats.take() {
            beats.join().ok();
        }
        // A file that a later owner has removed must not come back.
        if let Ok(mut file) = OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&self.path)
        {
            writeln!(file, "{:020} {FREE}", self.token).ok();
        }
    }
}

fn claim_at(path: &Path, token: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{token}"));
    PathBuf::from(name)
}

/// Writes `line` again and again until it is `over`. The server gives the file its own time.
fn beat(mut file: File, line: &str, over: &(Mutex<bool>, Condvar)) {
    let mut guard = over.0.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let waited = over.1.wait_timeout_while(guard, BEAT, |over| !*over);
        guard = waited.unwrap_or_else(PoisonError::into_inner).0;
        if *guard {
            return;
        }
        // One beat that is lost is made good by the next.
        file.rewind()
            .and_then(|()| file.write_all(line.as_bytes()))
            .ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(host: &str, job: &str, restart: u32) -> Owner {
        Owner {
            host: host.into(),
            boot: "b".into(),
            space: "s".into(),
            process: 7,
            name: String::new(),
            job: job.into(),
            restart,
        }
    }

    fn make(path: &Path, owner: &Owner) -> Option<Claim> {
        Claim::try_make(path, 0, owner).unwrap()
    }

    /// Makes the sign of life in the file of `token` as old as `age`.
    fn age(path: &Path, token: u64, age: Duration) {
        let file = OpenOptions::new()
            .write(true)
            .open(claim_at(path, token))
            .unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    #[test]
    fn one_owner_at_a_time_and_every_one_has_a_larger_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        let (one, other) = (owner("n1", "", 0), owner("n2", "", 0));
        assert!(!is_held(&path, &one));
        let first = Claim::try_make(&path, 4, &one).unwrap().unwrap();
        assert_eq!(first.token(), 5, "after the token of the file with a lock");
        assert!(is_held(&path, &other) && make(&path, &other).is_none());
        drop(first);
        assert!(!is_held(&path, &other));
        let second = make(&path, &other).unwrap();
        assert_eq!((second.token(), newest(&path).unwrap().0), (6, 6));
        assert!(!claim_at(&path, 5).exists(), "the newest alone stays");
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "no probe is left");
    }

    #[test]
    fn an_owner_without_a_sign_of_life_for_five_minutes_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        let first = make(&path, &owner("n1", "", 0)).unwrap();
        let other = owner("n2", "", 0);
        age(&path, 1, FRESH - Duration::from_secs(20));
        assert!(is_held(&path, &other));
        age(&path, 1, FRESH + Duration::from_secs(1));
        assert!(!is_held(&path, &other));
        let second = make(&path, &other).unwrap();
        // The orphan ends later, and its file does not come back.
        drop(first);
        assert!(is_held(&path, &owner("n3", "", 0)));
        assert_eq!(newest(&path).unwrap().0, second.token());
        assert!(!claim_at(&path, 1).exists());
    }

    #[test]
    fn a_sign_of_life_of_the_future_is_a_fresh_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        let _first = make(&path, &owner("n1", "", 0)).unwrap();
        let file = OpenOptions::new()
            .write(true)
            .open(claim_at(&path, 1))
            .unwrap();
        file.set_modified(SystemTime::now() + 3 * FRESH).unwrap();
        assert!(is_held(&path, &owner("n2", "", 0)));
    }

    #[test]
    fn a_job_that_was_queued_again_takes_over_from_itself_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        let _before = make(&path, &owner("n1", "28_0", 0)).unwrap();
        assert!(make(&path, &owner("n2", "28_1", 1)).is_none());
        assert!(make(&path, &owner("n2", "28_0", 0)).is_none());
        assert_eq!(make(&path, &owner("n2", "28_0", 1)).unwrap().token(), 2);
    }

    #[test]
    fn of_many_that_claim_at_the_same_moment_one_succeeds() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("lease");
            let made: Vec<Option<Claim>> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|number| {
                        let path = &path;
                        scope.spawn(move || make(path, &owner(&format!("n{number}"), "", 0)))
                    })
                    .collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect()
            });
            assert_eq!(made.iter().flatten().count(), 1);
        }
    }
}
