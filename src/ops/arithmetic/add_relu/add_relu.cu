// Residual sum with rectification; formula in mod.rs. A thread has four values, whatever the shape.
#include "harness.cuh"

__device__ __forceinline__ Pack<4> add_relu(Pack<4> a, Pack<4> b) {
    for (int i = 0; i < 4; i++) a.at[i] = fmaxf(a.at[i] + b.at[i], 0.0f);
    return a;
}

// a, b -> y, all [rows, columns].
extern "C" __global__ void add_relu_forward(const float* a, const float* b, float* y, int rows, int columns) {
    size_t count = size_t(rows) * columns, at = 4 * item();
    if (at + 4 <= count)
        store_pack(y + at, add_relu(load_pack<4>(a + at), load_pack<4>(b + at)));
    else
        for (; at < count; at++) y[at] = fmaxf(a[at] + b[at], 0.0f);
}

__device__ __forceinline__ void add_pack(float* to, Pack<4> values) {
    Pack<4> total = load_pack<4>(to);
    for (int i = 0; i < 4; i++) total.at[i] += values.at[i];
    store_pack(to, total);
}

// Adds the gradient of y, where y is positive, to that of a and of b (null: not wanted); all [rows, columns].
extern "C" __global__ void add_relu_backward(const float* y, const float* gradient, float* to_a, float* to_b, int rows, int columns) {
    size_t count = size_t(rows) * columns, at = 4 * item();
    if (at + 4 <= count) {
        Pack<4> out = load_pack<4>(y + at), g = load_pack<4>(gradient + at);
        for (int i = 0; i < 4; i++) g.at[i] = out.at[i] > 0.0f ? g.at[i] : 0.0f;
        if (to_a) add_pack(to_a + at, g);
        if (to_b) add_pack(to_b + at, g);
    } else
        for (; at < count; at++) {
            float g = y[at] > 0.0f ? gradient[at] : 0.0f;
            if (to_a) to_a[at] += g;
            if (to_b) to_b[at] += g;
        }
}
