//! Kernels from their text: compiled for the GPU at hand by NVRTC, kept on disk.
//!
//! A file of the cache is named by the hash of all that the result depends on: text, headers, options, the compiler's version. It lies
//! under `$XDG_CACHE_HOME/harness/kernels` or `~/.cache/harness/kernels`; without a home, or where it cannot be written, every
//! process compiles for itself (about a second in all).

use super::symbols::compiler;
use crate::atomic::write_atomically;
use crate::tensor::kernel::Source;
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::PathBuf;

/// Options of the compiler besides the architecture. Sums and products are fused into one rounding, as everywhere in CUDA; no option
/// trades accuracy of `expf` and the like for speed.
const OPTIONS: [&str; 2] = ["--std=c++17", "--extra-device-vectorization"];

impl Source {
    /// The kernels for compute capability `architecture` (as in `90`), from the cache or `anew`: as machine code, or, where the compiler is
    /// older than the GPU, for the newest one that it knows, which the driver translates.
    ///
    /// # Errors
    /// The compiler's own messages.
    pub fn compiled(&self, architecture: i32, anew: bool) -> Result<Vec<u8>, String> {
        let options = OPTIONS.map(str::to_string);
        let target = target(architecture, &known_architectures());
        let target = format!("--gpu-architecture={target}");
        let options: Vec<String> = options.into_iter().chain([target]).collect();
        let Some(file) = self.file(&options) else {
            return self.compile(&options);
        };
        if let Ok(image) = std::fs::read(&file)
            && !image.is_empty()
            && !anew
        {
            return Ok(image);
        }
        let image = self.compile(&options)?;
        // A cache that cannot be written costs the next process a second, and this one nothing.
        if let Some(folder) = file.parent()
            && std::fs::create_dir_all(folder).is_ok()
        {
            let _ = write_atomically(&file, &image);
        }
        Ok(image)
    }

    /// The file of the cache; none where there is no home for it.
    fn file(&self, options: &[String]) -> Option<PathBuf> {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || std::env::home_dir().map(|home| home.join(".cache"));
        let cache = cache.filter(|path| path.is_absolute()).or_else(home)?;
        let mut hash = blake3::Hasher::new();
        let mut add = |text: &str| {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        add(self.text);
        for (name, text) in self.headers {
            add(name);
            add(text);
        }
        options.iter().for_each(|option| add(option));
        let [major, minor] = version();
        add(&format!("{major}.{minor}"));
        let digits = &hash.finalize().to_hex()[..32];
        let name = format!("{}-{digits}", self.name);
        Some(cache.join("harness").join("kernels").join(name))
    }

    fn compile(&self, options: &[String]) -> Result<Vec<u8>, String> {
        let program = Program::new(self)?;
        let options: Vec<CString> = options.iter().map(|option| text(option)).collect();
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: a program, and as many options as said.
        let code = unsafe {
            compiler::nvrtcCompileProgram(program.0, options.len() as c_int, options.as_ptr())
        };
        if code != 0 {
            return Err(format!("{}.cu: {}", self.name, program.log()));
        }
        program.image()
    }
}

/// The compute capabilities that the compiler knows; none where it does not tell.
fn known_architectures() -> Vec<c_int> {
    let mut count = 0;
    // SAFETY: the place of the number.
    if unsafe { compiler::nvrtcGetNumSupportedArchs(&raw mut count) } != 0 {
        return Vec::new();
    }
    let mut known = vec![0; count.max(0) as usize];
    // SAFETY: as many places as the compiler just said.
    match unsafe { compiler::nvrtcGetSupportedArchs(known.as_mut_ptr()) } {
        0 => known,
        _ => Vec::new(),
    }
}

/// What to compile for: the machine code of `architecture` if it is among the `known`, else the newest older one's code for the driver.
fn target(architecture: c_int, known: &[c_int]) -> String {
    let older = known.iter().filter(|known| **known < architecture).max();
    match older {
        Some(older) if !known.contains(&architecture) => format!("compute_{older}"),
        _ => format!("sm_{architecture}"),
    }
}

/// The version of the compiler.
fn version() -> [c_int; 2] {
    let [mut major, mut minor] = [0; 2];
    // SAFETY: the places of the two numbers; where it fails they stay 0, and so does the compilation.
    unsafe { compiler::nvrtcVersion(&raw mut major, &raw mut minor) };
    [major, minor]
}

fn text(text: &str) -> CString {
    CString::new(text).expect("a text without zeros")
}

/// A program of NVRTC.
struct Program(*mut c_void);

impl Program {
    fn new(source: &Source) -> Result<Self, String> {
        let name = text(&format!("{}.cu", source.name));
        let body = text(source.text);
        let headers: Vec<[CString; 2]> = source
            .headers
            .iter()
            .map(|(name, body)| [text(name), text(body)])
            .collect();
        let names: Vec<*const c_char> = headers.iter().map(|[name, _]| name.as_ptr()).collect();
        let bodies: Vec<*const c_char> = headers.iter().map(|[_, body]| body.as_ptr()).collect();
        let mut program = std::ptr::null_mut();
        // SAFETY: as many headers as said; all texts end with 0 and outlive the call.
        let code = unsafe {
            compiler::nvrtcCreateProgram(
                &raw mut program,
                body.as_ptr(),
                name.as_ptr(),
                headers.len() as c_int,
                bodies.as_ptr(),
                names.as_ptr(),
            )
        };
        match code {
            0 => Ok(Self(program)),
            _ => Err(format!("NVRTC takes no program (error {code})")),
        }
    }

    fn log(&self) -> String {
        let read = self.bytes(
            compiler::nvrtcGetProgramLogSize,
            compiler::nvrtcGetProgramLog,
        );
        let text = read.unwrap_or_default();
        String::from_utf8_lossy(&text)
            .trim_end_matches(['\0', '\n'])
            .to_string()
    }

    fn image(&self) -> Result<Vec<u8>, String> {
        let code = self.bytes(compiler::nvrtcGetCUBINSize, compiler::nvrtcGetCUBIN);
        // None was asked for: the driver's code, a text.
        let code = code.or_else(|| self.bytes(compiler::nvrtcGetPTXSize, compiler::nvrtcGetPTX));
        code.ok_or_else(|| "NVRTC gives no code".to_string())
    }

    /// Bytes that are asked for by their number first.
    fn bytes(
        &self,
        size: unsafe extern "C" fn(*mut c_void, *mut usize) -> c_int,
        read: unsafe extern "C" fn(*mut c_void, *mut c_char) -> c_int,
    ) -> Option<Vec<u8>> {
        let mut len = 0;
        // SAFETY: a program, and the place of the number.
        if unsafe { size(self.0, &raw mut len) } != 0 {
            return None;
        }
        let mut bytes = vec![0u8; len];
        // SAFETY: as many bytes as the program just said.
        let code = unsafe { read(self.0, bytes.as_mut_ptr().cast()) };
        (code == 0 && len > 0).then_some(bytes)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: a program, used no more. What could fail leaves memory.
        unsafe { compiler::nvrtcDestroyProgram(&raw mut self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_newer_than_the_compiler_gets_code_for_the_driver() {
        assert_eq!(target(90, &[75, 80, 90]), "sm_90");
        assert_eq!(target(120, &[80, 90, 100]), "compute_100");
        assert_eq!(target(90, &[]), "sm_90", "it does not tell what it knows");
        assert_eq!(target(80, &[90]), "sm_80", "for the compiler to refuse");
    }
}
