//! `harness data look`: the pictures that a recipe feeds its network, in its first trial with a teacher or else in its
//! first.
//!
//! The batches are those of the training itself: each phase is shown from its first step on. Every picture is
//! written as PNG, and `index.html` shows all of them.

mod files;

use super::first::first_with_unlabelled;
use crate::data::loader::{LabelledViews, Loader, UnlabelledView};
use crate::data::split::Split;
use crate::data::{Dataset, Source};
use crate::draw::{Object, class_colour, drawn};
use crate::experiment::settings::sections::Settings;
use crate::experiment::store::program::VERSION;
use crate::experiment::trial::draws::draw;
use crate::experiment::trial::inputs::{CommandError, Inputs, RecipeRequest};
use crate::report::page::{ClassLine, Views};
use crate::screen::counted;
use crate::structures::{Instance, InstanceSource, Picture};
use anyhow::{Result, bail};
use files::{Part, Shot, Shots, write};
use std::collections::BTreeSet;
use std::path::Path;

/// Writes the views of `images` images of each kind and phase into `folder`, and returns a summary.
///
/// # Errors
/// - [`CommandError::Input`]: as for [`super::ahead::plan`], an image cannot be read, or the folder is not empty. No
///   weights are needed.
/// - [`CommandError::Output`]: a file cannot be written.
pub fn look_at_data(
    request: &RecipeRequest,
    folder: &Path,
    images: usize,
) -> Result<String, CommandError> {
    let inputs = Inputs::of_the_splits();
    let settings = first_with_unlabelled(request, &inputs)?;
    let read = || {
        check_empty(folder)?;
        let dataset = inputs.datasets.get(&settings.data)?;
        let split = draw(&settings, &dataset)?;
        let looked = Look {
            settings: &settings,
            dataset: &dataset,
            split: &split,
            images,
        };
        looked.parts()
    };
    let (parts, classes) = read().map_err(CommandError::Input)?;
    let name = request.recipe.file_stem().unwrap_or_default();
    let views = Views {
        recipe: name.to_string_lossy().into_owned(),
        ..classes
    };
    write(folder, parts, views).map_err(CommandError::Output)
}

/// Refuses a folder with files in it: some of them would be of another recipe.
pub(super) fn check_empty(folder: &Path) -> Result<()> {
    let is_full = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if is_full || folder.is_file() {
        bail!(
            "{}: exists already; needed: a new or an empty folder",
            folder.display()
        );
    }
    Ok(())
}

/// The inputs of the pages.
struct Look<'a> {
    settings: &'a Settings,
    dataset: &'a Dataset,
    split: &'a Split,
    /// The images of each kind and phase.
    images: usize,
}

impl Look<'_> {
    /// The parts, and the page with its facts and classes.
    fn parts(&self) -> Result<(Vec<Part>, Views)> {
        let mut parts = Vec::new();
        let mut shown = vec![0; self.dataset.classes.len()];
        let phases = self.settings.phases().into_iter();
        for phase in phases.filter(|phase| !phase.steps.is_empty()) {
            let settings = self.settings.of_phase(phase.name);
            let look = Look {
                settings: &settings,
                ..*self
            };
            let mut loader = look.loader();
            let [mut labelled, mut unlabelled] = [Vec::new(), Vec::new()];
            for step in phase.steps.clone() {
                let enough = unlabelled.len() >= self.images || !phase.reads_unlabelled();
                if labelled.len() >= self.images && enough {
                    break;
                }
                look.step(
                    &mut loader,
                    step,
                    phase.reads_unlabelled(),
                    [&mut labelled, &mut unlabelled],
                    &mut shown,
                )?;
            }
            let steps = format!(
                "From step {} on, seed {}, {} x {} pixels.",
                phase.steps.start,
                settings.seed,
                settings.augment.size.height,
                settings.augment.size.width
            );
            parts.push(Part {
                name: format!("{}-labelled", phase.name),
                title: format!("{}: labelled images", phase.name),
                about: format!("{steps} The network sees the views in the key `loader.labelled-views`, without the drawn objects."),
                images: labelled,
            });
            if phase.reads_unlabelled() {
                let seen = match phase.labels {
                    true => "The teacher sees the first view, the student the second one.",
                    false => "The network sees the second view.",
                };
                parts.push(Part {
                    name: format!("{}-unlabelled", phase.name),
                    title: format!("{}: unlabelled images", phase.name),
                    about: format!(
                        "{steps} {seen} Training never sees the annotations of these images; they are drawn to show that the \
                         views fit them."
                    ),
                    images: unlabelled,
                });
            }
        }
        parts.push(self.evaluated()?);
        let views = Views {
            facts: self.facts(),
            counted: [
                "labelled objects",
                "labelled images",
                "unlabelled objects",
                "evaluated objects",
                "drawn in labelled views",
            ]
            .map(String::from)
            .to_vec(),
            classes: self.classes(&shown),
            version: VERSION.to_string(),
            ..Views::default()
        };
        Ok((parts, views))
    }

    /// What makes the batches.
    fn loader(&self) -> Loader {
        let Settings {
            augment,
            loader,
            seed,
            ..
        } = self.settings;
        let mut config = loader.clone();
        // The batches are the same without threads.
        config.threads = 0;
        Loader::new(self.dataset, self.split, augment, &config, *seed)
    }

    /// Adds the images of a step, as long as there are not enough.
    fn step(
        &self,
        loader: &mut Loader,
        step: usize,
        with_unlabelled: bool,
        [labelled, unlabelled]: [&mut Vec<Shots>; 2],
        shown: &mut [usize],
    ) -> Result<()> {
        let images = loader.images(step, with_unlabelled);
        let batch = loader.batch(step, with_unlabelled)?;
        let count = images.labelled.len();
        let kinds = match self.settings.loader.labelled_views {
            LabelledViews::Weak => vec![WEAK],
            LabelledViews::Strong => vec![STRONG],
            LabelledViews::WeakStrong => vec![WEAK, STRONG],
        };
        for (place, image) in images.labelled.iter().enumerate() {
            if labelled.len() == self.images {
                break;
            }
            let mut shots = Vec::new();
            for (kind, [plain, with]) in kinds.iter().enumerate() {
                let view = &batch.labelled[kind * count + place];
                shots.push((plain.0, plain.1, view.picture.clone()));
                shots.push((
                    with.0,
                    with.1,
                    self.with_objects(&view.picture, &view.instances),
                ));
                if kind == 0 {
                    view.instances.iter().for_each(|one| shown[one.class] += 1);
                }
            }
            labelled.push(self.shots(*image, step, shots));
        }
        for (image, views) in images.unlabelled.iter().zip(&batch.unlabelled) {
            if unlabelled.len() == self.images {
                break;
            }
            let hidden = self.with_objects(&views.weak, &views.hidden_truth);
            let strong = match self.settings.loader.unlabelled_view {
                UnlabelledView::Strong => "strong view",
                UnlabelledView::Weak => "the student's weak view",
            };
            let mut shots = vec![
                ("weak", "weak view", views.weak.clone()),
                ("strong", strong, views.strong.clone()),
                ("hidden", "weak view with the hidden annotations", hidden),
            ];
            if let Some(moved) = &views.moved {
                let follow = |instance: &Instance| Instance {
                    mask: moved.moved(&instance.mask),
                    ..*instance
                };
                let objects: Vec<Instance> = views.hidden_truth.iter().map(follow).collect();
                shots.push((
                    "moved",
                    "the student's view with these annotations, moved as pseudo-labels are",
                    self.with_objects(&views.strong, &objects),
                ));
            }
            unlabelled.push(self.shots(*image, step, shots));
        }
        Ok(())
    }

    /// The first evaluated images.
    fn evaluated(&self) -> Result<Part> {
        let val = &*self.dataset.val;
        let mut images = Vec::new();
        for index in 0..val.len().min(self.images) {
            let sample = val.load(index)?;
            let shots = vec![
                (
                    "view",
                    "view of the evaluation",
                    self.settings.eval.view(&sample.picture),
                ),
                (
                    "objects",
                    "the picture with its annotations",
                    self.with_objects(&sample.picture, &sample.instances),
                ),
            ];
            images.push(Shots {
                title: title(val, index),
                shots,
            });
        }
        Ok(Part {
            name: "evaluated".into(),
            title: "Evaluated images".into(),
            about: "The network sees the first view. Its masks are compared with the annotations at the picture's own size."
                .into(),
            images,
        })
    }

    /// The views of a training image, or of a further one behind these.
    fn shots(&self, image: usize, step: usize, shots: Vec<Shot>) -> Shots {
        let train = &self.dataset.train;
        let title = match (
            image.checked_sub(train.len()),
            &self.dataset.extra_unlabelled,
        ) {
            (Some(further), Some(extra)) => title(&**extra, further),
            _ => title(&**train, image),
        };
        Shots {
            title: format!("step {step}, {title}"),
            shots,
        }
    }

    fn with_objects(&self, picture: &Picture, instances: &[Instance]) -> Picture {
        let text = |instance: &Instance| {
            let name = &self.dataset.classes[instance.class];
            match instance.source {
                InstanceSource::Annotation | InstanceSource::Pseudo(_) => name.clone(),
                InstanceSource::Crowd => format!("{name} (crowd)"),
            }
        };
        let objects = instances.iter().map(|instance| Object {
            class: instance.class,
            mask: &instance.mask,
            text: text(instance),
        });
        drawn(picture, &objects.collect::<Vec<_>>())
    }

    /// Sentences about the dataset and the split.
    fn facts(&self) -> Vec<String> {
        let (split, train) = (self.split, self.dataset.train.len());
        let classes = self.dataset.classes.len();
        let mut facts = vec![format!(
            "{}, {}; {} labelled and {} unlabelled; {}.",
            counted(classes, "class"),
            counted(train, "training image"),
            split.labelled.len(),
            split.unlabelled.len(),
            counted(self.dataset.val.len(), "evaluated image")
        )];
        let names = self.dataset.classes.iter().zip(&split.counts.objects);
        let absent: Vec<&str> = names
            .filter(|(_, count)| **count == 0)
            .map(|(name, _)| name.as_str())
            .collect();
        if !absent.is_empty() {
            facts.push(format!("No labelled object: {}.", absent.join(", ")));
        }
        facts.extend(split.notes.iter().cloned());
        facts.extend(self.dataset.findings.lines());
        facts
    }

    fn classes(&self, shown: &[usize]) -> Vec<ClassLine> {
        let train = &*self.dataset.train;
        let count = self.dataset.classes.len();
        let labelled = self.split.labelled.iter().copied();
        let unlabelled = self.split.unlabelled.iter().copied();
        let val = &*self.dataset.val;
        let counts = [
            objects(train, labelled.clone(), count),
            images(train, labelled, count),
            objects(
                train,
                unlabelled.filter(|image| *image < train.len()),
                count,
            ),
            objects(val, 0..val.len(), count),
            shown.to_vec(),
        ];
        let line = |(class, name): (usize, &String)| ClassLine {
            name: name.clone(),
            colour: class_colour(class),
            counts: counts.iter().map(|one| one[class]).collect(),
        };
        self.dataset.classes.iter().enumerate().map(line).collect()
    }
}

/// The end of a file's name and the caption, of a view and of the same view with its objects.
type Kind = [(&'static str, &'static str); 2];
const WEAK: Kind = [
    ("weak", "weak view"),
    ("weak-objects", "weak view with its objects"),
];
const STRONG: Kind = [
    ("strong", "strong view"),
    ("strong-objects", "strong view with its objects"),
];

/// The objects of every class in `images` of `source`.
fn objects(source: &dyn Source, images: impl Iterator<Item = usize>, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for class in images.flat_map(|image| source.objects_of(image)) {
        counts[class] += 1;
    }
    counts
}

/// The `images` of `source` that have an object of every class.
fn images(source: &dyn Source, images: impl Iterator<Item = usize>, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for image in images {
        let present: BTreeSet<usize> = source.objects_of(image).into_iter().collect();
        present.into_iter().for_each(|class| counts[class] += 1);
    }
    counts
}

/// An image in words: its id and the name of its file.
fn title(source: &dyn Source, index: usize) -> String {
    let name = source.file(index).and_then(Path::file_name);
    let name = name.map(|name| format!(" ({})", name.to_string_lossy()));
    format!("image {}{}", source.id(index), name.unwrap_or_default())
}
