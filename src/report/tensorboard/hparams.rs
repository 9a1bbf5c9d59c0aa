//! The summaries of TensorBoard's plugin for hyperparameters (`tensorboard/plugins/hparams/*.proto`): what an
//! experiment varies and measures, and what one run has.

use super::wire::Message;
use std::fmt;

/// The name of the plugin.
const PLUGIN: &str = "hparams";

/// A value of a hyperparameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Any other value, as text.
    Text(String),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// The type of all values of a hyperparameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingType {
    /// Texts, or values of several types.
    Text = 1,
    /// Truth values.
    Bool = 2,
    /// Numbers.
    Number = 3,
}

impl Setting {
    /// The type.
    pub fn kind(&self) -> SettingType {
        match self {
            Self::Bool(_) => SettingType::Bool,
            Self::Number(_) => SettingType::Number,
            Self::Text(_) => SettingType::Text,
        }
    }

    /// A `google.protobuf.Value`.
    fn message(&self) -> Message {
        let message = Message::default();
        match self {
            Self::Number(value) => message.double(2, *value),
            Self::Text(value) => message.text(3, value),
            Self::Bool(value) => message.int(4, i64::from(*value)),
        }
    }
}

/// The summary of an experiment: its hyperparameters with their types, and the tags of its metrics.
pub fn experiment(settings: &[(String, SettingType)], metrics: &[String]) -> Message {
    let mut whole = Message::default();
    for (name, kind) in settings {
        let info = Message::default().text(1, name).int(4, *kind as i64);
        whole = whole.message(4, &info);
    }
    for tag in metrics {
        let name = Message::default().text(2, tag);
        whole = whole.message(5, &Message::default().message(1, &name));
    }
    value(
        "_hparams_/experiment",
        &Message::default().message(2, &whole),
    )
}

/// The summary of the begin of a run. Runs of one `group` are shown together.
pub fn begin(settings: &[(String, Setting)], group: &str) -> Message {
    let mut whole = Message::default();
    for (name, setting) in settings {
        let entry = Message::default().text(1, name);
        whole = whole.message(1, &entry.message(2, &setting.message()));
    }
    let whole = whole.text(4, group);
    value(
        "_hparams_/session_start_info",
        &Message::default().message(3, &whole),
    )
}

/// The summary of the end of a run.
pub fn end(success: bool) -> Message {
    let whole = Message::default().int(1, if success { 1 } else { 2 });
    value(
        "_hparams_/session_end_info",
        &Message::default().message(4, &whole),
    )
}

/// A value of a summary with data of the plugin. Its tensor is an empty one of `float`, which nobody reads.
fn value(tag: &str, data: &Message) -> Message {
    let plugin = Message::default().text(1, PLUGIN).message(2, data);
    let shape = Message::default().message(2, &Message::default());
    let tensor = Message::default().int(1, 1).message(2, &shape);
    Message::default()
        .text(1, tag)
        .message(8, &tensor)
        .message(9, &Message::default().message(1, &plugin))
}
