//! Whether every kernel fits the launches that the program makes of it: registers, shared memory, stack.
//!
//! NVRTC needs no GPU. So a version of it compiles every file for several compute capabilities, by the same
//! code as in the program, and [`cubin`] reads what each kernel needs. The launches were written down by the
//! emulated GPU (`tests/emulator`), line by line: the kernel, the threads of a block, the bytes of its dynamic
//! shared memory. `.ci/cuda-build` fetches the compilers and runs it.
//!
//! Source of the limits: CUDA C++ Programming Guide, table of the technical specifications per compute
//! capability.

mod cubin;

use cubin::Needs;
use std::collections::{BTreeMap, BTreeSet};

/// Registers of a multiprocessor, which are also the most of a block.
const REGISTERS: u32 = 65_536;
/// Threads of a warp; the warps that get registers together; the step in which a thread gets them.
const WARP: u32 = 32;
const WARPS_TOGETHER: u32 = 4;
const REGISTER_STEP: u32 = 8;
/// Shared memory of a block in bytes for which nobody has to ask, static and dynamic together.
const FREE_SHARED: u32 = 48 << 10;
/// Dynamic shared memory from which on the program asks for more (`tensor/cuda/launch.rs`).
const ASKED_FROM: u32 = 32 << 10;
/// The most that a block gets if the program asks, on the least of the GPUs that run the kernels: compute
/// capability 8.6, 8.9 and 12.0. Those of data centres give more (8.0: 163 KiB, 9.0: 227 KiB).
const MOST_SHARED: u32 = 99 << 10;
/// Bytes of a thread's stack above which a kernel keeps values in the GPU's memory that belong into registers.
const MOST_STACK: u32 = 64;

/// How the program launches a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Launch {
    /// Threads of a block.
    threads: u32,
    /// Bytes of dynamic shared memory of a block.
    shared: u32,
}

/// The launches of each kernel, from lines of kernel, threads of a block, bytes of shared memory.
///
/// # Errors
/// The line that cannot be read.
fn launches(text: &str) -> Result<BTreeMap<String, BTreeSet<Launch>>, String> {
    let mut all = BTreeMap::<_, BTreeSet<_>>::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let numbers =
            |threads: &str, shared: &str| Some((threads.parse().ok()?, shared.parse().ok()?));
        let read = match words[..] {
            [name, threads, shared] => numbers(threads, shared).map(|numbers| (name, numbers)),
            _ => None,
        };
        let (name, (threads, shared)) = read.ok_or_else(|| format!("no launch: `{line}`"))?;
        all.entry(name.to_string())
            .or_default()
            .insert(Launch { threads, shared });
    }
    Ok(all)
}

/// Registers that a block gets: for whole groups of warps, in whole steps a thread.
fn registers_of_block(needs: Needs, launch: Launch) -> u32 {
    let warps = launch
        .threads
        .div_ceil(WARP)
        .next_multiple_of(WARPS_TOGETHER);
    warps * WARP * needs.registers.next_multiple_of(REGISTER_STEP)
}

/// Why the GPU would refuse the launch, or compute it slowly; none if it fits.
fn complaint(needs: Needs, launch: Launch) -> Option<String> {
    let Launch { threads, shared } = launch;
    if threads > needs.threads {
        return Some(format!(
            "{threads} threads are more than its launch bounds, {}",
            needs.threads
        ));
    }
    let registers = registers_of_block(needs, launch);
    if registers > REGISTERS {
        return Some(format!(
            "{threads} threads of {} registers take {registers} of {REGISTERS}",
            needs.registers
        ));
    }
    let allowed = if shared > ASKED_FROM {
        MOST_SHARED
    } else {
        FREE_SHARED
    };
    if needs.shared + shared > allowed {
        return Some(format!(
            "{} + {shared} bytes of shared memory are more than {allowed}",
            needs.shared
        ));
    }
    (needs.stack > MOST_STACK).then(|| {
        format!(
            "{} bytes of stack are more than {MOST_STACK}: values do not fit into its registers",
            needs.stack
        )
    })
}

/// All complaints about `kernels`, each with the kernel's name. A kernel of which no launch is known is one.
fn complaints(
    kernels: &BTreeMap<String, Needs>,
    launches: &BTreeMap<String, BTreeSet<Launch>>,
) -> Vec<String> {
    let mut all = Vec::new();
    for (name, needs) in kernels {
        match launches.get(name) {
            None => all.push(format!("{name}: no test launches it on the emulated GPU")),
            Some(launches) => {
                let found = launches
                    .iter()
                    .filter_map(|launch| complaint(*needs, *launch));
                all.extend(found.map(|why| format!("{name}: {why}")));
            }
        }
    }
    all
}

mod tests {
    use super::*;

    const NEEDS: Needs = Needs {
        registers: 32,
        stack: 0,
        shared: 0,
        threads: 1024,
    };
    const LAUNCH: Launch = Launch {
        threads: 256,
        shared: 0,
    };

    #[test]
    fn launches_are_read_line_by_line_and_kept_once() {
        let read = launches("a 256 0\na 256 0\na 32 1024\nb 1024 16\n").unwrap();
        assert_eq!(read["a"].len(), 2);
        let wide = Launch {
            threads: 1024,
            shared: 16,
        };
        assert_eq!(read["b"], BTreeSet::from([wide]));
        assert!(launches("a 256").unwrap_err().contains("a 256"));
        assert!(launches("a many 0").is_err());
    }

    /// 64 registers are the most for 1024 threads; one more is rounded up to 72.
    #[test]
    fn the_registers_of_a_block_are_rounded_up_as_the_gpu_does() {
        let with = |registers, threads| {
            let needs = Needs { registers, ..NEEDS };
            complaint(needs, Launch { threads, ..LAUNCH })
        };
        assert_eq!(with(64, 1024), None);
        let why = with(65, 1024).unwrap();
        assert!(why.contains("73728 of 65536"), "{why}");
        assert_eq!(with(255, 256), None);
        assert!(
            with(255, 257).is_some(),
            "nine warps take the room of twelve"
        );
        assert_eq!(with(128, 512), None);
        assert!(with(129, 512).is_some());
    }

    #[test]
    fn a_block_is_not_larger_than_the_launch_bounds() {
        let bounded = Needs {
            threads: 256,
            ..NEEDS
        };
        assert_eq!(complaint(bounded, LAUNCH), None);
        let wide = Launch {
            threads: 257,
            ..LAUNCH
        };
        assert!(complaint(bounded, wide).unwrap().contains("launch bounds"));
    }

    #[test]
    fn shared_memory_is_static_and_dynamic_together() {
        let with = |fixed, shared| {
            let needs = Needs {
                shared: fixed,
                ..NEEDS
            };
            complaint(needs, Launch { shared, ..LAUNCH })
        };
        assert_eq!(with(48 << 10, 0), None);
        assert!(with((48 << 10) + 1, 0).is_some());
        assert_eq!(with(16 << 10, 32 << 10), None);
        assert!(with((16 << 10) + 1, 32 << 10).is_some(), "nobody asks");
        assert_eq!(with(16 << 10, (32 << 10) + 1), None, "somebody asks");
        assert_eq!(with(0, 99 << 10), None);
        assert!(with(1, 99 << 10).is_some());
    }

    #[test]
    fn a_kernel_with_a_stack_or_without_a_launch_is_named() {
        let large = Needs { stack: 65, ..NEEDS };
        assert!(complaint(large, LAUNCH).unwrap().contains("stack"));
        assert_eq!(complaint(Needs { stack: 64, ..NEEDS }, LAUNCH), None);
        let kernels = ["fits", "spills", "unused"].map(|name| {
            let needs = if name == "spills" { large } else { NEEDS };
            (name.to_string(), needs)
        });
        let known = launches("fits 256 0\nspills 256 0\n").unwrap();
        let all = complaints(&kernels.into(), &known);
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(all[0].starts_with("spills: ") && all[1].starts_with("unused: "));
    }

    /// What `.ci/cuda-build` runs, once for each version of NVRTC and each compute capability. It takes the
    /// variables `KERNELS_NVRTC` (the library), `KERNELS_CAPABILITY` (such as 90), `KERNELS_LAUNCHES` (the file
    /// of the emulated GPU, or nothing) and `KERNELS_PTXAS` (the assembler that stands in for the driver where
    /// NVRTC does not know the GPU, or nothing).
    #[cfg(feature = "cuda")]
    #[test]
    #[ignore = "needs NVRTC: .ci/cuda-build"]
    fn every_kernel_that_nvrtc_makes_fits_its_launches() {
        use crate::ops::cuda::files::{files, source};
        use std::fs;

        let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let wanted = |name: &str| given(name).unwrap_or_else(|| panic!("{name} is not set"));
        let capability: i32 = wanted("KERNELS_CAPABILITY").parse().unwrap();
        let ptxas = given("KERNELS_PTXAS");
        let known = given("KERNELS_LAUNCHES")
            .map(|file| launches(&fs::read_to_string(&file).unwrap()).unwrap());
        crate::tensor::cuda::load_compiler(&wanted("KERNELS_NVRTC")).unwrap();

        let (mut kernels, mut for_the_driver) = (BTreeMap::new(), BTreeSet::new());
        for file in files() {
            let image = source(&file).compiled(capability, true);
            let image = image.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let code = match image.strip_suffix(b"\0") {
                // The driver reads PTX up to a zero.
                Some(text) if !image.starts_with(b"\x7fELF") => {
                    let text = std::str::from_utf8(text).expect("PTX is a text");
                    let target = text.lines().find_map(|line| line.strip_prefix(".target "));
                    for_the_driver.insert(target.expect("PTX names its target").to_string());
                    let Some(ptxas) = &ptxas else { continue };
                    assembled(ptxas, text, capability)
                }
                _ => image,
            };
            let found = cubin::kernels(&code);
            let found = found.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert!(!found.is_empty(), "{}: no kernel", file.display());
            kernels.extend(found);
        }
        let most = kernels.values().map(|needs| needs.registers).max();
        let with_stack = kernels.values().filter(|needs| needs.stack > 0).count();
        println!(
            "sm_{capability}: {} kernels, at most {} registers, {with_stack} with a stack{}",
            kernels.len(),
            most.unwrap_or(0),
            match for_the_driver.first() {
                Some(target) => format!(", from PTX for {target}"),
                None => String::new(),
            }
        );
        if let Some(known) = known {
            let all = complaints(&kernels, &known);
            assert!(all.is_empty(), "sm_{capability}:\n{}", all.join("\n"));
        }
    }

    /// The machine code that `ptxas` makes of PTX.
    #[cfg(feature = "cuda")]
    fn assembled(ptxas: &str, text: &str, capability: i32) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["ptx", "cubin"].map(|name| folder.path().join(name));
        std::fs::write(&from, text).unwrap();
        let output = std::process::Command::new(ptxas)
            .arg(format!("-arch=sm_{capability}"))
            .arg("-o")
            .args([&to, &from])
            .output();
        let output = output.unwrap_or_else(|error| panic!("{ptxas}: {error}"));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{ptxas}: {told}");
        std::fs::read(&to).unwrap()
    }
}
