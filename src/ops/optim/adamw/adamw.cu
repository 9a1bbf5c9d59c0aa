// AdamW over all parameters at once; formulas in mod.rs. A block has a chunk of a parameter. Every array
// begins at a multiple of 16 bytes, as does every chunk.
#include "harness.cuh"
#include "many.cuh"

struct Update {
    // The clipping's factor, 1 - rate * decay, rate / (1 - beta_1^t), 1 / sqrt(1 - beta_2^t).
    float scale, keep, size, root, beta1, beta2, epsilon;

    __device__ __forceinline__ void apply(float& value, float g, float& m, float& v) const {
        g *= scale;
        m = beta1 * m + (1.0f - beta1) * g;
        v = beta2 * v + (1.0f - beta2) * g * g;
        value = value * keep - size * m / (sqrtf(v) * root + epsilon);
    }
};

// values, gradients [tensors]: addresses; starts [tensors]: where the moments of each begin in first and
// second; kinds [tensors]: 1: at the backbone's rate, 2: decayed; clip [2] of clip_factor.
extern "C" __global__ void adamw(const int2* chunks, const int* lengths, int chunk, const unsigned long long* values, const unsigned long long* gradients,
                                 const unsigned long long* starts, const int* kinds, float* first, float* second, const float* clip, float size, float keep,
                                 float backbone_size, float backbone_keep, float root, float beta1, float beta2, float epsilon) {
    Chunk mine = chunk_of_block(chunks, lengths, chunk);
    int kind = kinds[mine.tensor];
    bool backbone = kind & 1, decayed = kind & 2;
    Update update = {clip[1], decayed ? (backbone ? backbone_keep : keep) : 1.0f, backbone ? backbone_size : size, root, beta1, beta2, epsilon};
    float* value = values_at(values, mine.tensor);
    const float* gradient = values_at(gradients, mine.tensor);
    float *m = first + starts[mine.tensor], *v = second + starts[mine.tensor];
    int i = mine.first + 4 * threadIdx.x;
    for (; i + 3 < mine.end; i += 4 * blockDim.x) {
        float4 g4 = *reinterpret_cast<const float4*>(gradient + i), m4 = *reinterpret_cast<float4*>(m + i), v4 = *reinterpret_cast<float4*>(v + i),
               w4 = *reinterpret_cast<float4*>(value + i);
        update.apply(w4.x, g4.x, m4.x, v4.x);
        update.apply(w4.y, g4.y, m4.y, v4.y);
        update.apply(w4.z, g4.z, m4.z, v4.z);
        update.apply(w4.w, g4.w, m4.w, v4.w);
        *reinterpret_cast<float4*>(m + i) = m4;
        *reinterpret_cast<float4*>(v + i) = v4;
        *reinterpret_cast<float4*>(value + i) = w4;
    }
    for (; i < mine.end; i++) update.apply(value[i], gradient[i], m[i], v[i]);
}
