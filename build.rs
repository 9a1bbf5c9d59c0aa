//! Builds the commit of the source code into the program: `harness --version`, tables and records tell it.
//!
//! The commit comes from git, or from the file that `cargo package` puts into a package. Without both it is unknown,
//! and the build goes on.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The files and folders that make the program.
const SOURCES: [&str; 5] = [
    "src",
    "recipes/pl-dc.toml",
    "build.rs",
    "Cargo.toml",
    "Cargo.lock",
];
/// The file that `cargo package` writes; its only texts of 40 hexadecimal digits are commits.
const PACKAGED: &str = ".cargo_vcs_info.json";
/// The number of digits of a whole commit, and of one that is shown to people.
const DIGITS: [usize; 2] = [40, 10];

fn main() {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    let packaged = || Some((packaged_commit()?, false));
    let built = repository().and_then(|_| commit()).or_else(packaged);
    let (commit, changed) = built.unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    let with_changes = if changed { ", with local changes" } else { "" };
    let told = match commit.get(..DIGITS[1]) {
        Some(short) => format!("{version} (commit {short}{with_changes})"),
        None => format!("{version} (commit unknown)"),
    };
    // Names that begin with HARNESS_ are settings, and cargo gives these to the tests that it runs, too.
    println!("cargo:rustc-env=BUILT_VERSION={told}");
    println!("cargo:rustc-env=BUILT_COMMIT={commit}");
    println!("cargo:rustc-env=BUILT_CHANGED={changed}");
}

/// The folder of the sources, if it is the top of a git repository. Sources that were unpacked inside another
/// repository have nothing to do with its commits.
fn repository() -> Option<PathBuf> {
    let here = std::fs::canonicalize(".").ok()?;
    let top = std::fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()?;
    (top == here).then_some(here)
}

/// The commit, and whether the sources differ from it. Asks cargo to look again when the commit changes.
fn commit() -> Option<(String, bool)> {
    let mut watched = vec!["HEAD".to_string(), "packed-refs".into(), "logs/HEAD".into()];
    watched.extend(git(&["symbolic-ref", "-q", "HEAD"]));
    for name in watched {
        // In a linked working tree, HEAD lies elsewhere than the branches.
        let path = git(&["rev-parse", "--git-path", &name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let status = [&["status", "--porcelain", "--"][..], &SOURCES].concat();
    Some((commit, git(&status).is_none_or(|files| !files.is_empty())))
}

/// The commit that a package was made from.
fn packaged_commit() -> Option<String> {
    let text = std::fs::read_to_string(PACKAGED).ok()?;
    let is_commit =
        |word: &&str| word.len() == DIGITS[0] && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split('"').find(is_commit).map(str::to_string)
}

/// What git prints, if it succeeds.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}
