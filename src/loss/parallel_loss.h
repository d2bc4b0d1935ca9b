#ifndef MULTILABEL_MARGIN_LOSS_LOSS_PARALLEL_LOSS_H_
#define MULTILABEL_MARGIN_LOSS_LOSS_PARALLEL_LOSS_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>

#include "loss/multilabel_margin_loss.h"
#include "base/thread_pool.h"

namespace mlml {

// The loss of rows and its gradient on several threads. Each row is computed by one of them, so the results have the
// same bits for any number. All functions are to be called from one thread.
class ParallelLoss {
 public:
  // As those of ThreadPool.
  explicit ParallelLoss(size_t threads, std::chrono::milliseconds patience = std::chrono::seconds(10))
      : pool_(threads, patience), workspaces_(std::make_unique<Workspace[]>(threads)) {}

  size_t threads() const { return pool_.threads(); }

  // Makes room on every thread, as Reserve in multilabel_margin_loss.h. No job may be under way.
  template <typename Score>
  [[nodiscard]] bool Reserve(const Rows<Score>& rows, const Options& options, bool with_gradient);

  // Starts to compute rows that are valid and that there is room for; see Compute in multilabel_margin_loss.h. `number`
  // is that of a job, below ThreadPool::kJobs, that is not under way.
  template <typename Score>
  void Start(size_t number, const Rows<Score>& rows, const Options& options, double* losses, Score* grad);

  // Takes its share of job `number` and waits for the rest. False if a thread is dead: see ThreadPool::Finish.
  [[nodiscard]] bool Finish(size_t number) { return pool_.Finish(number); }

 private:
  // Rows of any types, so that a job takes no memory of its own.
  struct Job {
    const void* scores;
    const int32_t* targets;
    size_t rows;
    size_t classes;
    size_t width;
    size_t batch_rows;
    Options options;
    double* losses;
    void* grad;
    size_t task_rows;
    Workspace* workspaces;
  };

  template <typename Score>
  static void RunTask(const void* job, size_t task, size_t thread);

  ThreadPool pool_;
  std::unique_ptr<Workspace[]> workspaces_;
  std::array<Job, ThreadPool::kJobs> jobs_{};
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_LOSS_PARALLEL_LOSS_H_
