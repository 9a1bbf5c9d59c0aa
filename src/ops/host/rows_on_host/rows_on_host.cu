// Some rows of a matrix next to each other; mod.rs. A block has some values of a row.
#include "harness.cuh"

// x [n, columns], rows [gridDim.x] -> picked [gridDim.x, columns].
extern "C" __global__ void pick_rows(const float* x, const int* rows, float* picked, int columns) {
    const float* from = x + size_t(rows[blockIdx.x]) * columns;
    float* to = picked + size_t(blockIdx.x) * columns;
    for (int i = blockIdx.y * blockDim.x + threadIdx.x; i < columns; i += gridDim.y * blockDim.x) to[i] = from[i];
}
