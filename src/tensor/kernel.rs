//! A kernel's text, the threads that run it, and its arguments: plain data, known to programs without `--features cuda` too.

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

/// The blocks and threads of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Blocks along x, y, z.
    pub blocks: [u32; 3],
    /// Threads of a block along x, y, z.
    pub threads: [u32; 3],
    /// Dynamic shared memory of a block, bytes.
    pub shared: u32,
}

impl Grid {
    /// Enough blocks of `threads` for one thread per item.
    pub fn items(items: usize, threads: u32) -> Self {
        let blocks = items.div_ceil(threads as usize).max(1);
        Self::blocks(blocks, threads)
    }

    /// `blocks` blocks of `threads`.
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

    /// With blocks along y and z too.
    ///
    /// Panics if there are more than a grid can have (65,535).
    pub fn by(mut self, y: usize, z: usize) -> Self {
        let count = |n: usize| u32::from(u16::try_from(n).expect("at most 65,535 along y and z"));
        self.blocks[1..].copy_from_slice(&[count(y), count(z)]);
        self
    }

    /// With so many bytes of dynamic shared memory for a block.
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
    /// None: a null pointer.
    fn from(address: Option<u64>) -> Self {
        Self::Address(address.unwrap_or(0))
    }
}

impl From<usize> for Argument {
    /// Panics above 2^31 - 1: kernels count in `int` what a tensor has along one side.
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
