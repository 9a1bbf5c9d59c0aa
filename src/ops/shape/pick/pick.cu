// A run of columns of some rows; formula in mod.rs. A thread has a value of the result.
#include "harness.cuh"

// The value of x [.., stride] that value `at` of the result [.., width] is; places [.., 2]: row and first column.
__device__ __forceinline__ size_t place_of(size_t at, const int* places, int width, int stride) {
    const int* place = places + at / width * 2;
    return size_t(place[0]) * stride + place[1] + at % width;
}

extern "C" __global__ void pick_forward(const float* x, const int* places, float* y, int count, int width, int stride) {
    size_t at = item();
    if (at < count) y[at] = x[place_of(at, places, width, stride)];
}

extern "C" __global__ void pick_backward(const float* gradient, const int* places, float* to, int count, int width, int stride) {
    size_t at = item();
    if (at < count) to[place_of(at, places, width, stride)] += gradient[at];
}
