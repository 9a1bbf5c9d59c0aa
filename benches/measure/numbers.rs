//! The peak memory of a process, and rounding.

/// Rounds to hundredths.
pub fn rounded(value: f64) -> f64 {
    (100.0 * value).round() / 100.0
}

/// The largest resident size of this process so far in MiB; 0 if the system does not report it.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}
