// Gaussian error linear unit; formulas in mod.rs. A thread has a value of x, y [rows, columns].
#include "harness.cuh"

#define QUICK 1.702f

// The share of the normal distribution below x; erfcf keeps the digits of small shares.
__device__ __forceinline__ float below(float x) { return 0.5f * erfcf(-0.70710678f * x); }
__device__ __forceinline__ float logistic(float x) { return 1.0f / (1.0f + expf(-x)); }

extern "C" __global__ void gelu_forward(const float* x, float* y, int rows, int columns, int quick) {
    size_t at = item();
    if (at >= size_t(rows) * columns) return;
    float value = x[at];
    y[at] = value * (quick ? logistic(QUICK * value) : below(value));
}

// Adds to the gradient of x.
extern "C" __global__ void gelu_backward(const float* x, const float* gradient, float* to_x, int rows, int columns, int quick) {
    size_t at = item();
    if (at >= size_t(rows) * columns) return;
    float value = x[at], slope;
    if (quick) {
        float s = logistic(QUICK * value);
        slope = s + QUICK * value * s * (1.0f - s);
    } else {
        slope = below(value) + value * 0.39894228f * expf(-0.5f * value * value);
    }
    to_x[at] += gradient[at] * slope;
}
