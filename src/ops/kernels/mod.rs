//! Device code under the ops. The only place under `ops` that may use `unsafe`; what it exports is safe to call.

pub(crate) mod cpu;
pub(crate) mod cuda;
