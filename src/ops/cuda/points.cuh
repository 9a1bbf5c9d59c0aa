// The pixels around a point of a plane, where all outside the plane is zero: what ops/cpu/bilinear.rs calls a pair.
#pragma once

struct Around {
    // The lower and the upper pixel, moved into the axis where they lie outside, and their weights, zero outside.
    int low, high;
    float low_weight, high_weight;
    // One more than the lower pixel before it was moved, 0 to the axis' size: the cell that the point lies in.
    int cell;
};

// Along an axis of `size` pixels; `place` is 0 at the axis' beginning and 1 at its end. NaN gives weights that are NaN.
__device__ __forceinline__ Around around(float place, int size) {
    float position = place * size - 0.5f, last = size - 1.0f;
    // Two pixels beyond the edge, both pixels are outside: a larger distance gives the same result.
    if (position < -2.0f) position = -2.0f;
    if (position > size + 1.0f) position = size + 1.0f;
    float low = floorf(position), high = low + 1.0f, fraction = position - low;
    Around found;
    found.low = int(fminf(fmaxf(low, 0.0f), last));
    found.high = int(fminf(fmaxf(high, 0.0f), last));
    found.low_weight = low >= 0.0f && low <= last ? 1.0f - fraction : (1.0f - fraction) * 0.0f;
    found.high_weight = high >= 0.0f && high <= last ? fraction : fraction * 0.0f;
    found.cell = int(fminf(fmaxf(low, -1.0f), last)) + 1;
    return found;
}

// The value of `plane` [height, width], which has its pixels by their numbers, at the point (x, y).
template <typename Plane> __device__ __forceinline__ float sampled(Plane plane, int height, int width, float2 point) {
    Around x = around(point.x, width), y = around(point.y, height);
    size_t upper = size_t(y.low) * width, lower = size_t(y.high) * width;
    return y.low_weight * x.low_weight * plane[upper + x.low] + y.low_weight * x.high_weight * plane[upper + x.high] +
           y.high_weight * x.low_weight * plane[lower + x.low] + y.high_weight * x.high_weight * plane[lower + x.high];
}
