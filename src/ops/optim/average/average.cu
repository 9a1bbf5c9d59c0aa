// The moving average of all parameters at once; formula in mod.rs. A block has a chunk of a parameter.
#include "harness.cuh"
#include "many.cuh"

__device__ __forceinline__ float moved(float teacher, float student, float part) { return teacher + part * (student - teacher); }

// teachers, students [tensors]: addresses; every teacher moves by `part` of the way to its student. Equal
// values stay equal.
extern "C" __global__ void average(const int2* chunks, const int* lengths, int chunk, const unsigned long long* teachers, const unsigned long long* students,
                                   float part) {
    Chunk mine = chunk_of_block(chunks, lengths, chunk);
    float* teacher = values_at(teachers, mine.tensor);
    const float* student = values_at(students, mine.tensor);
    int i = mine.first + 4 * threadIdx.x;
    for (; i + 3 < mine.end; i += 4 * blockDim.x) {
        float4 t = *reinterpret_cast<float4*>(teacher + i), s = *reinterpret_cast<const float4*>(student + i);
        t = make_float4(moved(t.x, s.x, part), moved(t.y, s.y, part), moved(t.z, s.z, part), moved(t.w, s.w, part));
        *reinterpret_cast<float4*>(teacher + i) = t;
    }
    for (; i < mine.end; i++) teacher[i] = moved(teacher[i], student[i], part);
}
