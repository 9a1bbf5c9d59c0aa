// Rows times factors; formulas in mod.rs. A warp has a row of x [rows, columns]; s [rows].
#include "harness.cuh"

// out = x * s.
extern "C" __global__ void scale_rows(const float* x, const float* s, float* out, int rows, int columns) {
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    size_t first = size_t(row) * columns;
    float by = s[row];
    for (int i = threadIdx.x; i < columns; i += LANES) out[first + i] = by * x[first + i];
}

// Adds to the gradients of x and s (null: not wanted).
extern "C" __global__ void scale_rows_backward(const float* x, const float* s, const float* gradient, float* to_x, float* to_s, int rows, int columns) {
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    size_t first = size_t(row) * columns;
    float by = s[row], sum = 0.0f;
    for (int i = threadIdx.x; i < columns; i += LANES) {
        float g = gradient[first + i];
        sum += g * x[first + i];
        if (to_x) to_x[first + i] += by * g;
    }
    sum = warp_sum(sum);
    if (to_s && threadIdx.x == 0) to_s[row] += sum;
}
