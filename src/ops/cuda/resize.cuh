// Bilinear resize with pixel centres aligned, a pixel at a time; formula in ../shape/resize/mod.rs.
#pragma once
#include "harness.cuh"

// The two pixels of an axis of `size` that output pixel `index` mixes, and the weight of the upper; `scale`
// is size / target.
struct Pair { int low, high; float upper; };
__device__ __forceinline__ Pair pair_of(int index, int size, float scale) {
    float position = fmaxf(scale * (index + 0.5f) - 0.5f, 0.0f);
    int low = min(int(position), size - 1);
    return {low, min(low + 1, size - 1), position - low};
}

// The pixel of the resized `plane` whose row mixes `rows` and whose column mixes `columns`: rows first, as on the CPU.
__device__ __forceinline__ float resized(const float* plane, int width, Pair rows, Pair columns) {
    const float *upper = plane + size_t(rows.low) * width, *lower = plane + size_t(rows.high) * width;
    float left = upper[columns.low] + rows.upper * (lower[columns.low] - upper[columns.low]);
    float right = upper[columns.high] + rows.upper * (lower[columns.high] - upper[columns.high]);
    return left + columns.upper * (right - left);
}
