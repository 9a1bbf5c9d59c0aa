// The norm of the gradients of all parameters. A block has a chunk of a gradient. Every array begins at a multiple of
// 16 bytes, as does every chunk.
#include "harness.cuh"
#include "many.cuh"

// gradients [tensors]: addresses -> partials [gridDim.x]: sums of squares.
extern "C" __global__ void sum_of_squares(const int2* chunks, const int* lengths, int chunk, const unsigned long long* gradients, float* partials) {
    __shared__ float scratch[LANES];
    Chunk mine = chunk_of_block(chunks, lengths, chunk);
    const float* gradient = values_at(gradients, mine.tensor);
    float4 sums = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    int i = mine.first + 4 * threadIdx.x;
    for (; i + 3 < mine.end; i += 4 * blockDim.x) {
        float4 g = *reinterpret_cast<const float4*>(gradient + i);
        sums.x += g.x * g.x;
        sums.y += g.y * g.y;
        sums.z += g.z * g.z;
        sums.w += g.w * g.w;
    }
    // At most one thread has a rest, of less than four values.
    for (; i < mine.end; i++) sums.x += gradient[i] * gradient[i];
    float sum = block_sum((sums.x + sums.y) + (sums.z + sums.w), scratch);
    if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// partials [count] -> result [2]: the norm, and the factor min(1, most / (norm + epsilon)) that clips the
// gradient; one block.
extern "C" __global__ void clip_factor(const float* partials, float* result, int count, float most, float epsilon) {
    __shared__ float scratch[LANES];
    float sum = 0.0f;
    for (int i = threadIdx.x; i < count; i += blockDim.x) sum += partials[i];
    float norm = sqrtf(block_sum(sum, scratch));
    if (threadIdx.x == 0) {
        result[0] = norm;
        result[1] = fminf(most / (norm + epsilon), 1.0f);
    }
}
