// How an operation of the training core is shared among the threads of its module. A module of one thread runs it
// whole.
#ifndef MULTILABEL_MARGIN_LOSS_BINDINGS_PARTS_H_
#define MULTILABEL_MARGIN_LOSS_BINDINGS_PARTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "loss/multilabel_margin_loss.h"

#ifdef __EMSCRIPTEN_PTHREADS__
#include "base/thread_pool.h"
#endif

namespace mlml {

// An operation on items, which can be split into parts.
struct Work {
  size_t items = 0;
  size_t cost = 0;            // of an item
  size_t cost_of_part = 0;    // the least cost that is worth a thread: about 50 microseconds
  size_t multiple = 1;        // the number of items in a part is a multiple of it
  bool parts_repeat = false;  // each part repeats some of the work, so that one for each thread is enough
};

#ifdef __EMSCRIPTEN_PTHREADS__

// Work that costs fewer parts is not shared. A thread that sleeps takes some 50 microseconds to wake: work of two parts
// made steps of 0.2 to 1.3 milliseconds take 1.2 to 1.3 times as long.
constexpr size_t kLeastParts = 4;

// Functions of threads_bindings.cc. They trap where a worker is dead, and the module must not be used any more.
size_t NumThreads();
void RunTasks(ThreadPool::Run run, const void* job, uint32_t tasks);
Outcome ComputeRows(const Rows<float>& rows, const Options& options, double* losses, float* grad);

// Calls run(begin, end) for parts of the items, on all threads.
template <typename Run>
void InParts(const Work& work, const Run& run) {
  const auto [items, cost, cost_of_part, multiple, parts_repeat] = work;
  if (NumThreads() == 1 || uint64_t{items} * cost < kLeastParts * cost_of_part) return run(0, items);
  size_t part = cost_of_part / cost + 1;
  if (parts_repeat) part = std::max(part, (items - 1) / NumThreads() + 1);
  part = (part + multiple - 1) / multiple * multiple;
  struct Job {
    const Run& run;
    size_t items;
    size_t part;
  };
  const Job all = {run, items, part};
  const auto run_task = [](const void* job, size_t task, size_t /*thread*/) {
    const auto& [run_part, end, step] = *static_cast<const Job*>(job);
    run_part(task * step, std::min(end, (task + 1) * step));
  };
  RunTasks(run_task, &all, static_cast<uint32_t>((items - 1) / part + 1));
}

#else

constexpr size_t NumThreads() { return 1; }

inline Outcome ComputeRows(const Rows<float>& rows, const Options& options, double* losses, float* grad) {
  static Workspace workspace;
  return MultilabelMarginLoss(rows, options, losses, grad, workspace);
}

template <typename Run>
void InParts(const Work& work, const Run& run) {
  run(0, work.items);
}

#endif

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_BINDINGS_PARTS_H_
