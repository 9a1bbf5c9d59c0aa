//! Safetensors files, and the configurations of Hugging Face's and OpenCLIP's folders.

use crate::changes::{changed, changes, edited, edits};
use crate::memory::bounded;
use crate::{cases, golden};
use harness::graph::HuggingFaceFolder;
use harness::graph::clip::folder::open;
use harness::graph::weights::Arrays;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// The bytes of a safetensors file with `header`, and with `data` behind it.
fn safetensors(header: &[u8], data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(data);
    file
}

/// Opens a safetensors file and reads all of its arrays.
fn read_arrays(bytes: &[u8]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.safetensors");
    fs::write(&path, bytes).unwrap();
    let read = || -> anyhow::Result<()> {
        let arrays = Arrays::open(&path)?;
        for (_, entry) in arrays.entries() {
            assert_eq!(arrays.values(entry).is_some(), entry.is_float());
        }
        Ok(())
    };
    if let Err(error) = bounded(read) {
        let message = format!("{error:#}");
        prop_assert!(message.contains("odd.safetensors"), "{}", message);
    }
    Ok(())
}

/// The header of a golden safetensors file as JSON, and the bytes behind it.
fn parts(path: &Path) -> (Value, Vec<u8>) {
    let file = fs::read(path).unwrap();
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header = serde_json::from_slice(&file[8..8 + length]).unwrap();
    (header, file[8 + length..].to_vec())
}

/// A copy of a golden folder of a released network. It is made once for all cases of a thread.
fn copied(folder: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(golden(folder)).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

/// A JSON file of a golden folder.
fn json(folder: &str, file: &str) -> Value {
    serde_json::from_slice(&fs::read(golden(folder).join(file)).unwrap()).unwrap()
}

#[test]
fn a_header_that_claims_more_than_the_file_is_refused() {
    let lengths = [0, 1, 1 << 20, 1 << 31, u64::MAX];
    for length in lengths {
        let mut file = length.to_le_bytes().to_vec();
        file.extend(b"{}");
        read_arrays(&file).unwrap();
    }
    for shape in [
        "[18446744073709551615]",
        "[4294967296, 4294967296]",
        "[1099511627776]",
    ] {
        let header = format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,4]}}}}"#);
        read_arrays(&safetensors(header.as_bytes(), &[0; 4])).unwrap();
    }
}

proptest! {
    #![proptest_config(cases(5000))]

    #[test]
    fn edited_arrays_are_read_or_named(edits in edits()) {
        let whole = fs::read(golden("clip_ops.safetensors")).unwrap();
        read_arrays(&edited(&whole, &edits))?;
    }

    #[test]
    fn a_changed_header_is_read_or_named(changes in changes()) {
        let (header, data) = parts(&golden("clip_ops.safetensors"));
        let header = changed(&header, &changes).to_string();
        read_arrays(&safetensors(header.as_bytes(), &data))?;
    }
}

/// Opens a golden folder many times, each time with another configuration in the file `config`. An error
/// names the folder.
fn open_changed<T>((folder, config): (&str, &str), open: impl Fn(&Path) -> anyhow::Result<T>) {
    let (original, copy) = (json(folder, config), copied(folder));
    let name = copy.path().display().to_string();
    let result = TestRunner::new(cases(5000)).run(&changes(), |changes| {
        let text = changed(&original, &changes).to_string();
        fs::write(copy.path().join(config), text).unwrap();
        if let Err(error) = bounded(|| open(copy.path())) {
            let message = format!("{error:#}");
            prop_assert!(message.contains(&name), "{}", message);
        }
        Ok(())
    });
    result.unwrap();
}

#[test]
fn a_changed_mask2former_of_hugging_face_is_read_or_named() {
    open_changed(
        ("hf_mask2former/basic", "config.json"),
        HuggingFaceFolder::open,
    );
}

#[test]
fn a_changed_clip_of_hugging_face_is_read_or_named() {
    open_changed(("clip/vit-quick", "config.json"), open);
}

#[test]
fn changed_pictures_of_a_clip_are_read_or_named() {
    open_changed(("clip/vit-quick", "preprocessor_config.json"), open);
}

#[test]
fn a_changed_clip_of_open_clip_is_read_or_named() {
    open_changed(("clip/convnext-mlp", "open_clip_config.json"), open);
}
