// Sigmoid focal loss; formulas in mod.rs.
#include "harness.cuh"

struct Value { float cost, slope; };

__device__ __forceinline__ Value value(float z, float t, float zero, float one, float gamma) {
    float small = expf(-fabsf(z)), more = 1.0f / (1.0f + small), less = small / (1.0f + small);
    float p = z >= 0.0f ? more : less, not_p = z >= 0.0f ? less : more;
    float bce = fmaxf(z, 0.0f) - z * t + log1pf(small);
    float q = p * (1.0f - t) + not_p * t, ratio = q > 0.0f ? p * not_p / q : 0.0f;
    float factor = (zero * (1.0f - t) + one * t) * powf(q, gamma);
    return {factor * bce, factor * (p - t + gamma * (1.0f - 2.0f * t) * ratio * bce)};
}

// logits, targets [count], weights of the rows of `columns` values (null: all 1) -> losses [gridDim.x]: a block has
// `share` values next to each other. zero, one: the weights of targets of 0 and 1.
extern "C" __global__ void focal_forward(const float* logits, const float* targets, const float* weights, float* losses, int count, int columns, int share, float zero,
                                         float one, float gamma) {
    __shared__ float scratch[LANES];
    size_t first = size_t(blockIdx.x) * share, end = min(first + share, size_t(count));
    float total = 0.0f;
    for (size_t at = first + threadIdx.x; at < end; at += blockDim.x) {
        float cost = value(logits[at], targets[at], zero, one, gamma).cost;
        total += weights ? weights[at / columns] * cost : cost;
    }
    total = block_sum(total, scratch);
    if (threadIdx.x == 0) losses[blockIdx.x] = total;
}

// to [count] += upstream [1] * scale * weight * slope; a thread has a value.
extern "C" __global__ void focal_backward(const float* logits, const float* targets, const float* weights, const float* upstream, float* to, int count, int columns,
                                          float zero, float one, float gamma, float scale) {
    size_t at = item();
    if (at >= count) return;
    float factor = *upstream * scale * (weights ? weights[at / columns] : 1.0f);
    to[at] += factor * value(logits[at], targets[at], zero, one, gamma).slope;
}
