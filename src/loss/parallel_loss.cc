#include "loss/parallel_loss.h"

#include <algorithm>
#include <cstdint>

namespace mlml {
namespace {

// The cost of a task, which counts each score as one and each row as kRowCost more. It takes some 20 microseconds: much
// longer than to claim it, and much shorter than a batch that is worth several threads.
constexpr size_t kTaskCost = 16384;
constexpr size_t kRowCost = 80;

}  // namespace

size_t ParallelLoss::TaskRows(size_t classes) { return std::max<size_t>(1, kTaskCost / (classes + kRowCost)); }

template <typename Score>
Outcome ParallelLoss::Prepare(const Rows<Score>& rows, const Options& options, bool with_gradient) {
  const Outcome outcome = Validate(rows, options.nan_policy, workspaces_[0]);
  if (outcome.status != Status::kOk) return outcome;
  for (size_t thread = 0; thread < threads(); ++thread) {
    if (!Reserve(rows, options, KernelChoice::kMeasured, with_gradient, workspaces_[thread])) {
      return {.status = Status::kOutOfMemory};
    }
  }
  return {};
}

template <typename Score>
void ParallelLoss::Start(size_t number, const Rows<Score>& rows, const Options& options, double* losses, Score* grad) {
  const Job<Score>& job = jobs_[number].template emplace<Job<Score>>(Job<Score>{.rows = rows,
                                                                                .options = options,
                                                                                .losses = losses,
                                                                                .grad = grad,
                                                                                .task_rows = TaskRows(rows.classes),
                                                                                .workspaces = workspaces_.get()});
  pool_.Start(number, &RunTask<Score>, &job, static_cast<uint32_t>(NumTasks(rows)));
}

template <typename Score>
void ParallelLoss::RunTask(const void* job, size_t task, size_t thread) {
  const auto& [rows, options, losses, grad, task_rows, workspaces] = *static_cast<const Job<Score>*>(job);
  const size_t begin = task * task_rows;
  const size_t end = std::min(begin + task_rows, rows.count);
  Compute(rows.Slice(begin, end), options, KernelChoice::kMeasured, losses + begin,
          grad == nullptr ? nullptr : grad + begin * rows.classes, workspaces[thread]);
}

// The instances for both types of scores.
template Outcome ParallelLoss::Prepare(const Rows<float>&, const Options&, bool);
template Outcome ParallelLoss::Prepare(const Rows<double>&, const Options&, bool);
template void ParallelLoss::Start(size_t, const Rows<float>&, const Options&, double*, float*);
template void ParallelLoss::Start(size_t, const Rows<double>&, const Options&, double*, double*);

}  // namespace mlml
