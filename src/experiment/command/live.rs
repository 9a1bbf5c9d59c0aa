//! The report of a sweep while it runs: the page is written anew, by renaming, as often as something changed.

use super::ahead::status;
use crate::atomic::{Durability, write_durably};
use crate::experiment::insight::choice::Results;
use crate::experiment::insight::report_page;
use crate::experiment::trial::inputs::CommandError;
use crate::report::page::{self, Report};
use crate::screen::Screen;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The name of the file, unless the user chooses another.
pub const FILE: &str = "report.html";
/// The line of the status with a path of this machine.
const WITH_PATH: &str = "to debug a failure";
/// The time between two pages at least.
pub const PERIOD: Duration = Duration::from_secs(10);
/// The time after which a browser reads the page again. It is longer than the time between two pages: a page of several
/// megabytes often comes over sshfs or from a cluster's file browser, and each reading draws it anew.
const RELOAD: Duration = Duration::from_secs(30);

/// A page that is kept up to date.
pub struct LivePage {
    folder: PathBuf,
    path: PathBuf,
    /// The last page that was written.
    last: String,
}

impl LivePage {
    /// The page of the results folder `folder`, in the file `path`.
    pub fn new(folder: &Path, path: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            path: path.to_path_buf(),
            last: String::new(),
        }
    }

    /// Writes the page if it has changed. Returns true if work is left.
    ///
    /// # Errors
    /// [`CommandError::Input`]: the folder cannot be read. [`CommandError::Output`]: the page cannot be written.
    pub fn update(&mut self) -> Result<bool, CommandError> {
        let page = live_page(&self.folder, RELOAD.as_secs());
        let (text, is_left) = page.map_err(CommandError::Input)?;
        if text != self.last {
            let written = write_durably(&self.path, text.as_bytes(), Durability::Cached);
            written.map_err(CommandError::Output)?;
            self.last = text;
        }
        Ok(is_left)
    }
}

/// Writes the report of a running sweep in the background, until it is dropped.
pub struct LiveReport {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl LiveReport {
    /// Begins, for the results folder `folder`.
    pub fn begin(folder: &Path) -> Self {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let own = Arc::clone(&stop);
        let mut page = LivePage::new(folder, &folder.join(FILE));
        let thread = std::thread::spawn(move || {
            let (ends, wake) = &*own;
            loop {
                // A page that cannot be written now can perhaps be written later, and the sweep goes on anyway.
                let _ = page.update();
                let ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = wake.wait_timeout_while(ends, PERIOD, |ends| !*ends);
                if *waited.unwrap_or_else(PoisonError::into_inner).0 {
                    return;
                }
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for LiveReport {
    fn drop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // Its panic has been reported, and the sweep does not depend on it.
            let _ = thread.join();
        }
    }
}

/// The page of running work, which a browser reads again every `seconds`, and true if work is left.
///
/// # Errors
/// The folder cannot be read.
fn live_page(folder: &Path, seconds: u64) -> Result<(String, bool)> {
    let results = Results::open(folder)?;
    let mut report = report_page::report(&results)?;
    let is_left = is_left(&report);
    if is_left {
        report.refresh = Some(seconds);
        // A folder without a plan has no status.
        let text = status(folder).map_or(String::new(), |status| status.text(Screen::FILE));
        let lines = text.lines().filter(|line| !line.starts_with(WITH_PATH));
        report.running = lines.map(String::from).collect();
    }
    Ok((page::render(&report)?, is_left))
}

/// Returns true if a trial has neither finished nor failed.
fn is_left(report: &Report) -> bool {
    let [finished, failed, planned] = report.trials;
    finished + failed < planned
}
