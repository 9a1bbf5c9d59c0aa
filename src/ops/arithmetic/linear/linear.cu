// What follows and precedes the product of a fully connected layer: y = max(u + b, 0) and its backward.
#include "harness.cuh"

// values [rows, columns] += bias [columns] (null: none), then the ReLU if asked for.
extern "C" __global__ void bias_relu(float* values, const float* bias, int rows, int columns, int relu) {
    size_t at = item();
    if (at >= size_t(rows) * columns) return;
    float value = values[at];
    if (bias) value += bias[at % columns];
    values[at] = relu ? fmaxf(value, 0.0f) : value;
}

// The gradient before the ReLU, in place: zero where y is not positive.
extern "C" __global__ void relu_backward(float* gradient, const float* y, int rows, int columns) {
    size_t at = item();
    if (at >= size_t(rows) * columns) return;
    if (!(y[at] > 0.0f)) gradient[at] = 0.0f;
}
