// Mean of the features under masks; formulas in mod.rs. features [batch * area, channels], weights
// [masks, area], images [masks].
#include "harness.cuh"

// masses [masks]: the sum of a mask's weights and `smallest`. A block has a mask.
extern "C" __global__ void mask_pool_masses(const float* weights, float* masses, int area, float smallest) {
    __shared__ float scratch[LANES];
    const float* mask = weights + size_t(blockIdx.x) * area;
    float sum = 0.0f;
    for (int pixel = threadIdx.x; pixel < area; pixel += blockDim.x) sum += mask[pixel];
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) masses[blockIdx.x] = sum + smallest;
}

// partials [gridDim.y, masks, channels]: block (x, y, z) sums weight * feature over the pixels from y * tile
// on of mask z, a thread for each channel. Pixels of weight zero, most of them, are passed over.
extern "C" __global__ void mask_pool_partly(const float* features, const int* images, const float* weights, float* partials, int area, int channels,
                                            int tile) {
    int channel = blockIdx.x * blockDim.x + threadIdx.x, mask = blockIdx.z, masks = gridDim.z;
    if (channel >= channels) return;
    const float* image = features + size_t(images[mask]) * area * channels + channel;
    const float* own = weights + size_t(mask) * area;
    int first = blockIdx.y * tile, end = min(first + tile, area);
    float sum = 0.0f;
    for (int pixel = first; pixel < end; pixel++) {
        float weight = own[pixel];
        if (weight != 0.0f) sum += weight * image[size_t(pixel) * channels];
    }
    partials[(size_t(blockIdx.y) * masks + mask) * channels + channel] = sum;
}

// out [masks, channels]: the sum over partials [parts, masks, channels], divided by the mask's mass.
extern "C" __global__ void mask_pool_means(const float* partials, const float* masses, float* out, int parts, int masks, int channels) {
    size_t at = item(), count = size_t(masks) * channels;
    if (at >= count) return;
    float sum = 0.0f;
    for (int part = 0; part < parts; part++) sum += partials[part * count + at];
    out[at] = sum / masses[at / channels];
}

// Adds to the gradient of the features: a thread has a channel of a pixel of image blockIdx.y, and goes along
// all masks.
extern "C" __global__ void mask_pool_backward(const int* images, const float* weights, const float* masses, const float* gradient, float* to_features,
                                              int masks, int area, int channels) {
    size_t at = item();
    if (at >= size_t(area) * channels) return;
    int pixel = at / channels, channel = at % channels;
    float sum = 0.0f;
    for (int mask = 0; mask < masks; mask++) {
        if (images[mask] != blockIdx.y) continue;
        float weight = weights[size_t(mask) * area + pixel];
        if (weight != 0.0f) sum += weight / masses[mask] * gradient[size_t(mask) * channels + channel];
    }
    to_features[size_t(blockIdx.y) * area * channels + at] += sum;
}
