// What all kernels share. Kernels are `extern "C"`, take `int` sizes and count elements in `size_t`, compute
// in float, and sum in a fixed order: no atomics on floats, so the same inputs give the same bits on the same
// GPU.
#pragma once

#define LANES 32
#define ALL_LANES 0xffffffffu
#define INFINITE __int_as_float(0x7f800000)

// `type* name`: the block's dynamic shared memory.
#ifdef HARNESS_EMULATOR
#define SHARED(type, name) type* name = reinterpret_cast<type*>(emulator->at_work->shared)
#else
#define SHARED(type, name)                                   \
    extern __shared__ __align__(16) unsigned char shared_bytes[]; \
    type* name = reinterpret_cast<type*>(shared_bytes)
#endif

// The number of this thread in a one-dimensional grid.
__device__ __forceinline__ size_t item() { return size_t(blockIdx.x) * blockDim.x + threadIdx.x; }

// The sum over the lanes of a warp, in every lane.
__device__ __forceinline__ float warp_sum(float value) {
    for (int by = LANES / 2; by > 0; by /= 2) value += __shfl_xor_sync(ALL_LANES, value, by);
    return value;
}

// The largest over the lanes of a warp, in every lane.
__device__ __forceinline__ float warp_max(float value) {
    for (int by = LANES / 2; by > 0; by /= 2) value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, by));
    return value;
}

// The sum over a one-dimensional block of whole warps, in every thread; `scratch` holds LANES floats.
__device__ __forceinline__ float block_sum(float value, float* scratch) {
    int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES, warps = blockDim.x / LANES;
    value = warp_sum(value);
    if (lane == 0) scratch[warp] = value;
    __syncthreads();
    value = warp_sum(lane < warps ? scratch[lane] : 0.0f);
    __syncthreads();
    return value;
}

// N neighbouring values, which one instruction reads or writes where N is 4: their address is a multiple of their size.
template <int N, typename T = float> struct alignas(sizeof(T) * N) Pack { T at[N]; };
template <int N, typename T> __device__ __forceinline__ Pack<N, T> load_pack(const T* from) { return *reinterpret_cast<const Pack<N, T>*>(from); }
template <int N, typename T> __device__ __forceinline__ void store_pack(T* to, const Pack<N, T>& values) { *reinterpret_cast<Pack<N, T>*>(to) = values; }

// The pack of a thread in a grid that goes down columns (walk.rs), and its first row and the step to the next.
__device__ __forceinline__ int down_pack() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ int down_row() { return blockIdx.y * blockDim.y + threadIdx.y; }
__device__ __forceinline__ int down_step() { return gridDim.y * blockDim.y; }

// The sums of the threads of a block with the same threadIdx.x, in those with threadIdx.y = 0; `scratch`
// holds a pack per thread. Every thread of the block must come here.
template <int N> __device__ __forceinline__ Pack<N> sum_down_block(Pack<N> value, Pack<N>* scratch) {
    scratch[threadIdx.y * blockDim.x + threadIdx.x] = value;
    __syncthreads();
    if (threadIdx.y == 0)
        for (int y = 1; y < blockDim.y; y++)
            for (int i = 0; i < N; i++) value.at[i] += scratch[y * blockDim.x + threadIdx.x].at[i];
    __syncthreads();
    return value;
}

// The line of a block, and the place within it of a thread, in a grid that goes along lines of `length`
// places (walk.rs).
__device__ __forceinline__ int line_number(int length) { return blockIdx.x / ((length + blockDim.x - 1) / blockDim.x); }
__device__ __forceinline__ int line_place(int length) { return blockIdx.x % ((length + blockDim.x - 1) / blockDim.x) * blockDim.x + threadIdx.x; }
// One value or four neighbours of a row, as one access: four where widths and so all addresses are multiples
// of four values.
__device__ __forceinline__ void load(float (&to)[1], const float* from) { to[0] = *from; }
__device__ __forceinline__ void load(float (&to)[4], const float* from) {
    float4 four = *reinterpret_cast<const float4*>(from);
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}
__device__ __forceinline__ void store(float* to, const float (&from)[1]) { *to = from[0]; }
__device__ __forceinline__ void store(float* to, const float (&from)[4]) {
    *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
}
