// Blocks of values moved between tensors: joining and cutting token sequences.
#include "harness.cuh"

// For every block b = blockIdx.y: to[to_first + b * to_stride ..][..len] =
// from[from_first + b * from_stride ..][..len], or += with `add`. A thread has WIDE values.
template <int WIDE>
__device__ __forceinline__ void move(const float* from, float* to, int from_first, int from_stride, int to_first, int to_stride, int len, int add) {
    size_t at = WIDE * item();
    if (at >= len) return;
    from += from_first + size_t(blockIdx.y) * from_stride + at;
    to += to_first + size_t(blockIdx.y) * to_stride + at;
    float values[WIDE];
    load(values, from);
    if (add) {
        float before[WIDE];
        load(before, to);
        for (int i = 0; i < WIDE; i++) values[i] += before[i];
    }
    store(to, values);
}

extern "C" __global__ void tokens_move_1(const float* from, float* to, int from_first, int from_stride, int to_first, int to_stride, int len, int add) {
    move<1>(from, to, from_first, from_stride, to_first, to_stride, len, add);
}

extern "C" __global__ void tokens_move_4(const float* from, float* to, int from_first, int from_stride, int to_first, int to_stride, int len, int add) {
    move<4>(from, to, from_first, from_stride, to_first, to_stride, len, add);
}
