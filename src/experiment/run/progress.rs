//! Shows the progress of a run: a bar for each running stage with step, loss, kept pseudo-labels, mAP and
//! remaining time, and one for the whole run. If standard error is not a terminal, it prints plain lines. A
//! quiet run shows nothing.

use super::forecast::Forecast;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The number of plain lines of one stage between its first and last.
const LINES: usize = 4;
/// The resolution of the bar of the whole run: fine enough to move, coarse enough to fit.
const PARTS: u64 = 1000;
/// The time between two redraws of the bar of the whole run.
const REDRAW: Duration = Duration::from_millis(500);

/// The amount of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Bars on a terminal, lines elsewhere.
    Normal,
    /// Lines, on a terminal too.
    Lines,
    /// Warnings only.
    Quiet,
}

/// The current numbers of a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StageNumbers {
    /// The training loss of the last step.
    pub loss: Option<f32>,
    /// The pseudo-labels per unlabelled image in the last step.
    pub kept: Option<f64>,
    /// The first metric of the last evaluated model: its name, and its value in percent.
    pub metric: Option<(&'static str, f64)>,
}

impl fmt::Display for StageNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.loss.map(|loss| format!("loss {loss:.3}")),
            self.kept.map(|kept| format!("{kept:.1} labels/image")),
            self.metric
                .map(|(name, value)| format!("{name} {value:.2}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

/// The progress of all stages of a run.
#[derive(Debug)]
pub struct Progress {
    screen: Screen,
    stages: usize,
    trials: usize,
    state: Mutex<State>,
}

/// The target of lines and bars.
#[derive(Debug)]
enum Screen {
    Bars {
        all: MultiProgress,
        total: ProgressBar,
    },
    Lines,
    Nothing,
}

#[derive(Debug)]
struct State {
    started: usize,
    finished_trials: usize,
    /// The best trial that has ended: the value of its metric, and all that is shown of it.
    best: Option<(f64, String)>,
    forecast: Forecast,
}

impl Progress {
    /// The progress of `stages` stages with `cost` in total, and of `trials` trials, `finished` of which are
    /// done already.
    pub fn new(
        verbosity: Verbosity,
        stages: usize,
        cost: u64,
        trials: usize,
        finished: usize,
    ) -> Self {
        let screen = match verbosity {
            Verbosity::Quiet => Screen::Nothing,
            Verbosity::Normal if std::io::stderr().is_terminal() => {
                let all = MultiProgress::new();
                let total = all.add(ProgressBar::new(PARTS));
                total.set_style(style("{prefix:40!} {bar:24} {msg}"));
                total.enable_steady_tick(REDRAW);
                Screen::Bars { all, total }
            }
            Verbosity::Normal | Verbosity::Lines => Screen::Lines,
        };
        let progress = Self::on(screen, stages, cost, trials, finished);
        progress.redraw(&progress.state());
        progress
    }

    /// The progress of a single stage of `cost`, in lines: bars would mix with its log.
    pub fn of_one_stage(cost: u64) -> Self {
        Self::on(Screen::Lines, 1, cost, 1, 0)
    }

    fn on(screen: Screen, stages: usize, cost: u64, trials: usize, finished: usize) -> Self {
        Self {
            screen,
            stages,
            trials,
            state: Mutex::new(State {
                started: 0,
                finished_trials: finished,
                best: None,
                forecast: Forecast::new(cost as f64, Instant::now()),
            }),
        }
    }

    /// Begins or resumes a stage of `cost`. It counts from `at` to `to`; `from` is the beginning of the stage
    /// itself. Work of earlier runs does not count for the speed of this run.
    pub fn stage(
        &self,
        title: &str,
        cost: u64,
        from: usize,
        at: usize,
        to: usize,
    ) -> StageProgress<'_> {
        let before = (at - from) as f64 / (to - from).max(1) as f64;
        let cost = cost as f64;
        self.state().forecast.forget(cost * before);
        let (cost, from) = (cost * (1.0 - before), at);
        let number = {
            let mut state = self.state();
            state.started += 1;
            state.started
        };
        let title = format!("[{number}/{}] {title}", self.stages);
        let bar = match &self.screen {
            Screen::Bars { all, total } => {
                let bar = ProgressBar::new(to as u64).with_position(from as u64);
                let bar = all.insert_before(total, bar);
                bar.set_style(style("{prefix:40!} {bar:24} {pos}/{len} {msg} {eta} left"));
                bar.set_prefix(title.clone());
                Some(bar)
            }
            _ => None,
        };
        let stage = StageProgress {
            owner: self,
            title,
            bar,
            cost,
            from,
            done: Mutex::new(from),
            to,
            start: Instant::now(),
        };
        stage.line("started");
        stage
    }

    /// The trial `title` has ended, with this metric in percent if it succeeded.
    pub fn trial(&self, title: &str, metric: Option<(&str, f64)>) {
        let mut state = self.state();
        state.finished_trials += 1;
        if let Some((name, value)) = metric
            && state.best.as_ref().is_none_or(|(best, _)| value > *best)
        {
            state.best = Some((value, format!("{name} {value:.2} ({title})")));
        }
        let reached = |(name, value)| format!("{name} {value:.2}");
        let found = metric.map_or("failed".to_string(), reached);
        let count = format!("{}/{} trials", state.finished_trials, self.trials);
        self.redraw(&state);
        drop(state);
        self.note(&format!("{title}: {found} ({count})"));
    }

    /// Another process has finished a stage of `cost`.
    pub fn without(&self, cost: u64) {
        self.state().forecast.forget(cost as f64);
    }

    /// Prints a line that stays, even in a quiet run: a warning. Work does not fail because nobody can read it.
    pub fn print(&self, text: &str) {
        match &self.screen {
            Screen::Bars { all, .. } => all.println(text).ok(),
            Screen::Lines | Screen::Nothing => writeln!(std::io::stderr(), "{text}").ok(),
        };
    }

    /// Prints a line that stays, unless the run is quiet.
    pub fn note(&self, text: &str) {
        if !matches!(self.screen, Screen::Nothing) {
            self.print(text);
        }
    }

    fn redraw(&self, state: &State) {
        let Screen::Bars { total, .. } = &self.screen else {
            return;
        };
        total.set_prefix(format!("{}/{} trials", state.finished_trials, self.trials));
        total.set_position((state.forecast.fraction() * PARTS as f64) as u64);
        let best = state.best.as_ref();
        let best = best.map(|(_, shown)| format!("best {shown}"));
        let left = state.forecast.left(Instant::now()).map(time_left);
        let parts: Vec<String> = [left, best].into_iter().flatten().collect();
        total.set_message(parts.join(", "));
    }

    /// The scheduler contains a panic of a stage, and the counts stay consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Screen::Bars { total, .. } = &self.screen {
            total.finish_and_clear();
        }
    }
}

/// The progress of one stage. It ends when dropped.
#[derive(Debug)]
pub struct StageProgress<'a> {
    owner: &'a Progress,
    title: String,
    bar: Option<ProgressBar>,
    cost: f64,
    from: usize,
    done: Mutex<usize>,
    to: usize,
    start: Instant,
}

impl StageProgress<'_> {
    /// `done` of the stage's steps are done, with the numbers `numbers`.
    pub fn at(&self, done: usize, numbers: StageNumbers) {
        let before = self.advance(done);
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(numbers.to_string());
            }
            None => {
                let every = ((self.to - self.from) / LINES).max(1);
                let part = |done: usize| (done - self.from) / every;
                if done < self.to && part(done) > part(before) {
                    self.line(&format!("{done}/{} {numbers}", self.to));
                }
            }
        }
    }

    /// Adds the progress to the whole run, and returns the number of steps that were done before.
    fn advance(&self, done: usize) -> usize {
        let mut last = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *last;
        *last = done.max(before);
        let steps = (self.to - self.from).max(1) as f64;
        let mut state = self.owner.state();
        state
            .forecast
            .add(self.cost * (*last - before) as f64 / steps);
        self.owner.redraw(&state);
        before
    }

    fn line(&self, text: &str) {
        if self.bar.is_none() {
            self.owner.note(&format!("{} {text}", self.title));
        }
    }
}

impl Drop for StageProgress<'_> {
    fn drop(&mut self) {
        // The rest of a failed stage will not be done.
        self.advance(self.to);
        let seconds = self.start.elapsed().as_secs_f64();
        let left = self
            .owner
            .state()
            .forecast
            .left(Instant::now())
            .map(time_left);
        let left = left.map_or(String::new(), |left| format!(", {left}"));
        if let (Some(bar), Screen::Bars { all, .. }) = (&self.bar, &self.owner.screen) {
            bar.finish_and_clear();
            all.remove(bar);
        }
        self.owner
            .note(&format!("{} ended after {seconds:.1} s{left}", self.title));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a valid template")
}

fn time_left(left: Duration) -> String {
    format!("about {} left", super::forecast::readable(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_shows_what_is_known() {
        let numbers = StageNumbers {
            loss: Some(12.3456),
            kept: Some(3.25),
            metric: None,
        };
        assert_eq!(numbers.to_string(), "loss 12.346, 3.2 labels/image");
        assert_eq!(StageNumbers::default().to_string(), "");
    }

    #[test]
    fn a_stage_counts_once_whatever_is_told_of_it() {
        let progress = Progress::new(Verbosity::Quiet, 2, 100, 1, 0);
        let stage = progress.stage("a", 40, 10, 10, 20);
        stage.at(15, StageNumbers::default());
        assert_eq!(progress.state().forecast.fraction(), 0.2);
        stage.at(12, StageNumbers::default());
        assert_eq!(progress.state().forecast.fraction(), 0.2, "never back");
        drop(stage);
        assert_eq!(progress.state().forecast.fraction(), 0.4);
        drop(progress.stage("b", 60, 0, 0, 1));
        assert_eq!(
            progress.state().forecast.fraction(),
            1.0,
            "it failed at once"
        );
    }
}
