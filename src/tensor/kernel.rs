//! A kernel's text, the threads that run it, and its arguments. This is plain data, which programs without
//! `--features cuda` also have.

/// A file of kernels.
#[derive(Debug)]
pub struct Source {
    /// The name, without `.cu`.
    pub name: &'static str,
    /// The text.
    pub text: &'static str,
    /// The headers that it includes: names and texts.
    pub headers: &'static [(&'static str, &'static str)],
}

/// The blocks and threads of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The number of blocks along x, y, z.
    pub blocks: [u32; 3],
    /// The number of threads of a block along x, y, z.
    pub threads: [u32; 3],
    /// Dynamic shared memory of a block in bytes.
    pub shared: u32,
}

impl Grid {
    /// Enough blocks of `threads` threads for one thread per item.
    pub fn items(items: usize, threads: u32) -> Self {
        let blocks = items.div_ceil(threads as usize).max(1);
        Self::blocks(blocks, threads)
    }

    /// `blocks` blocks of `threads` threads.
    ///
    /// Panics if there are more blocks than a grid can have (2^31 - 1).
    pub fn blocks(blocks: usize, threads: u32) -> Self {
        let blocks = i32::try_from(blocks).expect("a grid has at most 2^31 - 1 blocks") as u32;
        Self {
            blocks: [blocks, 1, 1],
            threads: [threads, 1, 1],
            shared: 0,
        }
    }

    /// The same grid with `y` and `z` blocks along y and z.
    ///
    /// Panics if there are more than a grid can have (65,535).
    pub fn by(mut self, y: usize, z: usize) -> Self {
        let count = |n: usize| u32::from(u16::try_from(n).expect("at most 65,535 along y and z"));
        self.blocks[1..].copy_from_slice(&[count(y), count(z)]);
        self
    }

    /// The same grid with `bytes` of dynamic shared memory for a block.
    pub fn shared(mut self, bytes: usize) -> Self {
        self.shared = u32::try_from(bytes).expect("shared memory is less than 4 GiB");
        self
    }
}

/// One argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// A pointer.
    Address(u64),
    /// `int`.
    Int(i32),
    /// `float`.
    Float(f32),
}

impl From<u64> for Argument {
    fn from(address: u64) -> Self {
        Self::Address(address)
    }
}

impl From<Option<u64>> for Argument {
    /// None becomes a null pointer.
    fn from(address: Option<u64>) -> Self {
        Self::Address(address.unwrap_or(0))
    }
}

impl From<usize> for Argument {
    /// Panics above 2^31 - 1: kernels use `int` for the sides of a tensor.
    fn from(number: usize) -> Self {
        Self::Int(i32::try_from(number).expect("a size below 2^31"))
    }
}

impl From<bool> for Argument {
    fn from(flag: bool) -> Self {
        Self::Int(flag.into())
    }
}

impl From<f32> for Argument {
    fn from(number: f32) -> Self {
        Self::Float(number)
    }
}
