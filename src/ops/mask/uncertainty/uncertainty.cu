// How undecided a mask is at every pixel; formula in mod.rs. A thread has a value.
#include "harness.cuh"

// logits [n, columns], chosen [gridDim.y]: the row of each -> values [gridDim.y, columns].
extern "C" __global__ void uncertainties(const float* logits, const int* chosen, float* values, int columns) {
    size_t at = item();
    if (at >= columns) return;
    float logit = logits[size_t(chosen[blockIdx.y]) * columns + at];
    values[size_t(blockIdx.y) * columns + at] = 1.0f - 2.0f * fabsf(1.0f / (1.0f + expf(-logit)) - 0.5f);
}
