// Uniform points from streams of ChaCha8; formulas in mod.rs. A thread has a block of the
// generator: 16 words, 8 points.
#include "harness.cuh"

#define WORDS 16

__device__ __forceinline__ unsigned turned(unsigned x, int by) { return x << by | x >> (32 - by); }
__device__ __forceinline__ void quarter(unsigned& a, unsigned& b, unsigned& c, unsigned& d) {
    a += b; d = turned(d ^ a, 16);
    c += d; b = turned(b ^ c, 12);
    a += b; d = turned(d ^ a, 8);
    c += d; b = turned(b ^ c, 7);
}

// seeds [gridDim.y, 8] -> points [gridDim.y, 2 * count]: the words `first` to `first + 2 * count - 1` of each
// stream, as numbers in [0, 1).
extern "C" __global__ void random_points(const unsigned* seeds, float* points, int first, int count) {
    const unsigned* seed = seeds + size_t(blockIdx.y) * 8;
    unsigned block = unsigned(first) / WORDS + unsigned(item());
    long long at = (long long)block * WORDS - first, end = 2LL * count;
    if (at >= end) return;
    unsigned start[WORDS] = {0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u, seed[0], seed[1], seed[2], seed[3],
                             seed[4],     seed[5],     seed[6],     seed[7],     block,   0u,      0u,      0u};
    unsigned x[WORDS];
    for (int i = 0; i < WORDS; i++) x[i] = start[i];
    for (int two_rounds = 0; two_rounds < 4; two_rounds++) {
        quarter(x[0], x[4], x[8], x[12]);
        quarter(x[1], x[5], x[9], x[13]);
        quarter(x[2], x[6], x[10], x[14]);
        quarter(x[3], x[7], x[11], x[15]);
        quarter(x[0], x[5], x[10], x[15]);
        quarter(x[1], x[6], x[11], x[12]);
        quarter(x[2], x[7], x[8], x[13]);
        quarter(x[3], x[4], x[9], x[14]);
    }
    float* own = points + size_t(blockIdx.y) * 2 * count;
    for (int i = 0; i < WORDS; i++, at++)
        if (at >= 0 && at < end) own[at] = float((x[i] + start[i]) >> 8) * (1.0f / 16777216.0f);
}
