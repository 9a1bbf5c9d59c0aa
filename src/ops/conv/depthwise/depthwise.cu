// Depthwise convolution with "same" padding; formula in mod.rs. Kernels lie as taps
// [side * side, channels] here: a tap of neighbouring channels is read at once.
#include "harness.cuh"

// weight [channels, offsets] -> taps [offsets, channels].
extern "C" __global__ void depthwise_taps(const float* weight, float* taps, int channels, int offsets) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at < channels * offsets) taps[at] = weight[at % channels * offsets + at / channels];
}

// Neighbouring output pixels of a row that a thread computes: they share what they read.
#define RUN 4

// x, y [B, height, width, channels] -> y = bias (null: none) + the convolution, added to y if asked for; with
// the kernels turned by half a turn if asked for, which is the way back. A line is a row of pixels; a thread
// has N channels of RUN pixels.
template <int N>
__device__ __forceinline__ void convolve(const float* x, const float* taps, const float* bias, float* y, int height, int width, int channels, int side,
                                         int turned, int add) {
    int packs = channels / N, length = (width + RUN - 1) / RUN * packs, line = line_number(length), place = line_place(length);
    if (place >= length) return;
    int row = line % height, first = place / packs * RUN, channel = place % packs * N, reach = side / 2;
    Pack<N> sums[RUN] = {};
#pragma unroll
    for (int r = 0; r < RUN; r++)
        if (bias) sums[r] = load_pack<N>(bias + channel);
    for (int u = 0; u < side; u++) {
        if (row + u < reach || row + u - reach >= height) continue;
        const float* from = x + size_t(line + u - reach) * width * channels + channel;
        // The pixels that the tap before this one met; each step moves them on by one.
        Pack<N> window[RUN];
#pragma unroll
        for (int r = 0; r < RUN; r++) {
            int column = first + r - 1 - reach;
            window[r] = {};
            if (column >= 0 && column < width) window[r] = load_pack<N>(from + size_t(column) * channels);
        }
        for (int v = 0; v < side; v++) {
            int column = first + RUN - 1 + v - reach, offset = u * side + v;
#pragma unroll
            for (int r = 0; r + 1 < RUN; r++) window[r] = window[r + 1];
            window[RUN - 1] = {};
            if (column >= 0 && column < width) window[RUN - 1] = load_pack<N>(from + size_t(column) * channels);
            Pack<N> tap = load_pack<N>(taps + size_t(turned ? side * side - 1 - offset : offset) * channels + channel);
#pragma unroll
            for (int r = 0; r < RUN; r++)
                for (int i = 0; i < N; i++) sums[r].at[i] += tap.at[i] * window[r].at[i];
        }
    }
#pragma unroll
    for (int r = 0; r < RUN; r++) {
        if (first + r >= width) continue;
        float* to = y + (size_t(line) * width + first + r) * channels + channel;
        if (add) {
            Pack<N> before = load_pack<N>(to);
            for (int i = 0; i < N; i++) sums[r].at[i] += before.at[i];
        }
        store_pack(to, sums[r]);
    }
}

extern "C" __global__ void depthwise_1(const float* x, const float* taps, const float* bias, float* y, int height, int width, int channels, int side,
                                       int turned, int add) {
    convolve<1>(x, taps, bias, y, height, width, channels, side, turned, add);
}
extern "C" __global__ void depthwise_4(const float* x, const float* taps, const float* bias, float* y, int height, int width, int channels, int side,
                                       int turned, int add) {
    convolve<4>(x, taps, bias, y, height, width, channels, side, turned, add);
}

// Taps of a row of the kernel that a thread sums at once.
#define SPAN 8

// x, gradient [B, height, width, channels] -> partials [gridDim.y, side * side, channels]: sums of gradient *
// x for every tap over the image rows of a part. The grid goes down the columns with SPAN taps of a row of
// the kernel along z; a row is one of pixels, which a thread walks along.
extern "C" __global__ void depthwise_partial_weights(const float* x, const float* gradient, float* partials, int rows, int height, int width, int channels,
                                                     int side) {
    SHARED(Pack<1>, scratch);
    int spans = (side + SPAN - 1) / SPAN, u = blockIdx.z / spans, first = blockIdx.z % spans * SPAN, reach = side / 2, channel = down_pack();
    Pack<1> sums[SPAN] = {};
    for (int row = down_row(); channel < channels && row < rows; row += down_step()) {
        int inside = row % height + u - reach;
        if (inside < 0 || inside >= height) continue;
        const float* from = x + size_t(row + u - reach) * width * channels + channel;
        const float* g = gradient + size_t(row) * width * channels + channel;
        // The pixels that the taps of the span met at the output pixel before this one.
        float window[SPAN];
#pragma unroll
        for (int k = 0; k < SPAN; k++) {
            int column = first + k - 1 - reach;
            window[k] = column >= 0 && column < width ? from[size_t(column) * channels] : 0.0f;
        }
        for (int at = 0; at < width; at++) {
            int column = at + first + SPAN - 1 - reach;
#pragma unroll
            for (int k = 0; k + 1 < SPAN; k++) window[k] = window[k + 1];
            window[SPAN - 1] = column >= 0 && column < width ? from[size_t(column) * channels] : 0.0f;
            float by = g[size_t(at) * channels];
#pragma unroll
            for (int k = 0; k < SPAN; k++) sums[k].at[0] += by * window[k];
        }
    }
#pragma unroll
    for (int k = 0; k < SPAN; k++) {
        Pack<1> sum = sum_down_block(sums[k], scratch);
        if (channel < channels && threadIdx.y == 0 && first + k < side)
            partials[(size_t(blockIdx.y) * side * side + u * side + first + k) * channels + channel] = sum.at[0];
    }
}

// partials [parts, offsets, channels], summed over the parts, to the gradient of the weight [channels, offsets].
extern "C" __global__ void depthwise_weights(const float* partials, float* to_weight, int parts, int channels, int offsets) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= channels * offsets) return;
    float sum = 0.0f;
    for (int part = 0; part < parts; part++) sum += partials[size_t(part) * channels * offsets + at];
    to_weight[at % channels * offsets + at / channels] += sum;
}
