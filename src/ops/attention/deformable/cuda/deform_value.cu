// The gradient of the values of deformable attention, without atomic additions: the samples of an image and
// head are sorted by the cell between four pixels in which they lie, then every pixel gathers from its four
// cells. Shapes as in deform_attention.cu.
//
// A level of height h and width w has (h + 1) * (w + 1) cells, row by row: cell (y, x) has the pixels (y - 1,
// x - 1) to (y, x) at its corners, those outside left out. A list is an image and head; its items are the
// samples, query by query. A run is some neighbouring pixels of a row: few where many samples come to a
// pixel. levels [level_count, LEVEL]: height, width; tokens, cells and runs of the levels before; pixels of a
// run.
#include "harness.cuh"

#define LEVEL 6
// Samples that are fetched at a time, so that the ways to memory overlap.
#define AHEAD 4

// The pixel below a position, no farther than one before and one after the axis.
__device__ __forceinline__ float below(float position, float size) {
    position = position < -2.0f ? -2.0f : position;
    return floorf(position > size + 1.0f ? size + 1.0f : position);
}

// For every sample of the images from `first_image` on (a block has a query of one) its cell and what the
// gathering needs: cells [lists, items], records [lists, items]: fractions of x and y, share, query. A sample
// with no corner inside has the cell `cells`.
extern "C" __global__ void deform_cells(const float* offsets, const float* shares, const float* reference, const int* levels, int* cells, float4* records,
                                        int first_image, int queries, int heads, int level_count, int points, int none) {
    int row = blockIdx.x, query = row % queries, image = row / queries, samples = level_count * points;
    size_t first = (size_t(first_image) * queries + row) * heads * samples;
    for (int i = threadIdx.x; i < heads * samples; i += blockDim.x) {
        int head = i / samples, s = i % samples;
        const int* level = levels + s / points * LEVEL;
        float height = level[0], width = level[1];
        float x = reference[2 * query] * width + offsets[2 * (first + i)] - 0.5f;
        float y = reference[2 * query + 1] * height + offsets[2 * (first + i) + 1] - 0.5f;
        float low_x = below(x, width), low_y = below(y, height);
        bool outside = low_x < -1.0f || low_x > width - 1.0f || low_y < -1.0f || low_y > height - 1.0f;
        // NaN is put into the first row or column, so that it is not lost.
        int cell_x = int(fmaxf(low_x, -1.0f)) + 1, cell_y = int(fmaxf(low_y, -1.0f)) + 1;
        size_t at = (size_t(image * heads + head) * queries + query) * samples + s;
        cells[at] = outside ? none : level[3] + cell_y * (level[1] + 1) + cell_x;
        records[at] = make_float4(x - low_x, y - low_y, shares[first + i], __int_as_float(query));
    }
}

// starts [lists, cells + 1], ids [lists, items]: the samples cell by cell; adds to the values' gradient.
// `lanes` threads have a run of pixels, WIDE columns each at a time. They walk along the cells of the rows
// above and below: a cell gives to the pixel on its left and to the next one.
template <int WIDE>
__device__ __forceinline__ void gather(const float4* records, const int* ids, const int* starts, const int* levels, const float* gradient, float* to_value,
                                       int first_image, int queries, int tokens, int heads, int head, int level_count, int samples, int cells, int runs,
                                       int lanes) {
    size_t at = item();
    if (at / lanes >= runs) return;
    int run = at / lanes, lane = at % lanes, list = blockIdx.y, image = first_image + list / heads, columns = heads * head;
    const int* level = levels;
    for (int l = 1; l < level_count && levels[l * LEVEL + 4] <= run; l++) level = levels + l * LEVEL;
    int width = level[1], of_row = (width + level[5] - 1) / level[5];
    int y = (run - level[4]) / of_row, first = (run - level[4]) % of_row * level[5], end = min(first + level[5], width);
    size_t items = size_t(queries) * samples;
    records += list * items;
    ids += list * items;
    starts += size_t(list) * (cells + 1);
    gradient += size_t(image) * queries * columns + list % heads * head;
    to_value += (size_t(image) * tokens + level[2] + y * width) * columns + list % heads * head;
    for (int column = lane * WIDE; column < head; column += lanes * WIDE) {
        float sum[WIDE] = {};
        for (int x = first; x <= end; x++) {
            float next[WIDE] = {};
            for (int row = y; row <= y + 1; row++) {
                const int* cell = starts + level[3] + row * (width + 1) + x;
                for (int i = cell[0], last = cell[1]; i < last; i += AHEAD) {
                    float4 record[AHEAD];
                    float g[AHEAD][WIDE];
#pragma unroll
                    for (int e = 0; e < AHEAD; e++)
                        if (i + e < last) record[e] = records[ids[i + e]];
#pragma unroll
                    for (int e = 0; e < AHEAD; e++)
                        if (i + e < last) load(g[e], gradient + size_t(__float_as_int(record[e].w)) * columns + column);
#pragma unroll
                    for (int e = 0; e < AHEAD; e++) {
                        if (i + e >= last) break;
                        float factor = record[e].z * (row == y ? record[e].y : 1.0f - record[e].y);
                        float left = factor * (1.0f - record[e].x), right = factor * record[e].x;
#pragma unroll
                        for (int k = 0; k < WIDE; k++) {
                            sum[k] += left * g[e][k];
                            next[k] += right * g[e][k];
                        }
                    }
                }
            }
            if (x > first) {
                float* to = to_value + size_t(x - 1) * columns + column;
                float before[WIDE];
                load(before, to);
#pragma unroll
                for (int k = 0; k < WIDE; k++) before[k] += sum[k];
                store(to, before);
            }
#pragma unroll
            for (int k = 0; k < WIDE; k++) sum[k] = next[k];
        }
    }
}

extern "C" __global__ void deform_gather_1(const float4* records, const int* ids, const int* starts, const int* levels, const float* gradient,
                                           float* to_value, int first_image, int queries, int tokens, int heads, int head, int level_count, int samples,
                                           int cells, int runs, int lanes) {
    gather<1>(records, ids, starts, levels, gradient, to_value, first_image, queries, tokens, heads, head, level_count, samples, cells, runs, lanes);
}

extern "C" __global__ void deform_gather_4(const float4* records, const int* ids, const int* starts, const int* levels, const float* gradient,
                                           float* to_value, int first_image, int queries, int tokens, int heads, int head, int level_count, int samples,
                                           int cells, int runs, int lanes) {
    gather<4>(records, ids, starts, levels, gradient, to_value, first_image, queries, tokens, heads, head, level_count, samples, cells, runs, lanes);
}
