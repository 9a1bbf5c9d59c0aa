// Bilinear samples of planes at points; formulas in mod.rs. Forward a thread has a point,
// backward a pixel.
#include "harness.cuh"
#include "points.cuh"

// planes [n, height, width], rows [rows]: the plane of each, points [rows, count] -> values [rows, count].
extern "C" __global__ void point_sample_forward(const float* planes, const int* rows, const float2* points, float* values, int row_count, int count, int height,
                                                int width) {
    size_t at = item();
    if (at >= size_t(row_count) * count) return;
    const float* plane = planes + size_t(rows[at / count]) * height * width;
    values[at] = sampled(plane, height, width, points[at]);
}

// Where a pixel finds the points that read it: every point is put into the list of its cell, and the group of
// rows that read its plane. heads [groups, height + 1, width + 1], zeros: one more than the number of the
// first point, 0: none; next [row_count, count]: the same for what follows. The atomics are on integers, and
// whoever reads a list sorts it: the order in which points come does not show.
extern "C" __global__ void point_sample_lists(const float2* points, const int* groups, int* heads, int* next, int row_count, int count, int height, int width) {
    size_t at = item();
    if (at >= size_t(row_count) * count) return;
    Around x = around(points[at].x, width), y = around(points[at].y, height);
    bool outside = (x.low_weight == 0.0f && x.high_weight == 0.0f) || (y.low_weight == 0.0f && y.high_weight == 0.0f);
    if (outside) return;
    size_t cell = (size_t(groups[at / count]) * (height + 1) + y.cell) * (width + 1) + x.cell;
    next[at] = atomicExch(&heads[cell], int(at) + 1);
}

// The sum over the points of a list, from the lowest number on, of gradient * weight for the pixel that is
// the lower (0) or the upper (1) one of their cell along each axis.
__device__ float sum_of_list(int head, const int* next, const float2* points, const float* gradient, int height, int width, int upper_x, int upper_y) {
    float total = 0.0f;
    for (int last = 0;;) {
        // Lists are short: to look for the next number costs less than to sort.
        int found = 0;
        for (int one = head; one != 0; one = next[one - 1])
            if (one > last && (found == 0 || one < found)) found = one;
        if (found == 0) return total;
        Around x = around(points[found - 1].x, width), y = around(points[found - 1].y, height);
        total += gradient[found - 1] * (upper_x ? x.high_weight : x.low_weight) * (upper_y ? y.high_weight : y.low_weight);
        last = found;
    }
}

// to [n, height, width], of the planes [groups] alone, += the gradients of the samples that read each pixel.
extern "C" __global__ void point_sample_backward(const int* planes, const int* heads, const int* next, const float2* points, const float* gradient, float* to,
                                                 int groups, int height, int width) {
    size_t at = item(), area = size_t(height) * width;
    if (at >= groups * area) return;
    size_t group = at / area, pixel = at % area;
    int y = int(pixel / width), x = int(pixel % width);
    const int* cells = heads + group * (height + 1) * (width + 1);
    float total = 0.0f;
    // The cell at whose upper end the pixel lies is one before that at whose lower end it lies.
    for (int upper_y = 1; upper_y >= 0; upper_y--)
        for (int upper_x = 1; upper_x >= 0; upper_x--) {
            int head = cells[size_t(y + 1 - upper_y) * (width + 1) + (x + 1 - upper_x)];
            if (head) total += sum_of_list(head, next, points, gradient, height, width, upper_x, upper_y);
        }
    if (total != 0.0f) to[size_t(planes[group]) * area + pixel] += total;
}
