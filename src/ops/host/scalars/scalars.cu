// Gathers numbers from different places. A thread has one.
#include "harness.cuh"

extern "C" __global__ void gather_scalars(const float* const* from, float* to, int count) {
    size_t at = item();
    if (at < count) to[at] = *from[at];
}
