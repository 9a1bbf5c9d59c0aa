// The least decided points of every mask; formulas in mod.rs. A block has a mask: it finds
// the bits of the last |logit| that is chosen, eight at a time from the highest on, then writes the chosen
// points in their order.
#include "harness.cuh"

#define DIGITS 256

// |x| as a whole number with the same order; NaN comes last.
__device__ __forceinline__ unsigned key_of(float x) { return __float_as_uint(x) & 0x7fffffffu; }

// How many of the block's threads before this one have set `flag`, and in `all` how many have; `counts` holds
// LANES numbers. Every thread must come here.
__device__ __forceinline__ int before(bool flag, int* counts, int& all) {
    int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES, warps = blockDim.x / LANES;
    unsigned votes = __ballot_sync(ALL_LANES, flag);
    if (lane == 0) counts[warp] = __popc(votes);
    __syncthreads();
    int sum = __popc(votes & ((1u << lane) - 1u));
    all = 0;
    for (int i = 0; i < warps; i++) {
        if (i < warp) sum += counts[i];
        all += counts[i];
    }
    __syncthreads();
    return sum;
}

// pool [n, many], logits [n, many], fresh [n, free] -> points [n, chosen + free]. The atomics are on
// integers: their order does not show.
extern "C" __global__ void undecided_points(const float2* pool, const float* logits, const float2* fresh, float2* points, int many, int chosen, int free) {
    __shared__ int counts[DIGITS], found[2];
    const float* own = logits + size_t(blockIdx.x) * many;
    const float2* from = pool + size_t(blockIdx.x) * many;
    float2* to = points + size_t(blockIdx.x) * (chosen + free);
    for (int i = threadIdx.x; i < free; i += blockDim.x) to[chosen + i] = fresh[size_t(blockIdx.x) * free + i];
    if (chosen == 0) return;

    // This looks for the rest-th of the keys that begin with the bits of `last`.
    unsigned last = 0;
    int rest = chosen;
    for (int shift = 24; shift >= 0; shift -= 8) {
        for (int i = threadIdx.x; i < DIGITS; i += blockDim.x) counts[i] = 0;
        __syncthreads();
        for (int i = threadIdx.x; i < many; i += blockDim.x) {
            unsigned key = key_of(own[i]);
            // All bits above the digit. At first there are none, and a shift by 32 bits is undefined.
            bool same = shift == 24 || key >> (shift + 8) == last >> (shift + 8);
            if (same) atomicAdd(&counts[key >> shift & (DIGITS - 1)], 1);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            int digit = 0, left = rest;
            while (left > counts[digit]) left -= counts[digit++];
            found[0] = digit;
            found[1] = left;
        }
        __syncthreads();
        last |= unsigned(found[0]) << shift;
        rest = found[1];
        __syncthreads();
    }

    // All below the last key, and the first `rest` of those equal to it.
    int written = 0, equal = 0;
    for (int first = 0; first < many; first += blockDim.x) {
        int i = first + threadIdx.x, all;
        unsigned key = i < many ? key_of(own[i]) : 0xffffffffu;
        int number = equal + before(key == last, counts, all);
        equal += all;
        bool taken = key < last || (key == last && number < rest);
        int place = written + before(taken, counts, all);
        written += all;
        if (taken) to[place] = from[i];
    }
}
