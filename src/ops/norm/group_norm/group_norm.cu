// Group normalisation with residual and ReLU; formulas in mod.rs and backward.rs.
//
// Maps are [B, pixels, channels]; grids that go down the columns have an image along z and the parts of its
// pixels along y. N channels of a thread may belong to different groups of channels / groups each.
#include "harness.cuh"

// Joins the mean and the sum of squared distances from it of n values to those of `count` values (Chan, Golub
// & LeVeque 1983).
__device__ __forceinline__ void join(float& count, float& mean, float& squares, float n, float m, float s) {
    if (n == 0.0f) return;
    float all = count + n, share = n / all, step = m - mean;
    mean += step * share;
    squares += s + step * step * count * share;
    count = all;
}

// Pixels whose mean a thread takes before it joins them to the others.
#define CHUNK 8

// x -> partials [B, gridDim.y, 3, channels]: count, mean, squared distances of a part.
template <int N> __device__ __forceinline__ void partial_moments(const float* x, float* partials, int pixels, int channels) {
    SHARED(Pack<N>, scratch);
    int channel = down_pack() * N, threads = blockDim.x * blockDim.y, own = threadIdx.y * blockDim.x + threadIdx.x;
    bool inside = channel < channels;
    const float* from = x + size_t(blockIdx.z) * pixels * channels + channel;
    Pack<N> count = {}, mean = {}, squares = {};
    for (int first = down_row(); inside && first < pixels; first += CHUNK * down_step()) {
        Pack<N> values[CHUNK], m = {}, s = {};
        int n = 0;
#pragma unroll
        for (int k = 0; k < CHUNK; k++) {
            int row = first + k * down_step();
            values[k] = {};
            if (row < pixels) {
                values[k] = load_pack<N>(from + size_t(row) * channels);
                n++;
            }
            for (int i = 0; i < N; i++) m.at[i] += values[k].at[i];
        }
        for (int i = 0; i < N; i++) m.at[i] /= n;
#pragma unroll
        for (int k = 0; k < CHUNK; k++)
            for (int i = 0; i < N; i++) {
                float centred = k < n ? values[k].at[i] - m.at[i] : 0.0f;
                s.at[i] += centred * centred;
            }
        for (int i = 0; i < N; i++) join(count.at[i], mean.at[i], squares.at[i], n, m.at[i], s.at[i]);
    }
    scratch[own] = count;
    scratch[threads + own] = mean;
    scratch[2 * threads + own] = squares;
    __syncthreads();
    if (!inside || threadIdx.y > 0) return;
    for (int y = 1; y < blockDim.y; y++) {
        int other = y * blockDim.x + threadIdx.x;
        for (int i = 0; i < N; i++)
            join(count.at[i], mean.at[i], squares.at[i], scratch[other].at[i], scratch[threads + other].at[i], scratch[2 * threads + other].at[i]);
    }
    float* to = partials + (size_t(blockIdx.z) * gridDim.y + blockIdx.y) * 3 * channels + channel;
    store_pack(to, count);
    store_pack(to + channels, mean);
    store_pack(to + 2 * channels, squares);
}

// partials [B, parts, 3, channels] -> moments [B, groups, 2]: mean, 1 / deviation. A warp has a group of an image.
extern "C" __global__ void group_norm_moments(const float* partials, float* moments, int batch, int parts, int channels, int groups, float eps) {
    int number = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (number >= batch * groups) return;
    int image = number / groups, width = channels / groups, first = number % groups * width;
    float count = 0.0f, mean = 0.0f, squares = 0.0f;
    for (int i = lane; i < parts * width; i += LANES) {
        const float* part = partials + (size_t(image) * parts + i / width) * 3 * channels + first + i % width;
        join(count, mean, squares, part[0], part[channels], part[2 * channels]);
    }
    for (int by = LANES / 2; by > 0; by /= 2) {
        float n = __shfl_down_sync(ALL_LANES, count, by), m = __shfl_down_sync(ALL_LANES, mean, by), s = __shfl_down_sync(ALL_LANES, squares, by);
        if (lane < by) join(count, mean, squares, n, m, s);
    }
    if (lane == 0) {
        moments[2 * number] = mean;
        moments[2 * number + 1] = rsqrtf(squares / count + eps);
    }
}

// The mean and 1 / deviation of the groups of N channels of image blockIdx.z.
template <int N> struct Normal { Pack<N> mean, scale; };
template <int N> __device__ __forceinline__ Normal<N> normal_of(const float* moments, int channel, int channels, int groups) {
    Normal<N> normal;
    for (int i = 0; i < N; i++) {
        const float* of = moments + 2 * (size_t(blockIdx.z) * groups + (channel + i) / (channels / groups));
        normal.mean.at[i] = of[0];
        normal.scale.at[i] = of[1];
    }
    return normal;
}

// x, residual (or null), gamma, beta [channels], moments -> y.
template <int N>
__device__ __forceinline__ void apply(const float* x, const float* residual, const float* gamma, const float* beta, const float* moments, float* y,
                                      int pixels, int channels, int groups, int relu) {
    int channel = down_pack() * N;
    if (channel >= channels) return;
    Normal<N> normal = normal_of<N>(moments, channel, channels, groups);
    Pack<N> factor = load_pack<N>(gamma + channel), shift = load_pack<N>(beta + channel);
    for (int i = 0; i < N; i++) factor.at[i] *= normal.scale.at[i];
    for (int row = down_row(); row < pixels; row += down_step()) {
        size_t at = (size_t(blockIdx.z) * pixels + row) * channels + channel;
        Pack<N> value = load_pack<N>(x + at), more = {};
        if (residual) more = load_pack<N>(residual + at);
        for (int i = 0; i < N; i++) {
            float v = (value.at[i] - normal.mean.at[i]) * factor.at[i] + (shift.at[i] + more.at[i]);
            // NaN pass, so that a diverged run is seen.
            value.at[i] = relu && v < 0.0f ? 0.0f : v;
        }
        store_pack(y + at, value);
    }
}

// Cuts the gradient in place where y (null: no ReLU) is not positive -> partials [B, gridDim.y, 2, channels]:
// sums over the pixels of a part of the gradient and of gradient * normalised x.
template <int N>
__device__ __forceinline__ void partial_sums(const float* x, const float* y, float* gradient, const float* moments, float* partials, int pixels,
                                             int channels, int groups) {
    SHARED(Pack<N>, scratch);
    int channel = down_pack() * N;
    bool inside = channel < channels;
    Normal<N> normal = {};
    if (inside) normal = normal_of<N>(moments, channel, channels, groups);
    Pack<N> plain = {}, along = {};
    for (int row = down_row(); inside && row < pixels; row += down_step()) {
        size_t at = (size_t(blockIdx.z) * pixels + row) * channels + channel;
        Pack<N> g = load_pack<N>(gradient + at), value = load_pack<N>(x + at);
        if (y) {
            Pack<N> out = load_pack<N>(y + at);
            for (int i = 0; i < N; i++) g.at[i] = out.at[i] > 0.0f ? g.at[i] : 0.0f;
            store_pack(gradient + at, g);
        }
        for (int i = 0; i < N; i++) {
            plain.at[i] += g.at[i];
            along.at[i] += g.at[i] * ((value.at[i] - normal.mean.at[i]) * normal.scale.at[i]);
        }
    }
    plain = sum_down_block(plain, scratch);
    along = sum_down_block(along, scratch);
    if (!inside || threadIdx.y > 0) return;
    float* to = partials + (size_t(blockIdx.z) * gridDim.y + blockIdx.y) * 2 * channels + channel;
    store_pack(to, plain);
    store_pack(to + channels, along);
}

// partials [B, parts, 2, channels], gamma [channels] -> sums [B, 2, channels] over the parts, and means
// [B, groups, 2] over the values of a group of gamma times them. A warp has a group of an image.
extern "C" __global__ void group_norm_means(const float* partials, const float* gamma, float* sums, float* means, int batch, int parts, int pixels,
                                            int channels, int groups) {
    int number = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (number >= batch * groups) return;
    int image = number / groups, width = channels / groups, first = number % groups * width;
    float total[2] = {0.0f, 0.0f};
    for (int channel = first; channel < first + width; channel++)
        for (int which = 0; which < 2; which++) {
            float sum = 0.0f;
            for (int part = lane; part < parts; part += LANES) sum += partials[((size_t(image) * parts + part) * 2 + which) * channels + channel];
            sum = warp_sum(sum);
            total[which] += gamma[channel] * sum;
            if (lane == 0) sums[(size_t(image) * 2 + which) * channels + channel] = sum;
        }
    if (lane < 2) means[2 * number + lane] = (lane == 0 ? total[0] : total[1]) / (float(width) * pixels);
}

// sums [B, 2, channels], over the images, to the gradients of beta and gamma (null: not wanted).
extern "C" __global__ void group_norm_parameters(const float* sums, float* to_gamma, float* to_beta, int batch, int channels) {
    int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) return;
    float by_gamma = 0.0f, by_beta = 0.0f;
    for (int image = 0; image < batch; image++) {
        by_beta += sums[size_t(2 * image) * channels + channel];
        by_gamma += sums[size_t(2 * image + 1) * channels + channel];
    }
    if (to_gamma) to_gamma[channel] += by_gamma;
    if (to_beta) to_beta[channel] += by_beta;
}

// Adds the gradient, cut by the ReLU, to that of the residual, and through the norm to that of x (null: not wanted).
template <int N>
__device__ __forceinline__ void backward(const float* x, const float* gradient, const float* gamma, const float* moments, const float* means, float* to_x,
                                         float* to_residual, int pixels, int channels, int groups) {
    int channel = down_pack() * N;
    if (channel >= channels) return;
    Normal<N> normal = normal_of<N>(moments, channel, channels, groups), mean = normal_of<N>(means, channel, channels, groups);
    Pack<N> factor = load_pack<N>(gamma + channel);
    for (int row = down_row(); row < pixels; row += down_step()) {
        size_t at = (size_t(blockIdx.z) * pixels + row) * channels + channel;
        Pack<N> g = load_pack<N>(gradient + at);
        if (to_x) {
            Pack<N> value = load_pack<N>(x + at), total = load_pack<N>(to_x + at);
            for (int i = 0; i < N; i++) {
                float scale = normal.scale.at[i], h = (value.at[i] - normal.mean.at[i]) * scale;
                total.at[i] += scale * (g.at[i] * factor.at[i] - mean.mean.at[i] - h * mean.scale.at[i]);
            }
            store_pack(to_x + at, total);
        }
        if (to_residual) {
            Pack<N> total = load_pack<N>(to_residual + at);
            for (int i = 0; i < N; i++) total.at[i] += g.at[i];
            store_pack(to_residual + at, total);
        }
    }
}

extern "C" __global__ void group_norm_partial_moments_1(const float* x, float* partials, int pixels, int channels) {
    partial_moments<1>(x, partials, pixels, channels);
}
extern "C" __global__ void group_norm_partial_moments_4(const float* x, float* partials, int pixels, int channels) {
    partial_moments<4>(x, partials, pixels, channels);
}
extern "C" __global__ void group_norm_apply_1(const float* x, const float* residual, const float* gamma, const float* beta, const float* moments, float* y,
                                              int pixels, int channels, int groups, int relu) {
    apply<1>(x, residual, gamma, beta, moments, y, pixels, channels, groups, relu);
}
extern "C" __global__ void group_norm_apply_4(const float* x, const float* residual, const float* gamma, const float* beta, const float* moments, float* y,
                                              int pixels, int channels, int groups, int relu) {
    apply<4>(x, residual, gamma, beta, moments, y, pixels, channels, groups, relu);
}
extern "C" __global__ void group_norm_partial_sums_1(const float* x, const float* y, float* gradient, const float* moments, float* partials, int pixels,
                                                     int channels, int groups) {
    partial_sums<1>(x, y, gradient, moments, partials, pixels, channels, groups);
}
extern "C" __global__ void group_norm_partial_sums_4(const float* x, const float* y, float* gradient, const float* moments, float* partials, int pixels,
                                                     int channels, int groups) {
    partial_sums<4>(x, y, gradient, moments, partials, pixels, channels, groups);
}
extern "C" __global__ void group_norm_backward_1(const float* x, const float* gradient, const float* gamma, const float* moments, const float* means,
                                                 float* to_x, float* to_residual, int pixels, int channels, int groups) {
    backward<1>(x, gradient, gamma, moments, means, to_x, to_residual, pixels, channels, groups);
}
extern "C" __global__ void group_norm_backward_4(const float* x, const float* gradient, const float* gamma, const float* moments, const float* means,
                                                 float* to_x, float* to_residual, int pixels, int channels, int groups) {
    backward<4>(x, gradient, gamma, moments, means, to_x, to_residual, pixels, channels, groups);
}
