//! How the cores of this machine are shared by the stages that run at once.

/// Stages at once, and the cores that they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Stages at once, at most.
    pub count: usize,
    /// Threads of all of them together.
    pub cores: usize,
}

impl Workers {
    /// `count` workers on the machine's `cores`; 0: one per core.
    pub fn new(count: usize, cores: usize) -> Self {
        let cores = cores.max(1);
        let count = if count == 0 { cores } else { count };
        Self { count, cores }
    }

    /// Threads of a stage that starts while `beside` others run or could start. Results do not depend on it, so a lone burn-in may have
    /// all the threads that later are shared.
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
