//! The lease of a stage: an operating system's lock, and a token that excludes an owner who has lost it.
//!
//! The kernel frees the lock when its owner ends for any reason, so no clock decides if an owner is alive.
//! Every owner raises the token in the locked file. Before it puts a result in place, it checks that the
//! token is still its own. If its lock went to another owner (which a network file system may do), it does
//! not touch that owner's work.
//!
//! Some file systems refuse locks. There, the lease is held by a claim: see [`super::claims`].
//!
//! A network file system may keep the lock of a machine that is gone. A job that was queued again knows that its own
//! earlier run has ended, so it puts a new file, which has no lock, in the place of the old one ([`replace`]).

use super::claims::{self, Claim};
use super::owner::Owner;
use crate::atomic::{Durability, write_durably};
use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Linux's number of the error with which NFS says that it does not support an operation. It has no name in C.
const NOT_SUPPORTED: i32 = 524;
/// The time between two attempts at a lease that one waits for.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A held lease. Dropping it frees it.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    token: u64,
    _held: Held,
}

/// What holds a lease.
#[derive(Debug)]
enum Held {
    /// The system's lock.
    Lock { _locked: File },
    /// A claim, on a file system without locks.
    Claim { _claim: Claim },
}

impl Lease {
    /// Takes the lease of the file `path`, which is created if needed. Returns none if another owner holds
    /// it.
    ///
    /// # Errors
    /// The file cannot be written or locked.
    pub fn try_take(path: &Path) -> Result<Option<Self>> {
        Self::take_as(path, Owner::this())
    }

    fn take_as(path: &Path, owner: &Owner) -> Result<Option<Self>> {
        let failed = || format!("cannot take the lease `{}`", path.display());
        let mut file = open(path).with_context(failed)?;
        let mut locked = file.try_lock();
        if matches!(locked, Err(TryLockError::WouldBlock))
            && owner_of(path).is_some_and(|other| owner.knows_gone(&other))
        {
            replace(path, owner)?;
            file = open(path).with_context(failed)?;
            locked = file.try_lock();
        }
        match locked {
            // Another machine may have no locks on the same folder.
            Ok(()) if claims::is_held(path, owner) => return Ok(None),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) if are_refused(&error) => {
                let claim = Claim::try_make(path, last_token(path), owner)?;
                return Ok(claim.map(|claim| Self {
                    path: path.to_path_buf(),
                    token: claim.token(),
                    _held: Held::Claim { _claim: claim },
                }));
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
        }
        let mut text = String::new();
        // A damaged file may contain anything.
        if file.read_to_string(&mut text).is_err() {
            text.clear();
        }
        let claimed = claims::newest(path).map_or(0, |(token, _)| token);
        let token = parse(&text).max(claimed) + 1;
        file.rewind().with_context(failed)?;
        // It is written in place, in one write of constant length. A rename would leave the lock on the old
        // file.
        let line = owner.line(token);
        file.write_all(line.as_bytes())
            .and_then(|()| file.set_len(line.len() as u64))
            .with_context(failed)?;
        Ok(Some(Self {
            path: path.to_path_buf(),
            token,
            _held: Held::Lock { _locked: file },
        }))
    }

    /// Takes the lease of the file `path`, and waits while another owner holds it.
    ///
    /// # Errors
    /// As for [`Self::try_take`].
    pub fn wait(path: &Path) -> Result<Self> {
        loop {
            if let Some(lease) = Self::try_take(path)? {
                return Ok(lease);
            }
            std::thread::sleep(ASK_AGAIN);
        }
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

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

/// Returns true if `error` says that the file system has no locks.
pub fn are_refused(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let refusals = [Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOTSUP, Errno::NOLCK];
        let code = error.raw_os_error();
        if refusals.iter().any(|one| Some(one.raw_os_error()) == code)
            || code == Some(NOT_SUPPORTED)
        {
            return true;
        }
    }
    error.kind() == ErrorKind::Unsupported
}

/// Puts a new file in the place of the lease `path`, whose owner is gone although its lock is not. The owner who is
/// gone fails at its next check if it lives after all.
///
/// # Errors
/// The file cannot be written.
pub fn replace(path: &Path, owner: &Owner) -> Result<()> {
    let line = owner.line(last_token(path) + 1);
    write_durably(path, line.as_bytes(), Durability::Synced)?;
    // Without locks, the owner who is gone seems to live until its claim is old.
    claims::remove(path);
    Ok(())
}

/// The last owner of the lease `path`; none if it is unknown.
pub fn owner_of(path: &Path) -> Option<Owner> {
    let claim = claims::newest(path).map(|(_, claim)| claim);
    let text = std::fs::read_to_string(claim.as_deref().unwrap_or(path)).ok()?;
    Owner::of_line(&text)
}

/// Returns true if somebody holds the lease `path`. The check changes nothing; a process that tries to take
/// the lease at the same moment must try again.
pub fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let is_locked = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    is_locked || claims::is_held(path, Owner::this())
}

/// The token of the last owner of the lease `path`; 0 if it was never taken.
pub fn last_token(path: &Path) -> u64 {
    let own = parse(&std::fs::read_to_string(path).unwrap_or_default());
    claims::newest(path).map_or(own, |(token, _)| own.max(token))
}

/// The token in a line, which is its first word.
fn parse(text: &str) -> u64 {
    let word = text.split_whitespace().next();
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
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

    /// An owner on a machine, as a job that was queued again `restart` times.
    fn owner(host: &str, job: &str, restart: u32) -> Owner {
        Owner {
            host: host.into(),
            job: job.into(),
            restart,
            ..Owner::this().clone()
        }
    }

    #[test]
    fn a_job_that_was_queued_again_takes_the_lock_of_its_earlier_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        let orphan = Lease::take_as(&path, &owner("n1", "28_0", 0))
            .unwrap()
            .unwrap();
        for other in [
            owner("n2", "28_1", 1),
            owner("n2", "28_0", 0),
            owner("n2", "", 1),
        ] {
            assert!(
                Lease::take_as(&path, &other).unwrap().is_none(),
                "{other:?}"
            );
            orphan.check().unwrap();
        }
        let again = Lease::take_as(&path, &owner("n2", "28_0", 1))
            .unwrap()
            .unwrap();
        assert!(again.token() > orphan.token());
        again.check().unwrap();
        assert!(orphan.check().is_err(), "the orphan is fenced off");
        assert_eq!(owner_of(&path).unwrap().restart, 1);
        drop(orphan);
        assert!(is_held(&path), "the lock of the orphan was another file's");
        again.check().unwrap();
    }

    #[test]
    fn a_claim_of_a_machine_without_locks_holds_the_lease_of_one_with_locks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        drop(Lease::try_take(&path).unwrap().unwrap());
        let claim = Claim::try_make(&path, last_token(&path), &owner("n1", "", 0))
            .unwrap()
            .unwrap();
        assert_eq!((claim.token(), last_token(&path)), (2, 2));
        assert!(is_held(&path) && Lease::try_take(&path).unwrap().is_none());
        drop(claim);
        let lease = Lease::try_take(&path).unwrap().unwrap();
        assert_eq!(lease.token(), 3);
        lease.check().unwrap();
    }

    #[test]
    fn a_claim_of_an_owner_that_is_gone_is_replaced_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        let (gone, next) = (owner("n1", "28_0", 0), owner("n2", "29_0", 0));
        let orphan = Claim::try_make(&path, last_token(&path), &gone)
            .unwrap()
            .unwrap();
        assert!(
            Claim::try_make(&path, last_token(&path), &next)
                .unwrap()
                .is_none()
        );
        replace(&path, &next).unwrap();
        let claim = Claim::try_make(&path, last_token(&path), &next)
            .unwrap()
            .unwrap();
        assert!(claim.token() > orphan.token());
        drop(orphan);
        assert_eq!(
            last_token(&path),
            claim.token(),
            "the orphan leaves nothing"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_refusal_of_locks_is_known_and_no_other_error() {
        let refused = |code: i32| are_refused(&io::Error::from_raw_os_error(code));
        // ENOLCK, ENOSYS, EOPNOTSUPP, and the one without a name.
        assert!([37, 38, 95, 524].into_iter().all(refused));
        // EIO, EBADF, EACCES, ENOSPC, EINTR.
        assert!(![5, 9, 13, 28, 4].into_iter().any(refused));
    }
}
