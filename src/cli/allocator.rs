//! The setting of the program's allocator.

/// The variable in which mimalloc reads after how many milliseconds it gives freed memory back; -1: never.
#[cfg(unix)]
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Lets the allocator keep freed memory for the next step, unless the environment says otherwise. Every step needs the
/// same buffers, and the system clears those that it hands out again: that is a tenth of the time of a large network.
///
/// mimalloc reads its settings when a program starts. So this program starts itself anew, in the same process, with
/// the setting in its environment. Where that fails, it goes on without the setting.
pub fn keep_freed_memory() {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        use std::{env, process::Command};

        if env::var_os(PURGE_DELAY).is_some() {
            return;
        }
        let Ok(program) = env::current_exe() else {
            return;
        };
        let mut words = env::args_os();
        let mut command = Command::new(program);
        if let Some(name) = words.next() {
            command.arg0(name);
        }
        // This returns only if it fails.
        let _ = command.args(words).env(PURGE_DELAY, "-1").exec();
    }
}
