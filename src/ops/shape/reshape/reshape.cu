// The same values in rows of another length.
#include "harness.cuh"

// to [count] = from [count], or += with `add`.
extern "C" __global__ void reshape_move(const float* from, float* to, int count, int add) {
    size_t at = item();
    if (at >= count) return;
    to[at] = add ? to[at] + from[at] : from[at];
}
