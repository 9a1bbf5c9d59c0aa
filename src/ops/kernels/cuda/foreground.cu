// How large and how sure resized masks are; formulas in ops/foreground.rs. A block has every gridDim.y-th line of a resized plane.
#include "harness.cuh"

// The lower pixel and the weight of the upper one, for output pixel `index` of a resize; `scale` is size / target.
__device__ __forceinline__ int lower(int index, int size, float scale, float& weight) {
    float position = fmaxf(scale * (index + 0.5f) - 0.5f, 0.0f);
    int low = min(int(position), size - 1);
    weight = position - low;
    return low;
}

// planes [gridDim.x, height, width] -> parts [gridDim.x, gridDim.y, 2]: the sum of the probabilities of the pixels above 0 of the plane
// resized to [rows, columns], and their number.
extern "C" __global__ void foreground(const float* planes, float* parts, int height, int width, int rows, int columns) {
    __shared__ float scratch[LANES];
    const float* plane = planes + size_t(blockIdx.x) * height * width;
    float down_scale = float(height) / float(rows), right_scale = float(width) / float(columns), mass = 0.0f, area = 0.0f;
    for (int row = blockIdx.y; row < rows; row += gridDim.y) {
        float down, line = 0.0f;
        int y = lower(row, height, down_scale, down);
        const float *upper = plane + size_t(y) * width, *under = plane + size_t(min(y + 1, height - 1)) * width;
        for (int column = threadIdx.x; column < columns; column += blockDim.x) {
            float right;
            int x = lower(column, width, right_scale, right), beside = min(x + 1, width - 1);
            float left_value = upper[x] + down * (under[x] - upper[x]);
            float right_value = upper[beside] + down * (under[beside] - upper[beside]);
            float logit = left_value + right * (right_value - left_value);
            if (logit > 0.0f) {
                line += 1.0f / (1.0f + expf(-logit));
                area += 1.0f;
            }
        }
        // Lines first: fewer terms of one size in every sum.
        mass += line;
    }
    mass = block_sum(mass, scratch);
    area = block_sum(area, scratch);
    if (threadIdx.x == 0) {
        float* part = parts + 2 * (size_t(blockIdx.x) * gridDim.y + blockIdx.y);
        part[0] = mass;
        part[1] = area;
    }
}
