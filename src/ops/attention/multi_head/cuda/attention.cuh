// What the kernels of attention share: tiles of T x T scores of one head of one image.
//
// q, out [batch * queries, width], k, v [batch * memory, width], width = heads * head; blocked
// [batch, queries, memory] (null: nothing is). A block of 16 x 16 threads computes a tile, each thread R x R
// scores of it; D is the head's width made up to 32, 64 or 128 with zeros. The 16 threads of a row of the
// tile are half a warp: what they hand on among themselves needs no barrier of the block.
#pragma once
#include "harness.cuh"

#define SIDE 16
// Columns between the rows of a tile in shared memory: no two of the rows that a warp reads at a time share a bank.
#define PAD 4

// T rows of `from` (its first value that of row 0 in this head, rows `width` apart) from `first` on -> to
// [T, D + PAD]; zeros past `rows` and `head`.
template <int D, int T>
__device__ __forceinline__ void load_tile(float* to, const float* from, int first, int rows, int head, int width) {
    int thread = threadIdx.y * SIDE + threadIdx.x;
    if (head % 4 == 0) {
        for (int i = thread; i < T * (D / 4); i += SIDE * SIDE) {
            int row = i / (D / 4), column = i % (D / 4) * 4;
            float values[4] = {};
            if (first + row < rows && column < head) load(values, from + size_t(first + row) * width + column);
            store(to + row * (D + PAD) + column, values);
        }
        return;
    }
    for (int i = thread; i < T * D; i += SIDE * SIDE) {
        int row = i / D, column = i % D;
        bool there = first + row < rows && column < head;
        to[row * (D + PAD) + column] = there ? from[size_t(first + row) * width + column] : 0.0f;
    }
}

// out[i][j] = the product of row threadIdx.y * R + i of a and row threadIdx.x + SIDE * j of b, both [T, D + PAD].
template <int D, int R>
__device__ __forceinline__ void products(const float* a, const float* b, float (&out)[R][R]) {
#pragma unroll
    for (int i = 0; i < R; i++)
#pragma unroll
        for (int j = 0; j < R; j++) out[i][j] = 0.0f;
#pragma unroll 4
    for (int c = 0; c < D; c += 4) {
        float left[R][4], right[R][4];
#pragma unroll
        for (int i = 0; i < R; i++) load(left[i], a + (threadIdx.y * R + i) * (D + PAD) + c);
#pragma unroll
        for (int j = 0; j < R; j++) load(right[j], b + (threadIdx.x + SIDE * j) * (D + PAD) + c);
#pragma unroll
        for (int i = 0; i < R; i++)
#pragma unroll
            for (int j = 0; j < R; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) out[i][j] += left[i][e] * right[j][e];
    }
}

__device__ __forceinline__ void load(float (&to)[2], const float* from) {
    float2 two = *reinterpret_cast<const float2*>(from);
    to[0] = two.x, to[1] = two.y;
}

// The column of value `c` of a thread's D / SIDE columns: pieces of V neighbours, so that a warp reads whole rows.
template <int D>
struct Columns {
    static constexpr int COUNT = D / SIDE, V = COUNT < 4 ? COUNT : 4;
    static __device__ __forceinline__ int at(int c) { return c / V * V * SIDE + threadIdx.x * V + c % V; }
};

// sum[i] += the product of row threadIdx.y * R + i of shares [T, T + PAD] with x [T, D + PAD], of which the
// thread has D / SIDE columns.
template <int D, int T, int R>
__device__ __forceinline__ void accumulate(const float* shares, const float* x, float (&sum)[R][D / SIDE]) {
#pragma unroll 2
    for (int first = 0; first < T; first += 4) {
        float left[R][4];
#pragma unroll
        for (int i = 0; i < R; i++) load(left[i], shares + (threadIdx.y * R + i) * (T + PAD) + first);
#pragma unroll
        for (int e = 0; e < 4; e++) {
#pragma unroll
            for (int piece = 0; piece < D / SIDE; piece += Columns<D>::V) {
                float right[Columns<D>::V];
                load(right, x + (first + e) * (D + PAD) + Columns<D>::at(piece));
#pragma unroll
                for (int i = 0; i < R; i++)
#pragma unroll
                    for (int c = 0; c < Columns<D>::V; c++) sum[i][piece + c] += left[i][e] * right[c];
            }
        }
    }
}

// The sum, the largest, over the 16 threads of a row of the tile.
__device__ __forceinline__ float row_sum(float value) {
    for (int by = SIDE / 2; by > 0; by /= 2) value += __shfl_xor_sync(ALL_LANES, value, by);
    return value;
}
__device__ __forceinline__ float row_max(float value) {
    for (int by = SIDE / 2; by > 0; by /= 2) value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, by));
    return value;
}

// What a block works on: an image, a head, the first value of each in tensors with `rows` rows an image.
struct Place {
    int image, start;
    __device__ __forceinline__ Place(int heads, int head) : image(blockIdx.z / heads), start(blockIdx.z % heads * head) {}
    __device__ __forceinline__ size_t at(int rows, int width) const { return size_t(image) * rows * width + start; }
};

// Whether a query may look at a place of the memory.
struct Mask {
    const unsigned char* blocked;
    const unsigned char* ignored;
    int queries, memory;

    // The tile of T queries and T places from the first of each on -> to [T, T + PAD] bytes, 1 where open;
    // nothing where there is no mask.
    template <int T> __device__ __forceinline__ void load_tile(unsigned char* to, int image, int first_query, int first_place) const {
        if (!blocked) return;
        for (int i = threadIdx.y * SIDE + threadIdx.x; i < T * T; i += SIDE * SIDE) {
            int query = first_query + i / T, place = first_place + i % T;
            size_t row = size_t(image) * queries + query;
            to[i / T * (T + PAD) + i % T] = query < queries && place < memory && (blocked[row * memory + place] == 0 || ignored[row]);
        }
    }

    // Whether query i and place j of the tile meet.
    template <int T> __device__ __forceinline__ bool open(const unsigned char* tile, int i, int j, int first_query, int first_place) const {
        return blocked ? tile[i * (T + PAD) + j] : first_query + i < queries && first_place + j < memory;
    }
};
