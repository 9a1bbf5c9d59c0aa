// Mean and largest value of rows; formulas in mod.rs. A warp has a row of x [rows, columns].
#include "harness.cuh"

__device__ __forceinline__ float largest(const float* line, int columns) {
    float most = -INFINITE;
    for (int i = threadIdx.x; i < columns; i += LANES) most = fmaxf(most, line[i]);
    return warp_max(most);
}

// out [rows, 2].
extern "C" __global__ void mean_and_largest(const float* x, float* out, int rows, int columns) {
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    const float* line = x + size_t(row) * columns;
    float sum = 0.0f;
    for (int i = threadIdx.x; i < columns; i += LANES) sum += line[i];
    sum = warp_sum(sum);
    float most = largest(line, columns);
    if (threadIdx.x == 0) {
        out[2 * size_t(row)] = sum / columns;
        out[2 * size_t(row) + 1] = most;
    }
}

// to [rows, columns] += the gradient [rows, 2] of both numbers.
extern "C" __global__ void mean_and_largest_backward(const float* x, const float* gradient, float* to, int rows, int columns) {
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    size_t first = size_t(row) * columns;
    const float* line = x + first;
    float most = largest(line, columns);
    // The first place of the largest value. Places of a row are exact as floats.
    int place = columns;
    for (int i = threadIdx.x; i < columns; i += LANES)
        if (line[i] == most) place = min(place, i);
    place = int(-warp_max(-float(place)));
    float share = gradient[2 * size_t(row)] / columns, whole = gradient[2 * size_t(row) + 1];
    for (int i = threadIdx.x; i < columns; i += LANES) to[first + i] += i == place ? share + whole : share;
}
