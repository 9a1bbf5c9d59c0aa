//! Fused operations on the tape, one file per op: formula, shapes, source, forward, backward.

#[cfg(test)]
pub(crate) mod check;
