// RoIAlign; formula in mod.rs. The threads of a block share the channels.
#include "harness.cuh"

// The pixels that a bin reads on an axis.
struct Span {
    int first, count, offset;
};

// The span of bin `bin` of region `roi` along y (axis 0) or x (axis 1); spans [R, 2, side, 3].
__device__ __forceinline__ Span span_of(const int* spans, int roi, int axis, int bin, int side) {
    const int* at = spans + ((size_t(roi) * 2 + axis) * side + bin) * 3;
    return {at[0], at[1], at[2]};
}

// map [B, height, width, channels]; order, images [n]: the regions of this map and their images; out
// [R, side, side, channels]. Block: a bin of a region.
extern "C" __global__ void roi_align_forward(const float* map, const int* order, const int* images, const int* spans, const float* weights, float* out,
                                             int side, int height, int width, int channels) {
    int bins = side * side, place = blockIdx.x / bins, bin = blockIdx.x % bins, roi = order[place];
    Span rows = span_of(spans, roi, 0, bin / side, side), columns = span_of(spans, roi, 1, bin % side, side);
    const float* first = map + (size_t(images[place]) * height + rows.first) * width * channels + size_t(columns.first) * channels;
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        float total = 0.0f;
        for (int y = 0; y < rows.count; y++)
            for (int x = 0; x < columns.count; x++)
                total += weights[rows.offset + y] * weights[columns.offset + x] * first[(size_t(y) * width + x) * channels + c];
        out[(size_t(roi) * bins + bin) * channels + c] = total;
    }
}

// to [B, height, width, channels] += what the bins that read a pixel have for it; starts [B + 1]: where the regions of
// each image begin in order. Block: a pixel.
extern "C" __global__ void roi_align_backward(const float* gradient, const int* order, const int* starts, const int* spans, const float* weights, float* to,
                                              int side, int height, int width, int channels) {
    int column = blockIdx.x % width, line = blockIdx.x / width, image = line / height, row = line % height;
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
        float total = 0.0f;
        for (int i = starts[image]; i < starts[image + 1]; i++) {
            int roi = order[i];
            const float* from = gradient + size_t(roi) * side * side * channels + c;
            for (int a = 0; a < side; a++) {
                Span rows = span_of(spans, roi, 0, a, side);
                if (row < rows.first || row >= rows.first + rows.count) continue;
                float by_row = weights[rows.offset + row - rows.first];
                for (int b = 0; b < side; b++) {
                    Span columns = span_of(spans, roi, 1, b, side);
                    if (column < columns.first || column >= columns.first + columns.count) continue;
                    total += by_row * weights[columns.offset + column - columns.first] * from[size_t(a * side + b) * channels];
                }
            }
        }
        to[size_t(blockIdx.x) * channels + c] += total;
    }
}
