//! The system of a computation: the program, the commit of the recipe's folder, the machine.

use super::program::Program;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;

/// This program, the repository of the recipe, and the machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SystemInfo {
    /// The version of the program.
    pub version: String,
    /// The source code of the program.
    pub program: Program,
    /// The git commit of the recipe's folder; none outside a repository.
    pub commit: Option<String>,
    /// True if files other than results differ from that commit.
    pub changed: bool,
    /// The differences of the tracked files, as `git diff` prints them.
    #[serde(skip)]
    pub diff: Option<Vec<u8>>,
    /// The processor.
    pub cpu: String,
    /// The number of its cores that the process may use.
    pub cores: usize,
    /// The operating system.
    pub os: String,
}

impl SystemInfo {
    /// Collects the information. `recipe` is the file of the recipe; without one, there is no commit.
    pub fn new(recipe: Option<&Path>) -> Self {
        let git = |arguments: &[&str]| git(recipe?, arguments);
        let status = ["status", "--porcelain", "--", ":/", ":(top,exclude)results"];
        let changed = git(&status).is_some_and(|files| !files.trim_ascii().is_empty());
        let diff = ["diff", "HEAD", "--", ":/", ":(top,exclude)results"];
        Self {
            version: env!("CARGO_PKG_VERSION").to_string(),
            program: Program::this(),
            commit: recipe.and_then(commit),
            changed,
            diff: changed.then(|| git(&diff)).flatten(),
            cpu: cpu(),
            cores: cores(),
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

impl SystemInfo {
    /// The same repository of the recipe and the same program, on this machine.
    pub fn here(self) -> Self {
        Self {
            cpu: cpu(),
            cores: cores(),
            ..self
        }
    }
}

/// The git commit of the folder of the file `recipe`; none outside a repository.
fn commit(recipe: &Path) -> Option<String> {
    let text = git(recipe, &["rev-parse", "HEAD"])?;
    Some(String::from_utf8_lossy(&text).trim().to_string())
}

/// The output of git in the folder of the file `recipe`, if git succeeds.
fn git(recipe: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let folder = recipe
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let output = Command::new("git")
        .arg("-C")
        .arg(folder.unwrap_or(Path::new(".")))
        .args(arguments)
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}

/// The number of cores that the process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The name of the processor as Linux reports it, or else unknown.
fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = line.map(|line| line.trim_start_matches([' ', '\t', ':']).trim().to_string());
    name.unwrap_or_else(|| "unknown processor".to_string())
}
