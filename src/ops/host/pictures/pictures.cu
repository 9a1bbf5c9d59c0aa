// Bytes of pictures as values of a padded map; formula in mod.rs. A thread has a pixel.
#include "harness.cuh"

#define COLOURS 3
#define LEVELS 256

// bytes: pictures, of which the blockIdx.y-th begins at starts[blockIdx.y] and has sizes[blockIdx.y] (x:
// rows, y: columns); table [COLOURS, LEVELS] -> values [gridDim.y, height, width, COLOURS]; first, second, third: the
// colours of the channels.
extern "C" __global__ void picture_values(const unsigned char* bytes, const unsigned long long* starts, const int2* sizes, const float* table, float* values,
                                          int height, int width, int first, int second, int third) {
    size_t at = item(), area = size_t(height) * width;
    if (at >= area) return;
    int row = int(at / width), column = int(at % width);
    int2 size = sizes[blockIdx.y];
    bool inside = row < size.x && column < size.y;
    const unsigned char* pixel = bytes + starts[blockIdx.y] + (size_t(row) * size.y + column) * COLOURS;
    float* to = values + (blockIdx.y * area + at) * COLOURS;
    int colours[COLOURS] = {first, second, third};
    for (int c = 0; c < COLOURS; c++) to[c] = inside ? table[colours[c] * LEVELS + pixel[colours[c]]] : 0.0f;
}
