// What is left of the loss at points; formulas in mod.rs. A thread has a point.
#include "harness.cuh"
#include "points.cuh"

// planes [rows]: the plane [height, width] of each row, or null; points [rows, count] -> weights [rows, count].
extern "C" __global__ void weights_at(const float* const* planes, const float2* points, float* weights, int rows, int count, int height, int width) {
    size_t at = item();
    if (at >= size_t(rows) * count) return;
    const float* plane = planes[at / count];
    weights[at] = plane ? 1.0f - sampled(plane, height, width, points[at]) : 1.0f;
}
