#ifndef MULTILABEL_MARGIN_LOSS_BASE_THREAD_POOL_H_
#define MULTILABEL_MARGIN_LOSS_BASE_THREAD_POOL_H_

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace mlml {

// A fixed number of threads that share the tasks of a job with the thread that waits for it.
//
// Threads claim one task at a time. A thread that the machine delays, or never runs, delays no more than one task. All
// functions must be called from the same thread.
class ThreadPool {
 public:
  // Runs task `task` of a job on thread `thread`: 0 is the caller's, threads() - 1 the last one. It must not throw.
  using Run = void (*)(const void* job, size_t task, size_t thread);

  // The number of jobs that can be under way together, so that the caller prepares the next one meanwhile.
  static constexpr size_t kJobs = 2;

  // `threads` counts the caller's thread. `patience`: see Finish.
  explicit ThreadPool(size_t threads, std::chrono::milliseconds patience = std::chrono::seconds(10));
  // Waits for the threads to end.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const { return helpers_.size() + 1; }

  // Starts the tasks [0, tasks) of job `number`, which must not be under way. `job` must not change until Finish.
  void Start(size_t number, Run run, const void* job, uint32_t tasks);

  // Runs tasks of job `number` until none is left, then of the other job while threads still run some of this one, and
  // waits for these. False if no task ends for as long as `patience`: a thread is assumed dead, and the pool must not
  // be used any more.
  [[nodiscard]] bool Finish(size_t number);

 private:
  // Each counter has a cache line of its own, so that threads that claim do not delay those that are done.
  struct Job {
    // The number of tasks in the upper half, and of claimed tasks in the lower half. One word for both, so that a claim
    // belongs to the job whose number of tasks it saw: all claimed tasks end before the next job starts.
    alignas(64) std::atomic<uint64_t> claims{0};
    alignas(64) std::atomic<uint32_t> done{0};
    uint32_t tasks = 0;  // for the caller's thread
    Run run = nullptr;
    const void* job = nullptr;
  };

  static bool IsUnderWay(const Job& job) { return job.done.load(std::memory_order_acquire) < job.tasks; }

  // Returns whether there was a task to run.
  static bool RunTask(Job& job, size_t thread);
  void Help(size_t thread);
  bool RunAny(size_t thread);

  std::array<Job, kJobs> jobs_;
  const std::chrono::milliseconds patience_;
  std::atomic<size_t> oldest_{0};    // the job that helpers look at first
  std::atomic<uint32_t> starts_{0};  // jobs started so far, which idle helpers watch
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> helpers_;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_BASE_THREAD_POOL_H_
