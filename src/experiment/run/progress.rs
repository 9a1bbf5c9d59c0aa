//! Shows the progress of a run: a bar for each running stage with step, loss, kept pseudo-labels, mAP and
//! remaining time, and one for the whole run. If standard error is not a terminal, it prints plain lines. A
//! quiet run shows nothing.

use super::bars::{Line, columns};
use super::forecast::{Forecast, readable};
use crate::screen::{Screen as Terminal, counted_of};
use indicatif::MultiProgress;
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
    /// The last evaluated model with its first metric: their names, and the value in percent.
    pub metric: Option<(&'static str, &'static str, f64)>,
}

impl StageNumbers {
    /// The known numbers with their names.
    fn parts(&self) -> impl Iterator<Item = String> {
        let parts = [
            self.loss.map(|loss| format!("loss {loss:.3}")),
            self.kept.map(|kept| format!("{kept:.1} labels/image")),
            self.metric
                .map(|(model, name, value)| format!("{model} {name} {value:.2}")),
        ];
        parts.into_iter().flatten()
    }
}

impl fmt::Display for StageNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts().collect::<Vec<_>>().join(", "))
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
    Bars { all: MultiProgress, total: Line },
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
                let total = Line::new(PARTS, 0, &counted_of(finished, trials, "trial"));
                all.add(total.bar.clone());
                total.bar.enable_steady_tick(REDRAW);
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
        let line = match &self.screen {
            Screen::Bars { all, total } => {
                let line = Line::new(to as u64, from as u64, &title);
                all.insert_before(&total.bar, line.bar.clone());
                Some(line)
            }
            _ => None,
        };
        let start = Instant::now();
        let stage = StageProgress {
            owner: self,
            title,
            line,
            cost,
            from,
            state: Mutex::new(StageState {
                done: from,
                // Work of an earlier stage or run says nothing about the speed of this one.
                forecast: Forecast::new((to - from) as f64, start),
            }),
            to,
            start,
        };
        stage.draw(from, None, StageNumbers::default());
        stage.line("started");
        stage
    }

    /// The trial `title` has ended, with this metric in percent.
    pub fn trial(&self, title: &str, (name, value): (&str, f64)) {
        let mut state = self.state();
        state.finished_trials += 1;
        if state.best.as_ref().is_none_or(|(best, _)| value > *best) {
            state.best = Some((value, format!("{name} {value:.2} ({title})")));
        }
        let found = format!("{name} {value:.2}");
        let count = counted_of(state.finished_trials, self.trials, "trial");
        self.redraw(&state);
        drop(state);
        self.note(&format!("{title}: {found} ({count})"));
    }

    /// A trial has ended without a result. `told` says why; it is none if that has been told.
    pub fn failed(&self, told: Option<&str>) {
        let mut state = self.state();
        state.finished_trials += 1;
        self.redraw(&state);
        drop(state);
        if let Some(told) = told {
            self.note(told);
        }
    }

    /// Another process has finished a stage of `cost`.
    pub fn without(&self, cost: u64) {
        self.state().forecast.forget(cost as f64);
    }

    /// Prints a line that stays, even in a quiet run: a warning. Work does not fail because nobody can read it.
    pub fn print(&self, text: &str) {
        match &self.screen {
            Screen::Bars { all, .. } => all.println(above(text)).ok(),
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
        let part = state.forecast.fraction() * PARTS as f64;
        total.bar.set_position(part as u64);
        let best = state.best.as_ref();
        let best = best.map(|(_, shown)| format!("best {shown}"));
        let left = state.forecast.left(Instant::now()).map(time_left);
        let parts: Vec<String> = [left, best].into_iter().flatten().collect();
        let title = counted_of(state.finished_trials, self.trials, "trial");
        total.show(&title, &parts);
    }

    /// The scheduler contains a panic of a stage, and the counts stay consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Screen::Bars { total, .. } = &self.screen {
            total.bar.finish_and_clear();
        }
    }
}

/// The progress of one stage. It ends when dropped.
#[derive(Debug)]
pub struct StageProgress<'a> {
    owner: &'a Progress,
    title: String,
    line: Option<Line>,
    cost: f64,
    from: usize,
    state: Mutex<StageState>,
    to: usize,
    start: Instant,
}

/// The steps of a stage that are done, and its speed.
#[derive(Debug)]
struct StageState {
    done: usize,
    forecast: Forecast,
}

impl StageProgress<'_> {
    /// `done` of the stage's steps are done, with the numbers `numbers`.
    pub fn at(&self, done: usize, numbers: StageNumbers) {
        let (before, left) = self.advance(done);
        self.draw(done, left, numbers);
        if self.line.is_none() {
            let every = ((self.to - self.from) / LINES).max(1);
            let part = |done: usize| (done - self.from) / every;
            if done < self.to && part(done) > part(before) {
                let text = format!("{done}/{} {numbers}", self.to);
                self.line(text.trim_end());
            }
        }
    }

    /// Draws the bar, if there is one.
    fn draw(&self, done: usize, left: Option<Duration>, numbers: StageNumbers) {
        let Some(line) = &self.line else {
            return;
        };
        line.bar.set_position(done as u64);
        let left = left.map(|left| format!("{} left", readable(left)));
        let count = format!("{done}/{}", self.to);
        let parts = [count].into_iter().chain(left).chain(numbers.parts());
        line.show(&self.title, &parts.collect::<Vec<_>>());
    }

    /// Adds the progress to the stage and to the whole run. Returns the number of steps that were done before, and
    /// the remaining time of the stage, if it is known.
    fn advance(&self, done: usize) -> (usize, Option<Duration>) {
        let mut own = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = own.done;
        own.done = done.max(before);
        let more = (own.done - before) as f64;
        own.forecast.add(more);
        let steps = (self.to - self.from).max(1) as f64;
        let mut state = self.owner.state();
        state.forecast.add(self.cost * more / steps);
        self.owner.redraw(&state);
        (before, own.forecast.left(Instant::now()))
    }

    fn line(&self, text: &str) {
        if self.line.is_none() {
            self.owner.note(&format!("{} {text}", self.title));
        }
    }
}

impl Drop for StageProgress<'_> {
    fn drop(&mut self) {
        // The rest of a stage that failed or was stopped will not be done.
        let (done, _) = self.advance(self.to);
        let seconds = self.start.elapsed().as_secs_f64();
        let end = match done < self.to {
            true if self.from > 0 => format!(
                "stopped at {done}/{}, {seconds:.1} s after {}",
                self.to, self.from
            ),
            true => format!("stopped at {done}/{} after {seconds:.1} s", self.to),
            false => {
                let left = self.owner.state().forecast.left(Instant::now());
                let left = left.map_or(String::new(), |left| format!(", {}", time_left(left)));
                format!("ended after {seconds:.1} s{left}")
            }
        };
        if let (Some(line), Screen::Bars { all, .. }) = (&self.line, &self.owner.screen) {
            line.bar.finish_and_clear();
            all.remove(&line.bar);
        }
        self.owner.note(&format!("{} {end}", self.title));
    }
}

/// Lines above the bars. As in the bars, the last column stays empty.
fn above(text: &str) -> String {
    Terminal::new(Some(columns().saturating_sub(1)), false).wrap(text)
}

fn time_left(left: Duration) -> String {
    format!("about {} left", readable(left))
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

    /// The time left was taken from the position of the bar, as if a stage that begins at step 80 had taken 80
    /// steps in its first moment.
    #[test]
    fn the_time_left_counts_the_steps_of_this_run_alone() {
        let progress = Progress::new(Verbosity::Quiet, 1, 100, 1, 0);
        let stage = progress.stage("a", 100, 80, 90, 300);
        std::thread::sleep(Duration::from_millis(50));
        let (_, left) = stage.advance(95);
        // 205 of 210 steps are left, and 5 took at least 50 ms.
        assert!(left.unwrap() >= Duration::from_millis(2050), "{left:?}");
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
