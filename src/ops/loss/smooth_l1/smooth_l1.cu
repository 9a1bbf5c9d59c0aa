// Smooth L1; formula in mod.rs. A thread has a value.
#include "harness.cuh"

// x, targets [count] -> losses [count].
extern "C" __global__ void smooth_l1_forward(const float* x, const float* targets, float* losses, int count, float beta) {
    size_t at = item();
    if (at >= count) return;
    float error = fabsf(x[at] - targets[at]);
    losses[at] = error < beta ? 0.5f * error * error / beta : error - 0.5f * beta;
}

// to [count] += upstream [1] * scale * slope.
extern "C" __global__ void smooth_l1_backward(const float* x, const float* targets, const float* upstream, float* to, int count, float beta, float scale) {
    size_t at = item();
    if (at >= count) return;
    float error = x[at] - targets[at];
    float slope = fabsf(error) < beta ? error / beta : error > 0.0f ? 1.0f : error < 0.0f ? -1.0f : 0.0f;
    to[at] += *upstream * scale * slope;
}
