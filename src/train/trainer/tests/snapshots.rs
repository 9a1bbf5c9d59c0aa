//! Snapshots change no bit of a training, and a resumed training has the same ones.

use super::*;
use crate::atomic::Durability;
use crate::method::ImageSnapshot;

/// A phase with a teacher, its table `[method]` and its place in the method's list, for every way to get a teacher. The
/// thresholds of the filter move.
fn phases() -> Vec<(toml::Table, usize)> {
    let recipe: toml::Table = include_str!("../../../../recipes/pl-dc.toml")
        .parse()
        .unwrap();
    let mut all = methods();
    for table in all.iter_mut().filter(|table| table.contains_key("filter")) {
        table["filter"] = recipe["method"]["filter"].clone();
    }
    vec![
        (all[1].clone(), 1),
        (all[2].clone(), 1),
        (all[2].clone(), 2),
    ]
}

/// A picture that the network has to pad.
fn picture() -> Picture {
    let mut stream = Stream::new(7, "plain");
    let pixels = (0..30 * 41 * 3).map(|_| stream.below(256) as u8);
    Picture::new(30, 41, pixels.collect())
}

/// The file of the training as it is now.
fn file(trainer: &mut Trainer) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let checkpoint = trainer.checkpoint("key", true);
    checkpoint.save(&path, Durability::Cached).unwrap();
    std::fs::read(path).unwrap()
}

fn look(trainer: &mut Trainer) -> ImageSnapshot {
    let before = file(trainer);
    let found = trainer.snapshot(&picture()).unwrap();
    assert_eq!(trainer.snapshot(&picture()).unwrap(), found);
    assert!(
        file(trainer) == before,
        "neither networks nor thresholds move"
    );
    found
}

#[test]
fn a_training_with_snapshots_is_the_one_without_to_the_last_bit() {
    for (method, phase) in phases() {
        let run = |looks: bool| {
            let mut trainer = trainer_of(&Place::Host, 99, method.clone(), phase);
            let mut steps = Vec::new();
            for _ in 0..3 {
                if looks {
                    look(&mut trainer);
                }
                steps.push(trainer.advance().unwrap());
            }
            (steps, file(&mut trainer))
        };
        assert!(run(true) == run(false), "{} {phase}", method["name"]);
    }
}

#[test]
fn a_snapshot_has_the_size_of_the_picture_and_what_training_keeps() {
    let (mut method, phase) = phases().swap_remove(0);
    let rule = "name = 'coupled'\nthreshold = 0.0";
    method["filter"] = toml::Value::Table(rule.parse().unwrap());
    let mut trainer = trainer_of(&Place::Host, 99, method, phase);
    let found = look(&mut trainer);
    assert!(
        found
            .candidates
            .iter()
            .any(|one| one.kept && one.mask.area() > 0)
    );
    let is_of_size = |mask: &Mask| (mask.height, mask.width) == (30, 41);
    assert!(found.candidates.iter().all(|one| is_of_size(&one.mask)));
    let map = found.uncertainty.unwrap();
    assert!(map.len() == 30 * 41 && map.iter().all(|u| (0.0..=1.0).contains(u)));
    assert!(map.iter().any(|u| *u > 0.0));
}

#[test]
fn the_first_snapshot_is_of_the_student_and_a_resumed_training_has_the_same_ones() {
    for (method, phase) in phases() {
        let new = || trainer_of(&Place::Host, 99, method.clone(), phase);
        let (mut bare, mut given) = (new(), new());
        given.learner.add_teacher().unwrap();
        let is_frozen = phase == 1 && method["name"].as_str() == Some("guided");
        if !is_frozen {
            assert_eq!(look(&mut bare), look(&mut given));
        }
        let mut trainer = new();
        trainer.advance().unwrap();
        let (saved, kept) = (trainer.checkpoint("key", true), look(&mut trainer));
        trainer.advance().unwrap();
        let mut resumed = new();
        resumed.resume(&saved).unwrap();
        assert_eq!(look(&mut resumed), kept);
        resumed.advance().unwrap();
        assert_eq!(look(&mut resumed), look(&mut trainer));
    }
}

#[test]
fn a_training_without_a_teacher_has_no_snapshot() {
    assert_eq!(trainer(&Place::Host, 99).snapshot(&picture()), None);
}
