//! What a waiting human sees: a bar per running stage with step, loss and time left, or plain lines where standard error is
//! not a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Plain lines of one stage between its first and last.
const LINES: usize = 4;

/// The progress of all stages.
#[derive(Debug)]
pub struct Progress {
    bars: Option<MultiProgress>,
    stages: usize,
    started: AtomicUsize,
}

impl Progress {
    /// For `stages` stages in all.
    pub fn new(stages: usize) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self {
            bars,
            stages,
            started: AtomicUsize::new(0),
        }
    }

    /// A stage begins; it counts from `from` to `to`.
    pub fn stage(&self, title: &str, from: usize, to: usize) -> StageProgress<'_> {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let title = format!("[{number}/{}] {title}", self.stages);
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(to as u64).with_position(from as u64));
            let template = "{prefix:40!} {bar:24} {pos}/{len} {msg} {eta} left";
            bar.set_style(ProgressStyle::with_template(template).expect("a valid template"));
            bar.set_prefix(title.clone());
            bar
        });
        let stage = StageProgress {
            owner: self,
            title,
            bar,
            from,
            to,
            start: Instant::now(),
        };
        stage.line("started");
        stage
    }

    /// A line of text that stays.
    pub fn say(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

/// The progress of one stage; ends when dropped.
#[derive(Debug)]
pub struct StageProgress<'a> {
    owner: &'a Progress,
    title: String,
    bar: Option<ProgressBar>,
    from: usize,
    to: usize,
    start: Instant,
}

impl StageProgress<'_> {
    /// `done` of the stage's steps are done; `note` says how it goes.
    pub fn at(&self, done: usize, note: impl FnOnce() -> String) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(note());
            }
            None => {
                let every = ((self.to - self.from) / LINES).max(1);
                if (done - self.from).is_multiple_of(every) && done < self.to {
                    self.line(&format!("{done}/{} {}", self.to, note()));
                }
            }
        }
    }

    fn line(&self, text: &str) {
        if self.bar.is_none() {
            self.owner.say(&format!("{} {text}", self.title));
        }
    }
}

impl Drop for StageProgress<'_> {
    fn drop(&mut self) {
        let text = format!("ended after {:.1} s", self.start.elapsed().as_secs_f64());
        match (&self.bar, &self.owner.bars) {
            (Some(bar), Some(bars)) => {
                bar.finish_and_clear();
                bars.remove(bar);
                self.owner.say(&format!("{} {text}", self.title));
            }
            _ => self.line(&text),
        }
    }
}
