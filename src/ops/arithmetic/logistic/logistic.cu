// The logistic function; formula in mod.rs. A thread has a value of x, y [rows, columns].
#include "harness.cuh"

extern "C" __global__ void logistic_forward(const float* x, float* y, int rows, int columns) {
    size_t at = item();
    if (at >= size_t(rows) * columns) return;
    float value = x[at], small = expf(-fabsf(value));
    y[at] = (value >= 0.0f ? 1.0f : small) / (1.0f + small);
}

// Adds to the gradient of x.
extern "C" __global__ void logistic_backward(const float* y, const float* gradient, float* to_x, int rows, int columns) {
    size_t at = item();
    if (at >= size_t(rows) * columns) return;
    float value = y[at];
    to_x[at] += gradient[at] * value * (1.0f - value);
}
