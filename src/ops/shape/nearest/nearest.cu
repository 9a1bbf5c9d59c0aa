// Nearest-neighbour resize; formula in mod.rs. A thread has a value.
#include "harness.cuh"

// x [batch, height, width, channels], add (or null) and y [batch, out_height, out_width, channels].
extern "C" __global__ void nearest_forward(const float* x, const float* add, float* y, int batch, int height, int width, int out_height, int out_width,
                                           int channels) {
    size_t at = item();
    if (at >= size_t(batch) * out_height * out_width * channels) return;
    size_t pixel = at / channels;
    int channel = at % channels, column = pixel % out_width;
    size_t line = pixel / out_width;
    int row = line % out_height;
    size_t from = (line / out_height * height + size_t(row) * height / out_height) * width + size_t(column) * width / out_width;
    float value = x[from * channels + channel];
    y[at] = add ? value + add[at] : value;
}

// The first of `target` pixels whose source is `pixel` of `size` pixels, or a later one.
__device__ __forceinline__ int first_copy(int pixel, int size, int target) { return int((size_t(pixel) * target + size - 1) / size); }

// to_x [batch, height, width, channels] += the gradients of the pixels that copied it.
extern "C" __global__ void nearest_backward(const float* gradient, float* to_x, int batch, int height, int width, int out_height, int out_width,
                                            int channels) {
    size_t at = item();
    if (at >= size_t(batch) * height * width * channels) return;
    size_t pixel = at / channels;
    int channel = at % channels, column = pixel % width;
    size_t line = pixel / width;
    int row = line % height;
    const float* from = gradient + line / height * out_height * out_width * channels + channel;
    int last_row = first_copy(row + 1, height, out_height), last_column = first_copy(column + 1, width, out_width);
    float total = 0.0f;
    for (int i = first_copy(row, height, out_height); i < last_row; i++)
        for (int j = first_copy(column, width, out_width); j < last_column; j++) total += from[(size_t(i) * out_width + j) * channels];
    to_x[at] += total;
}

// to [count] += gradient [count]: the way back to the map that was added.
extern "C" __global__ void nearest_pass(const float* gradient, float* to, int count) {
    size_t at = item();
    if (at < count) to[at] += gradient[at];
}
