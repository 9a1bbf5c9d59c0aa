// Squared differences of sigmoids; formula in mod.rs. A thread has a value.
#include "harness.cuh"

__device__ __forceinline__ float probability(float z) {
    float small = expf(-fabsf(z));
    return (z >= 0.0f ? 1.0f : small) / (1.0f + small);
}

// logits, targets [count] -> losses [count].
extern "C" __global__ void sigmoid_squares_forward(const float* logits, const float* targets, float* losses, int count) {
    size_t at = item();
    if (at >= count) return;
    float error = probability(logits[at]) - targets[at];
    losses[at] = error * error;
}

// to [count] += upstream [1] * scale * slope.
extern "C" __global__ void sigmoid_squares_backward(const float* logits, const float* targets, const float* upstream, float* to, int count, float scale) {
    size_t at = item();
    if (at >= count) return;
    float p = probability(logits[at]);
    to[at] += *upstream * scale * 2.0f * (p - targets[at]) * p * (1.0f - p);
}
