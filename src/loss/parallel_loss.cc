#include "loss/parallel_loss.h"

#include <algorithm>
#include <cstdint>

namespace mlml {
namespace {

// Scores of a task: some 20 microseconds, long beside what it takes to claim it, short beside a batch worth sharing.
constexpr size_t kTaskScores = 16384;

}  // namespace

template <typename Score>
bool ParallelLoss::Reserve(const Rows<Score>& rows, const Options& options, bool with_gradient) {
  for (size_t thread = 0; thread < threads(); ++thread) {
    if (!mlml::Reserve(rows, options, RowKernel::kMeasured, with_gradient, workspaces_[thread])) return false;
  }
  return true;
}

template <typename Score>
void ParallelLoss::Start(size_t number, const Rows<Score>& rows, const Options& options, double* losses, Score* grad) {
  const size_t task_rows = std::max<size_t>(1, kTaskScores / rows.classes);
  jobs_[number] = {rows.scores, rows.targets, rows.rows, rows.classes, rows.width,       rows.batch_rows,
                   options,     losses,       grad,      task_rows,    workspaces_.get()};
  pool_.Start(number, &RunTask<Score>, &jobs_[number], static_cast<uint32_t>((rows.rows + task_rows - 1) / task_rows));
}

template <typename Score>
void ParallelLoss::RunTask(const void* job, size_t task, size_t thread) {
  const Job& whole = *static_cast<const Job*>(job);
  const size_t begin = task * whole.task_rows;
  const size_t rows = std::min(whole.task_rows, whole.rows - begin);
  auto* grad = static_cast<Score*>(whole.grad);
  mlml::Compute(Rows<Score>{static_cast<const Score*>(whole.scores) + begin * whole.classes,
                            whole.targets + begin * whole.width, rows, whole.classes, whole.width, whole.batch_rows},
                whole.options, RowKernel::kMeasured, whole.losses + begin,
                grad == nullptr ? nullptr : grad + begin * whole.classes, whole.workspaces[thread]);
}

// For every type of scores.
template bool ParallelLoss::Reserve(const Rows<float>&, const Options&, bool);
template bool ParallelLoss::Reserve(const Rows<double>&, const Options&, bool);
template void ParallelLoss::Start(size_t, const Rows<float>&, const Options&, double*, float*);
template void ParallelLoss::Start(size_t, const Rows<double>&, const Options&, double*, double*);

}  // namespace mlml
