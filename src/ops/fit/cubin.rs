//! What each kernel of NVRTC's machine code needs, read from the code itself (a `cubin`, which is an ELF file).
//!
//! | where | what |
//! |---|---|
//! | section `.nv.info`: attribute 0x2f, 0x12 of a symbol | registers of a thread; bytes of its stack |
//! | section `.nv.info.<kernel>`: attribute 0x05 | the launch bounds along x, y, z |
//! | section `.nv.shared.<kernel>` | its size is the static shared memory; from 9.0 on 1 KiB is the system's |
//!
//! NVIDIA publishes no description of these sections. The golden files compare what is read here with what
//! NVIDIA's `cuobjdump` tells (`tests/golden/cubin.py`).
//!
//! Source of the frame: System V ABI, chapter 4, object files (64 bits, little-endian).

use std::collections::BTreeMap;

/// What a kernel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of a thread's stack.
    pub stack: u32,
    /// Bytes of static shared memory of a block.
    pub shared: u32,
    /// Threads of a block that its launch bounds allow.
    pub threads: u32,
}

/// The attributes that are read, and the format of an attribute that has a length.
const LAUNCH_BOUNDS: u8 = 0x05;
const STACK: u8 = 0x12;
const REGISTERS: u8 = 0x2f;
const HAS_LENGTH: u8 = 4;
/// Threads of a block of a kernel without launch bounds.
const MOST_THREADS: u32 = 1024;

/// The kernels of `code` and what each needs.
///
/// # Errors
/// The file is cut off or not one of machine code.
pub(super) fn kernels(code: &[u8]) -> Result<BTreeMap<String, Needs>, String> {
    if !code.starts_with(b"\x7fELF\x02\x01") {
        return Err("no machine code: it is no ELF file of 64 bits".into());
    }
    let elf = Elf(code);
    let sections = elf.sections()?;
    let section = |name: &str| sections.iter().find(|section| section.name == name);
    let symbols = section(".symtab").ok_or("no table of symbols")?;
    let common = section(".nv.info").ok_or("no section .nv.info")?;
    let names = sections.get(symbols.link).ok_or("no names of symbols")?;

    let mut stacks = BTreeMap::new();
    let mut kernels = BTreeMap::new();
    for (attribute, value) in elf.attributes(common)? {
        if attribute != STACK && attribute != REGISTERS {
            continue;
        }
        let value = Elf(value);
        let (symbol, number) = (value.number::<4>(0)?, value.number::<4>(4)? as u32);
        // An entry of the table has 24 bytes and begins with the place of its name.
        let name = elf.number::<4>(symbols.offset + 24 * symbol)?;
        let name = elf.text(names.offset + name)?;
        if attribute == STACK {
            stacks.insert(name, number);
            continue;
        }
        let bounds = match section(&format!(".nv.info.{name}")) {
            Some(own) => elf.attributes(own)?,
            None => Vec::new(),
        };
        let bounds = bounds
            .iter()
            .find(|(attribute, _)| *attribute == LAUNCH_BOUNDS);
        let threads = match bounds {
            Some((_, sides)) => (0..3).try_fold(1, |product, axis| {
                Ok::<_, String>(product * Elf(sides).number::<4>(4 * axis)? as u32)
            })?,
            None => MOST_THREADS,
        };
        let shared = section(&format!(".nv.shared.{name}"));
        let needs = Needs {
            registers: number,
            stack: 0,
            shared: shared.map_or(0, |section| section.size as u32),
            threads,
        };
        kernels.insert(name, needs);
    }
    for (name, needs) in &mut kernels {
        let stack = stacks.get(name);
        needs.stack = *stack.ok_or_else(|| format!("{name}: no size of its stack"))?;
    }
    Ok(kernels)
}

/// A file, and its numbers and texts at a place.
struct Elf<'a>(&'a [u8]);

/// A section: where it lies, and the number of the section that belongs to it.
struct Section {
    name: String,
    offset: usize,
    size: usize,
    link: usize,
}

impl<'a> Elf<'a> {
    fn bytes(&self, offset: usize, count: usize) -> Result<&'a [u8], String> {
        let end = offset.checked_add(count);
        let bytes = end.and_then(|end| self.0.get(offset..end));
        bytes.ok_or_else(|| format!("the file ends before byte {offset} + {count}"))
    }

    /// A number of `N` bytes, at most eight.
    fn number<const N: usize>(&self, offset: usize) -> Result<usize, String> {
        let bytes = self.bytes(offset, N)?.iter().rev();
        Ok(bytes.fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// A text that ends with 0.
    fn text(&self, offset: usize) -> Result<String, String> {
        let rest = self.bytes(offset, self.0.len().saturating_sub(offset))?;
        let end = rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or("a text without an end")?;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    fn sections(&self) -> Result<Vec<Section>, String> {
        let (table, size) = (self.number::<8>(0x28)?, self.number::<2>(0x3a)?);
        let (count, names) = (self.number::<2>(0x3c)?, self.number::<2>(0x3e)?);
        let at = |index: usize| table + index * size;
        let names = self.number::<8>(at(names) + 0x18)?;
        let section = |index| {
            Ok(Section {
                name: self.text(names + self.number::<4>(at(index))?)?,
                offset: self.number::<8>(at(index) + 0x18)?,
                size: self.number::<8>(at(index) + 0x20)?,
                link: self.number::<4>(at(index) + 0x28)?,
            })
        };
        (0..count).map(section).collect()
    }

    /// The attributes of a section `.nv.info`, each with its bytes: none where the value is in the head.
    fn attributes(&self, section: &Section) -> Result<Vec<(u8, &'a [u8])>, String> {
        let mut rest = self.bytes(section.offset, section.size)?;
        let mut found = Vec::new();
        while let [format, attribute, low, high, after @ ..] = rest {
            let length = usize::from(u16::from_le_bytes([*low, *high]));
            let length = if *format == HAS_LENGTH { length } else { 0 };
            let value = after.get(..length).ok_or("an attribute is cut off")?;
            found.push((*attribute, value));
            rest = &after[length..];
        }
        Ok(found)
    }
}

mod tests {
    use super::*;
    use crate::ops::golden;

    /// What `cuobjdump -res-usage` tells of the number `word` of a kernel.
    fn told(text: &str, kernel: &str, word: &str) -> u32 {
        let (_, rest) = text.split_once(&format!("Function {kernel}:")).unwrap();
        let (_, number) = rest.split_once(&format!("{word}:")).unwrap();
        number.split_whitespace().next().unwrap().parse().unwrap()
    }

    #[test]
    fn the_needs_of_kernels_are_those_that_cuobjdump_tells() {
        for version in ["12.8", "13.2"] {
            let code = std::fs::read(golden::path(&format!("cubin/{version}.cubin"))).unwrap();
            let file = golden::path(&format!("cubin/{version}.txt"));
            let text = std::fs::read_to_string(file).unwrap();
            let found = kernels(&code).unwrap();
            assert_eq!(found.keys().collect::<Vec<_>>(), ["heavy", "light"]);
            for (name, needs) in &found {
                let expected = Needs {
                    registers: told(&text, name, "REG"),
                    stack: told(&text, name, "STACK"),
                    shared: told(&text, name, "SHARED"),
                    threads: if name == "heavy" { 96 } else { 1024 },
                };
                assert_eq!(*needs, expected, "{name}, NVRTC {version}");
            }
            assert!(found["heavy"].stack >= 100 && found["heavy"].shared >= 148);
        }
    }

    #[test]
    fn a_file_that_is_cut_off_is_an_error_wherever_it_ends() {
        let code = std::fs::read(golden::path("cubin/12.8.cubin")).unwrap();
        // The table of the sections lies behind them, so nothing of it may be missing.
        let table = Elf(&code).number::<8>(0x28).unwrap();
        let count = Elf(&code).number::<2>(0x3c).unwrap();
        for end in (0..table + 64 * count).step_by(61) {
            assert!(kernels(&code[..end]).is_err(), "{end}");
        }
        assert!(
            kernels(b".version 8.2")
                .unwrap_err()
                .contains("no machine code")
        );
    }
}
