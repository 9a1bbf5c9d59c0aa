// Mask losses at sampled points; formulas in mod.rs. Forward a block has a mask, backward a
// thread has a point.
#include "harness.cuh"

__device__ __forceinline__ float probability(float z) {
    float small = expf(-fabsf(z));
    return (z >= 0.0f ? 1.0f : small) / (1.0f + small);
}

// logits, targets, weights (null: all 1) [rows, points] -> losses [rows]: the weighted sum over the points.
extern "C" __global__ void bce_forward(const float* logits, const float* targets, const float* weights, float* losses, int points) {
    __shared__ float scratch[LANES];
    size_t first = size_t(blockIdx.x) * points;
    float total = 0.0f;
    for (int i = threadIdx.x; i < points; i += blockDim.x) {
        float z = logits[first + i];
        float cost = fmaxf(z, 0.0f) - z * targets[first + i] + log1pf(expf(-fabsf(z)));
        total += weights ? weights[first + i] * cost : cost;
    }
    total = block_sum(total, scratch);
    if (threadIdx.x == 0) losses[blockIdx.x] = total;
}

// to [rows, points] += upstream [1] * scale * weight * (probability - target).
extern "C" __global__ void bce_backward(const float* logits, const float* targets, const float* weights, const float* upstream, float* to, int rows, int points,
                                        float scale) {
    size_t at = item();
    if (at >= size_t(rows) * points) return;
    float slope = probability(logits[at]) - targets[at];
    if (weights) slope *= weights[at];
    to[at] += *upstream * scale * slope;
}

// logits, targets [rows, points], weights (null: all 1) [rows] -> losses [rows] and sums [rows, 2]: above =
// 2 sum(p t) + 1, below = sum(p) + sum(t) + 1.
extern "C" __global__ void dice_forward(const float* logits, const float* targets, const float* weights, float* sums, float* losses, int points) {
    __shared__ float scratch[LANES];
    size_t first = size_t(blockIdx.x) * points;
    float both = 0.0f, either = 0.0f;
    for (int i = threadIdx.x; i < points; i += blockDim.x) {
        float p = probability(logits[first + i]), t = targets[first + i];
        both += p * t;
        either += p + t;
    }
    float above = 2.0f * block_sum(both, scratch) + 1.0f;
    float below = block_sum(either, scratch) + 1.0f;
    if (threadIdx.x == 0) {
        losses[blockIdx.x] = (1.0f - above / below) * (weights ? weights[blockIdx.x] : 1.0f);
        sums[2 * blockIdx.x] = above;
        sums[2 * blockIdx.x + 1] = below;
    }
}

// to [rows, points] += upstream [1] * scale * weight * p (1 - p) (above - 2 t below) / below^2.
extern "C" __global__ void dice_backward(const float* logits, const float* targets, const float* weights, const float* sums, const float* upstream, float* to,
                                         int rows, int points, float scale) {
    size_t at = item();
    if (at >= size_t(rows) * points) return;
    size_t row = at / points;
    float p = probability(logits[at]), above = sums[2 * row], below = sums[2 * row + 1];
    float slope = p * (1.0f - p) * (above - 2.0f * targets[at] * below) / (below * below);
    to[at] += *upstream * scale * slope * (weights ? weights[row] : 1.0f);
}
