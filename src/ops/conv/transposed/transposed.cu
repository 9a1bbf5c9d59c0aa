// Transposed convolution: the patches of pixels as a map, and back; formula in mod.rs. A thread has a value of the map.
#include "harness.cuh"

// The place among patches [lines, width, kernel, kernel, outputs] of value `at` of the map
// [lines, kernel, width, kernel, outputs].
__device__ __forceinline__ size_t patch_place(size_t at, int width, int kernel, int outputs) {
    int channel = at % outputs, b = at / outputs % kernel;
    size_t rest = at / outputs / kernel;
    int column = rest % width, a = rest / width % kernel;
    size_t line = rest / width / kernel;
    return ((((line * width + column) * kernel + a) * kernel) + b) * outputs + channel;
}

extern "C" __global__ void transposed_forward(const float* patches, const float* bias, float* y, int lines, int width, int kernel, int outputs, int relu) {
    size_t at = item();
    if (at >= size_t(lines) * width * kernel * kernel * outputs) return;
    float value = patches[patch_place(at, width, kernel, outputs)] + bias[at % outputs];
    y[at] = relu && value < 0.0f ? 0.0f : value;
}

// Patches of the gradient; the gradient itself becomes 0 where the ReLU's result is.
extern "C" __global__ void transposed_backward(float* gradient, const float* y, float* patches, int lines, int width, int kernel, int outputs, int relu) {
    size_t at = item();
    if (at >= size_t(lines) * width * kernel * kernel * outputs) return;
    float value = relu && !(y[at] > 0.0f) ? 0.0f : gradient[at];
    gradient[at] = value;
    patches[patch_place(at, width, kernel, outputs)] = value;
}
