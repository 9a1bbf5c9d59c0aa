//! Compiles kernels from their source text with NVRTC for the GPU that is present, and caches them on disk.
//!
//! A file of the cache is named by the hash of everything that the result depends on: text, headers, options
//! and the compiler's version. The cache is in `$XDG_CACHE_HOME/harness/kernels` or
//! `~/.cache/harness/kernels`. Without a home folder, or if the cache cannot be written, every process
//! compiles for itself (about a second in all).

use super::symbols::compiler;
use crate::atomic::write_atomically;
use crate::tensor::kernel::Source;
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::PathBuf;

/// Compiler options besides the architecture. A product and a sum are fused into one rounding, as is usual in
/// CUDA. No option trades accuracy of `expf` and similar functions for speed.
const OPTIONS: [&str; 2] = ["--std=c++17", "--extra-device-vectorization"];

impl Source {
    /// The kernels for compute capability `architecture` (such as `90`), from the cache, or compiled again if
    /// `anew`. The result is machine code. If the compiler is older than the GPU, it is PTX for the newest
    /// architecture that the compiler knows, and the driver translates it.
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
        // If the cache cannot be written, only the next process loses a second.
        if let Some(folder) = file.parent()
            && std::fs::create_dir_all(folder).is_ok()
        {
            let _ = write_atomically(&file, &image);
        }
        Ok(image)
    }

    /// The file in the cache; none if there is no home folder.
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
        // SAFETY: a program, and an array with as many options as `len` says.
        let code = unsafe {
            compiler::nvrtcCompileProgram(program.0, options.len() as c_int, options.as_ptr())
        };
        if code != 0 {
            return Err(format!("{}.cu: {}", self.name, program.log()));
        }
        program.image()
    }
}

/// The compute capabilities that the compiler knows; empty if it does not report them.
fn known_architectures() -> Vec<c_int> {
    let mut count = 0;
    // SAFETY: a valid pointer for the number.
    if unsafe { compiler::nvrtcGetNumSupportedArchs(&raw mut count) } != 0 {
        return Vec::new();
    }
    let mut known = vec![0; count.max(0) as usize];
    // SAFETY: the array has as many elements as the compiler just reported.
    match unsafe { compiler::nvrtcGetSupportedArchs(known.as_mut_ptr()) } {
        0 => known,
        _ => Vec::new(),
    }
}

/// The target of the compilation: machine code for `architecture` if the compiler knows it, or else PTX for
/// the newest older one.
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
    // SAFETY: valid pointers for the two numbers. If the call fails, they stay 0, and the compilation fails
    // too.
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
        // SAFETY: as many headers as `len` says; all texts end with 0 and outlive the call.
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
        // There is no machine code if PTX was requested. PTX is a text.
        let code = code.or_else(|| self.bytes(compiler::nvrtcGetPTXSize, compiler::nvrtcGetPTX));
        code.ok_or_else(|| "NVRTC gives no code".to_string())
    }

    /// Reads bytes after asking for their number.
    fn bytes(
        &self,
        size: unsafe extern "C" fn(*mut c_void, *mut usize) -> c_int,
        read: unsafe extern "C" fn(*mut c_void, *mut c_char) -> c_int,
    ) -> Option<Vec<u8>> {
        let mut len = 0;
        // SAFETY: a program, and a valid pointer for the number.
        if unsafe { size(self.0, &raw mut len) } != 0 {
            return None;
        }
        let mut bytes = vec![0u8; len];
        // SAFETY: the array has as many bytes as the program just reported.
        let code = unsafe { read(self.0, bytes.as_mut_ptr().cast()) };
        (code == 0 && len > 0).then_some(bytes)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: a program that is not used again. A failure only leaks memory.
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
