//! Threads that make batches ahead of time.
//!
//! The caller requests a window of steps. Threads take them from a queue and return the batches through a
//! bounded channel. At most `prefetch + 1` batches are requested at a time, so memory is bounded at any speed
//! of the threads. Dropping the pool closes both channels, which ends the threads, and waits for them.

use super::batch::BatchMaker;
use crate::data::Batch;
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A step, and true if its unlabelled images are needed.
type Job = (usize, bool);

/// A finished job.
type Done = (Job, Result<Batch>);

/// The caller's side.
pub struct Pool {
    prefetch: usize,
    /// The requested jobs, each with its batch once it is made.
    wanted: BTreeMap<Job, Option<Result<Batch>>>,
    /// None only while dropping.
    channels: Option<(Sender<Job>, Receiver<Done>)>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    pub fn new(maker: &Arc<BatchMaker>, threads: usize, prefetch: usize) -> Self {
        let (jobs, queue) = channel::<Job>();
        let (done, batches) = sync_channel(prefetch.max(1));
        let queue = Arc::new(Mutex::new(queue));
        let threads = (0..threads)
            .map(|_| {
                let (maker, queue, done) = (Arc::clone(maker), Arc::clone(&queue), done.clone());
                std::thread::spawn(move || work(&maker, &queue, &done))
            })
            .collect();
        Self {
            prefetch,
            wanted: BTreeMap::new(),
            channels: Some((jobs, batches)),
            threads,
        }
    }

    pub fn batch(&mut self, step: usize, with_unlabelled: bool) -> Result<Batch> {
        let (jobs, batches) = self
            .channels
            .as_ref()
            .expect("channels last until the drop");
        let window = step..=step + self.prefetch;
        // After a jump, or at the end of the burn-in, other batches are needed. The old ones are dropped,
        // even those that are still being made.
        self.wanted
            .retain(|(step, flag), _| window.contains(step) && *flag == with_unlabelled);
        for step in window {
            let job = (step, with_unlabelled);
            if !self.wanted.contains_key(&job) && jobs.send(job).is_ok() {
                self.wanted.insert(job, None);
            }
        }
        loop {
            if let Some(Some(_)) = self.wanted.get(&(step, with_unlabelled)) {
                let made = self.wanted.remove(&(step, with_unlabelled)).flatten();
                return made.expect("just seen");
            }
            let Ok((job, batch)) = batches.recv() else {
                bail!("every loader thread has ended");
            };
            if let Some(slot) = self.wanted.get_mut(&job) {
                *slot = Some(batch);
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.channels = None;
        for thread in self.threads.drain(..) {
            // The caller has already received the panic of a thread as an error.
            let _ = thread.join();
        }
    }
}

/// A thread of the pool. It ends when the caller drops the pool.
fn work(maker: &BatchMaker, queue: &Mutex<Receiver<Job>>, done: &SyncSender<Done>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((step, with_unlabelled)) = job else {
            return;
        };
        // Without this, the caller would wait for ever after a panic.
        let batch = catch_unwind(AssertUnwindSafe(|| maker.make(step, with_unlabelled)))
            .unwrap_or_else(|_| {
                Err(anyhow!(
                    "the loader panicked while making the batch of step {step}"
                ))
            });
        if done.send(((step, with_unlabelled), batch)).is_err() {
            return;
        }
    }
}
