// Multi-head attention with a mask, forward; formulas in ../mod.rs, shapes in attention.cuh. The
// scores exist only tile by tile, in registers and shared memory; the softmax is scaled anew whenever a tile
// brings a larger score.
#include "attention.cuh"

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

// Block (x, y, z): queries from x * T on, tiles y, y + 1, ... of the memory (`tiles` of them), head z of the
// batch * heads. Where gridDim.y is 1 it writes out and moments [batch * heads, queries, 2] (largest score, 1
// / sum), else partials [gridDim.y, batch * heads, queries, head + 2]: the sum of the values, the largest
// score, the sum of the shares.
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
            // No place is open so far: there is no share, and nothing to scale.
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

// partials [parts, batch * heads, queries, head + 2] -> out, moments. A warp has a query's head: index =
// (image * heads + h) * queries + query.
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
