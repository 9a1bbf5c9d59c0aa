// Stochastic gradient descent over all parameters at once; formula in mod.rs. A block has a chunk of a parameter.
#include "harness.cuh"
#include "many.cuh"

// values, gradients [tensors]: addresses; starts [tensors]: where the velocity of each begins; kinds [tensors]: 1: at
// the backbone's rate, 2: decayed; clip [2]: norm and factor.
extern "C" __global__ void sgd(const int2* chunks, const int* lengths, int chunk, const unsigned long long* values, const unsigned long long* gradients,
                               const unsigned long long* starts, const int* kinds, float* velocities, const float* clip, float rate, float backbone_rate,
                               float weight_decay, float momentum) {
    Chunk mine = chunk_of_block(chunks, lengths, chunk);
    int kind = kinds[mine.tensor];
    float own_rate = kind & 1 ? backbone_rate : rate, decay = kind & 2 ? weight_decay : 0.0f;
    float* value = values_at(values, mine.tensor);
    const float* gradient = values_at(gradients, mine.tensor);
    float* velocity = velocities + starts[mine.tensor];
    for (int i = mine.first + threadIdx.x; i < mine.end; i += blockDim.x) {
        float v = momentum * velocity[i] + (gradient[i] * clip[1] + decay * value[i]);
        velocity[i] = v;
        value[i] -= own_rate * v;
    }
}
