// Small arithmetic between the ops; formulas in mod.rs. Where nothing else is said, a thread has four
// neighbouring values of a whole tensor [rows, columns], the last thread fewer.
#include "harness.cuh"

// Up to four values from `at` on, of `count`; the rest zero.
__device__ __forceinline__ void load_some(float (&to)[4], const float* from, size_t at, size_t count) {
    if (at + 4 <= count) return load(to, from + at);
    for (int i = 0; i < 4; i++) to[i] = at + i < count ? from[at + i] : 0.0f;
}
__device__ __forceinline__ void store_some(float* to, const float (&from)[4], size_t at, size_t count) {
    if (at + 4 <= count) return store(to + at, from);
    for (int i = 0; i < 4; i++)
        if (at + i < count) to[at + i] = from[i];
}

// to += factor * from, four values; nothing where `to` is null.
__device__ __forceinline__ void add_some(float* to, const float (&from)[4], float factor, size_t at, size_t count) {
    if (!to) return;
    float sum[4];
    load_some(sum, to, at, count);
    for (int i = 0; i < 4; i++) sum[i] += factor * from[i];
    store_some(to, sum, at, count);
}

// out = a + b.
extern "C" __global__ void glue_add(const float* a, const float* b, float* out, int rows, int columns) {
    size_t count = size_t(rows) * columns, at = 4 * item();
    if (at >= count) return;
    float sum[4], other[4];
    load_some(sum, a, at, count);
    load_some(other, b, at, count);
    for (int i = 0; i < 4; i++) sum[i] += other[i];
    store_some(out, sum, at, count);
}

// out = x * factors.
extern "C" __global__ void glue_multiply(const float* x, const float* factors, float* out, int rows, int columns) {
    size_t count = size_t(rows) * columns, at = 4 * item();
    if (at >= count) return;
    float product[4], other[4];
    load_some(product, x, at, count);
    load_some(other, factors, at, count);
    for (int i = 0; i < 4; i++) product[i] *= other[i];
    store_some(out, product, at, count);
}

// to += gradient * factors.
extern "C" __global__ void glue_multiply_backward(const float* gradient, const float* factors, float* to, int rows, int columns) {
    size_t count = size_t(rows) * columns, at = 4 * item();
    if (at >= count) return;
    float product[4], other[4];
    load_some(product, gradient, at, count);
    load_some(other, factors, at, count);
    for (int i = 0; i < 4; i++) product[i] *= other[i];
    add_some(to, product, 1.0f, at, count);
}

// Adds `gradient`, times the scalar `factor` (null: 1), to the gradients of one or two inputs (null: not wanted).
extern "C" __global__ void glue_pass(const float* gradient, const float* factor, float* first, float* second, int rows, int columns) {
    size_t count = size_t(rows) * columns, at = 4 * item();
    if (at >= count) return;
    float values[4], by = factor ? *factor : 1.0f;
    load_some(values, gradient, at, count);
    add_some(first, values, by, at, count);
    add_some(second, values, by, at, count);
}

// out = x (null: zeros) + block, where block [period values] begins again and again.
extern "C" __global__ void glue_rows(const float* x, const float* block, float* out, int rows, int columns, int period) {
    size_t count = size_t(rows) * columns, at = 4 * item();
    if (at >= count) return;
    float sum[4] = {}, added[4];
    if (x) load_some(sum, x, at, count);
    if (period % 4 == 0) load(added, block + at % period);
    else
        for (int i = 0; i < 4; i++) added[i] = block[(at + i) % period];
    for (int i = 0; i < 4; i++) sum[i] += added[i];
    store_some(out, sum, at, count);
}

// out = x * s, s [1].
extern "C" __global__ void glue_scale(const float* x, const float* s, float* out, int rows, int columns) {
    size_t count = size_t(rows) * columns, at = 4 * item();
    if (at >= count) return;
    float values[4];
    load_some(values, x, at, count);
    for (int i = 0; i < 4; i++) values[i] *= *s;
    store_some(out, values, at, count);
}

// partials [gridDim.x]: the parts of the sum of a * b; a block takes every gridDim.x-th run of values.
extern "C" __global__ void glue_dot(const float* a, const float* b, float* partials, int rows, int columns) {
    __shared__ float scratch[LANES];
    size_t count = size_t(rows) * columns;
    float sum = 0.0f;
    for (size_t at = 4 * item(); at < count; at += size_t(4) * gridDim.x * blockDim.x) {
        float left[4], right[4];
        load_some(left, a, at, count);
        load_some(right, b, at, count);
        for (int i = 0; i < 4; i++) sum += left[i] * right[i];
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// The sum of a[i] * b[i] over a row, in every lane.
__device__ __forceinline__ float row_dot(const float* a, const float* b, int columns) {
    float sum = 0.0f;
    for (int i = threadIdx.x; i < columns; i += LANES) sum += a[i] * b[i];
    return warp_sum(sum);
}

// y = x / max(|x|, smallest), row by row. A warp has a row.
extern "C" __global__ void glue_normalize(const float* x, float* y, int rows, int columns, float smallest) {
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    size_t first = size_t(row) * columns;
    float scale = 1.0f / fmaxf(sqrtf(row_dot(x + first, x + first, columns)), smallest);
    for (int i = threadIdx.x; i < columns; i += LANES) y[first + i] = x[first + i] * scale;
}

extern "C" __global__ void glue_normalize_backward(const float* x, const float* y, const float* gradient, float* to_x, int rows, int columns,
                                                   float smallest) {
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    size_t first = size_t(row) * columns;
    float length = sqrtf(row_dot(x + first, x + first, columns)), scale = 1.0f / fmaxf(length, smallest);
    float along = row_dot(gradient + first, y + first, columns);
    // A row with the smallest norm is divided by a constant: no gradient goes through the norm.
    if (!(length > smallest)) along = 0.0f;
    for (int i = threadIdx.x; i < columns; i += LANES) to_x[first + i] += scale * (gradient[first + i] - along * y[first + i]);
}

// One thread: total [1] (+)= the sum of factor * term [1] over up to eight terms (null: no more), in their order.
extern "C" __global__ void glue_weighted(float* total, int begin, const float* t0, float f0, const float* t1, float f1, const float* t2, float f2,
                                         const float* t3, float f3, const float* t4, float f4, const float* t5, float f5, const float* t6, float f6,
                                         const float* t7, float f7) {
    const float* terms[] = {t0, t1, t2, t3, t4, t5, t6, t7};
    const float factors[] = {f0, f1, f2, f3, f4, f5, f6, f7};
    float sum = begin ? 0.0f : *total;
    for (int i = 0; i < 8; i++)
        if (terms[i]) sum += factors[i] * *terms[i];
    *total = sum;
}

// One thread: adds factor * gradient [1] to the gradients of up to eight terms (null: not wanted).
extern "C" __global__ void glue_weighted_backward(const float* gradient, float* t0, float f0, float* t1, float f1, float* t2, float f2, float* t3, float f3,
                                                  float* t4, float f4, float* t5, float f5, float* t6, float f6, float* t7, float f7) {
    float* terms[] = {t0, t1, t2, t3, t4, t5, t6, t7};
    const float factors[] = {f0, f1, f2, f3, f4, f5, f6, f7};
    for (int i = 0; i < 8; i++)
        if (terms[i]) *terms[i] += factors[i] * *gradient;
}

// One thread: out = min(exp(s), most), and its backward.
extern "C" __global__ void glue_exp(const float* s, float* out, float most) {
    float free = expf(*s);
    *out = free > most ? most : free;
}
extern "C" __global__ void glue_exp_backward(const float* s, const float* gradient, float* to_s, float most) {
    float free = expf(*s);
    if (free < most) *to_s += *gradient * free;
}
