//! Tests work that is handed over to Slurm: on stand-ins for its commands, and on a real Slurm on this machine.

// Other tests use the rest of it.
mod loopback;
mod no_locks;
#[allow(dead_code)]
#[path = "../faults/rig.rs"]
mod rig;
mod rounds;
mod slurm;
mod stand_in;
mod submit;
mod work;
