// Multi-head attention with a mask, forward and backward; formulas in ops/attention.rs and ops/attention_backward.rs. The scores exist only tile by
// tile, in registers and shared memory.
//
// q, out [batch * queries, width], k, v [batch * memory, width], width = heads * head; blocked [batch, queries, memory] (null: nothing is). A block of
// 16 x 16 threads computes a tile of T x T scores of one head of one image, each thread R x R of them; D is the head's width made up to 32, 64 or 128
// with zeros. The 16 threads of a row of the tile are half a warp: what they hand on among themselves needs no barrier of the block.
#include "harness.cuh"

#define SIDE 16
// Columns between the rows of a tile in shared memory: no two of the rows that a warp reads at a time share a bank.
#define PAD 4

// ignored [rows]: whether a row of the mask blocks all `columns` places, and so counts for nothing. A warp has a row.
extern "C" __global__ void attention_ignored(const unsigned char* blocked, unsigned char* ignored, int rows, int columns) {
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    bool open = false;
    for (int first = 0; first < columns && !open; first += LANES) {
        int column = first + threadIdx.x;
        open = __any_sync(ALL_LANES, column < columns && blocked[size_t(row) * columns + column] == 0);
    }
    if (threadIdx.x == 0) ignored[row] = !open;
}

// T rows of `from` (its first value that of row 0 in this head, rows `width` apart) from `first` on -> to [T, D + PAD]; zeros past `rows` and `head`.
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

// sum[i] += the product of row threadIdx.y * R + i of shares [T, T + PAD] with x [T, D + PAD], of which the thread has D / SIDE columns.
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

    // The tile of T queries and T places from the first of each on -> to [T, T + PAD] bytes, 1 where open; nothing where there is no mask.
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

// Block (x, y, z): queries from x * T on, tiles y, y + 1, ... of the memory (`tiles` of them), head z of the batch * heads. Where gridDim.y is 1 it writes
// out and moments [batch * heads, queries, 2] (largest score, 1 / sum), else partials [gridDim.y, batch * heads, queries, head + 2]: the sum of
// the values, the largest score, the sum of the shares.
template <int D, int T>
__device__ __forceinline__ void forward(const float* q, const float* k, const float* v, Mask mask, float* out, float* moments, float* partials, int heads,
                                        int head, float temperature, int tiles) {
    constexpr int R = T / SIDE;
    SHARED(float, room);
    float* own = room;
    float* other = own + T * (D + PAD);
    float* shares = other + T * (D + PAD);
    unsigned char* tile = reinterpret_cast<unsigned char*>(shares + T * (T + PAD));
    int width = heads * head, first_query = blockIdx.x * T;
    Place place(heads, head);
    load_tile<D, T>(own, q + place.at(mask.queries, width), first_query, mask.queries, head, width);
    k += place.at(mask.memory, width);
    v += place.at(mask.memory, width);
    float most[R], sum[R], total[R][D / SIDE];
#pragma unroll
    for (int i = 0; i < R; i++) {
        most[i] = -INFINITE;
        sum[i] = 0.0f;
#pragma unroll
        for (int c = 0; c < D / SIDE; c++) total[i][c] = 0.0f;
    }
    int begin = blockIdx.y * tiles * T, end = min(begin + tiles * T, mask.memory);
    for (int first = begin; first < end; first += T) {
        __syncthreads();
        load_tile<D, T>(other, k, first, mask.memory, head, width);
        mask.load_tile<T>(tile, place.image, first_query, first);
        __syncthreads();
        float scores[R][R];
        products<D, R>(own, other, scores);
#pragma unroll
        for (int i = 0; i < R; i++) {
            float largest = -INFINITE;
#pragma unroll
            for (int j = 0; j < R; j++) {
                bool open = mask.open<T>(tile, threadIdx.y * R + i, threadIdx.x + SIDE * j, first_query, first);
                scores[i][j] = open ? scores[i][j] * temperature : -INFINITE;
                largest = fmaxf(largest, scores[i][j]);
            }
            largest = fmaxf(most[i], row_max(largest));
            // Nothing open so far: no share and nothing to scale.
            float base = largest == -INFINITE ? 0.0f : largest, factor = expf(most[i] - base), added = 0.0f;
            most[i] = largest;
#pragma unroll
            for (int j = 0; j < R; j++) {
                float share = expf(scores[i][j] - base);
                added += share;
                shares[(threadIdx.y * R + i) * (T + PAD) + threadIdx.x + SIDE * j] = share;
            }
            sum[i] = sum[i] * factor + row_sum(added);
#pragma unroll
            for (int c = 0; c < D / SIDE; c++) total[i][c] *= factor;
        }
        __syncthreads();
        load_tile<D, T>(other, v, first, mask.memory, head, width);
        __syncthreads();
        accumulate<D, T, R>(shares, other, total);
    }
#pragma unroll
    for (int i = 0; i < R; i++) {
        int query = first_query + threadIdx.y * R + i;
        if (query >= mask.queries) continue;
        size_t row = size_t(blockIdx.z) * mask.queries + query;
        bool whole = gridDim.y == 1;
        float scale = !whole || sum[i] == 0.0f ? 1.0f : 1.0f / sum[i];
        float* to = whole ? out + place.at(mask.queries, width) + size_t(query) * width
                          : partials + (size_t(blockIdx.y) * gridDim.z * mask.queries + row) * (head + 2);
#pragma unroll
        for (int c = 0; c < D / SIDE; c++)
            if (Columns<D>::at(c) < head) to[Columns<D>::at(c)] = total[i][c] * scale;
        if (threadIdx.x == 0) {
            float* kept = whole ? moments + 2 * row : to + head;
            kept[0] = most[i];
            kept[1] = whole ? scale : sum[i];
        }
    }
}

// partials [parts, batch * heads, queries, head + 2] -> out, moments. A warp has a query's head: index = (image * heads + h) * queries + query.
extern "C" __global__ void attention_join(const float* partials, float* out, float* moments, int parts, int count, int queries, int heads, int head) {
    int index = blockIdx.x * blockDim.y + threadIdx.y;
    if (index >= count) return;
    size_t step = size_t(count) * (head + 2);
    const float* own = partials + size_t(index) * (head + 2);
    float most = -INFINITE, sum = 0.0f;
    for (int part = 0; part < parts; part++) most = fmaxf(most, own[part * step + head]);
    for (int part = 0; part < parts; part++) sum += expf(own[part * step + head] - most) * own[part * step + head + 1];
    float scale = 1.0f / sum;
    int list = index / queries, query = index % queries;
    float* to = out + (size_t(list / heads) * queries + query) * heads * head + list % heads * head;
    for (int column = threadIdx.x; column < head; column += LANES) {
        float total = 0.0f;
        for (int part = 0; part < parts; part++) total += expf(own[part * step + head] - most) * own[part * step + column];
        to[column] = total * scale;
    }
    if (threadIdx.x == 0) {
        moments[2 * size_t(index)] = most;
        moments[2 * size_t(index) + 1] = scale;
    }
}

// means [batch * heads, queries]: the product of out and its gradient, row by row of a head, which is the mean of the shares' derivatives. A warp has one.
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

// The gradient of q: blocks as forward. It is added to to_q where gridDim.y is 1, else written to partials [gridDim.y, batch * queries, width].
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

// The gradients of k and v (null: not wanted): block (x, 0, z) has the places from x * T on of the memory, and goes along all queries.
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
attention_forward_32(const float* q, const float* k, const float* v, const unsigned char* blocked, const unsigned char* ignored, float* out, float* moments,
                     float* partials, int queries, int memory, int heads, int head, float temperature, int tiles) {
    forward<32, 64>(q, k, v, Mask{blocked, ignored, queries, memory}, out, moments, partials, heads, head, temperature, tiles);
}
extern "C" __global__ void __launch_bounds__(256)
attention_forward_64(const float* q, const float* k, const float* v, const unsigned char* blocked, const unsigned char* ignored, float* out, float* moments,
                     float* partials, int queries, int memory, int heads, int head, float temperature, int tiles) {
    forward<64, 64>(q, k, v, Mask{blocked, ignored, queries, memory}, out, moments, partials, heads, head, temperature, tiles);
}
extern "C" __global__ void __launch_bounds__(256)
attention_forward_128(const float* q, const float* k, const float* v, const unsigned char* blocked, const unsigned char* ignored, float* out, float* moments,
                      float* partials, int queries, int memory, int heads, int head, float temperature, int tiles) {
    forward<128, 32>(q, k, v, Mask{blocked, ignored, queries, memory}, out, moments, partials, heads, head, temperature, tiles);
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
