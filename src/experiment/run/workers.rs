//! The number of stages that run at the same time, and the cores that they share.

/// The number of stages that run at the same time, and the threads that they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// The maximum number of stages at the same time.
    pub count: usize,
    /// The number of threads that the running stages share.
    pub cores: usize,
}

impl Workers {
    /// `count` workers on the machine's `cores`; with 0, one per core.
    pub fn new(count: usize, cores: usize) -> Self {
        let cores = cores.max(1);
        let count = if count == 0 { cores } else { count };
        Self { count, cores }
    }

    /// The number of threads of a stage that starts while `beside` others run or could start. The result of a
    /// stage does not depend on it, so a lone burn-in may use all threads, which are shared later.
    pub fn threads(&self, beside: usize) -> usize {
        (self.cores / (beside + 1).min(self.count)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_stages_share_the_cores() {
        let workers = Workers::new(0, 4);
        assert_eq!(workers.count, 4);
        assert_eq!(workers.threads(0), 4, "alone");
        assert_eq!(workers.threads(1), 2);
        assert_eq!(workers.threads(12), 1);
        assert_eq!(Workers::new(2, 4).threads(10), 2, "two at once");
        assert_eq!(Workers::new(9, 4).threads(8), 1);
    }
}
