// Sums over the rows of a matrix, in two steps of fixed order.
#include "harness.cuh"

// values [rows, columns] -> partials [gridDim.y, columns]: block (x, y) sums every gridDim.y-th tile of `tile` rows.
extern "C" __global__ void sum_rows_partly(const float* values, float* partials, int rows, int columns, int tile) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= columns) return;
    float sum = 0.0f;
    for (int first = blockIdx.y * tile; first < rows; first += gridDim.y * tile) {
        int end = min(first + tile, rows);
        for (int row = first; row < end; row++) sum += values[size_t(row) * columns + column];
    }
    partials[size_t(blockIdx.y) * columns + column] = sum;
}

// total [columns] += the sum over the rows of partials [rows, columns].
extern "C" __global__ void add_rows_to(const float* partials, float* total, int rows, int columns) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= columns) return;
    float sum = 0.0f;
    for (int row = 0; row < rows; row++) sum += partials[size_t(row) * columns + column];
    total[column] += sum;
}

// total [1] = scale * the sum of values [count]; one block.
extern "C" __global__ void sum_all(const float* values, float* total, int count, float scale) {
    __shared__ float scratch[LANES];
    float sum = 0.0f;
    for (int i = threadIdx.x; i < count; i += blockDim.x) sum += values[i];
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) *total = scale * sum;
}
