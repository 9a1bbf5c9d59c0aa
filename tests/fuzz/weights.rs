//! Safetensors files, and the configurations of Hugging Face's and OpenCLIP's folders.

use crate::changes::{changed, changes, edited, edits};
use crate::memory::bounded;
use crate::{cases, golden};
use harness::graph::HuggingFaceFolder;
use harness::graph::clip::folder::open;
use harness::graph::weights::Arrays;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use std::fs;
use std::path::Path;

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

/// A copy of a golden folder of a released network, with another configuration.
fn with_config(folder: &str, config: &str, json: &Value) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(golden(folder)).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    fs::write(copy.path().join(config), json.to_string()).unwrap();
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
    #![proptest_config(cases())]

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

    #[test]
    fn a_changed_mask2former_is_read_or_named(changes in changes()) {
        let config = changed(&json("hf_mask2former/basic", "config.json"), &changes);
        let folder = with_config("hf_mask2former/basic", "config.json", &config);
        if let Err(error) = bounded(|| HuggingFaceFolder::open(folder.path())) {
            let message = format!("{error:#}");
            prop_assert!(message.contains("config.json"), "{}", message);
        }
    }

    #[test]
    fn a_changed_clip_is_read_or_named(
        folder in select(vec!["clip/vit-quick", "clip/convnext-mlp"]),
        changes in changes(),
    ) {
        let name = match golden(folder).join("open_clip_config.json").exists() {
            true => "open_clip_config.json",
            false => "config.json",
        };
        let copy = with_config(folder, name, &changed(&json(folder, name), &changes));
        if let Err(error) = bounded(|| open(copy.path())) {
            let message = format!("{error:#}");
            let folder = copy.path().display().to_string();
            prop_assert!(message.contains(&folder), "{}", message);
        }
    }
}
