// Weighted softmax cross-entropy; formulas in mod.rs. A warp has a row.
#include "harness.cuh"

// logits [rows, classes], targets, weights [rows] -> losses [rows], each times its weight; masses [rows, 2]:
// the largest logit m and 1 / sum(e^(z - m)).
extern "C" __global__ void cross_entropy_forward(const float* logits, const int* targets, const float* weights, float* losses, float* masses, int rows,
                                                 int classes) {
    int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (row >= rows) return;
    const float* z = logits + size_t(row) * classes;
    float most = -INFINITE;
    for (int i = lane; i < classes; i += LANES) most = fmaxf(most, z[i]);
    most = warp_max(most);
    float mass = 0.0f;
    for (int i = lane; i < classes; i += LANES) mass += expf(z[i] - most);
    mass = warp_sum(mass);
    if (lane == 0) {
        losses[row] = weights[row] * (logf(mass) + most - z[targets[row]]);
        masses[2 * row] = most;
        masses[2 * row + 1] = 1.0f / mass;
    }
}

// to [rows, classes] += upstream [1] * scale * weight * (softmax - [the target]).
extern "C" __global__ void cross_entropy_backward(const float* logits, const int* targets, const float* weights, const float* masses, const float* upstream,
                                                  float* to, int rows, int classes, float scale) {
    int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (row >= rows) return;
    size_t first = size_t(row) * classes;
    float most = masses[2 * row], share = masses[2 * row + 1], factor = *upstream * scale * weights[row];
    int target = targets[row];
    for (int i = lane; i < classes; i += LANES) to[first + i] += factor * (expf(logits[first + i] - most) * share - (i == target ? 1.0f : 0.0f));
}
