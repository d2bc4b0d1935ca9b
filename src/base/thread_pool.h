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
// Tasks are claimed one at a time, so that a thread which the machine holds up, or which never gets to run, costs no
// more than the one task it is at. All functions are to be called from one thread.
class ThreadPool {
 public:
  // Task `task` of a job, on a thread numbered from 0 (the caller's) to threads() - 1. Must not throw.
  using Run = void (*)(const void* job, size_t task, size_t thread);

  // Jobs that can be under way together: the next one is made ready while the last one is computed.
  static constexpr size_t kJobs = 2;

  // `threads` counts the caller's. `patience`: see Finish.
  explicit ThreadPool(size_t threads, std::chrono::milliseconds patience = std::chrono::seconds(10));
  // Waits for the threads to end.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const { return helpers_.size() + 1; }

  // Starts the tasks [0, tasks) of job `number`, which is not under way. `job` must stay as it is until Finish.
  void Start(size_t number, Run run, const void* job, uint32_t tasks);

  // Takes tasks of job `number` until none is left, and waits for the others to be done. False if for as long as
  // `patience` none of them was: the thread that has it is taken to be dead, and the pool must not be used any more.
  [[nodiscard]] bool Finish(size_t number);

 private:
  // Padded, so that the threads that claim do not hold up those that are done.
  struct Job {
    // Tasks in the upper half, those claimed in the lower. In one, so that who claims knows which job it is of: no job
    // is replaced before all its claims are done.
    alignas(64) std::atomic<uint64_t> claims{0};
    alignas(64) std::atomic<uint32_t> done{0};
    Run run = nullptr;
    const void* job = nullptr;
  };

  // True if there was a task to run.
  static bool RunTask(Job& job, size_t thread);
  void Help(size_t thread);
  bool RunAny(size_t thread);

  std::array<Job, kJobs> jobs_;
  const std::chrono::milliseconds patience_;
  std::atomic<size_t> oldest_{0};    // job to be helped with first
  std::atomic<uint32_t> starts_{0};  // jobs started so far: what idle helpers watch
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> helpers_;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_BASE_THREAD_POOL_H_
