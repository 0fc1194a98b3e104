/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cuda_runtime.h"
#include "driver.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <deque>
#include <mutex>
#include <vector>

/* --- threads of a block --- */

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace
{

constexpr size_t STACK = 64 << 10;
constexpr unsigned WARP = 32, MOST_THREADS = 1024;

enum State { RUNNABLE, AT_BLOCK, AT_WARP, DONE };

/* Where to resume. Uses the compiler's own jumps, since sanitizers scan the whole stack on the library's. */
using Place = jmp_buf;

/* Created once and reused for all blocks. Contexts are only for the first entry: jumps need no system call. */
struct Fiber {
  ucontext_t context;
  Place place;
  char *stack;
  State state;
  uint3 index;
};

std::mutex device; /* one launch at a time */
Fiber fibers[MOST_THREADS];
Place scheduler;
Fiber *current; /* NULL: a thread that runs without a fiber */
const std::function<void ()> *kernel;
float exchanged[MOST_THREADS];
int predicates[MOST_THREADS];
unsigned launches;

[[noreturn]] void
fail (const char *what)
{
  fprintf (stderr, "CUDA emulator: block (%u, %u, %u), thread (%u, %u, %u): %s\n", blockIdx.x, blockIdx.y, blockIdx.z,
           threadIdx.x, threadIdx.y, threadIdx.z, what);
  abort ();
}

/* A separate function from the one that set the place, as the compiler requires. */
[[noreturn, gnu::noinline]] void
jump (jmp_buf place)
{
  _longjmp (place, 1);
}

void
leave (Fiber *self)
{
  if (_setjmp (self->place) == 0)
    jump (scheduler);
}

void
run_fiber ()
{
  for (;;) {
    (*kernel) ();
    current->state = DONE;
    leave (current);
  }
}

void
enter (Fiber *fiber)
{
  if (fiber->stack != nullptr)
    jump (fiber->place);
  fiber->stack = static_cast<char *> (malloc (STACK));
  getcontext (&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack;
  fiber->context.uc_stack.ss_size = STACK;
  makecontext (&fiber->context, run_fiber, 0);
  setcontext (&fiber->context);
}

void
resume (Fiber *fiber)
{
  current = fiber;
  threadIdx = fiber->index;
  if (_setjmp (scheduler) == 0)
    enter (fiber);
  current = nullptr;
}

void
wait (State where)
{
  if (current == nullptr)
    fail ("waits for others, but the first thread of its block did not");
  current->state = where;
  leave (current);
}

unsigned
linear (const uint3 &index)
{
  return (index.z * blockDim.y + index.y) * blockDim.x + index.x;
}

/* Releases those of [begin, end) that wait at @where, if none of them is elsewhere. */
bool
release (unsigned begin, unsigned end, State where)
{
  bool any = false;

  for (unsigned t = begin; t < end; t++) {
    if (fibers[t].state != where && fibers[t].state != DONE)
      return false;
    any |= fibers[t].state == where;
  }
  for (unsigned t = begin; t < end; t++)
    if (fibers[t].state == where)
      fibers[t].state = RUNNABLE;
  return any;
}

/* Every second launch runs threads in reverse order: code that only works in one order lacks a barrier. */
void
run_until_done (unsigned n, bool backwards)
{
  for (;;) {
    for (unsigned k = 0; k < n; k++) {
      Fiber *fiber = &fibers[backwards ? n - 1 - k : k];
      if (fiber->state == RUNNABLE)
        resume (fiber);
    }
    bool released = release (0, n, AT_BLOCK), done = true;
    for (unsigned begin = 0; begin < n; begin += WARP)
      released |= release (begin, begin + WARP < n ? begin + WARP : n, AT_WARP);
    for (unsigned t = 0; t < n; t++)
      done &= fibers[t].state == DONE;
    if (done)
      return;
    if (!released)
      fail ("threads wait at different barriers, and none can go on");
  }
}

/* The first thread shows whether the kernel has barriers; without any, the others need no fibers. */
void
run_block (unsigned n, bool backwards)
{
  for (unsigned t = 0; t < n; t++)
    fibers[t].index = { t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y };
  fibers[0].state = RUNNABLE;
  resume (&fibers[0]);
  if (fibers[0].state == DONE) {
    for (unsigned t = 1; t < n; t++) {
      threadIdx = fibers[t].index;
      (*kernel) ();
    }
    return;
  }
  for (unsigned t = 1; t < n; t++)
    fibers[t].state = RUNNABLE;
  run_until_done (n, backwards);
}

void
run_grid (dim3 grid, dim3 block, const std::function<void ()> &body)
{
  const std::lock_guard<std::mutex> guard (device);

  kernel = &body;
  gridDim = grid;
  blockDim = block;
  launches++;
  for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
    for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
      for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++)
        run_block (block.x * block.y * block.z, launches % 2);
}

} // namespace

void
__syncthreads ()
{
  wait (AT_BLOCK);
}

void
__syncwarp (unsigned)
{
  wait (AT_WARP);
}

float
emulated_shuffle (float value, unsigned lane)
{
  const unsigned self = linear (threadIdx);

  exchanged[self] = value;
  wait (AT_WARP);
  const float found = exchanged[self / WARP * WARP + lane];
  wait (AT_WARP);
  return found;
}

unsigned
emulated_ballot (int predicate)
{
  const unsigned self = linear (threadIdx), n = blockDim.x * blockDim.y * blockDim.z;
  unsigned bits = 0;

  predicates[self] = predicate;
  wait (AT_WARP);
  for (unsigned lane = 0; lane < WARP && self / WARP * WARP + lane < n; lane++)
    bits |= (predicates[self / WARP * WARP + lane] != 0) << lane;
  wait (AT_WARP);
  return bits;
}

/* --- the runtime --- */

struct CUgraph_st {
  std::vector<std::function<void ()>> work;
};

struct CUgraphExec_st {
  std::vector<std::function<void ()>> work;
};

/* Work is deferred until it is waited for, to detect data that is used or changed too early. During capture, a stream
 * adds work to the graph. */
struct CUstream_st {
  CUgraph_st *captured;
  CUcontext context; /* NULL: the primary context */
  struct Work {
    std::function<void ()> run;
    bool releases; /* frees memory, which also happens on a lost device */
  };
  std::deque<Work> pending = {};
  std::recursive_mutex guard = {};
};

struct CUevent_st {
  double seconds;
  bool is_pending;
  cudaStream_t stream;
};

namespace
{

thread_local cudaError_t last = cudaSuccess;

/* DICENET_EMULATED_GPU, words in it: what the device is like. "none", "old-driver", "lost", "dies", which is lost
 * only when somebody waits for work, "memory=BYTES", "sm=75", "processors=1". */
const char *
setting (const char *name)
{
  const char *all = getenv ("DICENET_EMULATED_GPU"), *at = all ? strstr (all, name) : nullptr;
  return at ? at + strlen (name) : nullptr;
}

int
number (const char *name, int otherwise)
{
  const char *text = setting (name);
  return text ? atoi (text) : otherwise;
}

size_t allocated;
std::mutex memory;

cudaError_t
give (cudaError_t error)
{
  if (error != cudaSuccess)
    last = error;
  return error;
}

/* A stream can only be used in its own context. */
cudaError_t
check_context (cudaStream_t stream)
{
  CUcontext current_context;

  cuCtxGetCurrent (&current_context);
  return stream == nullptr || stream->context == current_context ? cudaSuccess : give (cudaErrorInvalidResourceHandle);
}

cudaError_t
enqueue (cudaStream_t stream, std::function<void ()> work)
{
  if (setting ("lost"))
    return give (cudaErrorIllegalAddress);
  if (check_context (stream) != cudaSuccess)
    return cudaErrorInvalidResourceHandle;
  if (stream == nullptr)
    fail ("work on the default stream, which waits for all others");
  const std::lock_guard<std::recursive_mutex> guard (stream->guard);
  if (stream->captured)
    stream->captured->work.push_back (work);
  else
    stream->pending.push_back ({ work, false });
  return cudaSuccess;
}

/* Runs pending work, up to the event if there is one; on a lost device, only frees memory. */
cudaError_t
drain (cudaStream_t stream, cudaEvent_t until)
{
  const bool is_lost = setting ("lost") || setting ("dies");
  const std::lock_guard<std::recursive_mutex> guard (stream->guard);

  while (!stream->pending.empty () && (is_lost || !until || until->is_pending)) {
    const CUstream_st::Work work = stream->pending.front ();
    stream->pending.pop_front ();
    if (work.releases || !is_lost)
      work.run ();
  }
  return is_lost ? give (cudaErrorIllegalAddress) : cudaSuccess;
}

/* The size is stored in front of the memory. */
cudaError_t
allocate (void **out, size_t size, size_t limit)
{
  const std::lock_guard<std::mutex> guard (memory);
  void *memory_of_it = nullptr;

  /* Exactly the requested size: AddressSanitizer detects reads beyond it. */
  if ((limit && allocated + size > limit) || posix_memalign (&memory_of_it, 256, 256 + size) != 0)
    return give (cudaErrorMemoryAllocation);
  char *block = static_cast<char *> (memory_of_it);
  memset (block + 256, 0xff, size); /* NaN, to detect reads of uninitialised memory */
  memcpy (block, &size, sizeof size);
  allocated += size;
  *out = block + 256;
  return cudaSuccess;
}

/* Returns the block to free, or NULL. */
void *
account_for (void *at)
{
  const std::lock_guard<std::mutex> guard (memory);
  size_t size;

  if (at == nullptr)
    return nullptr;
  memcpy (&size, static_cast<char *> (at) - 256, sizeof size);
  allocated -= size;
  return static_cast<char *> (at) - 256;
}

} // namespace

cudaError_t
emulated_launch (const cudaLaunchConfig_t *config, std::function<void ()> body)
{
  const dim3 grid = config->gridDim, block = config->blockDim;

  if (config->dynamicSmemBytes != 0 || block.x * block.y * block.z > MOST_THREADS || block.x * block.y * block.z == 0 ||
      grid.x * grid.y * grid.z == 0 || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535)
    return give (cudaErrorInvalidValue);
  return enqueue (config->stream, [=] { run_grid (grid, block, body); });
}

extern "C" {

const char *
cudaGetErrorString (cudaError_t error)
{
  switch (error) {
  case cudaSuccess:
    return "no error";
  case cudaErrorMemoryAllocation:
    return "out of memory";
  case cudaErrorInsufficientDriver:
    return "CUDA driver version is insufficient for CUDA runtime version";
  case cudaErrorNoDevice:
    return "no CUDA-capable device is detected";
  case cudaErrorInvalidDevice:
    return "invalid device ordinal";
  case cudaErrorIllegalAddress:
    return "an illegal memory access was encountered";
  case cudaErrorInvalidResourceHandle:
    return "invalid resource handle";
  case cudaErrorNotReady:
    return "device not ready";
  default:
    return "invalid argument";
  }
}

cudaError_t
cudaGetLastError (void)
{
  const cudaError_t error = last;
  last = cudaSuccess;
  return error;
}

cudaError_t
cudaDriverGetVersion (int *version)
{
  *version = setting ("old-driver") ? 10000 : setting ("none") ? 0 : 13000;
  return cudaSuccess;
}

cudaError_t
cudaRuntimeGetVersion (int *version)
{
  *version = 13000;
  return cudaSuccess;
}

cudaError_t
cudaGetDeviceCount (int *count)
{
  *count = 0;
  if (setting ("old-driver"))
    return give (cudaErrorInsufficientDriver);
  if (setting ("none"))
    return give (cudaErrorNoDevice);
  *count = 1;
  return cudaSuccess;
}

cudaError_t
cudaGetDevice (int *device)
{
  *device = 0;
  return cudaSuccess;
}

cudaError_t
cudaSetDevice (int device)
{
  cuCtxSetCurrent (nullptr);
  return device == 0 ? cudaSuccess : give (cudaErrorInvalidDevice);
}

/* As documented by NVIDIA for each compute capability. */
static int
threads_per_processor (int capability)
{
  return capability == 75 ? 1024 : capability == 86 || capability == 89 ? 1536 : 2048;
}

cudaError_t
cudaDeviceGetAttribute (int *value, cudaDeviceAttr attribute, int)
{
  const int capability = number ("sm=", 90);

  switch (attribute) {
  case cudaDevAttrMultiProcessorCount:
    *value = number ("processors=", 4);
    return cudaSuccess;
  case cudaDevAttrMaxThreadsPerMultiProcessor:
    *value = threads_per_processor (capability);
    return cudaSuccess;
  case cudaDevAttrComputeCapabilityMajor:
    *value = capability / 10;
    return cudaSuccess;
  case cudaDevAttrComputeCapabilityMinor:
    *value = capability % 10;
    return cudaSuccess;
  }
  return give (cudaErrorInvalidValue);
}

cudaError_t
cudaGetDeviceProperties (cudaDeviceProp *properties, int device)
{
  *properties = { "Emulated GPU", 0, 0 };
  cudaDeviceGetAttribute (&properties->major, cudaDevAttrComputeCapabilityMajor, device);
  return cudaDeviceGetAttribute (&properties->minor, cudaDevAttrComputeCapabilityMinor, device);
}

cudaError_t
cudaStreamCreateWithFlags (cudaStream_t *stream, unsigned)
{
  CUcontext context;

  cuCtxGetCurrent (&context);
  *stream = setting ("lost") ? nullptr : new CUstream_st{ nullptr, context, {}, {} };
  return *stream ? cudaSuccess : give (cudaErrorIllegalAddress);
}

cudaError_t
cudaStreamDestroy (cudaStream_t stream)
{
  drain (stream, nullptr);
  delete stream;
  return cudaSuccess;
}

cudaError_t
cudaStreamSynchronize (cudaStream_t stream)
{
  const cudaError_t result = check_context (stream);
  return result == cudaSuccess ? drain (stream, nullptr) : result;
}

cudaError_t
cudaEventCreate (cudaEvent_t *event)
{
  *event = new CUevent_st{ 0, false, nullptr };
  return cudaSuccess;
}

cudaError_t
cudaEventDestroy (cudaEvent_t event)
{
  if (event->is_pending && !setting ("lost") && !setting ("dies"))
    fail ("an event is destroyed that is waited for");
  delete event;
  return cudaSuccess;
}

cudaError_t
cudaEventRecord (cudaEvent_t event, cudaStream_t stream)
{
  event->is_pending = true;
  event->stream = stream;
  return enqueue (stream, [=] {
    struct timespec t;
    clock_gettime (CLOCK_MONOTONIC, &t);
    event->seconds = (double) t.tv_sec + (double) t.tv_nsec / 1e9;
    event->is_pending = false;
  });
}

cudaError_t
cudaEventSynchronize (cudaEvent_t event)
{
  if (event->stream == nullptr)
    return cudaSuccess;
  return drain (event->stream, event);
}

cudaError_t
cudaEventElapsedTime (float *milliseconds, cudaEvent_t begin, cudaEvent_t end)
{
  if (begin->is_pending || end->is_pending)
    return give (cudaErrorNotReady);
  *milliseconds = (float) ((end->seconds - begin->seconds) * 1000);
  return cudaSuccess;
}

cudaError_t
cudaMallocAsync (void **out, size_t size, cudaStream_t stream)
{
  const char *limit = setting ("memory=");

  if (check_context (stream) != cudaSuccess)
    return cudaErrorInvalidResourceHandle;
  return allocate (out, size, limit ? strtoull (limit, nullptr, 10) : 0);
}

cudaError_t
cudaFreeAsync (void *at, cudaStream_t stream)
{
  if (check_context (stream) != cudaSuccess)
    return cudaErrorInvalidResourceHandle; /* the memory leaks, which a sanitizer detects */
  void *block = account_for (at); /* for later allocations in stream order */
  const std::lock_guard<std::recursive_mutex> guard (stream->guard);
  stream->pending.push_back ({ [=] { free (block); }, true });
  return cudaSuccess;
}

cudaError_t
cudaMallocHost (void **out, size_t size)
{
  return allocate (out, size, 0);
}

cudaError_t
cudaFreeHost (void *at)
{
  free (account_for (at));
  return cudaSuccess;
}

cudaError_t
cudaMemcpyAsync (void *to, const void *from, size_t size, cudaMemcpyKind, cudaStream_t stream)
{
  return enqueue (stream, [=] { memcpy (to, from, size); });
}

cudaError_t
cudaMemsetAsync (void *at, int value, size_t size, cudaStream_t stream)
{
  return enqueue (stream, [=] { memset (at, value, size); });
}

cudaError_t
cudaStreamBeginCapture (cudaStream_t stream, cudaStreamCaptureMode)
{
  stream->captured = new CUgraph_st;
  return cudaSuccess;
}

cudaError_t
cudaStreamEndCapture (cudaStream_t stream, cudaGraph_t *graph)
{
  *graph = stream->captured;
  stream->captured = nullptr;
  return cudaSuccess;
}

cudaError_t
cudaGraphInstantiate (cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
  *exec = new CUgraphExec_st{ graph->work };
  return cudaSuccess;
}

cudaError_t
cudaGraphLaunch (cudaGraphExec_t exec, cudaStream_t stream)
{
  const auto all = exec->work; /* the graph may be destroyed meanwhile */
  return enqueue (stream, [=] {
    for (const auto &work : all)
      work ();
  });
}

cudaError_t
cudaGraphExecDestroy (cudaGraphExec_t exec)
{
  delete exec;
  return cudaSuccess;
}

cudaError_t
cudaGraphDestroy (cudaGraph_t graph)
{
  delete graph;
  return cudaSuccess;
}

} // extern "C"
