// How large and how sure resized masks are; formulas in mod.rs. A block has every gridDim.y-th
// line of a resized plane.
#include "resize.cuh"

// planes [gridDim.x, height, width] -> parts [gridDim.x, gridDim.y, 2]: the sum of the probabilities of the
// pixels above 0 of the plane resized to [rows, columns], and their number.
extern "C" __global__ void foreground(const float* planes, float* parts, int height, int width, int rows, int columns) {
    __shared__ float scratch[LANES];
    const float* plane = planes + size_t(blockIdx.x) * height * width;
    float down_scale = float(height) / float(rows), right_scale = float(width) / float(columns), mass = 0.0f, area = 0.0f;
    for (int row = blockIdx.y; row < rows; row += gridDim.y) {
        float line = 0.0f;
        Pair across = pair_of(row, height, down_scale);
        for (int column = threadIdx.x; column < columns; column += blockDim.x) {
            float logit = resized(plane, width, across, pair_of(column, width, right_scale));
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
