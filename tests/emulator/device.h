// What a `.cu` file finds when a C++ compiler builds it for the emulated GPU (emulator.cpp): the part of CUDA
// C++ that the kernels of this repository use. A block's threads are fibers of one host thread: they run one
// after the other, from barrier to barrier.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x, y, z; };
struct alignas(8) float2 { float x, y; };
struct float3 { float x, y, z; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }

// The thread at work and what the emulator does for it.
struct Emulated {
    uint3 thread, block;
    dim3 threads, blocks;
    int lane;
    // 32 places of 8 bytes that the lanes of the thread's warp share.
    unsigned long long* slots;
    unsigned char* shared;
};
struct Emulator {
    Emulated* at_work;
    // Wait for the threads of the block, of the warp.
    void (*block_barrier)();
    void (*warp_barrier)();
};

#ifndef HARNESS_EMULATOR_ITSELF
static Emulator* emulator;
extern "C" void harness_bind(Emulator* one) { emulator = one; }

#define HARNESS_EMULATOR 1
#define __global__ extern "C"
#define __device__
#define __host__
#define __constant__ static const
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define threadIdx (emulator->at_work->thread)
#define blockIdx (emulator->at_work->block)
#define blockDim (emulator->at_work->threads)
#define gridDim (emulator->at_work->blocks)
constexpr int warpSize = 32;

inline void __syncthreads() { emulator->block_barrier(); }
inline void __syncwarp(unsigned = ~0u) { emulator->warp_barrier(); }

// The value that the lane `from` gave.
template <typename T> T harness_exchange(T value, int from) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    unsigned long long* slots = emulator->at_work->slots;
    std::memcpy(&slots[emulator->at_work->lane], &value, sizeof(T));
    emulator->warp_barrier();
    T got;
    std::memcpy(&got, &slots[from & 31], sizeof(T));
    emulator->warp_barrier();
    return got;
}
template <typename T> T __shfl_sync(unsigned, T value, int lane, int = 32) { return harness_exchange(value, lane); }
template <typename T> T __shfl_xor_sync(unsigned, T value, int mask, int = 32) {
    return harness_exchange(value, emulator->at_work->lane ^ mask);
}
template <typename T> T __shfl_down_sync(unsigned, T value, int by, int = 32) {
    int from = emulator->at_work->lane + by;
    return harness_exchange(value, from < 32 ? from : emulator->at_work->lane);
}
template <typename T> T __shfl_up_sync(unsigned, T value, int by, int = 32) {
    int from = emulator->at_work->lane - by;
    return harness_exchange(value, from >= 0 ? from : emulator->at_work->lane);
}
inline unsigned __ballot_sync(unsigned, int flag) {
    unsigned votes = 0;
    for (int lane = 0; lane < 32; lane++) votes |= unsigned(harness_exchange(flag != 0, lane)) << lane;
    return votes;
}
inline int __any_sync(unsigned mask, int flag) { return __ballot_sync(mask, flag) != 0; }
inline int __all_sync(unsigned mask, int flag) { return __ballot_sync(mask, !flag) == 0; }

// One thread runs at a time: nothing comes between.
template <typename T> T atomicAdd(T* place, T value) { T before = *place; *place = before + value; return before; }
template <typename T> T atomicMax(T* place, T value) { T before = *place; *place = std::max(before, value); return before; }
template <typename T> T atomicMin(T* place, T value) { T before = *place; *place = std::min(before, value); return before; }
template <typename T> T atomicExch(T* place, T value) { T before = *place; *place = value; return before; }
inline int atomicCAS(int* place, int expected, int value) { int before = *place; if (before == expected) *place = value; return before; }

using std::max;
using std::min;
inline float max(float a, int b) { return std::max(a, float(b)); }
template <typename T> T __ldg(const T* place) { return *place; }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline int __float_as_int(float x) { int bits; std::memcpy(&bits, &x, 4); return bits; }
inline unsigned __float_as_uint(float x) { unsigned bits; std::memcpy(&bits, &x, 4); return bits; }
inline float __int_as_float(int x) { float value; std::memcpy(&value, &x, 4); return value; }
inline float __uint_as_float(unsigned x) { float value; std::memcpy(&value, &x, 4); return value; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __float2int_rd(float x) { return int(std::floor(x)); }
// In a function of its own that is not inlined, a product or a sum is rounded by itself.
__attribute__((noinline)) inline float __fmul_rn(float a, float b) { return a * b; }
__attribute__((noinline)) inline float __fadd_rn(float a, float b) { return a + b; }
inline float __saturatef(float x) { return std::min(std::max(x, 0.0f), 1.0f); }
#endif
