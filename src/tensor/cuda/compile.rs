//! Kernels from their text: compiled for the GPU at hand by NVRTC, kept on disk.
//!
//! A file of the cache is named by the hash of all that the result depends on: text, headers, options, the compiler's version. It lies
//! under `$XDG_CACHE_HOME/harness/kernels` or `~/.cache/harness/kernels`; without a home, or where it cannot be written, every
//! process compiles for itself (about a second in all).

use super::symbols::compiler;
use crate::atomic::write_atomically;
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::PathBuf;

/// A file of kernels.
#[derive(Debug)]
pub struct Source {
    /// Its name, without `.cu`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
    /// What it includes: names and texts.
    pub headers: &'static [(&'static str, &'static str)],
}

/// Options of the compiler besides the architecture. Sums and products are fused into one rounding, as everywhere in CUDA; no option
/// trades accuracy of `expf` and the like for speed.
const OPTIONS: [&str; 2] = ["--std=c++17", "--extra-device-vectorization"];

impl Source {
    /// The kernels as machine code of compute capability `architecture` (as in `90`), from the cache or new.
    ///
    /// # Errors
    /// The compiler's own messages.
    pub fn compiled(&self, architecture: i32) -> Result<Vec<u8>, String> {
        let options = OPTIONS.map(str::to_string);
        let target = format!("--gpu-architecture=sm_{architecture}");
        let options: Vec<String> = options.into_iter().chain([target]).collect();
        let Some(file) = self.file(&options) else {
            return self.compile(&options);
        };
        if let Ok(image) = std::fs::read(&file)
            && !image.is_empty()
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
        let name = format!("{}-{digits}.cubin", self.name);
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
        let read = self.bytes(compiler::nvrtcGetCUBINSize, compiler::nvrtcGetCUBIN);
        read.ok_or_else(|| "NVRTC gives no machine code".to_string())
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
