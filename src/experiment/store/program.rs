//! The program itself: its version, and the commit that it was built from. `build.rs` knows both.
//!
//! The folder of a recipe may be a repository too, or part of another one. Its commit is another one:
//! [`super::system`].

use serde::{Deserialize, Serialize};

/// The version of this program with its commit, for people.
pub const VERSION: &str = env!("BUILT_VERSION");

/// The source code that a program was built from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Program {
    /// The git commit; none if the program was built outside its repository.
    pub commit: Option<String>,
    /// True if the source code differed from that commit.
    pub changed: bool,
}

impl Program {
    /// This program.
    pub fn this() -> Self {
        let commit = env!("BUILT_COMMIT");
        Self {
            commit: (!commit.is_empty()).then(|| commit.to_string()),
            changed: env!("BUILT_CHANGED") == "true",
        }
    }

    /// The commit in words.
    pub fn text(&self) -> String {
        commit_text(self.commit.as_deref(), self.changed)
    }
}

/// A commit in words; `changed` is true if the files differ from it.
pub fn commit_text(commit: Option<&str>, changed: bool) -> String {
    let commit = commit.unwrap_or("unknown");
    let changed = if changed { ", with local changes" } else { "" };
    format!("{commit}{changed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_names_the_beginning_of_the_commit() {
        assert!(VERSION.starts_with(env!("CARGO_PKG_VERSION")));
        match Program::this().commit {
            Some(commit) => {
                assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()));
                assert!(
                    VERSION.contains(&format!("(commit {}", &commit[..10])),
                    "{VERSION}"
                );
            }
            None => assert!(VERSION.ends_with("(commit unknown)"), "{VERSION}"),
        }
    }

    #[test]
    fn a_commit_is_told_with_its_changes() {
        assert_eq!(commit_text(Some("abc"), true), "abc, with local changes");
        assert_eq!(commit_text(None, false), "unknown");
    }
}
