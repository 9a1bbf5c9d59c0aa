// Multi-head attention with a mask, backward; formulas in ../backward.rs, shapes in attention.cuh.
// The scores are computed again, tile by tile: once along the memory for the gradient of q, once along the
// queries for those of k and v. Every sum is one block's, in a fixed order.
#include "attention.cuh"

// means [batch * heads, queries]: the product of out and its gradient, row by row of a head, which is the
// mean of the shares' derivatives. A warp has one.
extern "C" __global__ void attention_means(const float* out, const float* gradient, float* means, int count, int queries, int heads, int head) {
    int index = blockIdx.x * blockDim.y + threadIdx.y;
    if (index >= count) return;
    int list = index / queries, query = index % queries;
    size_t first = (size_t(list / heads) * queries + query) * heads * head + list % heads * head;
    float sum = 0.0f;
    for (int column = threadIdx.x; column < head; column += LANES) sum += out[first + column] * gradient[first + column];
    sum = warp_sum(sum);
    if (threadIdx.x == 0) means[index] = sum;
}

// The share of a score, and nothing where the query may not look.
__device__ __forceinline__ float share_of(float score, float temperature, bool open, const float* moments, size_t row) {
    return open ? expf(score * temperature - moments[2 * row]) * moments[2 * row + 1] : 0.0f;
}

// The gradient of q: blocks as forward. It is added to to_q where gridDim.y is 1, else written to partials
// [gridDim.y, batch * queries, width].
template <int D, int T>
__device__ __forceinline__ void backward_queries(const float* q, const float* k, const float* v, Mask mask, const float* moments, const float* means,
                                                 const float* gradient, float* to_q, float* partials, int heads, int head, float temperature, int tiles) {
    constexpr int R = T / SIDE;
    SHARED(float, room);
    float* own = room;
    float* own_gradient = own + T * (D + PAD);
    float* keys = own_gradient + T * (D + PAD);
    float* values = keys + T * (D + PAD);
    float* slopes = values + T * (D + PAD);
    unsigned char* tile = reinterpret_cast<unsigned char*>(slopes + T * (T + PAD));
    int width = heads * head, first_query = blockIdx.x * T;
    Place place(heads, head);
    size_t start = place.at(mask.queries, width);
    load_tile<D, T>(own, q + start, first_query, mask.queries, head, width);
    load_tile<D, T>(own_gradient, gradient + start, first_query, mask.queries, head, width);
    k += place.at(mask.memory, width);
    v += place.at(mask.memory, width);
    float total[R][D / SIDE] = {};
    int begin = blockIdx.y * tiles * T, end = min(begin + tiles * T, mask.memory);
    for (int first = begin; first < end; first += T) {
        __syncthreads();
        load_tile<D, T>(keys, k, first, mask.memory, head, width);
        load_tile<D, T>(values, v, first, mask.memory, head, width);
        mask.load_tile<T>(tile, place.image, first_query, first);
        __syncthreads();
        float scores[R][R], by_share[R][R];
        products<D, R>(own, keys, scores);
        products<D, R>(own_gradient, values, by_share);
#pragma unroll
        for (int i = 0; i < R; i++) {
            int query = first_query + threadIdx.y * R + i;
            size_t row = size_t(blockIdx.z) * mask.queries + min(query, mask.queries - 1);
#pragma unroll
            for (int j = 0; j < R; j++) {
                bool open = mask.open<T>(tile, threadIdx.y * R + i, threadIdx.x + SIDE * j, first_query, first);
                float share = share_of(scores[i][j], temperature, open, moments, row);
                slopes[(threadIdx.y * R + i) * (T + PAD) + threadIdx.x + SIDE * j] = share * (by_share[i][j] - means[row]);
            }
        }
        __syncwarp();
        accumulate<D, T, R>(slopes, keys, total);
    }
#pragma unroll
    for (int i = 0; i < R; i++) {
        int query = first_query + threadIdx.y * R + i;
        if (query >= mask.queries) continue;
        size_t at = start + size_t(query) * width;
#pragma unroll
        for (int c = 0; c < D / SIDE; c++) {
            if (Columns<D>::at(c) >= head) continue;
            size_t column = at + Columns<D>::at(c);
            size_t size = size_t(gridDim.z / heads) * mask.queries * width;
            if (gridDim.y == 1) to_q[column] += temperature * total[i][c];
            else partials[blockIdx.y * size + column] = temperature * total[i][c];
        }
    }
}

// The gradients of k and v (null: not wanted): block (x, 0, z) has the places from x * T on of the memory,
// and goes along all queries.
template <int D, int T>
__device__ __forceinline__ void backward_memory(const float* q, const float* k, const float* v, Mask mask, const float* moments, const float* means,
                                                const float* gradient, float* to_k, float* to_v, int heads, int head, float temperature) {
    constexpr int R = T / SIDE;
    SHARED(float, room);
    float* keys = room;
    float* values = keys + T * (D + PAD);
    float* queries = values + T * (D + PAD);
    float* gradients = queries + T * (D + PAD);
    float* shares = gradients + T * (D + PAD);
    unsigned char* tile = reinterpret_cast<unsigned char*>(shares + T * (T + PAD));
    int width = heads * head, first_place = blockIdx.x * T;
    Place place(heads, head);
    size_t start = place.at(mask.memory, width);
    load_tile<D, T>(keys, k + start, first_place, mask.memory, head, width);
    load_tile<D, T>(values, v + start, first_place, mask.memory, head, width);
    q += place.at(mask.queries, width);
    gradient += place.at(mask.queries, width);
    float by_key[R][D / SIDE] = {}, by_value[R][D / SIDE] = {};
    for (int first = 0; first < mask.queries; first += T) {
        __syncthreads();
        load_tile<D, T>(queries, q, first, mask.queries, head, width);
        load_tile<D, T>(gradients, gradient, first, mask.queries, head, width);
        mask.load_tile<T>(tile, place.image, first, first_place);
        __syncthreads();
        float scores[R][R], by_share[R][R];
        products<D, R>(keys, queries, scores);
        if (to_k) products<D, R>(values, gradients, by_share);
#pragma unroll
        for (int j = 0; j < R; j++) {
            int query = first + threadIdx.x + SIDE * j;
            size_t row = size_t(blockIdx.z) * mask.queries + min(query, mask.queries - 1);
#pragma unroll
            for (int i = 0; i < R; i++) {
                bool open = mask.open<T>(tile, threadIdx.x + SIDE * j, threadIdx.y * R + i, first, first_place);
                scores[i][j] = share_of(scores[i][j], temperature, open, moments, row);
                if (to_k) by_share[i][j] = scores[i][j] * (by_share[i][j] - means[row]);
            }
        }
        float* mine = shares + threadIdx.y * R * (T + PAD) + threadIdx.x;
        if (to_v) {
#pragma unroll
            for (int i = 0; i < R; i++)
#pragma unroll
                for (int j = 0; j < R; j++) mine[i * (T + PAD) + SIDE * j] = scores[i][j];
            __syncwarp();
            accumulate<D, T, R>(shares, gradients, by_value);
            __syncwarp();
        }
        if (to_k) {
#pragma unroll
            for (int i = 0; i < R; i++)
#pragma unroll
                for (int j = 0; j < R; j++) mine[i * (T + PAD) + SIDE * j] = by_share[i][j];
            __syncwarp();
            accumulate<D, T, R>(shares, queries, by_key);
        }
    }
#pragma unroll
    for (int i = 0; i < R; i++) {
        int row = first_place + threadIdx.y * R + i;
        if (row >= mask.memory) continue;
        size_t at = start + size_t(row) * width;
#pragma unroll
        for (int c = 0; c < D / SIDE; c++) {
            if (Columns<D>::at(c) >= head) continue;
            if (to_k) to_k[at + Columns<D>::at(c)] += temperature * by_key[i][c];
            if (to_v) to_v[at + Columns<D>::at(c)] += by_value[i][c];
        }
    }
}

extern "C" __global__ void __launch_bounds__(256)
attention_queries_32(const float* q, const float* k, const float* v, const unsigned char* blocked, const unsigned char* ignored, const float* moments,
                     const float* means, const float* gradient, float* to_q, float* partials, int queries, int memory, int heads, int head, float temperature,
                     int tiles) {
    backward_queries<32, 64>(q, k, v, Mask{blocked, ignored, queries, memory}, moments, means, gradient, to_q, partials, heads, head, temperature, tiles);
}
extern "C" __global__ void __launch_bounds__(256)
attention_queries_64(const float* q, const float* k, const float* v, const unsigned char* blocked, const unsigned char* ignored, const float* moments,
                     const float* means, const float* gradient, float* to_q, float* partials, int queries, int memory, int heads, int head, float temperature,
                     int tiles) {
    backward_queries<64, 64>(q, k, v, Mask{blocked, ignored, queries, memory}, moments, means, gradient, to_q, partials, heads, head, temperature, tiles);
}
extern "C" __global__ void __launch_bounds__(256)
attention_queries_128(const float* q, const float* k, const float* v, const unsigned char* blocked, const unsigned char* ignored, const float* moments,
                      const float* means, const float* gradient, float* to_q, float* partials, int queries, int memory, int heads, int head, float temperature,
                      int tiles) {
    backward_queries<128, 32>(q, k, v, Mask{blocked, ignored, queries, memory}, moments, means, gradient, to_q, partials, heads, head, temperature, tiles);
}

extern "C" __global__ void __launch_bounds__(256)
attention_memory_32(const float* q, const float* k, const float* v, const unsigned char* blocked, const unsigned char* ignored, const float* moments,
                    const float* means, const float* gradient, float* to_k, float* to_v, int queries, int memory, int heads, int head, float temperature) {
    backward_memory<32, 64>(q, k, v, Mask{blocked, ignored, queries, memory}, moments, means, gradient, to_k, to_v, heads, head, temperature);
}
extern "C" __global__ void __launch_bounds__(256)
attention_memory_64(const float* q, const float* k, const float* v, const unsigned char* blocked, const unsigned char* ignored, const float* moments,
                    const float* means, const float* gradient, float* to_k, float* to_v, int queries, int memory, int heads, int head, float temperature) {
    backward_memory<64, 64>(q, k, v, Mask{blocked, ignored, queries, memory}, moments, means, gradient, to_k, to_v, heads, head, temperature);
}
extern "C" __global__ void __launch_bounds__(256)
attention_memory_128(const float* q, const float* k, const float* v, const unsigned char* blocked, const unsigned char* ignored, const float* moments,
                     const float* means, const float* gradient, float* to_k, float* to_v, int queries, int memory, int heads, int head, float temperature) {
    backward_memory<128, 32>(q, k, v, Mask{blocked, ignored, queries, memory}, moments, means, gradient, to_k, to_v, heads, head, temperature);
}
