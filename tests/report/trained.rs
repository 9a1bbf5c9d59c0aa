//! A results folder of two tiny trainings, made once.

use crate::folders::{harness, stderr, text_of};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;

/// Settings with which a training takes seconds, and a network finds something.
const RECIPE: &str = "sweeps = ['two']\nseeds = [0, 1]\n\
    [data]\ntrain-images = 30\nval-images = 6\n[method]\nburn-in = 80\n[method.correction.vlm]\nsteps = 2\nimages = 8\n\
    [train]\nsteps = 90\ncheckpoint = 45\n";
const SWEEP: &str = "question = 'Which?'\nreference = 'PL-DC'\n[[each]]\nlabel = 'PL-DC'\n\
    [[each]]\nlabel = '- DICC'\nset.'method.correction' = { name = 'keep' }\n";

/// The recipe and its results.
pub static TRAINED: LazyLock<Trained> = LazyLock::new(Trained::new);

/// A folder with a recipe, a sweep and results of networks.
pub struct Trained {
    folder: TempDir,
}

impl Trained {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["recipes", "sweeps"] {
            fs::create_dir(at(name)).unwrap();
        }
        let smoke = Path::new("recipes/smoke.toml").canonicalize().unwrap();
        fs::write(
            at("recipes/own.toml"),
            format!("extends = {smoke:?}\n{RECIPE}"),
        )
        .unwrap();
        fs::write(at("sweeps/two.toml"), SWEEP).unwrap();
        let new = Self { folder };
        let output = harness(&[
            "sweep",
            text_of(&new.recipe()),
            "--out",
            text_of(&new.results()),
            "--quiet",
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
        new
    }

    /// The recipe.
    pub fn recipe(&self) -> PathBuf {
        self.folder.path().join("recipes/own.toml")
    }

    /// The results folder.
    pub fn results(&self) -> PathBuf {
        self.folder.path().join("trained")
    }
}
