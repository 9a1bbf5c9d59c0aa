// Weighted softmax focal loss; formulas in mod.rs. A warp has a row.
#include "harness.cuh"

// logits [rows, classes], targets, weights [rows] -> losses [rows], each times its weight; kept [rows, 4]: the largest
// logit m, 1 / sum(e^(z - m)), the probability of the other classes, and the factor on the slope of the cross-entropy.
extern "C" __global__ void softmax_focal_forward(const float* logits, const int* targets, const float* weights, float* losses, float* kept, int rows,
                                                 int classes, float gamma) {
    int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (row >= rows) return;
    const float* z = logits + size_t(row) * classes;
    int target = targets[row];
    float most = -INFINITE;
    for (int i = lane; i < classes; i += LANES) most = fmaxf(most, z[i]);
    most = warp_max(most);
    float others = 0.0f;
    for (int i = lane; i < classes; i += LANES) others += i == target ? 0.0f : expf(z[i] - most);
    others = warp_sum(others);
    if (lane == 0) {
        float own = expf(z[target] - most), mass = own + others;
        float cost = logf(mass) + most - z[target], wrong = others / mass, factor = powf(wrong, gamma);
        losses[row] = weights[row] * factor * cost;
        kept[4 * row] = most;
        kept[4 * row + 1] = 1.0f / mass;
        kept[4 * row + 2] = wrong;
        kept[4 * row + 3] = weights[row] * (factor + gamma * (own / mass) * powf(wrong, gamma - 1.0f) * cost);
    }
}

// to [rows, classes] += upstream [1] * scale * factor * (softmax - [the target]).
extern "C" __global__ void softmax_focal_backward(const float* logits, const int* targets, const float* kept, const float* upstream, float* to, int rows,
                                                  int classes, float scale) {
    int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (row >= rows) return;
    size_t first = size_t(row) * classes;
    float most = kept[4 * row], share = kept[4 * row + 1], wrong = kept[4 * row + 2], factor = *upstream * scale * kept[4 * row + 3];
    int target = targets[row];
    for (int i = lane; i < classes; i += LANES) to[first + i] += factor * (i == target ? -wrong : expf(logits[first + i] - most) * share);
}
