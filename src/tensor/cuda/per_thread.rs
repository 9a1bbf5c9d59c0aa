//! Values that a thread keeps on a GPU for its later calls. No thread reads the values of another, so no
//! thread frees values that another's kernels read. The values of a thread that has [left](leave) are freed
//! by the next thread that makes a value, after the work of all threads has ended.

use super::Gpu;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError, Weak};

thread_local! {
    /// Lives until the thread ends or leaves.
    static ALIVE: RefCell<Arc<()>> = RefCell::default();
}

/// Gives up everything that the calling thread keeps. Later requests make the values again.
pub fn leave() {
    ALIVE.set(Arc::default());
}

/// Values by their keys, per thread and GPU. If a thread exceeds the limit, its least recently used value is
/// dropped.
pub struct PerThread<K, V> {
    most: usize,
    /// The most recently used value first.
    entries: Mutex<Vec<Entry<K, V>>>,
}

struct Entry<K, V> {
    owner: Weak<()>,
    gpu: Gpu,
    key: K,
    value: V,
}

impl<K, V: Clone> PerThread<K, V> {
    /// Keeps up to `most` values for each thread.
    pub const fn new(most: usize) -> Self {
        Self {
            most,
            entries: Mutex::new(Vec::new()),
        }
    }

    /// Returns the value on `gpu` for whose key `is` returns true, or else the one that `make` makes, with
    /// its key.
    pub fn get(&self, gpu: &Gpu, is: impl Fn(&K) -> bool, make: impl FnOnce() -> (K, V)) -> V {
        let me = ALIVE.with_borrow(Arc::downgrade);
        let mine = |entry: &Entry<K, V>| entry.owner.ptr_eq(&me);
        let mut entries = self.entries();
        let known = entries
            .iter()
            .position(|entry| mine(entry) && entry.gpu.number() == gpu.number() && is(&entry.key));
        if let Some(place) = known {
            let entry = entries.remove(place);
            let value = entry.value.clone();
            entries.insert(0, entry);
            return value;
        }
        let left = |entry: &mut Entry<K, V>| entry.owner.strong_count() == 0;
        let left: Vec<Entry<K, V>> = entries.extract_if(.., left).collect();
        let full = entries.iter().filter(|entry| mine(entry)).count() >= self.most;
        let oldest = entries.iter().rposition(mine).filter(|_| full);
        let oldest = oldest.map(|place| entries.remove(place));
        drop(entries);
        let mut waited: Vec<usize> = Vec::new();
        for entry in &left {
            if !waited.contains(&entry.gpu.number()) {
                entry.gpu.wait_for_all_threads();
                waited.push(entry.gpu.number());
            }
        }
        drop((left, oldest));
        let (key, value) = make();
        let entry = Entry {
            owner: me,
            gpu: gpu.clone(),
            key,
            value: value.clone(),
        };
        self.entries().insert(0, entry);
        value
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<Entry<K, V>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{self, check::the_gpu};
    use crate::tensor::cuda::Buffer;
    use crate::tensor::{Tape, Tensor2};
    use std::thread;

    #[test]
    #[ignore = "needs a GPU"]
    fn a_thread_makes_a_value_once_and_forgets_old_ones_cuda() {
        let gpu = the_gpu();
        let kept: PerThread<i32, Arc<Buffer<i32>>> = PerThread::new(3);
        let get = |key: i32| {
            kept.get(
                &gpu,
                |known| *known == key,
                || (key, Arc::new(gpu.upload(&[key]))),
            )
        };
        let first = get(1);
        assert_eq!(get(1).address(), first.address());
        // After this request it is the most recent one, so the second of the four is dropped.
        (2..=3).for_each(|key| drop(get(key)));
        get(1);
        get(4);
        let keys: Vec<i32> = kept.entries().iter().map(|entry| entry.key).collect();
        assert_eq!(keys, [4, 1, 3]);
        // When a thread is joined, it has given up everything.
        let address = thread::scope(|scope| scope.spawn(|| get(1).address()).join().unwrap());
        assert_ne!(address, first.address(), "its own");
        assert_eq!(kept.entries().len(), 4);
        assert_eq!(get(5).values(), [5]);
        let keys: Vec<i32> = kept.entries().iter().map(|entry| entry.key).collect();
        assert_eq!(keys, [5, 4, 1], "what the other thread left is freed");
        leave();
        assert_eq!(get(6).values(), [6]);
        let keys: Vec<i32> = kept.entries().iter().map(|entry| entry.key).collect();
        assert_eq!(keys, [6]);
    }

    /// A thread ends before its kernel has run and read the value that the thread kept. Freeing the memory
    /// too early ends the process on the emulated GPU, as it does under compute-sanitizer.
    #[test]
    #[ignore = "needs a GPU"]
    fn what_a_thread_left_is_freed_behind_its_kernels_cuda() {
        let gpu = the_gpu();
        let kept: PerThread<(), Tensor2> = PerThread::new(1);
        let get = || kept.get(&gpu, |()| true, || ((), gpu.matrix(&[2.0; 5000], 1, 5000)));
        let one = || gpu.matrix(&[1.0; 5000], 1, 5000);
        let add = || drop(ops::add(&mut Tape::off(), &get(), &one()));
        thread::scope(|scope| scope.spawn(add).join().unwrap());
        get();
        gpu.synchronize();
        gpu.wait_for_all_threads();
    }
}
