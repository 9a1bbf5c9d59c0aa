//! A value that becomes available later.

use std::fmt;

/// A value that [`Self::wait`] returns. On the CPU it is known already; on a GPU it is the result of work
/// that has been started. Until somebody waits, the GPU keeps working, and the CPU may do other work. The
/// functions added by [`Self::map`] run in the thread that waits.
#[must_use = "call `wait` to get the value"]
pub struct Later<T>(Box<dyn FnOnce() -> T>);

impl<T: 'static> Later<T> {
    /// A value that is already known.
    pub fn ready(value: T) -> Self {
        Self::new(|| value)
    }

    /// A value that `wait` returns; `wait` may wait for a GPU.
    pub fn new(wait: impl FnOnce() -> T + 'static) -> Self {
        Self(Box::new(wait))
    }

    /// Applies `then` to the value when it is available.
    pub fn map<U: 'static>(self, then: impl FnOnce(T) -> U + 'static) -> Later<U> {
        Later::new(|| then(self.wait()))
    }

    /// Waits for the value.
    pub fn wait(self) -> T {
        (self.0)()
    }
}

impl<T> fmt::Debug for Later<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn nothing_happens_before_it_is_waited_for() {
        let asked = Rc::new(Cell::new(0));
        let counter = Rc::clone(&asked);
        let later = Later::new(move || {
            counter.set(counter.get() + 1);
            20
        });
        let later = later.map(|value| value + 1);
        assert_eq!(asked.get(), 0);
        assert_eq!((later.wait(), asked.get()), (21, 1));
        assert_eq!(Later::ready("there").wait(), "there");
    }
}
