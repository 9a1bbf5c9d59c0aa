//! The settings as the phases of the method read them.

use super::Settings;
use crate::data::loader::UnlabelledView;
use crate::experiment::settings::phase_keys::Curve;
use crate::method::{Build, Phase, Start};
use crate::recipe::PHASE;
use crate::registry::{Check, joined};
use crate::train::TrainConfig;

impl Settings {
    /// The settings of the phase called `phase`, with its own `[augment]`, `[loader]` and `[model]`. The lengths of the
    /// training stay; [`Self::curve`] has the phase's `[train]`.
    pub fn of_phase(&self, phase: &str) -> Self {
        let mut settings = self.clone();
        let own = self.phase.get(phase);
        if let Some(augment) = own.and_then(|own| own.augment.clone()) {
            settings.augment = augment;
        }
        if let Some(loader) = own.and_then(|own| own.loader.clone()) {
            settings.loader = loader;
        }
        if let Some(model) = own.and_then(|own| own.model.clone()) {
            settings.model = model;
        }
        settings
    }

    /// The `[train]` of a phase, whose `steps` are those of its learning-rate curve, and the step at which the curve
    /// begins.
    pub fn curve(&self, phase: &Phase) -> (TrainConfig, usize) {
        let own = self.phase.get(phase.name);
        let train = own
            .and_then(|own| own.train.as_ref())
            .unwrap_or(&self.train);
        let curve = own.map_or(Curve::Common, |own| own.curve);
        let (steps, first) = match curve {
            Curve::Common => (phase.curve, 0),
            Curve::Own(steps) => (steps.unwrap_or(phase.steps.len()), phase.steps.start),
        };
        let train = TrainConfig {
            steps,
            ..train.clone()
        };
        (train, first)
    }

    /// Refuses maps inside the rectangles of objects that nobody knows yet when the view is made.
    fn check_in_box(&self, phases: &[Phase], check: &mut Check) {
        // The objects of an unlabelled image are known if another phase has labelled it.
        let unknown = |phase: &&Phase| {
            phase.reads_unlabelled() && !matches!(phase.start, Start::Labelled { .. })
        };
        for phase in phases.iter().filter(unknown) {
            let own = self.of_phase(phase.name);
            let affine = &own.augment.affine;
            let is_strong = own.loader.unlabelled_view == UnlabelledView::Strong;
            if is_strong && affine.is_on() && affine.in_box.share > 0.0 {
                let share = affine.in_box.share;
                let message = format!(
                    "{share} does not fit; allowed: 0 in the phase `{}`, which makes views of images before their objects are \
                     known",
                    phase.name
                );
                let key = "augment.affine.in-box.share";
                match self.phase.get(phase.name).map(|own| own.augment.is_some()) {
                    Some(true) => check.refuse(&format!("{PHASE}.{}.{key}", phase.name), message),
                    _ => check.refuse(key, message),
                }
            }
        }
    }

    /// Checks the keys of phases against the phases that the method has.
    pub(super) fn check_phases(&self, check: &mut Check) {
        let phases = self.phases();
        for (name, own) in &self.phase {
            let path = joined(PHASE, name);
            let Some(phase) = phases.iter().find(|phase| phase.name == name) else {
                let names: Vec<String> = phases
                    .iter()
                    .map(|phase| format!("`{}`", phase.name))
                    .collect();
                let message = format!(
                    "the training has no such phase; its phases are {}",
                    names.join(", ")
                );
                check.refuse(&path, message);
                continue;
            };
            if let Build::Pool(_) = phase.build {
                let message = "this phase takes no steps and reads none of the keys of phases";
                check.refuse(&path, message);
                continue;
            }
            check.within(&path, |check| {
                if let Some(augment) = &own.augment {
                    self.check_size(augment, check);
                }
                if let Some(loader) = own.loader.as_ref().filter(|_| phase.reads_unlabelled()) {
                    self.check_unlabelled(loader, check);
                }
                if let Some(loader) = &own.loader {
                    self.check_pieces(loader, phase.reads_unlabelled(), check);
                }
                if own.model.is_some() && !(phase.alone && phase.start == Start::Fresh) {
                    let message = "this phase goes on with the network of another, or the table reports it; allowed where a phase \
                                   trains a network of its own, such as `teacher` of the method `offline`";
                    check.refuse("model", message);
                }
                if let Curve::Own(Some(steps)) = own.curve {
                    let length = phase.steps.len();
                    let allowed = format!("at least {length}, the steps of the phase");
                    check.require(steps >= length, "train.steps", steps, allowed);
                }
            });
        }
        self.check_in_box(&phases, check);
        for phase in &phases {
            let Start::GoOn(source) = phase.start else {
                continue;
            };
            let optimizer = |phase: &Phase| self.curve(phase).0.optimizer;
            if optimizer(phase) != optimizer(&phases[source]) {
                let before = phases[source].name;
                let own = |name: &str| self.phase.get(name).is_some_and(|own| own.train.is_some());
                let place = if own(phase.name) { phase.name } else { before };
                let message = format!(
                    "`{}` goes on with the optimizer of `{before}`; set one for both, in `train.optimizer`",
                    phase.name
                );
                check.refuse(&format!("{PHASE}.{place}.train.optimizer"), message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::normalise::normalise;
    use crate::experiment::settings::sections::tests::{offline, supervised, table};
    use crate::registry::ComponentErrors;
    use crate::train::Schedule;
    use toml::Table;

    fn with(mut table: Table, phase: &str) -> Table {
        let phase: Table = phase.parse().unwrap();
        table.insert(PHASE.into(), phase.into());
        table
    }

    fn read(phase: &str) -> Result<Settings, ComponentErrors> {
        Settings::read(&with(table(), phase))
    }

    fn rates(settings: &Settings, phase: usize, steps: &[usize]) -> Vec<f32> {
        let phase = &settings.phases()[phase];
        let (train, first) = settings.curve(phase);
        let schedule = Schedule::new(&train).from_step(first);
        steps.iter().map(|step| schedule.rate(*step)).collect()
    }

    #[test]
    fn a_phase_reads_its_own_keys_and_for_the_rest_those_of_the_trial() {
        let settings = read(
            "[distill.loader]\nlabelled = 3\n[distill.augment]\nsize = 96\n[distill.train]\nclip = 0.5",
        );
        let settings = settings.unwrap();
        let [burn_in, distill] = ["burn-in", "distill"].map(|phase| settings.of_phase(phase));
        assert_eq!(burn_in.loader.labelled, settings.loader.labelled);
        assert_ne!(settings.loader.labelled, 3);
        assert_eq!(distill.loader.labelled, 3);
        assert_eq!(distill.loader.unlabelled, settings.loader.unlabelled);
        assert_eq!(distill.augment.size.height, 96);
        let clip = |phase: usize| settings.curve(&settings.phases()[phase]).0.clip;
        assert_eq!([clip(0), clip(1)], [settings.train.clip, 0.5]);
        // Of a table in a table, too, only the keys that are named differ.
        let partly = read("[distill.augment.jitter]\nprobability = 0.125").unwrap();
        let jitter = |phase: &str| partly.of_phase(phase).augment.jitter;
        assert_eq!(jitter("distill").probability, 0.125);
        assert_eq!(jitter("distill").hue, jitter("burn-in").hue);
    }

    #[test]
    fn a_teacher_that_labels_a_pool_may_have_another_network() {
        let own = "[teacher.model]\nqueries = 8\n[teacher.model.loss]\ndice = 1.0";
        let settings = Settings::read(&with(offline(), own)).unwrap();
        let network = |phase: &str| settings.of_phase(phase).model.network();
        assert_eq!(network("student"), settings.model.network());
        assert_ne!(network("teacher"), network("student"));
    }

    #[test]
    fn one_curve_runs_on_unless_a_phase_has_its_own() {
        let plain = read("").unwrap();
        let [start, end] = [800, 2400];
        let common = rates(&plain, 1, &[start, 2039, 2040, end - 1]);
        assert!(common[1] > 5.0 * common[2], "{common:?}");
        let clipped = read("[distill.train]\nclip = 0.5").unwrap();
        assert_eq!(rates(&clipped, 1, &[start, 2039, 2040, end - 1]), common);
        // 1600 steps of warm-up and drop, counted from the first step of the phase.
        let own = read("[distill.train]\nrate = 0.5").unwrap();
        let expected = [0.5 / 50.0, 0.5, 0.05];
        let found = rates(&own, 1, &[start, start + 1359, start + 1360]);
        assert_eq!(found, expected.map(|rate: f64| rate as f32));
        assert_eq!(rates(&own, 0, &[799]), rates(&plain, 0, &[799]));
        // The same rate as the trial's is a curve of its own too.
        let rate = format!("[distill.train]\nrate = {}", plain.train.rate);
        let same = read(&rate).unwrap();
        assert!(rates(&same, 1, &[start])[0] < common[0]);
        let longer = read("[distill.train]\nsteps = 3200").unwrap();
        let found = rates(&longer, 1, &[start + 50, end - 1]);
        assert_eq!(
            found, [plain.train.rate as f32; 2],
            "it ends before the drop"
        );
    }

    #[test]
    fn what_no_phase_can_have_is_refused_with_its_place() {
        for (phase, key) in [
            ("[distil.train]\nclip = 0.5", "phase.distil"),
            ("[distill.model]\nname = 'x'", "phase.distill.model.name"),
            ("[distill.model]\nqueries = 8", "phase.distill.model"),
            (
                "[distill.model]\nqueries = 0",
                "phase.distill.model.queries",
            ),
            ("[burn-in.model]\nqueries = 8", "phase.burn-in.model"),
            (
                "[distill.train]\naverage = 0.5",
                "phase.distill.train.average",
            ),
            ("[distill.train]\nepochs = 3", "phase.distill.train.epochs"),
            ("[distill.train]\nsteps = 1599", "phase.distill.train.steps"),
            (
                "[distill.train]\noptimizer = 'sgd'",
                "phase.distill.train.optimizer",
            ),
            ("[distill.train]\nclip = 0.0", "phase.distill.train.clip"),
            (
                "[distill.loader]\nunlabelled = 0",
                "phase.distill.loader.unlabelled",
            ),
            (
                "[distill.augment]\nsize = [64, 100]",
                "phase.distill.augment.size",
            ),
            ("distill = 3", "phase.distill"),
            ("[distill]\ntrain = 3", "phase.distill.train"),
        ] {
            let errors = read(phase).map(|_| ()).expect_err(phase);
            let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
            assert_eq!(keys, [key], "{errors}");
        }
        let student = with(offline(), "[student.model]\nqueries = 8");
        let errors = Settings::read(&student).map(|_| ()).expect_err("refused");
        assert_eq!(errors[0].key, "phase.student.model");
        let both = "[burn-in.train]\noptimizer = 'sgd'\n[distill.train]\noptimizer = 'sgd'";
        assert!(read(both).is_ok());
    }

    #[test]
    fn a_rectangle_of_an_object_needs_objects_that_are_known() {
        use crate::experiment::settings::sections::tests::with as set;
        let stac = |table: Table| {
            let table = set(table, "augment.affine.probability", 1.0);
            set(table, "augment.affine.in-box.share", 0.5)
        };
        let keys = |table: Table| -> Vec<String> {
            let errors = Settings::read(&table).err().into_iter().flatten();
            errors.map(|error| error.key).collect()
        };
        assert_eq!(keys(stac(table())), ["augment.affine.in-box.share"]);
        assert!(keys(stac(supervised())).is_empty());
        let weak = set(stac(table()), "loader.unlabelled-view", "weak");
        assert!(keys(weak).is_empty());
        let burn_in = "[burn-in.augment.affine]\nprobability = 1.0\nin-box = { share = 0.5 }";
        assert!(keys(with(table(), burn_in)).is_empty());
        let distill = burn_in.replace("burn-in", "distill");
        let place = "phase.distill.augment.affine.in-box.share";
        assert_eq!(keys(with(table(), &distill)), [place]);
    }

    #[test]
    fn keys_that_say_the_same_make_no_other_trial_but_a_curve_does() {
        let normalised = |table: Table| {
            let mut table = table;
            normalise(&mut table);
            table
        };
        let plain = normalised(table());
        assert!(plain.get(PHASE).is_none());
        let labelled = table()["loader"]["labelled"].clone();
        let same = with(table(), &format!("[distill.loader]\nlabelled = {labelled}"));
        assert_eq!(normalised(same), plain);
        let rate = table()["train"]["rate"].clone();
        let curve = with(table(), &format!("[distill.train]\nrate = {rate}"));
        assert_ne!(normalised(curve), plain);
    }

    /// Without a phase, no one reads the threshold of the sampler.
    #[test]
    fn a_key_that_a_phase_may_read_is_kept() {
        use crate::experiment::settings::sections::tests::with as set;
        let threshold = |table: Table| {
            let mut table = set(table, "loader.repeat-threshold", 3.0);
            normalise(&mut table);
            table["loader"].get("repeat-threshold").cloned()
        };
        assert_eq!(threshold(supervised()), None);
        let sampled = with(
            supervised(),
            "[distill.loader]\nlabelled-sampler = 'repeat-factor'",
        );
        assert_eq!(threshold(sampled), Some(3.0.into()));
    }
}
