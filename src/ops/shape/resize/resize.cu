// Bilinear resize with pixel centres aligned; formula in mod.rs. A line is a row of pixels; a thread
// has N channels of a pixel.
#include "resize.cuh"

__device__ __forceinline__ float weight_of(int pixel, Pair pair) {
    return (pair.low == pixel ? 1.0f - pair.upper : 0.0f) + (pair.high == pixel ? pair.upper : 0.0f);
}

// x [B, height, width, channels], add (or null) and y [B, out_height, out_width, channels].
template <int N>
__device__ __forceinline__ void forward(const float* x, const float* add, float* y, int height, int width, int channels, int out_height, int out_width,
                                        float scale_y, float scale_x) {
    int packs = channels / N, length = out_width * packs, line = line_number(length), place = line_place(length);
    if (place >= length) return;
    Pair rows = pair_of(line % out_height, height, scale_y), columns = pair_of(place / packs, width, scale_x);
    const float* from = x + size_t(line / out_height) * height * width * channels + place % packs * N;
    const float *low = from + size_t(rows.low) * width * channels, *high = from + size_t(rows.high) * width * channels;
    size_t left = size_t(columns.low) * channels, right = size_t(columns.high) * channels, at = (size_t(line) * length + place) * N;
    Pack<N> a = load_pack<N>(low + left), b = load_pack<N>(high + left), c = load_pack<N>(low + right), d = load_pack<N>(high + right), sum = {};
    if (add) sum = load_pack<N>(add + at);
    for (int i = 0; i < N; i++) {
        float first = a.at[i] + rows.upper * (b.at[i] - a.at[i]), second = c.at[i] + rows.upper * (d.at[i] - c.at[i]);
        sum.at[i] += first + columns.upper * (second - first);
    }
    store_pack(y + at, sum);
}

// The output pixels that may mix `pixel` of an axis: their positions lie within one pixel of it, or outside
// the axis. One more on each side: the weight decides.
__device__ __forceinline__ int first_of(int pixel, float scale) { return pixel == 0 ? 0 : max(0, int((pixel - 0.5f) / scale - 0.5f) - 1); }
__device__ __forceinline__ int last_of(int pixel, int size, int target, float scale) {
    return pixel == size - 1 ? target - 1 : min(target - 1, int((pixel + 1.5f) / scale - 0.5f) + 1);
}

// Adds to the gradient of every pixel of x those of the outputs that mix it, weighted; the lines are those of x.
template <int N>
__device__ __forceinline__ void backward(const float* gradient, float* to_x, int height, int width, int channels, int out_height, int out_width,
                                         float scale_y, float scale_x) {
    int packs = channels / N, length = width * packs, line = line_number(length), place = line_place(length);
    if (place >= length) return;
    int y = line % height, x = place / packs;
    const float* from = gradient + size_t(line / height) * out_height * out_width * channels + place % packs * N;
    int last_row = last_of(y, height, out_height, scale_y), last_column = last_of(x, width, out_width, scale_x);
    Pack<N> total = {};
    for (int row = first_of(y, scale_y); row <= last_row; row++) {
        float by_row = weight_of(y, pair_of(row, height, scale_y));
        if (by_row == 0.0f) continue;
        for (int column = first_of(x, scale_x); column <= last_column; column++) {
            float weight = by_row * weight_of(x, pair_of(column, width, scale_x));
            if (weight == 0.0f) continue;
            Pack<N> g = load_pack<N>(from + (size_t(row) * out_width + column) * channels);
            for (int i = 0; i < N; i++) total.at[i] += weight * g.at[i];
        }
    }
    size_t at = (size_t(line) * length + place) * N;
    Pack<N> sum = load_pack<N>(to_x + at);
    for (int i = 0; i < N; i++) sum.at[i] += total.at[i];
    store_pack(to_x + at, sum);
}

extern "C" __global__ void resize_forward_1(const float* x, const float* add, float* y, int height, int width, int channels, int out_height, int out_width,
                                            float scale_y, float scale_x) {
    forward<1>(x, add, y, height, width, channels, out_height, out_width, scale_y, scale_x);
}
extern "C" __global__ void resize_forward_4(const float* x, const float* add, float* y, int height, int width, int channels, int out_height, int out_width,
                                            float scale_y, float scale_x) {
    forward<4>(x, add, y, height, width, channels, out_height, out_width, scale_y, scale_x);
}
extern "C" __global__ void resize_backward_1(const float* gradient, float* to_x, int height, int width, int channels, int out_height, int out_width,
                                             float scale_y, float scale_x) {
    backward<1>(gradient, to_x, height, width, channels, out_height, out_width, scale_y, scale_x);
}
extern "C" __global__ void resize_backward_4(const float* gradient, float* to_x, int height, int width, int channels, int out_height, int out_width,
                                             float scale_y, float scale_x) {
    backward<4>(gradient, to_x, height, width, channels, out_height, out_width, scale_y, scale_x);
}

// to += gradient, both [rows, columns]: the way back to the map that was added. A thread has four values.
extern "C" __global__ void resize_pass(const float* gradient, float* to, int rows, int columns) {
    size_t count = size_t(rows) * columns, at = 4 * item();
    if (at + 4 <= count) {
        Pack<4> g = load_pack<4>(gradient + at), sum = load_pack<4>(to + at);
        for (int i = 0; i < 4; i++) sum.at[i] += g.at[i];
        store_pack(to + at, sum);
    } else
        for (; at < count; at++) to[at] += gradient[at];
}
