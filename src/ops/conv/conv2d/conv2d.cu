// What surrounds the product of a convolution: patches as rows of a matrix and back, and the epilogue.
// Formulas in mod.rs.
//
// A row of the columns is a patch: for every group, window offset (ky, kx) and channel of the group a value;
// `patch` values in all, kernel * kernel * channels. Columns are made for some output rows at a time, counted
// over all images: `rows` from `first` on.
#include "harness.cuh"

// Sizes of an image, its window and its output.
struct Sizes { int height, width, channels, out_height, out_width, kernel, stride, padding, groups; };

// x [B, height, width, channels] -> columns [rows * out_width, patch]; zeros outside the image. A thread has
// N channels of an offset, which it finds once, and every blockDim.y-th pixel of an output row.
template <int N> __device__ __forceinline__ void im2col(const float* __restrict__ x, float* __restrict__ columns, int first, Sizes s) {
    int taken = s.channels / s.groups, offsets = s.kernel * s.kernel, patch = offsets * s.channels;
    int line = line_number(patch / N), slot = line_place(patch / N) * N;
    if (slot >= patch) return;
    int within = slot % (offsets * taken), offset = within / taken, channel = slot / (offsets * taken) * taken + within % taken;
    int image = (first + line) / s.out_height, oy = (first + line) % s.out_height;
    int y = oy * s.stride + offset / s.kernel - s.padding, left = offset % s.kernel - s.padding;
    bool inside = y >= 0 && y < s.height;
    const float* from = x + (size_t(image) * s.height + (inside ? y : 0)) * s.width * s.channels + channel;
    float* to = columns + size_t(line) * s.out_width * patch + slot;
#pragma unroll 4
    for (int ox = threadIdx.y; ox < s.out_width; ox += blockDim.y) {
        int column = ox * s.stride + left;
        Pack<N> value = {};
        if (inside && column >= 0 && column < s.width) value = load_pack<N>(from + size_t(column) * s.channels);
        store_pack(to + size_t(ox) * patch, value);
    }
}

// The transpose, as a gather: to_x += the columns that were taken from there. A thread has N channels of a
// pixel; the lines of the grid are those of x from `first_line` on.
template <int N> __device__ __forceinline__ void col2im(const float* columns, float* to_x, int first, int rows, int first_line, Sizes s) {
    int taken = s.channels / s.groups, offsets = s.kernel * s.kernel, patch = offsets * s.channels;
    int packs = s.channels / N, length = s.width * packs;
    int line = first_line + line_number(length), place = line_place(length);
    if (place >= length) return;
    int image = line / s.height, y = line % s.height, column = place / packs, channel = place % packs * N;
    // Where the channel stands in a row of the columns, but for the offset.
    const float* from = columns + channel / taken * offsets * taken + channel % taken;
    Pack<N> sum = {};
    for (int ky = 0; ky < s.kernel; ky++) {
        int down = y + s.padding - ky;
        if (down < 0 || down % s.stride) continue;
        int row = image * s.out_height + down / s.stride - first;
        if (down / s.stride >= s.out_height || row < 0 || row >= rows) continue;
        for (int kx = 0; kx < s.kernel; kx++) {
            int across = column + s.padding - kx;
            if (across < 0 || across % s.stride || across / s.stride >= s.out_width) continue;
            size_t pixel = size_t(row) * s.out_width + across / s.stride;
            Pack<N> value = load_pack<N>(from + pixel * patch + (ky * s.kernel + kx) * taken);
            for (int i = 0; i < N; i++) sum.at[i] += value.at[i];
        }
    }
    float* to = to_x + (size_t(line) * s.width + column) * s.channels + channel;
    Pack<N> total = load_pack<N>(to);
    for (int i = 0; i < N; i++) total.at[i] += sum.at[i];
    store_pack(to, total);
}

// values [rows, channels] = values * scale + shift (either null: none), then the ReLU if asked for, which NaN pass.
template <int N> __device__ __forceinline__ void epilogue(float* values, const float* scale, const float* shift, int rows, int channels, int relu) {
    int channel = down_pack() * N;
    if (channel >= channels) return;
    Pack<N> factor, offset = {};
    for (int i = 0; i < N; i++) factor.at[i] = 1.0f;
    if (scale) factor = load_pack<N>(scale + channel);
    if (shift) offset = load_pack<N>(shift + channel);
    for (int row = down_row(); row < rows; row += down_step()) {
        float* at = values + size_t(row) * channels + channel;
        Pack<N> value = load_pack<N>(at);
        for (int i = 0; i < N; i++) {
            float v = value.at[i] * factor.at[i] + offset.at[i];
            value.at[i] = relu && v < 0.0f ? 0.0f : v;
        }
        store_pack(at, value);
    }
}

// The way back, in place: gradient [rows, channels] is cut where y (null: no ReLU) is not positive, its sums
// over the rows of a part go to partials [gridDim.y, channels] (null: not wanted), then it is scaled.
template <int N>
__device__ __forceinline__ void epilogue_backward(float* gradient, const float* y, const float* scale, float* partials, int rows, int channels) {
    SHARED(Pack<N>, scratch);
    int channel = down_pack() * N;
    bool inside = channel < channels;
    Pack<N> factor, sum = {};
    for (int i = 0; i < N; i++) factor.at[i] = 1.0f;
    if (inside && scale) factor = load_pack<N>(scale + channel);
    for (int row = down_row(); inside && row < rows; row += down_step()) {
        size_t at = size_t(row) * channels + channel;
        Pack<N> g = load_pack<N>(gradient + at);
        if (y) {
            Pack<N> out = load_pack<N>(y + at);
            for (int i = 0; i < N; i++) g.at[i] = out.at[i] > 0.0f ? g.at[i] : 0.0f;
        }
        for (int i = 0; i < N; i++) {
            sum.at[i] += g.at[i];
            g.at[i] *= factor.at[i];
        }
        if (y || scale) store_pack(gradient + at, g);
    }
    if (!partials) return;
    sum = sum_down_block(sum, scratch);
    if (inside && threadIdx.y == 0) store_pack(partials + size_t(blockIdx.y) * channels + channel, sum);
}

extern "C" __global__ void im2col_1(const float* x, float* columns, int first, int height, int width, int channels, int out_height, int out_width,
                                    int kernel, int stride, int padding, int groups) {
    im2col<1>(x, columns, first, {height, width, channels, out_height, out_width, kernel, stride, padding, groups});
}
extern "C" __global__ void im2col_4(const float* x, float* columns, int first, int height, int width, int channels, int out_height, int out_width,
                                    int kernel, int stride, int padding, int groups) {
    im2col<4>(x, columns, first, {height, width, channels, out_height, out_width, kernel, stride, padding, groups});
}
extern "C" __global__ void col2im_1(const float* columns, float* to_x, int first, int rows, int first_line, int height, int width, int channels,
                                    int out_height, int out_width, int kernel, int stride, int padding, int groups) {
    col2im<1>(columns, to_x, first, rows, first_line, {height, width, channels, out_height, out_width, kernel, stride, padding, groups});
}
extern "C" __global__ void col2im_4(const float* columns, float* to_x, int first, int rows, int first_line, int height, int width, int channels,
                                    int out_height, int out_width, int kernel, int stride, int padding, int groups) {
    col2im<4>(columns, to_x, first, rows, first_line, {height, width, channels, out_height, out_width, kernel, stride, padding, groups});
}
extern "C" __global__ void epilogue_1(float* values, const float* scale, const float* shift, int rows, int channels, int relu) {
    epilogue<1>(values, scale, shift, rows, channels, relu);
}
extern "C" __global__ void epilogue_4(float* values, const float* scale, const float* shift, int rows, int channels, int relu) {
    epilogue<4>(values, scale, shift, rows, channels, relu);
}
extern "C" __global__ void epilogue_backward_1(float* gradient, const float* y, const float* scale, float* partials, int rows, int channels) {
    epilogue_backward<1>(gradient, y, scale, partials, rows, channels);
}
extern "C" __global__ void epilogue_backward_4(float* gradient, const float* y, const float* scale, float* partials, int rows, int channels) {
    epilogue_backward<4>(gradient, y, scale, partials, rows, channels);
}
