// Resized mask logits to blocked places; mod.rs. A block has a plane.
#include "resize.cuh"

// logits [planes, height * width] -> blocked [planes, rows * columns]: 1 where the resized logit is negative;
// 0 for a plane of ones.
extern "C" __global__ void outside_masks(const float* logits, unsigned char* blocked, int height, int width, int rows, int columns) {
    const float* plane = logits + size_t(blockIdx.x) * height * width;
    unsigned char* out = blocked + size_t(blockIdx.x) * rows * columns;
    __shared__ float scratch[LANES];
    float open = 0.0f, down_scale = float(height) / float(rows), right_scale = float(width) / float(columns);
    for (int at = threadIdx.x; at < rows * columns; at += blockDim.x) {
        Pair rows_mixed = pair_of(at / columns, height, down_scale), columns_mixed = pair_of(at % columns, width, right_scale);
        bool outside = resized(plane, width, rows_mixed, columns_mixed) < 0.0f;
        out[at] = outside;
        open += outside ? 0.0f : 1.0f;
    }
    if (block_sum(open, scratch) > 0.0f) return;
    for (int at = threadIdx.x; at < rows * columns; at += blockDim.x) out[at] = 0;
}
