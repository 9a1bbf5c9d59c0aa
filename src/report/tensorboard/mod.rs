//! Event files of TensorBoard.
//!
//! A file is a list of records (`tensorflow/core/lib/io/record_writer.h`): the length of the data in 8 bytes, a masked
//! checksum of these, the data, a masked checksum of the data. The data is a message `Event`
//! (`tensorflow/core/util/event.proto`). Numbers are little-endian.

mod hparams;
mod wire;

pub use hparams::{Setting, SettingType};

use wire::Message;

/// The version in the first event of a file.
const VERSION: &str = "brain.Event:2";

/// An event file in memory. Nothing in it depends on the clock: the time of an event is its step.
#[derive(Clone, Debug)]
pub struct EventFile {
    bytes: Vec<u8>,
}

impl Default for EventFile {
    fn default() -> Self {
        let mut file = Self { bytes: Vec::new() };
        file.push(&Message::default().text(3, VERSION));
        file
    }
}

impl EventFile {
    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds numbers at `step`, each with its tag.
    pub fn scalars<'a>(&mut self, step: u64, values: impl IntoIterator<Item = (&'a str, f64)>) {
        let mut summary = Message::default();
        for (tag, value) in values {
            let value = Message::default().text(1, tag).float(2, value as f32);
            summary = summary.message(1, &value);
        }
        self.summary(step, &summary);
    }

    /// Adds the hyperparameters that all runs have, with their types, and the tags of the metrics.
    pub fn experiment(&mut self, settings: &[(String, SettingType)], metrics: &[String]) {
        let value = hparams::experiment(settings, metrics);
        self.summary(0, &Message::default().message(1, &value));
    }

    /// Adds the hyperparameters of a run. Runs of one `group` are shown together.
    pub fn begin(&mut self, settings: &[(String, Setting)], group: &str) {
        let value = hparams::begin(settings, group);
        self.summary(0, &Message::default().message(1, &value));
    }

    /// Adds the end of a run.
    pub fn end(&mut self, step: u64, success: bool) {
        let value = hparams::end(success);
        self.summary(step, &Message::default().message(1, &value));
    }

    fn summary(&mut self, step: u64, summary: &Message) {
        let event = Message::default().double(1, step as f64);
        self.push(&event.int(2, step as i64).message(5, summary));
    }

    /// Adds a record.
    fn push(&mut self, event: &Message) {
        let data = event.bytes();
        let length = (data.len() as u64).to_le_bytes();
        self.bytes.extend(length);
        self.bytes.extend(checksum(&length).to_le_bytes());
        self.bytes.extend_from_slice(data);
        self.bytes.extend(checksum(data).to_le_bytes());
    }
}

/// The masked checksum: CRC-32C, turned by 15 bits to the right, plus a constant
/// (`tensorflow/core/lib/hash/crc32c.h`).
fn checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that the `RecordWriter` of TensorBoard 2.21 writes for this event.
    #[test]
    fn a_file_begins_as_that_of_tensorboard() {
        let expected = "0f000000000000006d532b091a0d627261696e2e4576656e743a32fc985129";
        let found: String = EventFile::default()
            .bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(found, expected);
        // The standard's check value, before the mask.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(
            checksum(b"123456789"),
            0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8)
        );
    }

    #[test]
    fn records_follow_each_other_and_their_checksums_fit() {
        let mut file = EventFile::default();
        file.scalars(20, [("loss", 1.5), ("rate", 0.25)]);
        file.begin(&[("seed".into(), Setting::Number(3.0))], "a");
        let (mut rest, mut count) = (file.bytes(), 0);
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let sum = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            assert_eq!(sum(8), checksum(&rest[..8]));
            assert_eq!(sum(12 + length), checksum(&rest[12..12 + length]));
            rest = &rest[16 + length..];
            count += 1;
        }
        assert_eq!(count, 3);
    }
}
