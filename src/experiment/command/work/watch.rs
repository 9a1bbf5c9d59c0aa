//! A request to yield by a file: whoever touches `yield` in the folder of a submission asks its jobs to write a
//! checkpoint and to be queued again. A signal of `scancel` may reach other elements of an array, too.

use crate::experiment::cluster::submission::Submission;
use crate::experiment::run::interrupt::{Interrupt, Request};
use crate::experiment::store::owner::Owner;
use crate::screen::say;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};

/// The time between two looks. A network file system is asked each time.
const LOOK: Duration = Duration::from_secs(5);

/// Looks for the file until it is dropped.
pub struct Watch {
    _over: Sender<()>,
}

impl Watch {
    /// Begins to look for the file of `submission`, for the element `number`. A file that is there already was meant
    /// for earlier jobs.
    pub fn begin(submission: &Submission, number: usize, interrupt: &Interrupt) -> Self {
        let (over, ended) = channel();
        let (file, interrupt) = (submission.yield_file(), interrupt.clone());
        let own = [number.to_string(), Owner::this().job.clone()];
        let before = changed(&file);
        std::thread::spawn(move || {
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if changed(&file) == before || !is_meant(&file, &own) {
                    continue;
                }
                if interrupt.request(Request::Yield) {
                    say(&format!("yielding: {} was touched", file.display()));
                }
                return;
            }
        });
        Self { _over: over }
    }
}

/// The time of the last change of the file; none if there is no such file. To list the folder makes a network file
/// system look for new files.
fn changed(file: &PathBuf) -> Option<SystemTime> {
    if let Some(folder) = file.parent() {
        fs::read_dir(folder).ok();
    }
    fs::metadata(file).ok()?.modified().ok()
}

/// Returns true if the file is empty, or names the element by its number or by its job.
fn is_meant(file: &PathBuf, own: &[String]) -> bool {
    let Ok(text) = fs::read_to_string(file) else {
        return false;
    };
    let mut words = text.split_whitespace().peekable();
    words.peek().is_none() || words.any(|word| own.iter().any(|one| one == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_means_all_and_words_mean_some() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("yield");
        let own = ["3".to_string(), "28_1".to_string()];
        let meant = |text: &str| {
            fs::write(&file, text).unwrap();
            is_meant(&file, &own)
        };
        assert!(meant("") && meant("\n") && meant("28_1\n") && meant("7 3"));
        assert!(!meant("28_11") && !meant("4\n13\n"));
        fs::remove_file(&file).unwrap();
        assert!(!is_meant(&file, &own));
        assert_eq!(changed(&file), None);
    }
}
