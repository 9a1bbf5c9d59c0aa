// Distance of softmax rows from probabilities; formulas in mod.rs. A warp has a row. An epsilon of 0 means squares.
#include "harness.cuh"

// The derivative of the cost by p.
__device__ __forceinline__ float slope_of(float p, float target, float epsilon) {
    return epsilon > 0.0f ? -(target + epsilon) / (p + epsilon) : 2.0f * (p - target);
}

// logits, targets [rows, classes] -> losses [rows]; kept [rows, 3]: the largest logit m, 1 / sum(e^(z - m)), and the
// sum of slope * p.
extern "C" __global__ void softmax_distance_forward(const float* logits, const float* targets, float* losses, float* kept, int rows, int classes,
                                                    float epsilon) {
    int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (row >= rows) return;
    const float *z = logits + size_t(row) * classes, *t = targets + size_t(row) * classes;
    float most = -INFINITE;
    for (int i = lane; i < classes; i += LANES) most = fmaxf(most, z[i]);
    most = warp_max(most);
    float mass = 0.0f;
    for (int i = lane; i < classes; i += LANES) mass += expf(z[i] - most);
    float share = 1.0f / warp_sum(mass), cost = 0.0f, along = 0.0f;
    for (int i = lane; i < classes; i += LANES) {
        float p = expf(z[i] - most) * share, target = t[i] + epsilon, error = p - t[i];
        cost += epsilon > 0.0f ? target * (logf(target) - logf(p + epsilon)) : error * error;
        along += slope_of(p, t[i], epsilon) * p;
    }
    cost = warp_sum(cost);
    along = warp_sum(along);
    if (lane == 0) {
        losses[row] = cost;
        kept[3 * row] = most;
        kept[3 * row + 1] = share;
        kept[3 * row + 2] = along;
    }
}

// to [rows, classes] += upstream [1] * scale * p * (slope - the sum of slope * p).
extern "C" __global__ void softmax_distance_backward(const float* logits, const float* targets, const float* kept, const float* upstream, float* to, int rows,
                                                     int classes, float epsilon, float scale) {
    int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (row >= rows) return;
    size_t first = size_t(row) * classes;
    float most = kept[3 * row], share = kept[3 * row + 1], along = kept[3 * row + 2], factor = *upstream * scale;
    for (int i = lane; i < classes; i += LANES) {
        float p = expf(logits[first + i] - most) * share;
        to[first + i] += factor * p * (slope_of(p, targets[first + i], epsilon) - along);
    }
}
