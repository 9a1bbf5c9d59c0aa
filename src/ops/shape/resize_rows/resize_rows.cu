// Some planes, resized; formula in mod.rs. A thread has a pixel.
#include "resize.cuh"

// planes [n, height, width], chosen [gridDim.y]: the plane of each -> values [gridDim.y, rows, columns].
extern "C" __global__ void resize_rows(const float* planes, const int* chosen, float* values, int height, int width, int rows, int columns) {
    size_t at = item(), area = size_t(rows) * columns;
    if (at >= area) return;
    const float* plane = planes + size_t(chosen[blockIdx.y]) * height * width;
    Pair down = pair_of(int(at / columns), height, float(height) / float(rows)), across = pair_of(int(at % columns), width, float(width) / float(columns));
    values[blockIdx.y * area + at] = resized(plane, width, down, across);
}
