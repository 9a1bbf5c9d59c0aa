//! Threads in the place of processes, for tests.

use super::Reduce;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How long a thread waits for the others, before it takes them for dead.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the threads of a group have said.
#[derive(Debug)]
struct Group {
    of: usize,
    table: Mutex<Table>,
    changed: Condvar,
}

/// The round that is being said or read.
#[derive(Debug, Default)]
struct Table {
    said: Vec<Option<Vec<u8>>>,
    /// The threads that have read the round.
    read: usize,
}

/// A thread of a group.
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    group: Arc<Group>,
}

impl Threads {
    /// The threads of a new group, by rank.
    pub fn group(of: usize) -> Vec<Arc<dyn Reduce>> {
        let table = Table {
            said: vec![None; of],
            read: 0,
        };
        let group = Arc::new(Group {
            of,
            table: Mutex::new(table),
            changed: Condvar::new(),
        });
        let thread = |rank| {
            let group = Arc::clone(&group);
            Arc::new(Self { rank, group }) as Arc<dyn Reduce>
        };
        (0..of).map(thread).collect()
    }
}

impl Reduce for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn of(&self) -> usize {
        self.group.of
    }

    fn all_gather(&self, own: &[u8]) -> Vec<Vec<u8>> {
        let Group { of, table, changed } = &*self.group;
        let wait = |table, while_: &dyn Fn(&mut Table) -> bool| {
            let waited = changed.wait_timeout_while(table, PATIENCE, |table| while_(table));
            let (table, timeout) = waited.expect("no other thread has failed");
            assert!(!timeout.timed_out(), "another thread has ended");
            table
        };
        // Slower threads may still read the round before.
        let table = table.lock().expect("no other thread has failed");
        let mut table = wait(table, &|table| table.said[self.rank].is_some());
        table.said[self.rank] = Some(own.to_vec());
        changed.notify_all();
        let mut table = wait(table, &|table| table.said.iter().any(Option::is_none));
        let all = table.said.iter().cloned().map(|one| one.expect("said"));
        let all = all.collect();
        table.read += 1;
        if table.read == *of {
            table.read = 0;
            table.said.fill(None);
            changed.notify_all();
        }
        all
    }
}

#[test]
fn threads_hear_each_other_in_order_in_every_round() {
    let heard: Vec<_> = std::thread::scope(|scope| {
        let threads = Threads::group(3).into_iter().map(|thread| {
            scope.spawn(move || {
                let rank = thread.rank() as u8;
                let rounds = (0..50).map(|round| thread.all_gather(&[round, rank]));
                let rounds: Vec<_> = rounds.collect();
                let mut values = [1e8, f32::from(rank)];
                thread.all_reduce_sum(&mut values);
                (rounds, values, thread.total(u64::from(rank) + 1))
            })
        });
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let expected = (0..50).map(|round| (0..3).map(|rank| vec![round, rank]).collect());
    let expected: Vec<Vec<Vec<u8>>> = expected.collect();
    for (rounds, values, total) in heard {
        assert_eq!(rounds, expected);
        assert_eq!((values, total), ([3e8, 3.0], 6));
    }
}
