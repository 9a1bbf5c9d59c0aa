//! Tests that stored values are read back, and that unreadable files are refused.

use super::*;
use crate::atomic::Durability;
use crate::nn::params::ParamKind;

struct Model(Vec<(&'static str, Param)>);

impl Parameters for Model {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        for (name, param) in &mut self.0 {
            visit(&join(prefix, name), param);
        }
    }
}

fn model(start: f32) -> Model {
    let values = |n: usize| (0..n).map(|i| start + i as f32 / 3.0).collect();
    Model(vec![
        (
            "conv.weight",
            Param::new(ParamKind::Weight, values(36), 2, 18, &[2, 2, 3, 3]),
        ),
        (
            "norm.running_mean",
            Param::new(ParamKind::Buffer, values(2), 1, 2, &[2]),
        ),
    ])
}

fn state() -> OptimizerState {
    let first: Vec<f32> = (0..36).map(|i| i as f32 * 0.1).collect();
    let second = first.iter().map(|x| x * x).collect();
    let moments = vec![Moments {
        name: "conv.weight".into(),
        first,
        second,
    }];
    OptimizerState { steps: 17, moments }
}

fn stored() -> Checkpoint {
    let mut checkpoint = Checkpoint::new("abc", 17, serde_json::json!({"thresholds": [0.1]}));
    checkpoint.put_model("student", &mut model(0.1));
    checkpoint.put_optimizer(&state(), &mut model(0.1));
    checkpoint
}

#[test]
fn a_file_gives_back_the_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    stored().save(&path, Durability::Cached).unwrap();
    let loaded = Checkpoint::load(&path, "abc").unwrap();
    assert_eq!(loaded, stored());
    let mut other = model(9.0);
    loaded.take_model("student", &mut other).unwrap();
    assert_eq!(
        other.0[0].1.value.values(),
        model(0.1).0[0].1.value.values()
    );
    assert_eq!(
        other.0[1].1.value.values(),
        model(0.1).0[1].1.value.values()
    );
    assert_eq!(loaded.optimizer(&mut model(0.0)).unwrap(), state());
    assert!(loaded.holds("student") && !loaded.holds("stud") && !loaded.holds("teacher"));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "no unfinished file is left");
}

#[test]
fn a_kernel_is_stored_in_the_reference_order() {
    let array = &stored().arrays["student.conv.weight"];
    assert_eq!(array.shape, [2, 2, 3, 3]);
    // The second value of the reference is pixel 1 of channel 0: place 2 of ours.
    assert_eq!(array.values[1], model(0.1).0[0].1.value.values()[2]);
}

#[test]
fn other_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    stored().save(&path, Durability::Cached).unwrap();
    assert!(Checkpoint::is_whole(&path));
    let refused = Checkpoint::load(&path, "xyz").unwrap_err();
    assert!(!refused.damaged);
    let error = format!("{:#}", anyhow::Error::from(refused));
    assert!(
        error.ends_with("it belongs to other settings (abc, not xyz)"),
        "{error}"
    );
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    stored().save(&path, Durability::Cached).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(!Checkpoint::is_whole(&path), "{length} bytes");
        let refused = Checkpoint::load(&path, "abc").unwrap_err();
        assert!(refused.damaged, "{length} bytes");
        let error = format!("{:#}", anyhow::Error::from(refused));
        assert!(error.starts_with("cannot continue from"), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    let absent = Checkpoint::load(&path, "abc").unwrap_err();
    assert!(!absent.damaged, "an absent file is not damaged");
}

#[test]
fn another_shape_is_named() {
    let mut wide = model(0.0);
    wide.0[0].1 = Param::new(ParamKind::Weight, vec![0.0; 54], 3, 18, &[3, 2, 3, 3]);
    let error = stored()
        .take_model("student", &mut wide)
        .unwrap_err()
        .to_string();
    let expected = "`student.conv.weight` has shape [2, 2, 3, 3], the model's is [3, 2, 3, 3]";
    assert_eq!(error, expected);
    let error = stored()
        .take_model("teacher", &mut model(0.0))
        .unwrap_err()
        .to_string();
    assert_eq!(error, "holds no `teacher.conv.weight`");
}
