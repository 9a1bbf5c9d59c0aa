// What every query of an image costs for its objects; formulas in mask_costs.rs and mod.rs.
// For the masks a block has a query, for the classes a warp.
#include "harness.cuh"
#include "points.cuh"

// Points that a block keeps in shared memory at a time.
#define TILE 1024

// planes [n, height, width] of mask logits, of which image i has `queries` from firsts[i] on; starts
// [images + 1]: where the objects of each image begin; points [images, count]; objects [total, count]: what
// each is there -> costs [2, total, queries]: binary cross-entropy, dice. Dynamic shared memory: three sums
// for every object of the image with the most of them.
extern "C" __global__ void mask_costs(const float* planes, const int* firsts, const int* starts, const float2* points, const float* objects, float* costs, int total,
                                      int queries, int count, int height, int width) {
    SHARED(float, sums);
    __shared__ float logits[TILE], probabilities[TILE], scratch[LANES];
    int query = blockIdx.x, image = blockIdx.y, lane = threadIdx.x % LANES, warp = threadIdx.x / LANES, warps = blockDim.x / LANES;
    int start = starts[image], own = starts[image + 1] - start;
    const float* plane = planes + (size_t(firsts[image]) + query) * height * width;
    const float2* places = points + size_t(image) * count;
    float softplus = 0.0f, covered = 0.0f;
    for (int first = 0; first < count; first += TILE) {
        int here = min(TILE, count - first);
        for (int i = threadIdx.x; i < here; i += blockDim.x) {
            float x = sampled(plane, height, width, places[first + i]);
            float small = expf(-fabsf(x)), p = (x >= 0.0f ? 1.0f : small) / (1.0f + small);
            logits[i] = x;
            probabilities[i] = p;
            softplus += fmaxf(x, 0.0f) + log1pf(small);
            covered += p;
        }
        __syncthreads();
        // A warp has every warps-th object, always the same ones: their sums are its own.
        for (int object = warp; object < own; object += warps) {
            const float* wanted = objects + (size_t(start) + object) * count + first;
            float along = 0.0f, both = 0.0f, area = 0.0f;
            for (int i = lane; i < here; i += LANES) {
                float t = wanted[i];
                along += logits[i] * t;
                both += probabilities[i] * t;
                area += t;
            }
            along = warp_sum(along);
            both = warp_sum(both);
            area = warp_sum(area);
            if (lane == 0) {
                float* sum = sums + 3 * object;
                sum[0] = first ? sum[0] + along : along;
                sum[1] = first ? sum[1] + both : both;
                sum[2] = first ? sum[2] + area : area;
            }
        }
        __syncthreads();
    }
    softplus = block_sum(softplus, scratch);
    covered = block_sum(covered, scratch);
    for (int object = threadIdx.x; object < own; object += blockDim.x) {
        const float* sum = sums + 3 * object;
        size_t at = (size_t(start) + object) * queries + query;
        costs[at] = (softplus - sum[0]) / count;
        costs[size_t(total) * queries + at] = 1.0f - (2.0f * sum[1] + 1.0f) / (covered + sum[2] + 1.0f);
    }
}

// logits [n, classes]; firsts, starts as above, wanted [total]: the class of each object -> probabilities
// [total, queries].
extern "C" __global__ void class_probabilities(const float* logits, const int* firsts, const int* starts, const int* wanted, float* probabilities, int queries,
                                               int classes) {
    int query = blockIdx.x * blockDim.y + threadIdx.y, image = blockIdx.y, lane = threadIdx.x;
    if (query >= queries) return;
    const float* z = logits + (size_t(firsts[image]) + query) * classes;
    float most = -INFINITE, mass = 0.0f;
    for (int i = lane; i < classes; i += LANES) most = fmaxf(most, z[i]);
    most = warp_max(most);
    for (int i = lane; i < classes; i += LANES) mass += expf(z[i] - most);
    mass = warp_sum(mass);
    for (int object = starts[image] + lane; object < starts[image + 1]; object += LANES)
        probabilities[size_t(object) * queries + query] = expf(z[wanted[object]] - most) / mass;
}
