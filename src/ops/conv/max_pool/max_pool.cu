// Maximum over a sliding window and its backward as a gather; formula in mod.rs. A line is a row of
// pixels; a thread has N channels of a pixel.
#include "harness.cuh"

// Sizes of an image, its window and its output.
struct Sizes { int height, width, channels, out_height, out_width, kernel, stride, padding; };

// x [B, height, width, channels] -> y [B, out_height, out_width, channels], and which offset of the window
// won (null: not wanted), numbered row by row. NaN win, so that a diverged run is seen.
template <int N> __device__ __forceinline__ void forward(const float* x, float* y, int* winners, Sizes s) {
    int packs = s.channels / N, length = s.out_width * packs, line = line_number(length), place = line_place(length);
    if (place >= length) return;
    int image = line / s.out_height, top = line % s.out_height * s.stride - s.padding, left = place / packs * s.stride - s.padding;
    const float* from = x + size_t(image) * s.height * s.width * s.channels + place % packs * N;
    Pack<N> best;
    Pack<N, int> winner = {};
    for (int i = 0; i < N; i++) best.at[i] = -INFINITE;
    for (int ky = max(0, -top); ky < min(s.kernel, s.height - top); ky++)
        for (int kx = max(0, -left); kx < min(s.kernel, s.width - left); kx++) {
            Pack<N> value = load_pack<N>(from + (size_t(top + ky) * s.width + left + kx) * s.channels);
            for (int i = 0; i < N; i++) {
                bool wins = value.at[i] > best.at[i] || value.at[i] != value.at[i];
                best.at[i] = wins ? value.at[i] : best.at[i];
                winner.at[i] = wins ? ky * s.kernel + kx : winner.at[i];
            }
        }
    size_t at = (size_t(line) * length + place) * N;
    store_pack(y + at, best);
    if (winners) store_pack(winners + at, winner);
}

// Adds to the gradient of every pixel of x those of the outputs that it won; the lines are those of x.
template <int N> __device__ __forceinline__ void backward(const float* gradient, const int* winners, float* to_x, Sizes s) {
    int packs = s.channels / N, length = s.width * packs, line = line_number(length), place = line_place(length);
    if (place >= length) return;
    int image = line / s.height, y = line % s.height + s.padding, x = place / packs + s.padding;
    size_t at = (size_t(line) * length + place) * N;
    Pack<N> sum = load_pack<N>(to_x + at);
    // The windows that hold the pixel: those that begin at most a kernel before it.
    int first_y = max(0, y - s.kernel + s.stride) / s.stride, first_x = max(0, x - s.kernel + s.stride) / s.stride;
    for (int oy = first_y; oy < s.out_height && oy * s.stride <= y; oy++)
        for (int ox = first_x; ox < s.out_width && ox * s.stride <= x; ox++) {
            int offset = (y - oy * s.stride) * s.kernel + x - ox * s.stride;
            size_t out = ((size_t(image) * s.out_height + oy) * s.out_width + ox) * s.channels + place % packs * N;
            Pack<N> g = load_pack<N>(gradient + out);
            Pack<N, int> winner = load_pack<N>(winners + out);
            for (int i = 0; i < N; i++) sum.at[i] += winner.at[i] == offset ? g.at[i] : 0.0f;
        }
    store_pack(to_x + at, sum);
}

extern "C" __global__ void max_pool_forward_1(const float* x, float* y, int* winners, int height, int width, int channels, int out_height, int out_width,
                                              int kernel, int stride, int padding) {
    forward<1>(x, y, winners, {height, width, channels, out_height, out_width, kernel, stride, padding});
}
extern "C" __global__ void max_pool_forward_4(const float* x, float* y, int* winners, int height, int width, int channels, int out_height, int out_width,
                                              int kernel, int stride, int padding) {
    forward<4>(x, y, winners, {height, width, channels, out_height, out_width, kernel, stride, padding});
}
extern "C" __global__ void max_pool_backward_1(const float* gradient, const int* winners, float* to_x, int height, int width, int channels, int out_height,
                                               int out_width, int kernel, int stride, int padding) {
    backward<1>(gradient, winners, to_x, {height, width, channels, out_height, out_width, kernel, stride, padding});
}
extern "C" __global__ void max_pool_backward_4(const float* gradient, const int* winners, float* to_x, int height, int width, int channels, int out_height,
                                               int out_width, int kernel, int stride, int padding) {
    backward<4>(gradient, winners, to_x, {height, width, channels, out_height, out_width, kernel, stride, padding});
}
