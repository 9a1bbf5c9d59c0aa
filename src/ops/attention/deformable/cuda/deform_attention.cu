// Multi-scale deformable attention: softmax of the weights, forward, and the gradients of offsets and
// weights; formulas in ../mod.rs and ../samples.rs, the gradient of the values in
// deform_value.cu.
//
// rows = batch * queries; samples = levels * points of a query in one head; value
// [batch * tokens, heads * head], offsets [rows, heads, samples, 2] (x, y), shares [rows, heads, samples]
// (the softmax of the weights), reference [queries, 2], levels
// [level_count, LEVEL]: height, width, tokens before it, and what deform_value.cu needs.
#include "harness.cuh"

#define LEVEL 6

// logits -> shares, [count, samples]. A thread has a query's head.
extern "C" __global__ void deform_shares(const float* logits, float* shares, int count, int samples) {
    size_t index = item();
    if (index >= count) return;
    const float* from = logits + index * samples;
    float* to = shares + index * samples;
    float most = -INFINITE, sum = 0.0f;
    for (int s = 0; s < samples; s++) most = from[s] > most ? from[s] : most;
    for (int s = 0; s < samples; s++) {
        float share = expf(from[s] - most);
        to[s] = share;
        sum += share;
    }
    float scale = 1.0f / sum;
    for (int s = 0; s < samples; s++) to[s] *= scale;
}

// The two pixels around a position on an axis where everything outside is zero: numbers moved into the axis,
// weights, and whether they lie inside (1 or 0). NaN gives NaN weights.
struct Pair {
    int low, high;
    float weight_low, weight_high, inside_low, inside_high;
};

__device__ __forceinline__ float inside(float pixel, float last) { return pixel >= 0.0f && pixel <= last ? 1.0f : 0.0f; }

__device__ __forceinline__ Pair pair(float position, float size) {
    // Two pixels beyond the edge, both pixels are outside: a larger distance gives the same result.
    position = position < -2.0f ? -2.0f : position;
    position = position > size + 1.0f ? size + 1.0f : position;
    float low = floorf(position), fraction = position - low, last = size - 1.0f;
    Pair p;
    p.inside_low = inside(low, last);
    p.inside_high = inside(low + 1.0f, last);
    p.weight_low = (1.0f - fraction) * p.inside_low;
    p.weight_high = fraction * p.inside_high;
    p.low = int(fminf(fmaxf(low, 0.0f), last));
    p.high = int(fminf(fmaxf(low + 1.0f, 0.0f), last));
    return p;
}

// Where a sample lies: the pixels along x and y, and the rows of value, within the image, of the corners
// (low, low), (low, high), (high, low), (high, high) of y and x.
struct Sample {
    Pair x, y;
    int corner[4];
};

__device__ __forceinline__ Sample locate(const int* level, const float* reference, const float* offset) {
    float2 by = *reinterpret_cast<const float2*>(offset);
    float height = level[0], width = level[1];
    Sample sample;
    sample.x = pair(reference[0] * width + by.x - 0.5f, width);
    sample.y = pair(reference[1] * height + by.y - 0.5f, height);
    int low = level[2] + sample.y.low * level[1], high = level[2] + sample.y.high * level[1];
    sample.corner[0] = low + sample.x.low;
    sample.corner[1] = low + sample.x.high;
    sample.corner[2] = high + sample.x.low;
    sample.corner[3] = high + sample.x.high;
    return sample;
}

// A row for every threadIdx.y; its threads along x each have WIDE columns at a time, so that the lanes of a
// head read a pixel as one piece.
template <int WIDE>
__device__ __forceinline__ void forward(const float* value, const float* offsets, const float* shares, const float* reference, const int* levels, float* out,
                                        int rows, int queries, int tokens, int heads, int head, int level_count, int points) {
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    int samples = level_count * points, columns = heads * head;
    const float* image = value + size_t(row / queries) * tokens * columns;
    for (int column = threadIdx.x * WIDE; column < columns; column += blockDim.x * WIDE) {
        size_t first = (size_t(row) * heads + column / head) * samples;
        float sum[WIDE] = {};
        for (int s = 0, p = 0, level = 0; s < samples; s++, p++) {
            if (p == points) p = 0, level++;
            Sample sample = locate(levels + level * LEVEL, reference + 2 * (row % queries), offsets + 2 * (first + s));
            float share = shares[first + s];
            float weight[4] = {share * (sample.y.weight_low * sample.x.weight_low), share * (sample.y.weight_low * sample.x.weight_high),
                               share * (sample.y.weight_high * sample.x.weight_low), share * (sample.y.weight_high * sample.x.weight_high)};
#pragma unroll
            for (int k = 0; k < 4; k++) {
                float values[WIDE];
                load(values, image + size_t(sample.corner[k]) * columns + column);
#pragma unroll
                for (int i = 0; i < WIDE; i++) sum[i] += weight[k] * values[i];
            }
        }
        store(out + size_t(row) * columns + column, sum);
    }
}

extern "C" __global__ void deform_forward_1(const float* value, const float* offsets, const float* shares, const float* reference, const int* levels,
                                            float* out, int rows, int queries, int tokens, int heads, int head, int level_count, int points) {
    forward<1>(value, offsets, shares, reference, levels, out, rows, queries, tokens, heads, head, level_count, points);
}

extern "C" __global__ void deform_forward_4(const float* value, const float* offsets, const float* shares, const float* reference, const int* levels,
                                            float* out, int rows, int queries, int tokens, int heads, int head, int level_count, int points) {
    forward<4>(value, offsets, shares, reference, levels, out, rows, queries, tokens, heads, head, level_count, points);
}

// Adds to the gradients of the offsets and of the logits (null: not wanted). A warp has a query's head,
// `lanes` of it (a power of two) one sample at a time; the samples' derivatives by their shares wait in
// shared memory [warps, samples] for the mean over all of them.
template <int WIDE>
__device__ __forceinline__ void positions(const float* value, const float* offsets, const float* shares, const float* reference, const int* levels,
                                          const float* gradient, float* to_offsets, float* to_logits, int rows, int queries, int tokens, int heads, int head,
                                          int level_count, int points, int lanes) {
    SHARED(float, kept);
    int index = blockIdx.x * blockDim.y + threadIdx.y;
    if (index >= rows * heads) return;
    int samples = level_count * points, columns = heads * head, row = index / heads, start = index % heads * head;
    int group = threadIdx.x / lanes, lane = threadIdx.x % lanes, groups = LANES / lanes;
    const float* image = value + size_t(row / queries) * tokens * columns + start;
    const float* own = gradient + size_t(row) * columns + start;
    size_t first = size_t(index) * samples;
    float* by_share = kept + threadIdx.y * samples;
    float mean = 0.0f;
    for (int round = 0; round < samples; round += groups) {
        int s = round + group;
        bool there = s < samples;
        float by_weight = 0.0f, by_x = 0.0f, by_y = 0.0f;
        if (there) {
            Sample sample = locate(levels + s / points * LEVEL, reference + 2 * (row % queries), offsets + 2 * (first + s));
            float agreement[4] = {};
            for (int column = lane * WIDE; column < head; column += lanes * WIDE) {
                float g[WIDE];
                load(g, own + column);
#pragma unroll
                for (int k = 0; k < 4; k++) {
                    float values[WIDE];
                    load(values, image + size_t(sample.corner[k]) * columns + column);
#pragma unroll
                    for (int i = 0; i < WIDE; i++) agreement[k] += g[i] * values[i];
                }
            }
            Pair x = sample.x, y = sample.y;
            float low = x.weight_low * agreement[0] + x.weight_high * agreement[1];
            float high = x.weight_low * agreement[2] + x.weight_high * agreement[3];
            by_weight = y.weight_low * low + y.weight_high * high;
            by_y = y.inside_high * high - y.inside_low * low;
            by_x = y.weight_low * (x.inside_high * agreement[1] - x.inside_low * agreement[0]) +
                   y.weight_high * (x.inside_high * agreement[3] - x.inside_low * agreement[2]);
        }
        for (int by = lanes / 2; by > 0; by /= 2) {
            by_weight += __shfl_xor_sync(ALL_LANES, by_weight, by);
            by_x += __shfl_xor_sync(ALL_LANES, by_x, by);
            by_y += __shfl_xor_sync(ALL_LANES, by_y, by);
        }
        if (there && lane == 0) {
            float share = shares[first + s];
            by_share[s] = by_weight;
            mean += share * by_weight;
            if (to_offsets) {
                float2* to = reinterpret_cast<float2*>(to_offsets + 2 * (first + s));
                float2 sum = *to;
                sum.x += share * by_x;
                sum.y += share * by_y;
                *to = sum;
            }
        }
    }
    if (!to_logits) return;
    mean = warp_sum(mean);
    __syncwarp();
    for (int s = threadIdx.x; s < samples; s += LANES) to_logits[first + s] += shares[first + s] * (by_share[s] - mean);
}

extern "C" __global__ void deform_positions_1(const float* value, const float* offsets, const float* shares, const float* reference, const int* levels,
                                              const float* gradient, float* to_offsets, float* to_logits, int rows, int queries, int tokens, int heads,
                                              int head, int level_count, int points, int lanes) {
    positions<1>(value, offsets, shares, reference, levels, gradient, to_offsets, to_logits, rows, queries, tokens, heads, head, level_count, points, lanes);
}

extern "C" __global__ void deform_positions_4(const float* value, const float* offsets, const float* shares, const float* reference, const int* levels,
                                              const float* gradient, float* to_offsets, float* to_logits, int rows, int queries, int tokens, int heads,
                                              int head, int level_count, int points, int lanes) {
    positions<4>(value, offsets, shares, reference, levels, gradient, to_offsets, to_logits, rows, queries, tokens, heads, head, level_count, points, lanes);
}
