// Small masks, pasted into images; formulas in mod.rs.
#include "points.cuh"
#include "resize.cuh"

// A mask [side, side] that pixels read at their centres; bounds: x1, y1, x2, y2.
struct Sampled {
    const float* mask;
    int side;
    float4 bounds;
    __device__ __forceinline__ float at(int row, int column) const {
        float width = bounds.z - bounds.x, height = bounds.w - bounds.y;
        if (!(width > 0.0f && height > 0.0f)) return 0.0f;
        return sampled(mask, side, side, make_float2((column + 0.5f - bounds.x) / width, (row + 0.5f - bounds.y) / height));
    }
};

// A mask [side, side] that is resized to the pixels corners: x1, y1 to x2, y2, all of them included.
struct Expanded {
    const float* mask;
    int side;
    int4 corners;
    __device__ __forceinline__ float at(int row, int column) const {
        if (row < corners.y || row > corners.w || column < corners.x || column > corners.z) return 0.0f;
        float down = float(side) / float(corners.w - corners.y + 1), right = float(side) / float(corners.z - corners.x + 1);
        return resized(mask, side, pair_of(row - corners.y, side, down), pair_of(column - corners.x, side, right));
    }
};

__device__ __forceinline__ float logit(float probability, float most) {
    probability = fminf(probability, 1.0f);
    return fminf(fmaxf(logf(probability) - logf(1.0f - probability), -most), most);
}

// A thread has a pixel of the image blockIdx.y.
template <typename Mask> __device__ __forceinline__ void write_logits(Mask mask, float* logits, int height, int width, float most) {
    size_t at = item(), area = size_t(height) * width;
    if (at < area) logits[blockIdx.y * area + at] = logit(mask.at(int(at / width), int(at % width)), most);
}

// A block has the image blockIdx.x.
template <typename Mask> __device__ __forceinline__ void write_area(Mask mask, float* areas, int height, int width) {
    __shared__ float scratch[LANES];
    float count = 0.0f;
    for (int row = 0; row < height; row++)
        for (int column = threadIdx.x; column < width; column += blockDim.x) count += mask.at(row, column) > 0.5f ? 1.0f : 0.0f;
    count = block_sum(count, scratch);
    if (threadIdx.x == 0) areas[blockIdx.x] = count;
}

// masks [n, side, side], places [n] -> logits [n, height, width] within most of 0; gridDim.y = n.
extern "C" __global__ void paste_sampled(const float* masks, const float4* places, float* logits, int side, int height, int width, float most) {
    write_logits(Sampled{masks + size_t(blockIdx.y) * side * side, side, places[blockIdx.y]}, logits, height, width, most);
}
extern "C" __global__ void paste_expanded(const float* masks, const int4* places, float* logits, int side, int height, int width, float most) {
    write_logits(Expanded{masks + size_t(blockIdx.y) * side * side, side, places[blockIdx.y]}, logits, height, width, most);
}

// masks [n, side, side], places [n] -> areas [n]: the pixels above 0.5; gridDim.x = n.
extern "C" __global__ void area_sampled(const float* masks, const float4* places, float* areas, int side, int height, int width) {
    write_area(Sampled{masks + size_t(blockIdx.x) * side * side, side, places[blockIdx.x]}, areas, height, width);
}
extern "C" __global__ void area_expanded(const float* masks, const int4* places, float* areas, int side, int height, int width) {
    write_area(Expanded{masks + size_t(blockIdx.x) * side * side, side, places[blockIdx.x]}, areas, height, width);
}
