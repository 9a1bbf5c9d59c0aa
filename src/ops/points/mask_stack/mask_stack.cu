// Masks of 32 pixels a word, sampled at points; formulas in mod.rs. A thread has a point.
#include "harness.cuh"
#include "points.cuh"

// A mask, read as a plane of 0 and 1.
struct Bits {
    const unsigned* words;
    __device__ __forceinline__ float operator[](size_t pixel) const { return float(words[pixel / 32] >> pixel % 32 & 1u); }
};

// masks [n, words], which, rows [gridDim.y]: the mask and the row of points of each output row; points
// [j, count] -> values [gridDim.y, count].
extern "C" __global__ void sample_masks(const unsigned* masks, const int* which, const int* rows, const float2* points, float* values, int words, int count,
                                        int height, int width) {
    int row = blockIdx.y;
    size_t at = item();
    if (at >= count) return;
    Bits mask = {masks + size_t(which[row]) * words};
    values[size_t(row) * count + at] = sampled(mask, height, width, points[size_t(rows[row]) * count + at]);
}
