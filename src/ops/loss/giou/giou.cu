// GIoU loss; formulas in mod.rs. A thread has a rectangle and its target.
#include "harness.cuh"

#define EPSILON 1e-7f

// Width and height of the rectangle, of what both cover, and around both; the area that either covers.
struct Overlap { float own[2], shared[2], around[2], united; };

__device__ __forceinline__ Overlap overlap(const float* found, const float* wanted) {
    Overlap of;
    float other[2];
    for (int axis = 0; axis < 2; axis++) {
        of.own[axis] = found[axis + 2] - found[axis];
        other[axis] = wanted[axis + 2] - wanted[axis];
        of.around[axis] = fmaxf(found[axis + 2], wanted[axis + 2]) - fminf(found[axis], wanted[axis]);
        of.shared[axis] = fminf(found[axis + 2], wanted[axis + 2]) - fmaxf(found[axis], wanted[axis]);
    }
    if (!(of.shared[0] > 0.0f && of.shared[1] > 0.0f)) of.shared[0] = of.shared[1] = 0.0f;
    of.united = of.own[0] * of.own[1] + other[0] * other[1] - of.shared[0] * of.shared[1];
    return of;
}

// boxes, targets [count, 4], weights [count] (null: all 1) -> losses [count].
extern "C" __global__ void giou_forward(const float* boxes, const float* targets, const float* weights, float* losses, int count, float smoothing) {
    size_t at = item();
    if (at >= count) return;
    Overlap of = overlap(boxes + 4 * at, targets + 4 * at);
    float both = of.shared[0] * of.shared[1], around = of.around[0] * of.around[1];
    float loss = 1.0f - (both + smoothing) / (of.united + smoothing + EPSILON) + (around - of.united) / (around + EPSILON);
    losses[at] = weights ? weights[at] * loss : loss;
}

// to [count, 4] += upstream [1] * scale * weight * slope.
extern "C" __global__ void giou_backward(const float* boxes, const float* targets, const float* weights, const float* upstream, float* to, int count, float smoothing,
                                         float scale) {
    size_t at = item();
    if (at >= count) return;
    const float *found = boxes + 4 * at, *wanted = targets + 4 * at;
    Overlap of = overlap(found, wanted);
    float both = of.shared[0] * of.shared[1] + smoothing, united = of.united + smoothing + EPSILON, around = of.around[0] * of.around[1] + EPSILON;
    float by_both = -1.0f / united, by_union = both / (united * united) - 1.0f / around, by_around = (of.united + EPSILON) / (around * around);
    float factor = *upstream * scale * (weights ? weights[at] : 1.0f);
    for (int side = 0; side < 4; side++) {
        int across = 1 - side % 2;
        float outwards = side < 2 ? -1.0f : 1.0f, difference = outwards * (found[side] - wanted[side]);
        float outside = difference == 0.0f ? 0.5f : difference > 0.0f ? 1.0f : 0.0f;
        float shared = outwards * (1.0f - outside) * of.shared[across];
        float slope = by_both * shared + by_union * (outwards * of.own[across] - shared) + by_around * outwards * outside * of.around[across];
        to[4 * at + side] += factor * slope;
    }
}
