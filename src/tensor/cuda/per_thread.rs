//! What a thread keeps on a GPU for its later calls. No thread reads what another keeps, so none frees what another's kernels read; what a
//! thread has [left](leave) is freed by the next one that makes something, once all threads' work has ended.

use super::Gpu;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError, Weak};

thread_local! {
    /// Lives until the thread ends or leaves.
    static ALIVE: RefCell<Arc<()>> = RefCell::default();
}

/// Leaves all that the calling thread keeps; what it asks for later is made anew.
pub fn leave() {
    ALIVE.set(Arc::default());
}

/// Values by their keys, per thread and GPU; of more than so many of a thread the one is forgotten that was not asked for the longest.
pub struct PerThread<K, V> {
    most: usize,
    /// The latest used first.
    entries: Mutex<Vec<Entry<K, V>>>,
}

struct Entry<K, V> {
    owner: Weak<()>,
    gpu: Gpu,
    key: K,
    value: V,
}

impl<K, V: Clone> PerThread<K, V> {
    /// Keeps `most` values for each thread.
    pub const fn new(most: usize) -> Self {
        Self {
            most,
            entries: Mutex::new(Vec::new()),
        }
    }

    /// The value on `gpu` whose key `is` the one, or else what `make` makes, with its key.
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
        // Asked for again, it is the latest: of four the second is forgotten.
        (2..=3).for_each(|key| drop(get(key)));
        get(1);
        get(4);
        let keys: Vec<i32> = kept.entries().iter().map(|entry| entry.key).collect();
        assert_eq!(keys, [4, 1, 3]);
        // A thread is joined when all that it leaves has been left.
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

    /// A thread ends while its kernel, which has not run yet, is to read what it kept. Memory that is freed too early ends the process on the
    /// emulated GPU, as under compute-sanitizer.
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
