#ifndef MULTILABEL_MARGIN_LOSS_LOSS_PARALLEL_LOSS_H_
#define MULTILABEL_MARGIN_LOSS_LOSS_PARALLEL_LOSS_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <variant>

#include "base/thread_pool.h"
#include "loss/multilabel_margin_loss.h"

namespace mlml {

// The loss of rows and its gradient on several threads. One thread computes a whole row, so the results have the same
// bits for any number of threads. All functions must be called from the same thread.
class ParallelLoss {
 public:
  // The parameters are those of ThreadPool.
  explicit ParallelLoss(size_t threads, std::chrono::milliseconds patience = std::chrono::seconds(10))
      : pool_(threads, patience), workspaces_(std::make_unique<Workspace[]>(threads)) {}

  size_t threads() const { return pool_.threads(); }

  // Its jobs are those of this object: both must not be under way together.
  ThreadPool& pool() { return pool_; }

  // The number of tasks that a job has, of some 20 microseconds each.
  template <typename Score>
  static size_t NumTasks(const Rows<Score>& rows) {
    const size_t task_rows = TaskRows(rows.classes);
    return (rows.count + task_rows - 1) / task_rows;
  }

  // Validates rows and makes room for them on every thread. No job may be under way.
  template <typename Score>
  Outcome Prepare(const Rows<Score>& rows, const Options& options, bool with_gradient);

  // Starts the computation of rows that were prepared: see Compute in multilabel_margin_loss.h. `number` is that of a
  // job, below ThreadPool::kJobs, that is not under way.
  template <typename Score>
  void Start(size_t number, const Rows<Score>& rows, const Options& options, double* losses, Score* grad);

  // Runs tasks of job `number` and waits for those of other threads. False if a thread is dead: see ThreadPool::Finish.
  [[nodiscard]] bool Finish(size_t number) { return pool_.Finish(number); }

 private:
  // What the tasks of a job share. A task is `task_rows` rows.
  template <typename Score>
  struct Job {
    Rows<Score> rows;
    Options options;
    double* losses;
    Score* grad;
    size_t task_rows;
    Workspace* workspaces;
  };

  static size_t TaskRows(size_t classes);
  template <typename Score>
  static void RunTask(const void* job, size_t task, size_t thread);

  ThreadPool pool_;
  std::unique_ptr<Workspace[]> workspaces_;
  std::array<std::variant<Job<float>, Job<double>>, ThreadPool::kJobs> jobs_;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_LOSS_PARALLEL_LOSS_H_
