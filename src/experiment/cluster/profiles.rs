//! The file with the profiles of a site, which say what a job asks Slurm for. It is `harness.slurm.toml` beside the
//! recipe, or else in `$XDG_CONFIG_HOME/harness/slurm.toml`. Nothing of it enters a hash.
//!
//! ```toml
//! default = "a100"
//! [profile.a100]
//! partition = "gpu"
//! time      = "20:00:00"
//! [profile.a100.stage.burn-in]    # any key again, for one kind of stage
//! time      = "08:00:00"
//! ```

use super::profile::{Profile, seconds};
use super::profile_keys::{KEYS, ProfileKey};
use crate::recipe::{Node, ParsedFile, Problem, RecipeError, Tree, hint};
use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The name of the file beside a recipe.
const BESIDE: &str = "harness.slurm.toml";
/// The file in the user's folder of settings.
const AT_HOME: &str = "harness/slurm.toml";
/// The smallest `lead` in seconds: Slurm looks at time limits every 30 seconds, and its signal may come 60 seconds
/// early or late.
const LEAST_LEAD: u32 = 120;
/// A file that a user without one may begin with.
const EXAMPLE: &str =
    "default = \"gpu\"\n[profile.gpu]\npartition = \"gpu\"\ntime = \"20:00:00\"\n";
/// The key of a file that names the profile to take.
const DEFAULT: &str = "default";
/// The table of a file with the profiles.
const PROFILE: &str = "profile";
/// The table of a profile with the keys of single kinds of stages.
const STAGE: &str = "stage";
/// The kind of the job that writes the records and tables.
pub const FINISH: &str = "finish";

/// A profile with the exceptions for single kinds of stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Profiles {
    /// The name of the profile.
    pub name: String,
    /// What all jobs ask for, unless the next table says otherwise.
    pub usual: Profile,
    /// What the jobs of a kind of stage ask for instead, whole.
    #[serde(default)]
    pub stage: BTreeMap<String, Profile>,
}

impl Profiles {
    /// What a job with stages of this `kind` asks for.
    pub fn of(&self, kind: &str) -> Profile {
        let own = self.stage.get(kind).cloned();
        own.unwrap_or_else(|| begins_with(&self.usual, kind))
    }

    /// What a user should know of the profile for a plan with stages of these `kinds`: keys that no job reads, and GPUs
    /// that no trial uses.
    pub fn notes(&self, kinds: &BTreeSet<&str>) -> Vec<String> {
        let mut notes = self.unused(kinds);
        notes.extend(kinds.iter().filter_map(|kind| {
            let Profile { gpus, pack, .. } = self.of(kind);
            (gpus > pack).then(|| {
                format!(
                    "jobs of the kind `{kind}` ask for `gpus = {gpus}` and run `pack = {pack}` of their trials at the same \
                     time, so {} of their GPUs stay idle",
                    gpus - pack
                )
            })
        }));
        notes
    }

    /// A note for every kind with exceptions that is none of `kinds`.
    fn unused(&self, kinds: &BTreeSet<&str>) -> Vec<String> {
        let unused = self
            .stage
            .keys()
            .filter(|kind| !kinds.contains(&***kind) && *kind != FINISH);
        let known: Vec<&str> = kinds.iter().copied().collect();
        unused
            .map(|kind| {
                format!(
                    "the profile `{}` has keys for stages of the kind `{kind}`, which this plan does not have; its \
                     kinds: {}",
                    self.name,
                    known.join(", ")
                )
            })
            .collect()
    }

    /// Reads the profile `name`, or the default one, from the file of the user of `recipe`. Returns the file, too.
    ///
    /// # Errors
    /// There is no file, no such profile, or a key is wrong. The error names the place and what is allowed.
    pub fn find(recipe: &Path, name: Option<&str>) -> Result<(Self, PathBuf)> {
        let places = places(recipe);
        let Some(path) = places.iter().find(|path| path.exists()) else {
            let places = places.iter().map(|path| path.display().to_string());
            let places: Vec<String> = places.collect();
            bail!(
                "no profile of a Slurm site: none of these files exists: {}. The smallest one reads:\n{EXAMPLE}",
                places.join(", ")
            );
        };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the profiles {}", path.display()))?;
        Ok((Self::parse(path, text, name)?, path.clone()))
    }

    /// Reads the profile `name`, or the default one, from `text`, the content of the file `path`.
    ///
    /// # Errors
    /// As for [`Self::find`].
    fn parse(path: &Path, text: String, name: Option<&str>) -> Result<Self> {
        let file = ParsedFile::parse(path, text).map_err(RecipeError::from)?;
        let mut reader = Reader {
            file: &file,
            problems: Vec::new(),
        };
        let found = reader.profiles();
        let chosen = match reader.problems.is_empty() {
            true => reader.choose(found, name),
            false => None,
        };
        match chosen {
            Some(profile) if reader.problems.is_empty() => Ok(profile),
            _ => Err(anyhow!(RecipeError::new(reader.problems))),
        }
    }
}

/// What the jobs of a kind ask for before the keys of their own.
fn begins_with(usual: &Profile, kind: &str) -> Profile {
    match kind == FINISH {
        true => usual.without_devices(),
        false => usual.clone(),
    }
}

/// The files that may hold the profiles for `recipe`, the first one that exists counts.
fn places(recipe: &Path) -> Vec<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty());
    let config = config.map(PathBuf::from);
    let config = config.or_else(|| Some(std::env::home_dir()?.join(".config")));
    let beside = recipe.with_file_name(BESIDE);
    [Some(beside), config.map(|folder| folder.join(AT_HOME))]
        .into_iter()
        .flatten()
        .collect()
}

/// What a file says: the name of its default with its place, and its profiles with theirs.
struct Found<'a> {
    default: Option<(String, &'a Node)>,
    profiles: Vec<(Profiles, &'a Node)>,
}

/// Reads a file and collects what is wrong with it.
struct Reader<'a> {
    file: &'a ParsedFile,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn refuse_key(&mut self, node: &Node, message: String) {
        let place = self.file.key_place(node);
        self.problems.push(Problem::at(place, message));
    }

    fn refuse_value(&mut self, node: &Node, message: String) {
        let place = self.file.value_place(node);
        self.problems.push(Problem::at(place, message));
    }

    /// The entries of a table; none, with a problem, if `node` is no table.
    fn table(&mut self, name: &str, node: &'a Node) -> &'a [(String, Node)] {
        if let Tree::Table(entries) = &node.tree {
            return entries;
        }
        self.refuse_value(node, format!("`{name}` has to be a table"));
        &[]
    }

    fn profiles(&mut self) -> Found<'a> {
        let mut found = Found {
            default: None,
            profiles: Vec::new(),
        };
        for (key, node) in self.table("the file", &self.file.root) {
            match (key.as_str(), &node.tree) {
                (DEFAULT, Tree::Leaf(toml::Value::String(name))) => {
                    found.default = Some((name.clone(), node));
                }
                (DEFAULT, _) => self.refuse_value(node, "`default` has to be text".into()),
                (PROFILE, _) => {
                    for (name, node) in self.table(PROFILE, node) {
                        let profile = self.profile(name, node);
                        found.profiles.push((profile, node));
                    }
                }
                _ => {
                    let hint = hint(key, [DEFAULT, PROFILE]);
                    self.refuse_key(node, format!("unknown key `{key}`{hint}"));
                }
            }
        }
        found
    }

    /// Reads one profile: first its own keys, which all kinds of stages begin with.
    fn profile(&mut self, name: &str, node: &'a Node) -> Profiles {
        let mut profile = Profiles {
            name: name.into(),
            usual: Profile::default(),
            stage: BTreeMap::new(),
        };
        let entries = self.table(name, node);
        for (key, node) in entries.iter().filter(|(key, _)| key != STAGE) {
            self.key(&mut profile.usual, key, node, false);
        }
        self.check(&profile.usual, name, node, entries);
        for (_, node) in entries.iter().filter(|(key, _)| key == STAGE) {
            for (kind, node) in self.table(STAGE, node) {
                let mut own = begins_with(&profile.usual, kind);
                let entries = self.table(kind, node);
                for (key, node) in entries {
                    self.key(&mut own, key, node, true);
                }
                self.check(&own, kind, node, entries);
                profile.stage.insert(kind.clone(), own);
            }
        }
        profile
    }

    /// Reads one key into `profile`; `of_kind` is true in the table of a kind of stage.
    fn key(&mut self, profile: &mut Profile, key: &str, node: &Node, of_kind: bool) {
        let Some(known) = KEYS.iter().find(|known| known.name == key) else {
            let more = (!of_kind).then_some(STAGE);
            let names = KEYS.iter().map(|known| known.name).chain(more);
            let hint = hint(key, names);
            return self.refuse_key(node, format!("unknown key `{key}` of a profile{hint}"));
        };
        let ProfileKey { whole, read, .. } = known;
        if of_kind && *whole {
            let message = format!(
                "`{key}` holds for all jobs of a submission; allowed: in the profile itself, not in `stage`"
            );
            return self.refuse_key(node, message);
        }
        if let Err(allowed) = read(profile, &node.plain()) {
            let found = node.plain();
            self.refuse_value(
                node,
                format!("`{key}`: {found} is not allowed; allowed: {allowed}"),
            );
        }
    }

    /// Checks what the keys of a profile or of a kind say together.
    fn check(&mut self, profile: &Profile, name: &str, node: &'a Node, own: &'a [(String, Node)]) {
        let place = |key: &str| own.iter().find(|(known, _)| known == key);
        let Some(limit) = seconds(&profile.time) else {
            // A time that cannot be read has been refused already.
            if profile.time.is_empty() && place("time").is_none() {
                let message = format!(
                    "`{name}` lacks the key `time`, the time limit of one job; allowed: such as \"20:00:00\""
                );
                self.refuse_key(node, message);
            }
            return;
        };
        let at = place("lead").or(place("time")).map_or(node, |(_, at)| at);
        let lead = profile.lead;
        if lead < LEAST_LEAD || u64::from(lead) >= limit {
            let message = format!(
                "`lead`: {lead} seconds before a limit of {limit} seconds are not allowed; allowed: {LEAST_LEAD} and more, \
                 less than `time` (Slurm's signal may come a minute early or late)"
            );
            self.refuse_value(at, message);
        }
    }

    /// The profile that the user means.
    fn choose(&mut self, found: Found, name: Option<&str>) -> Option<Profiles> {
        let known: Vec<String> = found
            .profiles
            .iter()
            .map(|(it, _)| it.name.clone())
            .collect();
        let known = || known.iter().map(String::as_str);
        let file = self.file.source.path.display().to_string();
        let wanted = match (name, &found.default) {
            (Some(name), _) => name.to_string(),
            (None, Some((name, _))) => name.clone(),
            (None, None) if found.profiles.len() == 1 => found.profiles[0].0.name.clone(),
            (None, None) => {
                let message = match found.profiles.is_empty() {
                    true => format!("{file}: it has no table [profile.NAME]"),
                    false => format!(
                        "{file}: which profile? allowed: --profile NAME or the key `default`, with one of `{}`",
                        known().collect::<Vec<_>>().join("`, `")
                    ),
                };
                self.problems.push(Problem::nowhere(message));
                return None;
            }
        };
        let chosen = found.profiles.into_iter().find(|(it, _)| it.name == wanted);
        if let Some((profile, _)) = chosen {
            return Some(profile);
        }
        let hint = hint(&wanted, known());
        match (name, found.default) {
            (None, Some((_, node))) => {
                self.refuse_value(node, format!("no profile `{wanted}`{hint}"));
            }
            _ => {
                let message = format!("--profile {wanted}: {file} has no such profile{hint}");
                self.problems.push(Problem::nowhere(message));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
