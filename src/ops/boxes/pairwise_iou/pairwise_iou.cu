// The overlaps of two lists of rectangles; formula in mod.rs. A thread has a pair.
#include "harness.cuh"

// a [first + gridDim.y, 4], b [columns, 4] -> overlaps: the rows first to first + gridDim.y of [., columns].
extern "C" __global__ void pairwise_iou(const float4* a, const float4* b, float* overlaps, int first, int columns) {
    size_t column = item();
    if (column >= columns) return;
    size_t row = size_t(first) + blockIdx.y;
    float4 one = a[row], other = b[column];
    float width = fmaxf(fminf(one.z, other.z) - fmaxf(one.x, other.x), 0.0f), height = fmaxf(fminf(one.w, other.w) - fmaxf(one.y, other.y), 0.0f);
    // No product is fused with a sum: a comparison of the overlap with a bound has the same answer as on the CPU.
    float both = __fmul_rn(width, height);
    float areas = __fadd_rn(__fmul_rn(one.z - one.x, one.w - one.y), __fmul_rn(other.z - other.x, other.w - other.y));
    float either = areas - both;
    overlaps[row * columns + column] = either == 0.0f ? 0.0f : both / either;
}
