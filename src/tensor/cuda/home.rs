//! The thread that a tensor belongs to.

use std::thread::{self, ThreadId};

/// GPU memory belongs to the thread that allocated it, because that thread's stream orders its uses; kernels
/// of another thread would not wait for them. Only builds with debug assertions store and check the thread.
#[derive(Clone, Copy, Debug)]
pub struct Home(Option<ThreadId>);

impl Home {
    /// The calling thread.
    pub fn here() -> Self {
        Self(cfg!(debug_assertions).then(|| thread::current().id()))
    }

    /// Panics in another thread.
    #[track_caller]
    pub fn check(self) {
        let same = self.0.is_none_or(|home| home == thread::current().id());
        assert!(same, "memory of a GPU that belongs to another thread");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_thread_is_found_out_where_assertions_are() {
        let home = Home::here();
        home.check();
        let found = thread::spawn(move || home.check()).join().is_err();
        assert_eq!(found, cfg!(debug_assertions));
    }
}
