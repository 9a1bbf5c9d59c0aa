//! A value that somebody will wait for.

use std::fmt;

/// What [`Self::wait`] gives: on the CPU what is known already, on a GPU what it has computed by then. Until then a GPU works on, and so may
/// the CPU. What [`Self::map`] adds is computed by the one who waits.
#[must_use = "what is not waited for is not looked at"]
pub struct Later<T>(Box<dyn FnOnce() -> T>);

impl<T: 'static> Later<T> {
    /// A value that is there.
    pub fn ready(value: T) -> Self {
        Self::new(|| value)
    }

    /// What `wait` gives, which may wait for a GPU.
    pub fn new(wait: impl FnOnce() -> T + 'static) -> Self {
        Self(Box::new(wait))
    }

    /// What `then` makes of the value, once it is there.
    pub fn map<U: 'static>(self, then: impl FnOnce(T) -> U + 'static) -> Later<U> {
        Later::new(|| then(self.wait()))
    }

    /// The value.
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
