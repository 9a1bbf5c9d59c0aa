//! Hands elements over to Slurm: the folder of the submission, then one call of `sbatch` for each array.

use super::parts::{arrays_of, dependency, scripts, slurm, some};
use super::request::SubmitEnd;
use crate::experiment::cluster::arrays::Array;
use crate::experiment::cluster::elements::{Element, Placed};
use crate::experiment::cluster::jobs::Jobs;
use crate::experiment::cluster::profiles::{FINISH, Profiles};
use crate::experiment::cluster::script::Call;
use crate::experiment::cluster::slurm::NotTaken;
use crate::experiment::cluster::submission::{Content, Origin, Submission};
use crate::experiment::command::begun::Begun;
use crate::recipe::Plan;
use crate::screen::{counted, for_a_shell, say};
use anyhow::Result;
use std::collections::BTreeSet;

/// Work that is about to be handed over.
pub struct Handover<'a> {
    /// The sweep.
    pub begun: &'a Begun,
    /// The plan with the trials of all seeds.
    pub whole: &'a Plan,
    /// What the jobs ask for.
    pub profiles: &'a Profiles,
    /// What is missing.
    pub elements: &'a [Placed],
    /// The jobs of earlier submissions that wait or run.
    pub queued: &'a BTreeSet<String>,
}

impl Handover<'_> {
    /// Hands everything over, or as much as Slurm takes.
    ///
    /// # Errors
    /// The folder of the submission is not writable.
    pub fn run(&self, origin: &Origin) -> Result<SubmitEnd> {
        let content: Vec<Element> = self.elements.iter().map(|it| it.element.clone()).collect();
        let submission = Submission::create(
            &self.begun.store,
            &Content {
                plan: &self.begun.plan,
                whole: self.whole,
                origin,
                elements: &content,
                profiles: self.profiles,
            },
        )?;
        let slurm = slurm(self.profiles);
        let arrays = arrays_of(self.elements, self.profiles, &slurm);
        self.write_scripts(&submission, &arrays)?;
        let path = submission.jobs();
        let jobs = Jobs::at(&path);
        let folder = std::env::current_dir()?;
        let id = submission.id();
        let mut numbers: Vec<String> = Vec::new();
        let mut refused = None;
        for array in &arrays {
            let profile = self.profiles.of(&array.kind);
            let name = submission.array_name(array.level, array.chunk);
            let dependency = dependency(&array.before, &arrays, &numbers);
            let (logs, script) = (submission.logs("%A_%a"), submission.script(&array.kind));
            let call = Call {
                profile: &profile,
                name: &name,
                id: &id,
                dependency: &dependency,
                array: Some(array),
                logs: &logs,
                folder: &folder,
                script: &script,
            };
            jobs.intend(&name, array.first, array.count)?;
            match slurm.submit(&call.arguments()) {
                Ok(job) => {
                    jobs.submitted(&name, &job)?;
                    numbers.push(job);
                }
                Err(error) => {
                    jobs.refused(&name)?;
                    refused = Some(error);
                    break;
                }
            }
        }
        if !numbers.is_empty() && self.profiles.usual.finish {
            let profile = self.profiles.of(FINISH);
            let name = submission.finish_name();
            let after: BTreeSet<&String> = numbers.iter().chain(self.queued).collect();
            let after: Vec<&str> = after.into_iter().map(String::as_str).collect();
            let dependency = format!("afterany:{}", after.join(":"));
            let (logs, script) = (submission.logs("finish_%j"), submission.script(FINISH));
            let call = Call {
                profile: &profile,
                name: &name,
                id: &id,
                dependency: &dependency,
                array: None,
                logs: &logs,
                folder: &folder,
                script: &script,
            };
            jobs.intend(&name, 0, 0)?;
            match slurm.submit(&call.arguments()) {
                Ok(job) => jobs.submitted(&name, &job)?,
                Err(error) => {
                    jobs.refused(&name)?;
                    say(&format!(
                        "warning: no job will write the tables: {error}; `harness submit` writes them when all is done"
                    ));
                }
            }
        }
        Ok(self.told(&arrays, &numbers, refused))
    }

    fn write_scripts(&self, submission: &Submission, arrays: &[Array]) -> Result<()> {
        for (kind, text) in scripts(submission.folder(), arrays, self.profiles) {
            submission.write_script(&kind, &text)?;
        }
        Ok(())
    }

    /// What was handed over, in words.
    fn told(&self, arrays: &[Array], numbers: &[String], refused: Option<NotTaken>) -> SubmitEnd {
        let all = self.elements.len();
        let handed: usize = arrays
            .iter()
            .take(numbers.len())
            .map(|array| array.count)
            .sum();
        let folder = for_a_shell(&self.begun.folder.display().to_string());
        match refused {
            None => SubmitEnd::Handed(format!(
                "Submitted: {} in {} (jobs {})\nNext: harness status {folder}",
                counted(all, "element"),
                counted(arrays.len(), "array"),
                some(numbers)
            )),
            Some(error) => {
                let next = match &error {
                    NotTaken::Limit(_) if handed == 0 => {
                        "if your site never takes as many at once, set `max-array` of the profile to what it takes"
                    }
                    NotTaken::Limit(_) => {
                        "the same command submits the rest when some of them have ended"
                    }
                    NotTaken::Refused(_) => "the same command submits the rest",
                };
                SubmitEnd::Partly(format!(
                    "sbatch: {error}\n{handed} of {} submitted; {next}",
                    counted(all, "element")
                ))
            }
        }
    }
}
