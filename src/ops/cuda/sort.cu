// Stable sort of the items of many lists by small whole keys: radix sort, eight bits a pass, the lowest
// first. A pass counts the digits of every chunk of a list, sums the counts to places, and moves the items.
// Items of equal keys stay in their order, so that the result does not depend on the order in which blocks
// and warps run. Lists along gridDim.y, chunks along gridDim.x.
#include "harness.cuh"

#define DIGITS 256
#define THREADS 256
#define WARPS (THREADS / LANES)
// Items of a warp, of a chunk.
#define SHARE 256
#define CHUNK (WARPS * SHARE)

__device__ __forceinline__ int digit_of(int key, int shift) { return (key >> shift) & (DIGITS - 1); }

// keys [lists, items] -> counts [lists, DIGITS, chunks].
extern "C" __global__ void sort_count(const int* keys, int* counts, int items, int shift) {
    __shared__ int count[DIGITS];
    int chunk = blockIdx.x, list = blockIdx.y;
    count[threadIdx.x] = 0;
    __syncthreads();
    int end = min((chunk + 1) * CHUNK, items);
    for (int i = chunk * CHUNK + threadIdx.x; i < end; i += THREADS) atomicAdd(&count[digit_of(keys[size_t(list) * items + i], shift)], 1);
    __syncthreads();
    counts[(size_t(list) * DIGITS + threadIdx.x) * gridDim.x + chunk] = count[threadIdx.x];
}

// numbers [lists, count]: each replaced by the sum of those before it in its list. A block of 1024 threads has a list.
extern "C" __global__ void sort_places(int* numbers, int count) {
    __shared__ int sums[LANES];
    int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    int share = (count + blockDim.x - 1) / blockDim.x;
    int first = min(int(threadIdx.x) * share, count), end = min(first + share, count);
    int* list = numbers + size_t(blockIdx.y) * count;
    int own = 0;
    for (int i = first; i < end; i++) own += list[i];
    int upto = own;
    for (int by = 1; by < LANES; by *= 2) {
        int other = __shfl_up_sync(ALL_LANES, upto, by);
        if (lane >= by) upto += other;
    }
    if (lane == LANES - 1) sums[warp] = upto;
    __syncthreads();
    if (warp == 0) {
        int mine = lane < int(blockDim.x) / LANES ? sums[lane] : 0, total = mine;
        for (int by = 1; by < LANES; by *= 2) {
            int other = __shfl_up_sync(ALL_LANES, total, by);
            if (lane >= by) total += other;
        }
        sums[lane] = total - mine;
    }
    __syncthreads();
    int before = sums[warp] + upto - own;
    for (int i = first; i < end; i++) {
        int value = list[i];
        list[i] = before;
        before += value;
    }
}

// The lanes whose digit is that of this lane, among those that have an item.
__device__ __forceinline__ unsigned peers_of(int digit, bool there) {
    unsigned peers = __ballot_sync(ALL_LANES, there);
    for (int bit = 1; bit < DIGITS; bit *= 2) {
        unsigned set = __ballot_sync(ALL_LANES, digit & bit);
        peers &= digit & bit ? set : ~set;
    }
    return peers;
}

// keys and ids (null: the items' numbers) [lists, items] -> the same at their new places; places
// [lists, DIGITS, chunks].
extern "C" __global__ void sort_move(const int* keys, const int* ids, const int* places, int* to_keys, int* to_ids, int items, int shift) {
    // Of every warp and digit: first how many, then where the next one goes.
    __shared__ int next[WARPS][DIGITS];
    int chunk = blockIdx.x, list = blockIdx.y, lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    size_t begin = size_t(list) * items;
    int first = chunk * CHUNK + warp * SHARE;
    for (int digit = lane; digit < DIGITS; digit += LANES) next[warp][digit] = 0;
    __syncwarp();
    for (int i = first + lane; i < first + SHARE; i += LANES)
        if (i < items) atomicAdd(&next[warp][digit_of(keys[begin + i], shift)], 1);
    __syncthreads();
    int place = places[(size_t(list) * DIGITS + threadIdx.x) * gridDim.x + chunk];
    for (int w = 0; w < WARPS; w++) {
        int count = next[w][threadIdx.x];
        next[w][threadIdx.x] = place;
        place += count;
    }
    __syncthreads();
    for (int round = first; round < first + SHARE; round += LANES) {
        int i = round + lane;
        bool there = i < items;
        int key = there ? keys[begin + i] : 0, digit = digit_of(key, shift);
        unsigned peers = peers_of(digit, there);
        int before = __popc(peers & ((1u << lane) - 1u));
        int to = there ? next[warp][digit] + before : 0;
        __syncwarp();
        if (there && before == 0) next[warp][digit] += __popc(peers);
        __syncwarp();
        if (there) {
            to_keys[begin + to] = key;
            to_ids[begin + to] = ids ? ids[begin + i] : i;
        }
    }
}

// keys [lists, items], sorted -> starts [lists, count]: the first item whose key is not below 0, 1, ...
extern "C" __global__ void sort_starts(const int* keys, int* starts, int items, int count) {
    int key = blockIdx.x * blockDim.x + threadIdx.x;
    if (key >= count) return;
    const int* list = keys + size_t(blockIdx.y) * items;
    int low = 0, high = items;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (list[middle] < key) low = middle + 1;
        else high = middle;
    }
    starts[size_t(blockIdx.y) * count + key] = low;
}
