// Where logits are above 0; formula in mod.rs. A warp has a word: 32 pixels of a row.
#include "harness.cuh"

// logits [gridDim.y, columns] -> words [gridDim.y, length], the first pixel in the lowest bit. Blocks of whole warps.
extern "C" __global__ void above_zero(const float* logits, unsigned* words, int columns, int length) {
    size_t pixel = item();
    bool above = pixel < columns && logits[size_t(blockIdx.y) * columns + pixel] > 0.0f;
    unsigned word = __ballot_sync(ALL_LANES, above);
    if (pixel % LANES == 0 && pixel < columns) words[size_t(blockIdx.y) * length + pixel / LANES] = word;
}
