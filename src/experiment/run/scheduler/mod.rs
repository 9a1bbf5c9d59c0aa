//! Runs tasks that depend on each other on a number of workers, each task once.
//!
//! A worker takes the ready task with the longest chain of work behind it, so that what others wait for starts first; but the
//! last task of a chain, which makes a result complete, goes before all others. It runs inside a rayon pool of its own, so that
//! trials do not share threads; a task that runs alone has all of them. A task that fails or panics ends alone: only the
//! tasks that need its result fail with it, by its reason; all others run. A task that another process has in hand is put aside
//! and asked for again when nothing else can start. A task that is to run alone comes before all others, and none starts beside it.

use anyhow::Result;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Between two looks at tasks that another process has in hand: short beside any training, long beside a look.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// One piece of work.
#[derive(Clone, Debug)]
pub struct Task<T> {
    /// What others name it by; unique.
    pub key: String,
    /// Keys of the tasks that must have succeeded before.
    pub needs: Vec<String>,
    /// Expected work, in any unit that all tasks share.
    pub cost: u64,
    /// What the worker is handed.
    pub work: T,
}

/// How a worker's turn at a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The task is done.
    Done,
    /// Another process is at it: to be asked for again.
    Held,
    /// It was asked to stop, and is not done.
    Stopped,
}

/// What becomes of failures and of a request to stop.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// How often a task that failed is tried again.
    pub retries: u32,
    /// Whether no task starts after one has failed for good.
    pub fail_fast: bool,
    /// Asked before a task starts: whether no more shall.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Keys of tasks that run while no other does; they come first.
    pub alone: &'a BTreeSet<String>,
}

/// How many tasks run at once, and on how many threads all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Tasks at once, at most.
    pub count: usize,
    /// Threads that the running tasks share.
    pub cores: usize,
}

impl Workers {
    /// `count` workers on the machine's `cores`; 0: one per core.
    pub fn new(count: usize, cores: usize) -> Self {
        let cores = cores.max(1);
        let count = if count == 0 { cores } else { count };
        Self { count, cores }
    }

    /// Threads of a task that starts while `running` others run and `ready` more could start. What every task computes does
    /// not depend on it, so a lone burn-in may have all the threads that later are shared.
    fn threads(&self, running: usize, ready: usize) -> usize {
        (self.cores / (running + 1 + ready).min(self.count)).max(1)
    }
}

/// What the workers share.
struct Board<E> {
    /// Unfinished needs per task.
    missing: Vec<usize>,
    /// Tasks that can start, the most urgent last.
    ready: BTreeSet<(u64, std::cmp::Reverse<usize>)>,
    /// Tasks that another process has in hand.
    held: Vec<usize>,
    /// Failures of each task so far.
    failures: Vec<u32>,
    /// Whether a task has failed for good.
    failed: bool,
    /// Number of tasks at work.
    running: usize,
    /// Whether a task has ended.
    over: Vec<bool>,
    /// Number of tasks that have not.
    left: usize,
    /// Which tasks run alone.
    alone: Vec<bool>,
    /// Whether one of them is at work.
    one_alone: bool,
    /// Called at every end.
    ended: E,
    /// The first error of `ended`: nothing more starts.
    stopped: Option<anyhow::Error>,
}

/// Runs `tasks`, all of them if nothing asks it to stop; `work` does one, `ended` hears of every end, one at a time, with the reason
/// of a failure.
///
/// # Errors
/// What `ended` refuses (a full disk, say): running tasks finish, no other starts.
///
/// Panics if a task needs an unknown one or the needs form a circle.
pub fn run<T: Sync>(
    tasks: &[Task<T>],
    workers: Workers,
    rules: Rules,
    work: impl Fn(&T) -> Result<Turn> + Sync,
    ended: impl FnMut(&Task<T>, Result<(), &str>) -> Result<()> + Send,
) -> Result<()> {
    let dependents = dependents(tasks);
    let ranks = ranks(tasks, &dependents);
    let last = |task: usize| dependents[task].is_empty() && !tasks[task].needs.is_empty();
    let alone = |task: usize| rules.alone.contains(&tasks[task].key);
    let urgency = |task: usize| match (alone(task), last(task)) {
        (true, _) => u64::MAX,
        (_, true) => u64::MAX - 1,
        _ => ranks[task],
    };
    let entry = |task: usize| (urgency(task), std::cmp::Reverse(task));
    let missing: Vec<usize> = tasks.iter().map(|task| task.needs.len()).collect();
    let ready = (0..tasks.len())
        .filter(|task| missing[*task] == 0)
        .map(entry)
        .collect();
    let over = vec![false; tasks.len()];
    let board = Board {
        missing,
        ready,
        held: Vec::new(),
        failures: vec![0; tasks.len()],
        failed: false,
        running: 0,
        over,
        left: tasks.len(),
        alone: (0..tasks.len()).map(alone).collect(),
        one_alone: false,
        ended,
        stopped: None,
    };
    let (board, changed) = (Mutex::new(board), Condvar::new());

    let halted = |board: &Board<_>| {
        board.stopped.is_some() || (rules.fail_fast && board.failed) || (rules.stop)()
    };
    let worker = || {
        // Kept from task to task: most have as many threads as the one before.
        let mut pool = None;
        loop {
            let mut guard = board.lock().expect("no worker panics with the board");
            let task = loop {
                if guard.left == 0 || halted(&guard) {
                    return;
                }
                if guard.has_room()
                    && let Some((_, task)) = guard.ready.pop_last()
                {
                    break task.0;
                }
                let asked = !guard.held.is_empty();
                let (next, _) = changed
                    .wait_timeout_while(guard, ASK_AGAIN, |board| {
                        let idle = board.ready.is_empty() || !board.has_room();
                        board.left > 0 && idle && !halted(board)
                    })
                    .expect("no worker panics with the board");
                guard = next;
                if asked && guard.ready.is_empty() {
                    let held = std::mem::take(&mut guard.held);
                    guard.ready.extend(held.into_iter().map(entry));
                }
            };
            guard.one_alone = guard.alone[task];
            let others = if guard.one_alone {
                0
            } else {
                guard.ready.len()
            };
            let threads = workers.threads(guard.running, others);
            guard.running += 1;
            drop(guard);
            let outcome = contained(|| {
                let pool = pool_of(&mut pool, threads)?;
                pool.install(|| work(&tasks[task].work))
            });
            let mut guard = board.lock().expect("no worker panics with the board");
            guard.running -= 1;
            guard.one_alone = false;
            match outcome {
                Ok(Turn::Held) => guard.held.push(task),
                Ok(Turn::Stopped) => {}
                Err(_) if guard.failures[task] < rules.retries => {
                    guard.failures[task] += 1;
                    guard.ready.insert(entry(task));
                }
                Ok(Turn::Done) => guard.end(task, tasks, &dependents, Ok(()), &entry),
                Err(reason) => {
                    guard.failed = true;
                    guard.end(task, tasks, &dependents, Err(reason), &entry);
                }
            }
            drop(guard);
            changed.notify_all();
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.count.min(tasks.len()))
            .map(|_| scope.spawn(worker))
            .collect();
        for thread in threads {
            thread.join().expect("a worker contains panics");
        }
    });
    board
        .into_inner()
        .expect("all workers ended")
        .stopped
        .map_or(Ok(()), Err)
}

impl<E> Board<E> {
    /// Whether a task may start beside those that run.
    fn has_room(&self) -> bool {
        let next = self.ready.last();
        let next_alone = next.is_some_and(|(_, task)| self.alone[task.0]);
        self.running == 0 || !(self.one_alone || next_alone)
    }

    /// Notes the end of `task` and of all that cannot run without it.
    fn end<T>(
        &mut self,
        task: usize,
        tasks: &[Task<T>],
        dependents: &[Vec<usize>],
        outcome: Result<(), String>,
        entry: &impl Fn(usize) -> (u64, std::cmp::Reverse<usize>),
    ) where
        E: FnMut(&Task<T>, Result<(), &str>) -> Result<()>,
    {
        let mut ends = BTreeSet::from([task]);
        if outcome.is_err() {
            let mut reached = vec![task];
            while let Some(task) = reached.pop() {
                reached.extend(dependents[task].iter().filter(|next| ends.insert(**next)));
            }
        } else {
            for next in &dependents[task] {
                self.missing[*next] -= 1;
                if self.missing[*next] == 0 && !self.over[*next] {
                    self.ready.insert(entry(*next));
                }
            }
        }
        for task in ends {
            if std::mem::replace(&mut self.over[task], true) {
                continue;
            }
            self.left -= 1;
            let outcome = outcome.as_ref().copied().map_err(String::as_str);
            if let (Err(error), None) = ((self.ended)(&tasks[task], outcome), &self.stopped) {
                self.stopped = Some(error);
            }
        }
    }
}

/// The pool in `kept`, made anew where it has another number of threads.
fn pool_of(kept: &mut Option<ThreadPool>, threads: usize) -> Result<&ThreadPool> {
    let pool = match kept.take() {
        Some(pool) if pool.current_num_threads() == threads => pool,
        _ => ThreadPoolBuilder::new().num_threads(threads).build()?,
    };
    Ok(kept.insert(pool))
}

/// The outcome of `work` with a panic turned into its message.
pub fn contained<T>(work: impl FnOnce() -> Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("panic: {}", text.unwrap_or("without a message")))
        }
    }
}

/// For every task those that need it.
fn dependents<T>(tasks: &[Task<T>]) -> Vec<Vec<usize>> {
    let index: BTreeMap<&str, usize> = tasks
        .iter()
        .enumerate()
        .map(|(i, task)| (task.key.as_str(), i))
        .collect();
    assert_eq!(index.len(), tasks.len(), "every task has a key of its own");
    let mut dependents = vec![Vec::new(); tasks.len()];
    for (i, task) in tasks.iter().enumerate() {
        for need in &task.needs {
            let need = index.get(need.as_str());
            dependents[*need.unwrap_or_else(|| panic!("a task needs an unknown one"))].push(i);
        }
    }
    dependents
}

/// The cost of the longest chain that starts at each task.
fn ranks<T>(tasks: &[Task<T>], dependents: &[Vec<usize>]) -> Vec<u64> {
    let mut missing: Vec<usize> = tasks.iter().map(|task| task.needs.len()).collect();
    let mut order: Vec<usize> = (0..tasks.len())
        .filter(|task| missing[*task] == 0)
        .collect();
    let mut next = 0;
    while next < order.len() {
        for after in &dependents[order[next]] {
            missing[*after] -= 1;
            if missing[*after] == 0 {
                order.push(*after);
            }
        }
        next += 1;
    }
    assert_eq!(order.len(), tasks.len(), "the needs form no circle");
    let mut ranks = vec![0; tasks.len()];
    for task in order.into_iter().rev() {
        let after = dependents[task].iter().map(|next| ranks[*next]).max();
        ranks[task] = tasks[task].cost + after.unwrap_or(0);
    }
    ranks
}

#[cfg(test)]
mod tests;
