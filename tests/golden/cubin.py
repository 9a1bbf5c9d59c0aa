"""Machine code of NVRTC and what NVIDIA's cuobjdump tells of it: a kernel with launch bounds, shared memory and a stack, and one without.

    pip download --no-deps nvidia-cuda-nvrtc-cu12==12.8.93 nvidia-cuda-nvrtc==13.2.86 nvidia-cuda-cuobjdump==13.2.86    # and unpack them
    python tests/golden/cubin.py .../libnvrtc.so.12 .../cuobjdump 12.8    # writes tests/golden/cubin/12.8.cubin and 12.8.txt
    python tests/golden/cubin.py .../libnvrtc.so.13 .../cuobjdump 13.2
"""

import ctypes
import subprocess
import sys
from pathlib import Path

SOURCE = b"""
extern "C" __global__ void __launch_bounds__(96) heavy(const int* places, float* values, int count) {
    __shared__ float sums[37];
    volatile float own[25];
    for (int i = 0; i < count; i++) own[places[i] % 25] = values[i];
    sums[threadIdx.x % 37] = own[places[threadIdx.x] % 25];
    __syncthreads();
    values[threadIdx.x] = sums[places[threadIdx.x] % 37];
}
extern "C" __global__ void light(float* values) { values[threadIdx.x] += 1.0f; }
"""


def main():
    library, cuobjdump, name = sys.argv[1:]
    nvrtc = ctypes.CDLL(library)
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    options = [b"--gpu-architecture=sm_90"]
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), SOURCE, b"golden.cu", 0, None, None) == 0
    assert nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options)) == 0
    assert nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)) == 0
    code = ctypes.create_string_buffer(size.value)
    assert nvrtc.nvrtcGetCUBIN(program, code) == 0
    folder = Path(__file__).parent / "cubin"
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.cubin"
    file.write_bytes(code.raw)
    told = subprocess.run([cuobjdump, "-res-usage", file], check=True, capture_output=True, text=True).stdout
    (folder / f"{name}.txt").write_text(told.strip("\n") + "\n")


if __name__ == "__main__":
    main()
