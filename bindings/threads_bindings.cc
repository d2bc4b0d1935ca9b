// The module of several threads: the functions that js/threads/backend.ts calls. A part of a batch is a job, with a
// call of its own.
#include <emscripten/bind.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "bindings/call.h"
#include "bindings/parts.h"
#include "bindings/staging.h"
#include "loss/parallel_loss.h"

namespace {

using mlml::Status;

// A status beside those of mlml::Status.
constexpr int32_t kWorkerDied = -1;

// Losses of fewer tasks are not shared while a model is trained: see kLeastParts in parts.h.
constexpr size_t kLeastTasks = 10;

mlml::KernelCall calls[mlml::ThreadPool::kJobs];

// Never destroyed: its threads end with their workers.
mlml::ParallelLoss* parallel_loss = nullptr;

uintptr_t CallAddress(uint32_t job) { return reinterpret_cast<uintptr_t>(&calls[job]); }

void StartThreads(uint32_t threads) { parallel_loss = new mlml::ParallelLoss(threads); }

// Returns the address of zeros for a tensor, which live as long as the module; or 0 when memory is exhausted.
uintptr_t AllocateZeros(size_t bytes) { return reinterpret_cast<uintptr_t>(std::calloc(bytes, 1)); }

// Checks the rows of a job and makes room for them on every thread.
int32_t Validate(uint32_t job) {
  mlml::KernelCall& call = calls[job];
  return call.Report(call.Dispatch(
      [&](const auto& rows, auto* grad) { return parallel_loss->Prepare(rows, call.options(), grad != nullptr); }));
}

// Starts a job that was validated.
void Start(uint32_t job) {
  const mlml::KernelCall& call = calls[job];
  call.Dispatch(
      [&](const auto& rows, auto* grad) { parallel_loss->Start(job, rows, call.options(), call.losses_data(), grad); });
}

// Waits for a job that was started.
int32_t Finish(uint32_t job) {
  if (!parallel_loss->Finish(job)) return kWorkerDied;
  calls[job].SumLosses();
  return static_cast<int32_t>(Status::kOk);
}

// Runs a batch of one part as job 0, from Validate to Finish.
int32_t Compute() {
  const int32_t status = Validate(0);
  if (status != static_cast<int32_t>(Status::kOk)) return status;
  Start(0);
  return Finish(0);
}

}  // namespace

namespace mlml {

size_t NumThreads() { return parallel_loss->threads(); }

void RunTasks(ThreadPool::Run run, const void* job, uint32_t tasks) {
  ThreadPool& pool = parallel_loss->pool();
  pool.Start(0, run, job, tasks);
  if (!pool.Finish(0)) __builtin_trap();
}

Outcome ComputeRows(const Rows<float>& rows, const Options& options, double* losses, float* grad) {
  if (ParallelLoss::NumTasks(rows) < kLeastTasks) {
    static Workspace workspace;
    return MultilabelMarginLoss(rows, options, losses, grad, workspace);
  }
  const Outcome outcome = parallel_loss->Prepare(rows, options, grad != nullptr);
  if (outcome.status != Status::kOk) return outcome;
  parallel_loss->Start(0, rows, options, losses, grad);
  if (!parallel_loss->Finish(0)) __builtin_trap();
  return outcome;
}

}  // namespace mlml

EMSCRIPTEN_BINDINGS(multilabel_margin_loss_threads) {
  emscripten::function("callAddress", &CallAddress);
  emscripten::function("stage", &mlml::Stage);
  emscripten::function("startThreads", &StartThreads);
  emscripten::function("allocateZeros", &AllocateZeros);
  emscripten::function("validate", &Validate);
  emscripten::function("start", &Start);
  emscripten::function("finish", &Finish);
  emscripten::function("compute", &Compute);
}
