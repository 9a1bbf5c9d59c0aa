#!/usr/bin/env bash
# Builds the emulated GPU (emulator.cpp) into a folder, under the names of NVIDIA's libraries:
#     tests/emulator/build.sh DIR && LD_LIBRARY_PATH=DIR cargo test --features cuda -- --ignored cuda
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="${1:?a folder for the libraries}"
mkdir -p "$out"
"${CXX:-g++}" -std=c++17 -O2 -march=native -fno-strict-aliasing -shared -fPIC -fvisibility=hidden -o "$out/libemulator.so" "$here/emulator.cpp" -ldl
cp "$here/device.h" "$out/"
for name in libcuda.so.1 libnvrtc.so.12 libnvrtc.so.13 libcublas.so.12 libcublas.so.13; do
    ln -sf libemulator.so "$out/$name"
done
