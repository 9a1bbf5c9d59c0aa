//! Stable sort of many lists by small whole keys on the GPU, and where each key begins. Sums over what the sort brings together have a
//! fixed order, which atomic additions have not.

use super::source;
use crate::tensor::cuda::{Argument, Buffer, Gpu, Grid, Source};

static SOURCE: Source = source!("sort");

/// Threads of a block and values of a digit (`sort.cu`).
const THREADS: u32 = 256;
const DIGITS: usize = 256;
/// Bits of a digit.
const BITS: u32 = DIGITS.ilog2();
/// Items of a block (`sort.cu`).
const CHUNK: usize = 2048;

/// Items in the order of their keys.
pub(in crate::ops) struct Sorted {
    /// Their numbers, `[lists, items]`.
    pub(in crate::ops) ids: Buffer<i32>,
    /// Where the keys 0, 1, ..., `most` begin in `ids`, `[lists, most + 1]`.
    pub(in crate::ops) starts: Buffer<i32>,
}

/// Sorts `keys [lists, items]`, all in `0..=most`.
///
/// Panics if there is no list or no item.
pub(in crate::ops) fn sort(
    gpu: &Gpu,
    keys: Buffer<i32>,
    lists: usize,
    items: usize,
    most: usize,
) -> Sorted {
    assert!(items > 0 && keys.len() == lists * items, "keys to sort");
    let chunks = items.div_ceil(CHUNK);
    let grid = Grid::blocks(chunks, THREADS).by(lists, 1);
    let (mut keys, mut ids) = (keys, None);
    for pass in 0..passes(most) {
        let shift = (pass * BITS) as usize;
        let counts = gpu.scratch::<i32>(lists * DIGITS * chunks);
        let size: [Argument; 2] = [items.into(), shift.into()];
        let arguments = [(&keys).into(), (&counts).into(), size[0], size[1]];
        // SAFETY: keys [lists, items], counts [lists, DIGITS, chunks].
        unsafe { gpu.launch(&SOURCE, "sort_count", grid, &arguments) };
        let arguments = [(&counts).into(), (DIGITS * chunks).into()];
        // SAFETY: a block for each list of counts.
        unsafe {
            gpu.launch(
                &SOURCE,
                "sort_places",
                Grid::blocks(1, 1024).by(lists, 1),
                &arguments,
            )
        };
        let [to_keys, to_ids] = [(); 2].map(|()| gpu.scratch::<i32>(lists * items));
        let arguments = [
            (&keys).into(),
            ids.as_ref().into(),
            (&counts).into(),
            (&to_keys).into(),
            (&to_ids).into(),
            size[0],
            size[1],
        ];
        // SAFETY: as above; the counts of a list have become different places in it, one for every item.
        unsafe { gpu.launch(&SOURCE, "sort_move", grid, &arguments) };
        (keys, ids) = (to_keys, Some(to_ids));
    }
    let starts = gpu.scratch::<i32>(lists * (most + 1));
    let arguments = [
        (&keys).into(),
        (&starts).into(),
        items.into(),
        (most + 1).into(),
    ];
    let grid = Grid::items(most + 1, THREADS).by(lists, 1);
    // SAFETY: keys [lists, items], starts [lists, most + 1].
    unsafe { gpu.launch(&SOURCE, "sort_starts", grid, &arguments) };
    Sorted {
        ids: ids.expect("at least one pass"),
        starts,
    }
}

/// Digits of the numbers `0..=most`.
fn passes(most: usize) -> u32 {
    (most.max(1).ilog2() + 1).div_ceil(BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{on_a_gpu, the_gpu};

    #[test]
    fn a_pass_for_every_digit() {
        let pairs = [(0, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 3)];
        for (most, count) in pairs {
            assert_eq!(passes(most), count, "{most}");
        }
    }

    on_a_gpu! {
        fn items_come_in_the_order_of_keys_and_stay_in_their_own_cuda() {
            let gpu = the_gpu();
            for (lists, items, most) in [(1, 1, 0), (3, 5000, 300), (2, 2048, 7), (1, 2049, 70_000)] {
                let keys: Vec<i32> = (0..lists * items)
                    .map(|i| ((i * 7919 + i / 3 * 104_729) % (most + 1)) as i32)
                    .collect();
                let Sorted { ids, starts } = sort(&gpu, gpu.upload(&keys), lists, items, most);
                let (ids, starts) = (ids.values(), starts.values());
                for list in 0..lists {
                    let keys = &keys[list * items..][..items];
                    let mut expected: Vec<i32> = (0..items as i32).collect();
                    expected.sort_by_key(|id| keys[*id as usize]);
                    assert_eq!(&ids[list * items..][..items], expected);
                    for (key, start) in starts[list * (most + 1)..][..most + 1].iter().enumerate() {
                        let below = keys.iter().filter(|k| (**k as usize) < key).count();
                        if key % 97 == 0 || key == most {
                            assert_eq!(*start as usize, below, "key {key}");
                        }
                    }
                }
            }
        }
    }
}
