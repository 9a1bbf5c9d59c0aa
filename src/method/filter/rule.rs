//! The interface of a filter rule, and the state that the harness keeps for it.

use super::{Clock, Filter, Readings, Tier};
use crate::data::split::ClassCounts;
use crate::detector::Candidate;
use crate::registry::{self, Checked, ComponentErrors};
use anyhow::Context;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// A filter rule. The struct holds the keys of its table and never changes.
///
/// Everything that a rule remembers from one image to the next is in its [`State`](Self::State), which every
/// checkpoint keeps: a resumed run goes on with the same numbers.
pub trait Rule: Checked + JsonSchema + Clone + Debug + Send + Sync + 'static {
    /// The memory of the rule; `()` for a rule that treats every image alike.
    ///
    /// Its lists keep their lengths during a run (one value per class, for example), and its numbers are finite.
    type State: Default + Clone + Debug + Serialize + DeserializeOwned + Send + Sync;

    /// The state before the first image. `counts`: the labelled objects of every class.
    fn start(&self, _counts: &ClassCounts) -> Self::State {
        Self::State::default()
    }

    /// The tier of every candidate of an image, in the order of `image`.
    ///
    /// `image` holds all candidates of the image: also those whose mask has at most `method.min-area` pixels,
    /// which become [`Tier::Low`] afterwards, and those whose most likely class is no-object (`foreground` is
    /// false). The images come one by one, in the order of training. `clock`: the place of the image in the
    /// run.
    fn tiers(&self, state: &mut Self::State, image: &[Candidate], clock: Clock) -> Vec<Tier>;

    /// Tells the rule the candidates of all unlabelled images at once, in the order in which
    /// [`tiers`](Self::tiers) sees them after it, if a teacher labels all of them before a student learns. A rule
    /// whose thresholds follow the candidates can then have one threshold for all images.
    fn survey(&self, _state: &mut Self::State, _images: &[Vec<Candidate>]) {}

    /// Tells the rule which candidates of an image became pseudo-labels: `kept`, in the order of `image`.
    ///
    /// It is called once for every image, after [`tiers`](Self::tiers) of that image and in the same order.
    /// If [`follows_labels`](Self::follows_labels), it is called before `tiers` of the next image, otherwise
    /// at any time before the next step.
    fn learn(&self, _state: &mut Self::State, _image: &[Candidate], _kept: &[bool], _clock: Clock) {
    }

    /// Returns true if the tiers of an image depend on the pseudo-labels of the image before it in the same
    /// step. Otherwise all images of a step are labelled together, and the CPU waits for a GPU only once for
    /// all their masks.
    fn follows_labels(&self) -> bool {
        false
    }

    /// The fused class probability from which a medium candidate is used; it does not change during a run.
    /// Only rules with a medium tier need it.
    fn accept(&self) -> f32 {
        1.0
    }

    /// Numbers for the journal, after a step.
    fn readings(&self, _state: &Self::State) -> Readings {
        Readings::new()
    }
}

/// Makes the filter of a rule from its table.
///
/// # Errors
/// Keys that are unknown, missing or out of their range.
pub(super) fn filter<R: Rule>(table: toml::Table) -> Result<Box<dyn Filter>, ComponentErrors> {
    Ok(Box::new(Running {
        rule: registry::read::<R>(table)?,
        state: R::State::default(),
    }))
}

/// A rule with its state.
#[derive(Clone, Debug)]
struct Running<R: Rule> {
    rule: R,
    state: R::State,
}

impl<R: Rule> Filter for Running<R> {
    fn start(&mut self, counts: &ClassCounts) {
        self.state = self.rule.start(counts);
    }

    fn tiers(&mut self, image: &[Candidate], clock: Clock) -> Vec<Tier> {
        let tiers = self.rule.tiers(&mut self.state, image, clock);
        assert_eq!(tiers.len(), image.len(), "a tier for every candidate");
        tiers
    }

    fn survey(&mut self, images: &[Vec<Candidate>]) {
        self.rule.survey(&mut self.state, images);
    }

    fn learn(&mut self, image: &[Candidate], kept: &[bool], clock: Clock) {
        self.rule.learn(&mut self.state, image, kept, clock);
    }

    fn follows_labels(&self) -> bool {
        self.rule.follows_labels()
    }

    fn accept(&self) -> f32 {
        self.rule.accept()
    }

    fn for_a_look(&self) -> Box<dyn Filter> {
        Box::new(self.clone())
    }

    fn readings(&self) -> Readings {
        self.rule.readings(&self.state)
    }

    fn state(&self) -> Value {
        serde_json::to_value(&self.state).expect("a state is plain data")
    }

    fn restore(&mut self, saved: &Value) -> anyhow::Result<()> {
        let restored = same_shape("state", &self.state(), saved)
            .and_then(|()| Ok(R::State::deserialize(saved)?));
        self.state = restored.context("the checkpoint is of another filter or other classes")?;
        Ok(())
    }
}

/// Refuses a `found` that has other keys or lists of other lengths than `expected`, at `path`.
fn same_shape(path: &str, expected: &Value, found: &Value) -> anyhow::Result<()> {
    match (expected, found) {
        (Value::Array(expected), Value::Array(found)) => {
            let (e, f) = (expected.len(), found.len());
            anyhow::ensure!(e == f, "{path}: {f} values, expected {e}");
            let mut pairs = expected.iter().zip(found).enumerate();
            pairs.try_for_each(|(i, (e, f))| same_shape(&format!("{path}[{i}]"), e, f))
        }
        (Value::Object(expected), Value::Object(found)) => {
            let keys = |map: &Map<String, Value>| map.keys().cloned().collect::<BTreeSet<_>>();
            let (e, f) = (keys(expected), keys(found));
            anyhow::ensure!(e == f, "{path}: keys {f:?}, expected {e:?}");
            let mut pairs = expected.iter();
            pairs.try_for_each(|(key, e)| same_shape(&format!("{path}.{key}"), e, &found[key]))
        }
        (Value::Array(_) | Value::Object(_), other)
        | (_, other @ (Value::Array(_) | Value::Object(_))) => {
            anyhow::bail!("{path}: {other} is not expected")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_state_of_another_shape_is_refused_with_its_place() {
        let expected = json!({"class": [0.5, 0.5], "seen": [null, null], "count": 0});
        let check =
            |found: Value| same_shape("state", &expected, &found).map_err(|e| e.to_string());
        let other = json!({"count": 7, "class": [0.1, 0.2], "seen": [3, null]});
        assert_eq!(check(other), Ok(()));
        for (found, message) in [
            (json!(null), "state: null is not expected"),
            (
                json!({"class": [0.1], "seen": [null, null], "count": 0}),
                "state.class: 1 values, expected 2",
            ),
            (
                json!({"class": [0.1, [2]], "seen": [null, null], "count": 0}),
                "state.class[1]: [2] is not expected",
            ),
            (
                json!({"class": [0.1, 0.2], "count": 0}),
                "state: keys {\"class\", \"count\"}, expected {\"class\", \"count\", \"seen\"}",
            ),
        ] {
            assert_eq!(check(found), Err(message.to_string()));
        }
    }
}
