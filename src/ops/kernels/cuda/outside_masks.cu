// Resized mask logits to blocked places; ops/outside_masks.rs. A block has a plane.
#include "harness.cuh"

// The lower pixel and the weight of the upper one, for output pixel `index` of a resize from `size` to `target` pixels.
__device__ __forceinline__ int lower(int index, int size, int target, float& weight) {
    float position = fmaxf(float(size) / float(target) * (index + 0.5f) - 0.5f, 0.0f);
    int low = min(int(position), size - 1);
    weight = position - low;
    return low;
}

// logits [planes, height * width] -> blocked [planes, rows * columns]: 1 where the resized logit is negative; 0 for a plane of ones.
extern "C" __global__ void outside_masks(const float* logits, unsigned char* blocked, int height, int width, int rows, int columns) {
    const float* plane = logits + size_t(blockIdx.x) * height * width;
    unsigned char* out = blocked + size_t(blockIdx.x) * rows * columns;
    __shared__ float scratch[LANES];
    float open = 0.0f;
    for (int at = threadIdx.x; at < rows * columns; at += blockDim.x) {
        float down, right;
        int y = lower(at / columns, height, rows, down), x = lower(at % columns, width, columns, right);
        int below = min(y + 1, height - 1), beside = min(x + 1, width - 1);
        const float *upper = plane + size_t(y) * width, *under = plane + size_t(below) * width;
        float left_value = upper[x] + down * (under[x] - upper[x]);
        float right_value = upper[beside] + down * (under[beside] - upper[beside]);
        bool outside = left_value + right * (right_value - left_value) < 0.0f;
        out[at] = outside;
        open += outside ? 0.0f : 1.0f;
    }
    if (block_sum(open, scratch) > 0.0f) return;
    for (int at = threadIdx.x; at < rows * columns; at += blockDim.x) out[at] = 0;
}
