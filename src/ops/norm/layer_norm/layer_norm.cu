// Layer normalisation of a residual sum; formulas in mod.rs. A warp has a row.
#include "harness.cuh"

__device__ __forceinline__ float summed(const float* x, const float* residual, size_t at) {
    return residual ? x[at] + residual[at] : x[at];
}

// x, residual (or null) [rows, width], gamma, beta [width] -> y [rows, width], moments [rows, 2]: mean, 1 / deviation.
extern "C" __global__ void layer_norm_forward(const float* x, const float* residual, const float* gamma, const float* beta, float* y, float* moments,
                                              int rows, int width, float eps) {
    int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (row >= rows) return;
    size_t first = size_t(row) * width;
    float sum = 0.0f;
    for (int i = lane; i < width; i += LANES) sum += summed(x, residual, first + i);
    float mean = warp_sum(sum) / width;
    float squares = 0.0f;
    for (int i = lane; i < width; i += LANES) {
        float centred = summed(x, residual, first + i) - mean;
        squares += centred * centred;
    }
    float scale = rsqrtf(warp_sum(squares) / width + eps);
    for (int i = lane; i < width; i += LANES) y[first + i] = (summed(x, residual, first + i) - mean) * scale * gamma[i] + beta[i];
    if (lane == 0) {
        moments[2 * row] = mean;
        moments[2 * row + 1] = scale;
    }
}

// Adds the gradient of z = x + residual to that of x and of the residual (null: not wanted).
extern "C" __global__ void layer_norm_backward(const float* x, const float* residual, const float* gamma, const float* moments, const float* gradient,
                                               float* to_x, float* to_residual, int rows, int width) {
    int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (row >= rows) return;
    size_t first = size_t(row) * width;
    float mean = moments[2 * row], scale = moments[2 * row + 1];
    float shift = 0.0f, along = 0.0f;
    for (int i = lane; i < width; i += LANES) {
        float t = gradient[first + i] * gamma[i];
        shift += t;
        along += t * (summed(x, residual, first + i) - mean) * scale;
    }
    shift = warp_sum(shift) / width;
    along = warp_sum(along) / width;
    for (int i = lane; i < width; i += LANES) {
        float h = (summed(x, residual, first + i) - mean) * scale;
        float by_z = scale * (gradient[first + i] * gamma[i] - shift - h * along);
        if (to_x) to_x[first + i] += by_z;
        if (to_residual) to_residual[first + i] += by_z;
    }
}

// partials [gridDim.y, 2, width]: sums of gradient * h and of gradient, over every gridDim.y-th tile of `tile` rows.
extern "C" __global__ void layer_norm_parameters(const float* x, const float* residual, const float* moments, const float* gradient, float* partials,
                                                 int rows, int width, int tile) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width) return;
    float by_gamma = 0.0f, by_beta = 0.0f;
    for (int first = blockIdx.y * tile; first < rows; first += gridDim.y * tile) {
        int end = min(first + tile, rows);
        for (int row = first; row < end; row++) {
            size_t at = size_t(row) * width + column;
            float h = (summed(x, residual, at) - moments[2 * row]) * moments[2 * row + 1];
            by_gamma += gradient[at] * h;
            by_beta += gradient[at];
        }
    }
    float* part = partials + size_t(blockIdx.y) * 2 * width;
    part[column] = by_gamma;
    part[width + column] = by_beta;
}
