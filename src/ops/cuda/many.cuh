// What kernels over the chunks of many tensors share (many.rs).
#pragma once

struct Chunk {
    int tensor;
    // The values of the tensor that are this block's.
    int first, end;
};

// The chunk of this block: chunks [gridDim.x] (tensor, number), lengths [tensors]. Every chunk has
// `chunk` values; the last one of a tensor may have fewer.
__device__ __forceinline__ Chunk chunk_of_block(const int2* chunks, const int* lengths, int chunk) {
    int2 place = chunks[blockIdx.x];
    int first = place.y * chunk, length = lengths[place.x];
    return {place.x, first, length - first > chunk ? first + chunk : length};
}

// The values at an address of a table.
__device__ __forceinline__ float* values_at(const unsigned long long* addresses, int tensor) { return reinterpret_cast<float*>(addresses[tensor]); }
