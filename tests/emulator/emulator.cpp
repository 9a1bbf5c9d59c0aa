// A GPU that is none: the functions of NVIDIA's driver, NVRTC and cuBLAS that `harness` calls, done on the
// CPU, so that kernels, their launch code and everything above them run where there is no GPU. It is for
// tests: correct and strict, not fast.
//
// - A kernel's text is compiled by the system's C++ compiler (`CXX`, default g++) with `device.h` before it.
// - The threads of a block are fibers; `__syncthreads` and shuffles switch between them. A barrier that some
//   thread never reaches ends the process with a message, as does a block too large.
// - Memory is full of NaN when it is given out, ends at a page that may not be touched (so a read or write 16
//   bytes past the end is a crash) and is unmapped when it is freed. Dynamic shared memory is full of NaN at
//   the start of every block.
// - Every stream does its work as late as it may: when somebody waits for it, or for an event behind it. So
//   what is read too early is not there yet, pinned memory that is written to too early is what the copy then
//   sends, and memory that another stream has freed is gone.
//
// What it does not show: races between threads that no barrier orders, bank conflicts, limits of registers, speed.
//
// Two variables are for the test of what kernels need (`src/ops/fit`):
// - `EMULATOR_LAUNCHES=FILE`: every launch that differs from those before it adds a line to the file: the kernel, the
//   threads of a block, the bytes of its dynamic shared memory.
// - `EMULATOR_RUNS_NOTHING=1`: neither kernels nor products are run, and memory is full of zeros. So the launches of a
//   network of full size are known in minutes. All numbers are wrong.
#define HARNESS_EMULATOR_ITSELF
#include "device.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <dlfcn.h>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <sys/mman.h>
#include <tuple>
#include <unistd.h>
#include <vector>

#ifndef __x86_64__
#error "the switch between fibers is written for x86-64"
#endif

namespace {

constexpr int OK = 0, NOT_READY = 600, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, NOT_FOUND = 500;
// A GPU of compute capability 8.0 with the shared memory of one, and little memory so that a leak shows. Some launches
// follow the number of multiprocessors.
constexpr int MAJOR = 8, MINOR = 0, MULTIPROCESSORS = 4, MULTIPROCESSORS_OF_H200 = 132;
constexpr size_t MOST_THREADS = 1024, MOST_SHARED = 163 << 10, FREE_SHARED = 48 << 10, STACK = 256 << 10, MEMORY = size_t(8) << 30,
    // Memory that is freed by work which waits is not free yet: from so much on nothing waits.
    WHILE_WORK_WAITS = size_t(1) << 30;

std::recursive_mutex one_at_a_time;
using Lock = std::lock_guard<std::recursive_mutex>;

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "emulated GPU: %s\n", why.c_str());
    std::abort();
}

const bool RUNS_NOTHING = std::getenv("EMULATOR_RUNS_NOTHING") != nullptr;

// ---- Fibers ----

extern "C" void harness_switch(void** from, void* to);
asm(".text\n.globl harness_switch\nharness_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");

struct Barrier {
    int alive = 0, arrived = 0;
    long generation = 0;
    void release_if_full() {
        if (alive > 0 && arrived == alive) { arrived = 0; generation++; progress = true; }
    }
    static bool progress;
};
bool Barrier::progress = false;

struct Warp { Barrier barrier; unsigned long long slots[32]; };
struct Fiber { void* stack = nullptr; void* at = nullptr; bool done = false; Emulated state; Warp* warp = nullptr; };

using Call = void (*)(void**);
struct Block { std::vector<Fiber> fibers; std::vector<Warp> warps; Barrier barrier; Call call; void** arguments; };

Block* block = nullptr;
Fiber* fiber = nullptr;
void* scheduler = nullptr;
Emulator api;

void back() { harness_switch(&fiber->at, scheduler); }

void wait_at(Barrier& barrier) {
    long before = barrier.generation;
    barrier.arrived++;
    barrier.release_if_full();
    while (barrier.generation == before) back();
}

void block_barrier() { wait_at(block->barrier); }
void warp_barrier() { wait_at(fiber->warp->barrier); }

void body() {
    block->call(block->arguments);
    fiber->done = true;
    Barrier::progress = true;
    block->barrier.alive--;
    block->barrier.release_if_full();
    fiber->warp->barrier.alive--;
    fiber->warp->barrier.release_if_full();
    for (;;) back();
}

void* new_stack() {
    void* memory = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) give_up("no memory for a stack");
    return memory;
}

// Runs one block; `current` has been filled but for the threads' coordinates.
void run(Block& current, uint3 where, dim3 threads, dim3 blocks, unsigned char* shared) {
    size_t count = size_t(threads.x) * threads.y * threads.z;
    current.warps.assign((count + 31) / 32, Warp{});
    current.barrier = Barrier{};
    current.barrier.alive = int(count);
    for (size_t i = 0; i < count; i++) {
        Fiber& one = current.fibers[i];
        one.warp = &current.warps[i / 32];
        one.warp->barrier.alive++;
        one.done = false;
        unsigned x = unsigned(i % threads.x), y = unsigned(i / threads.x % threads.y), z = unsigned(i / threads.x / threads.y);
        one.state = {{x, y, z}, where, threads, blocks, int(i % 32), one.warp->slots, shared};
        // Six registers, the address to return to, and the alignment that a call leaves.
        void** top = reinterpret_cast<void**>(static_cast<char*>(one.stack) + STACK - 72);
        top[0] = nullptr;
        top[-1] = reinterpret_cast<void*>(body);
        one.at = top - 7;
    }
    block = &current;
    for (size_t left = count; left > 0;) {
        Barrier::progress = false;
        left = 0;
        for (size_t i = 0; i < count; i++) {
            Fiber& one = current.fibers[i];
            if (one.done) continue;
            fiber = &one;
            api.at_work = &one.state;
            harness_switch(&scheduler, one.at);
            if (!one.done) left++;
        }
        if (left > 0 && !Barrier::progress) give_up("a barrier that some threads never reach");
    }
}

// ---- Streams ----

using Handle = void*;

// Work of a stream that has not been done, the oldest first.
using Work = std::function<void()>;
struct Stream { std::deque<Work> work; uint64_t given = 0, done = 0; };
struct Event { Stream* stream = nullptr; uint64_t place = 0; };

std::deque<Stream> streams;
// A thread that comes later has another one, whatever the system calls it.
thread_local Stream* own_stream = nullptr;
thread_local Handle current_context = nullptr;

// The stream that `handle` names, 2 the thread's own.
Stream& stream_of(Handle handle) {
    if (handle == nullptr) give_up("work on the stream that all threads share");
    if (!current_context) give_up("work in a thread without a context");
    if (handle != reinterpret_cast<void*>(2)) return *static_cast<Stream*>(handle);
    if (!own_stream) own_stream = &streams.emplace_back();
    return *own_stream;
}

int later(Handle handle, Work work) {
    Lock lock(one_at_a_time);
    Stream& stream = stream_of(handle);
    stream.work.push_back(std::move(work));
    stream.given++;
    return 0;
}

// Does the work of a stream that was given before `place`.
void finish(Stream& stream, uint64_t place) {
    Lock lock(one_at_a_time);
    while (stream.done < place && !stream.work.empty()) {
        Work work = std::move(stream.work.front());
        stream.work.pop_front();
        stream.done++;
        work();
    }
}

void finish_all() {
    Lock lock(one_at_a_time);
    for (Stream& stream : streams) finish(stream, stream.given);
}

// ---- Memory ----

std::map<char*, size_t> pinned;

// Whether `bytes` from `memory` lie within one piece of pinned memory.
bool is_pinned(const void* memory, size_t bytes) {
    Lock lock(one_at_a_time);
    auto after = pinned.upper_bound(const_cast<char*>(static_cast<const char*>(memory)));
    if (after == pinned.begin()) return false;
    auto& [start, size] = *std::prev(after);
    return static_cast<const char*>(memory) + bytes <= start + size;
}

struct Piece { char* start; size_t pages; size_t bytes; };
std::map<uint64_t, Piece> pieces;
size_t used = 0, used_most = 0;

int allocate(uint64_t* address, size_t bytes) {
    Lock lock(one_at_a_time);
    if (bytes == 0) return INVALID_VALUE;
    if (used + bytes > MEMORY && !RUNS_NOTHING) return OUT_OF_MEMORY;
    if (used + bytes > WHILE_WORK_WAITS) finish_all();
    size_t page = size_t(sysconf(_SC_PAGESIZE)), room = (bytes + 15) / 16 * 16;
    size_t pages = (room + page - 1) / page * page;
    void* memory = mmap(nullptr, pages + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return OUT_OF_MEMORY;
    char* start = static_cast<char*>(memory);
    mprotect(start + pages, page, PROT_NONE);
    char* first = start + pages - room;
    if (!RUNS_NOTHING) std::memset(first, 0xff, room);
    *address = reinterpret_cast<uint64_t>(first);
    pieces[*address] = {start, pages + page, bytes};
    used += bytes;
    used_most = std::max(used_most, used);
    return OK;
}

int release(uint64_t address) {
    Lock lock(one_at_a_time);
    auto found = pieces.find(address);
    if (found == pieces.end()) return INVALID_VALUE;
    munmap(found->second.start, found->second.pages);
    used -= found->second.bytes;
    pieces.erase(found);
    return OK;
}

// Whether `bytes` from `address` lie within one piece.
bool holds(uint64_t address, size_t bytes) {
    Lock lock(one_at_a_time);
    if (bytes == 0) return true;
    auto after = pieces.upper_bound(address);
    if (after == pieces.begin()) return false;
    auto& [start, piece] = *std::prev(after);
    return address + bytes <= start + piece.bytes;
}

// ---- Compiler ----

struct Program { std::string source, log, image; std::map<std::string, std::string> headers; };

std::string folder() {
    static std::string path = [] {
        char name[] = "/tmp/harness-emulator-XXXXXX";
        if (!mkdtemp(name)) give_up("no folder in /tmp");
        return std::string(name);
    }();
    return path;
}

std::string this_folder() {
    Dl_info info;
    if (!dladdr(reinterpret_cast<void*>(&give_up), &info)) give_up("cannot find its own file");
    char* path = realpath(info.dli_fname, nullptr);
    std::string text(path);
    std::free(path);
    return text.substr(0, text.rfind('/'));
}

// For every kernel a function that takes its arguments from an array of pointers, as `cuLaunchKernel` is given them,
// and the most threads of a block that its launch bounds allow.
std::string callers(const std::string& source) {
    std::regex comments("//[^\n]*"), bounds("__launch_bounds__\\(([^),]*)"),
        kernel("__global__\\s+((?:__launch_bounds__\\([^)]*\\)\\s*)?void\\s+(?:__launch_bounds__\\([^)]*\\)\\s*)?)(\\w+)\\s*\\(([^)]*)\\)");
    std::string text = std::regex_replace(source, comments, "");
    std::ostringstream out;
    for (std::sregex_iterator it(text.begin(), text.end(), kernel), end; it != end; ++it) {
        std::string before = (*it)[1], name = (*it)[2], list = (*it)[3];
        std::smatch bound;
        std::string most = std::regex_search(before, bound, bounds) ? bound[1].str() : std::to_string(MOST_THREADS);
        out << "extern \"C\" void harness_call_" << name << "(void** p) { " << name << "(";
        std::istringstream parameters(list);
        std::ostringstream sizes;
        std::string parameter;
        for (int i = 0; std::getline(parameters, parameter, ','); i++) {
            size_t last = parameter.find_last_not_of(" \t\n");
            size_t split = parameter.find_last_of(" \t\n*&", last) + 1;
            std::string type = std::regex_replace(parameter.substr(0, split), std::regex("__restrict__"), "");
            out << (i ? ", " : "") << "*(std::remove_const_t<" << type << ">*)p[" << i << "]";
            sizes << "sizeof(" << type << "), ";
        }
        out << "); }\n";
        out << "extern \"C\" const unsigned long harness_sizes_" << name << "[] = {" << sizes.str() << "0};\n";
        out << "extern \"C\" const unsigned long harness_most_" << name << " = " << most << ";\n";
    }
    return out.str();
}

int compile(Program& program) {
    static int number = 0;
    std::string base = folder() + "/" + std::to_string(getpid()) + "-" + std::to_string(number++);
    for (auto& [name, text] : program.headers) std::ofstream(folder() + "/" + name) << text;
    std::ofstream(base + ".cpp") << "#include \"device.h\"\n#include <type_traits>\n#line 1 \"kernel\"\n" << program.source << "\n" << callers(program.source);
    const char* compiler = std::getenv("CXX");
    std::string command = std::string(compiler ? compiler : "g++") + " -std=c++17 -O2 -g1 -march=native -ffp-contract=off -w -shared -fPIC -I" + this_folder() + " -I" + folder() +
        " -o " + base + ".so " + base + ".cpp 2> " + base + ".log";
    int code = std::system(command.c_str());
    std::ifstream log(base + ".log");
    program.log.assign(std::istreambuf_iterator<char>(log), {});
    // Linux keeps an open file: what is compiled is loaded from this path, for as long as the process lives.
    program.image = base + ".so";
    return code == 0 ? 0 : 6;
}

struct Module { void* library; };
// `sizes`: of the arguments, in bytes, 0 at the end. `most`: threads of a block.
struct Function { Call call; const unsigned long* sizes; size_t most; std::string name; size_t shared_allowed = FREE_SHARED; };

void write_down(const std::string& kernel, size_t threads, size_t shared) {
    static const char* file = std::getenv("EMULATOR_LAUNCHES");
    static std::set<std::tuple<std::string, size_t, size_t>> seen;
    if (!file) return;
    Lock lock(one_at_a_time);
    if (!seen.emplace(kernel, threads, shared).second) return;
    // One write per line: other processes may add theirs.
    std::string line = kernel + " " + std::to_string(threads) + " " + std::to_string(shared) + "\n";
    int to = open(file, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (to < 0 || write(to, line.data(), line.size()) != ssize_t(line.size())) give_up(std::string("cannot write to ") + file);
    close(to);
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default"))) int

// ---- The driver ----

EXPORT cuInit(unsigned) { return OK; }
EXPORT cuDriverGetVersion(int* version) { *version = 12080; return OK; }
EXPORT cuDeviceGet(int* device, int number) { *device = number; return number == 0 ? OK : INVALID_DEVICE; }
EXPORT cuDeviceGetCount(int* count) { *count = 1; return OK; }
EXPORT cuDeviceGetName(char* name, int length, int) { std::snprintf(name, size_t(length), "emulated GPU"); return OK; }
EXPORT cuDeviceGetAttribute(int* value, unsigned attribute, int) {
    switch (attribute) {
        case 16: *value = RUNS_NOTHING ? MULTIPROCESSORS_OF_H200 : MULTIPROCESSORS; break;
        case 75: *value = MAJOR; break;
        case 76: *value = MINOR; break;
        case 97: *value = int(MOST_SHARED); break;
        case 115: *value = 1; break;  // It has memory pools.
        default: *value = 0;
    }
    return OK;
}
EXPORT cuDeviceGetDefaultMemPool(Handle* pool, int) { *pool = &pieces; return OK; }
EXPORT cuDevicePrimaryCtxRetain(Handle* context, int) { *context = &pieces; return OK; }
EXPORT cuDevicePrimaryCtxRelease_v2(int) { return OK; }

EXPORT cuCtxSetCurrent(Handle context) { current_context = context; return OK; }
EXPORT cuCtxGetCurrent(Handle* context) { *context = current_context; return OK; }
EXPORT cuCtxSynchronize() { finish_all(); return OK; }
EXPORT cuGetErrorString(unsigned code, const char** text) {
    *text = code == OUT_OF_MEMORY ? "out of memory" : code == INVALID_VALUE ? "invalid argument" : "an error";
    return OK;
}
EXPORT cuGetErrorName(unsigned code, const char** text) { return cuGetErrorString(code, text); }
EXPORT cuEventCreate(Handle* event, unsigned) { *event = new Event; return OK; }
EXPORT cuEventRecord(Handle event, Handle stream) {
    Lock lock(one_at_a_time);
    Stream& behind = stream_of(stream);
    *static_cast<Event*>(event) = {&behind, behind.given};
    return OK;
}
EXPORT cuEventDestroy_v2(Handle event) { delete static_cast<Event*>(event); return OK; }
EXPORT cuEventQuery(Handle event) {
    Lock lock(one_at_a_time);
    auto& [stream, place] = *static_cast<Event*>(event);
    return !stream || stream->done >= place ? OK : NOT_READY;
}
EXPORT cuEventSynchronize(Handle event) {
    Lock lock(one_at_a_time);
    auto& [stream, place] = *static_cast<Event*>(event);
    if (stream) finish(*stream, place);
    return OK;
}
EXPORT cuStreamCreate(Handle* stream, unsigned) {
    Lock lock(one_at_a_time);
    *stream = &streams.emplace_back();
    return OK;
}
EXPORT cuStreamSynchronize(Handle stream) {
    Lock lock(one_at_a_time);
    Stream& one = stream_of(stream);
    finish(one, one.given);
    return OK;
}
EXPORT cuStreamWaitEvent(Handle stream, Handle event, unsigned) {
    Event now = *static_cast<Event*>(event);
    return later(stream, [now] { if (now.stream) finish(*now.stream, now.place); });
}
EXPORT cuStreamDestroy_v2(Handle) { return OK; }

// Every call that touches the device must come from a thread that has its context.
#define NEEDS_CONTEXT if (!current_context) return 201

EXPORT cuMemAlloc_v2(uint64_t* address, size_t bytes) { NEEDS_CONTEXT; return allocate(address, bytes); }
EXPORT cuMemFree_v2(uint64_t address) { NEEDS_CONTEXT; return release(address); }
EXPORT cuMemAllocAsync(uint64_t* address, size_t bytes, Handle) { NEEDS_CONTEXT; return allocate(address, bytes); }
EXPORT cuMemFreeAsync(uint64_t address, Handle stream) {
    NEEDS_CONTEXT;
    return later(stream, [=] { if (release(address) != OK) give_up("memory that is not there is freed"); });
}
EXPORT cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
    NEEDS_CONTEXT;
    Lock lock(one_at_a_time);
    *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!*memory) return OUT_OF_MEMORY;
    std::memset(*memory, 0xff, bytes);
    pinned[static_cast<char*>(*memory)] = bytes;
    return OK;
}
EXPORT cuMemGetInfo_v2(size_t* available, size_t* total) { *total = MEMORY; *available = MEMORY - used; return OK; }
EXPORT cuMemPoolSetAttribute(Handle, unsigned, void*) { return OK; }
EXPORT cuMemPoolGetAttribute(Handle, unsigned attribute, void* value) {
    *static_cast<uint64_t*>(value) = attribute == 8 ? used_most : used;
    return OK;
}
static void* at(uint64_t address) { return reinterpret_cast<void*>(address); }
static int copy(void* to, const void* from, size_t bytes, bool inside) {
    NEEDS_CONTEXT;
    Lock lock(one_at_a_time);
    if (!inside) return INVALID_VALUE;
    finish_all();
    std::memmove(to, from, bytes);
    return OK;
}
static int copy_later(void* to, const void* from, size_t bytes, bool inside, Handle stream) {
    NEEDS_CONTEXT;
    if (!inside) return INVALID_VALUE;
    return later(stream, [=] { std::memmove(to, from, bytes); });
}
EXPORT cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) { return copy(at(to), at(from), bytes, holds(to, bytes) && holds(from, bytes)); }
EXPORT cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) { return copy(to, at(from), bytes, holds(from, bytes)); }
EXPORT cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) { return copy(at(to), from, bytes, holds(to, bytes)); }
EXPORT cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, Handle stream) {
    // Where nothing is run, both are full of zeros, which take no memory as long as nobody writes them.
    if (RUNS_NOTHING) return OK;
    return copy_later(at(to), at(from), bytes, holds(to, bytes) && holds(from, bytes), stream);
}
// Memory that is not pinned: the call returns when the copy has ended.
EXPORT cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, Handle stream) {
    int code = copy_later(to, at(from), bytes, holds(from, bytes), stream);
    return code != OK || is_pinned(to, bytes) ? code : cuStreamSynchronize(stream);
}
// Memory that is not pinned: the call returns when the driver has read it.
EXPORT cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, Handle stream) {
    if (is_pinned(from, bytes)) return copy_later(at(to), from, bytes, holds(to, bytes), stream);
    NEEDS_CONTEXT;
    if (!holds(to, bytes)) return INVALID_VALUE;
    std::string read(static_cast<const char*>(from), bytes);
    return later(stream, [to, read] { std::memcpy(at(to), read.data(), read.size()); });
}
static int may_fill(uint64_t to, size_t bytes) {
    NEEDS_CONTEXT;
    return bytes == 0 || !holds(to, bytes) ? INVALID_VALUE : OK;
}
// Where nothing is run, memory keeps its zeros.
EXPORT cuMemsetD8_v2(uint64_t to, unsigned char value, size_t bytes) {
    Lock lock(one_at_a_time);
    int code = may_fill(to, bytes);
    if (code == OK && !RUNS_NOTHING) finish_all(), std::memset(at(to), value, bytes);
    return code;
}
EXPORT cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, Handle stream) {
    int code = may_fill(to, bytes);
    return code != OK || RUNS_NOTHING ? code : later(stream, [=] { std::memset(at(to), value, bytes); });
}

EXPORT cuMemsetD32Async(uint64_t to, unsigned value, size_t count, Handle stream) {
    int code = to % 4 ? INVALID_VALUE : may_fill(to, 4 * count);
    return code != OK || RUNS_NOTHING ? code : later(stream, [=] { std::fill_n(static_cast<unsigned*>(at(to)), count, value); });
}

EXPORT cuModuleLoadData(Handle* module, const void* image) {
    NEEDS_CONTEXT;
    Lock lock(one_at_a_time);
    void* library = dlopen(static_cast<const char*>(image), RTLD_NOW | RTLD_LOCAL);
    if (!library) { std::fprintf(stderr, "emulated GPU: %s\n", dlerror()); return INVALID_VALUE; }
    api.block_barrier = block_barrier;
    api.warp_barrier = warp_barrier;
    reinterpret_cast<void (*)(Emulator*)>(dlsym(library, "harness_bind"))(&api);
    *module = new Module{library};
    return OK;
}
EXPORT cuModuleLoad(Handle* module, const char*) { *module = nullptr; return NOT_FOUND; }
EXPORT cuModuleGetFunction(Handle* function, Handle module, const char* name) {
    void* found = dlsym(static_cast<Module*>(module)->library, (std::string("harness_call_") + name).c_str());
    if (!found) return NOT_FOUND;
    auto* sizes = static_cast<const unsigned long*>(dlsym(static_cast<Module*>(module)->library, (std::string("harness_sizes_") + name).c_str()));
    auto* most = static_cast<const unsigned long*>(dlsym(static_cast<Module*>(module)->library, (std::string("harness_most_") + name).c_str()));
    *function = new Function{reinterpret_cast<Call>(found), sizes, *most, name};
    return OK;
}
EXPORT cuModuleUnload(Handle) { return OK; }
EXPORT cuFuncSetAttribute(Handle function, unsigned attribute, int value) {
    if (attribute != 8 || size_t(value) > MOST_SHARED) return INVALID_VALUE;
    static_cast<Function*>(function)->shared_allowed = size_t(value);
    return OK;
}
static void run_grid(const Function& function, dim3 blocks, dim3 threads, size_t shared_bytes, void** arguments) {
    size_t count = size_t(threads.x) * threads.y * threads.z;
    static Block current;
    while (current.fibers.size() < count) current.fibers.push_back({new_stack()});
    current.call = function.call;
    current.arguments = arguments;
    std::vector<unsigned char> shared(shared_bytes + 16);
    unsigned char* aligned = shared.data() + (16 - reinterpret_cast<uintptr_t>(shared.data()) % 16) % 16;
    for (unsigned c = 0; c < blocks.z; c++)
        for (unsigned b = 0; b < blocks.y; b++)
            for (unsigned a = 0; a < blocks.x; a++) {
                std::fill(shared.begin(), shared.end(), 0xff);
                run(current, {a, b, c}, threads, blocks, aligned);
            }
}
EXPORT cuLaunchKernel(Handle handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned x, unsigned y, unsigned z, unsigned shared_bytes, Handle stream,
                      void** arguments, void**) {
    NEEDS_CONTEXT;
    auto* function = static_cast<Function*>(handle);
    size_t count = size_t(x) * y * z;
    if (count == 0 || count > function->most || z > 64 || grid_x == 0 || grid_y == 0 || grid_z == 0 || grid_y > 65535 || grid_z > 65535) return INVALID_VALUE;
    if (shared_bytes > function->shared_allowed) return INVALID_VALUE;
    write_down(function->name, count, shared_bytes);
    if (RUNS_NOTHING) return OK;
    // The arguments are read now, the kernel runs later.
    std::vector<std::vector<unsigned char>> values;
    for (size_t i = 0; function->sizes[i]; i++) {
        auto* first = static_cast<unsigned char*>(arguments[i]);
        values.emplace_back(first, first + function->sizes[i]);
    }
    return later(stream, [=]() mutable {
        std::vector<void*> places;
        for (auto& value : values) places.push_back(value.data());
        run_grid(*function, {grid_x, grid_y, grid_z}, {x, y, z}, shared_bytes, places.data());
    });
}

// ---- NVRTC ----

EXPORT nvrtcVersion(int* major, int* minor) {
    // Never what another process may have kept on disk: what is compiled lies in this process' own folder.
    *major = -1;
    *minor = int(getpid());
    return OK;
}
EXPORT nvrtcGetNumSupportedArchs(int* count) { *count = 1; return OK; }
EXPORT nvrtcGetSupportedArchs(int* known) { known[0] = 10 * MAJOR + MINOR; return OK; }
EXPORT nvrtcCreateProgram(Handle* program, const char* source, const char*, int headers, const char* const* texts, const char* const* names) {
    auto* one = new Program{source};
    for (int i = 0; i < headers; i++) one->headers[names[i]] = texts[i];
    *program = one;
    return OK;
}
EXPORT nvrtcCompileProgram(Handle program, int, const char* const*) {
    Lock lock(one_at_a_time);
    return compile(*static_cast<Program*>(program));
}
static int text_size(const std::string& text, size_t* bytes) { *bytes = text.size() + 1; return OK; }
static int text_into(const std::string& text, char* to) { std::memcpy(to, text.c_str(), text.size() + 1); return OK; }
EXPORT nvrtcGetProgramLogSize(Handle program, size_t* bytes) { return text_size(static_cast<Program*>(program)->log, bytes); }
EXPORT nvrtcGetProgramLog(Handle program, char* to) { return text_into(static_cast<Program*>(program)->log, to); }
EXPORT nvrtcGetCUBINSize(Handle program, size_t* bytes) { return text_size(static_cast<Program*>(program)->image, bytes); }
EXPORT nvrtcGetCUBIN(Handle program, char* to) { return text_into(static_cast<Program*>(program)->image, to); }
EXPORT nvrtcGetPTXSize(Handle, size_t* bytes) { *bytes = 0; return INVALID_VALUE; }
EXPORT nvrtcGetPTX(Handle, char*) { return INVALID_VALUE; }
EXPORT nvrtcDestroyProgram(Handle* program) { delete static_cast<Program*>(*program); *program = nullptr; return OK; }

// ---- cuBLAS ----

// A handle is the place of its stream.
EXPORT cublasCreate_v2(Handle* handle) { *handle = new Handle(nullptr); return OK; }
EXPORT cublasDestroy_v2(Handle handle) { delete static_cast<Handle*>(handle); return OK; }
EXPORT cublasSetStream_v2(Handle handle, Handle stream) { *static_cast<Handle*>(handle) = stream; return OK; }

// `value` with `bits` bits of significand after the first, to the nearest, ties to even.
static float rounded(float value, int bits) {
    if (bits >= 23 || !std::isfinite(value)) return value;
    uint32_t raw;
    std::memcpy(&raw, &value, 4);
    uint32_t drop = uint32_t(23 - bits), half = 1u << (drop - 1), odd = (raw >> drop) & 1u;
    raw = (raw + half - 1 + odd) >> drop << drop;
    std::memcpy(&value, &raw, 4);
    return value;
}
EXPORT cublasGemmStridedBatchedEx(Handle handle, int trans_a, int trans_b, int m, int n, int k, const void* alpha, const void* a, int type_a, int lda, int64_t stride_a,
                                  const void* b, int type_b, int ldb, int64_t stride_b, const void* beta, void* c, int type_c, int ldc, int64_t stride_c, int count,
                                  int compute, int) {
    if (type_a != 0 || type_b != 0 || type_c != 0) return 15;
    if (m < 0 || n < 0 || k < 0 || count < 0 || lda < (trans_a ? k : m) || ldb < (trans_b ? n : k) || ldc < m) return 7;
    if (RUNS_NOTHING) return OK;
    int bits = compute == 75 ? 7 : compute == 77 ? 10 : 23;
    float by = *static_cast<const float*>(alpha), keep = *static_cast<const float*>(beta);
    return later(*static_cast<Handle*>(handle), [=] {
        for (int i = 0; i < count; i++) {
            const float* left = static_cast<const float*>(a) + i * stride_a;
            const float* right = static_cast<const float*>(b) + i * stride_b;
            float* out = static_cast<float*>(c) + i * stride_c;
            // Column-major; both packed so that the sum runs along memory.
            std::vector<float> rows(size_t(m) * k), columns(size_t(k) * n);
            for (int row = 0; row < m; row++)
                for (int step = 0; step < k; step++) rows[size_t(row) * k + step] = rounded(trans_a ? left[step + size_t(row) * lda] : left[row + size_t(step) * lda], bits);
            for (int column = 0; column < n; column++)
                for (int step = 0; step < k; step++)
                    columns[size_t(column) * k + step] = rounded(trans_b ? right[column + size_t(step) * ldb] : right[step + size_t(column) * ldb], bits);
            for (int column = 0; column < n; column++)
                for (int row = 0; row < m; row++) {
                    double sum = 0;
                    for (int step = 0; step < k; step++) sum += double(rows[size_t(row) * k + step]) * columns[size_t(column) * k + step];
                    float& place = out[row + size_t(column) * ldc];
                    place = by * float(sum) + (keep == 0 ? 0 : keep * place);
                }
        }
    });
}
EXPORT cublasSgemm_v2(Handle handle, int trans_a, int trans_b, int m, int n, int k, const float* alpha, const float* a, int lda, const float* b, int ldb,
                      const float* beta, float* c, int ldc) {
    return cublasGemmStridedBatchedEx(handle, trans_a, trans_b, m, n, k, alpha, a, 0, lda, 0, b, 0, ldb, 0, beta, c, 0, ldc, 0, 1, 68, -1);
}
