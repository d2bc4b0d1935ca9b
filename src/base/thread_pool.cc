#include "base/thread_pool.h"

namespace mlml {
namespace {

// Turns of the loop in which an idle helper watches for a job before it sleeps. They take some 50 microseconds: a
// sleeping thread wakes too late for the next part of a batch.
constexpr int kTurns = 50000;

// The pause between two looks of the thread that waits for the last tasks.
constexpr std::chrono::microseconds kNap(50);

}  // namespace

ThreadPool::ThreadPool(size_t threads, std::chrono::milliseconds patience) : patience_(patience) {
  helpers_.reserve(threads - 1);
  for (size_t thread = 1; thread < threads; ++thread) {
    helpers_.emplace_back([this, thread] { Help(thread); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void ThreadPool::Start(size_t number, Run run, const void* job, uint32_t tasks) {
  Job& to = jobs_[number];
  to.run = run;
  to.job = job;
  to.done.store(0, std::memory_order_relaxed);
  to.tasks = tasks;
  to.claims.store(uint64_t{tasks} << 32, std::memory_order_release);
  // One task alone is not worth waking anyone. Two jobs of one task each, which rows of 100,000 scores make, are.
  if (tasks <= 1 && !IsUnderWay(jobs_[(number + 1) % kJobs])) return;
  // This thread adds to starts_ and then reads sleepers_; a helper adds to sleepers_ and then reads starts_. One of the
  // two therefore sees the other.
  starts_.fetch_add(1);
  if (sleepers_.load() > 0) {
    const std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }
}

bool ThreadPool::Finish(size_t number) {
  Job& job = jobs_[number];
  const size_t other = (number + 1) % kJobs;
  oldest_.store(number, std::memory_order_relaxed);
  while (RunTask(job, 0)) {
  }
  oldest_.store(other, std::memory_order_relaxed);
  // What other threads still run of this job takes as long as a task of the other one.
  while (IsUnderWay(job) && RunTask(jobs_[other], 0)) {
  }
  const uint32_t tasks = job.tasks;
  uint32_t done = job.done.load(std::memory_order_acquire);
  for (int turn = 0; turn < kTurns && done < tasks; ++turn) done = job.done.load(std::memory_order_acquire);
  // The time is counted in naps, because a clock goes on while the machine sleeps.
  for (auto waited = kNap; done < tasks; waited += kNap) {
    if (waited > patience_) return false;
    std::this_thread::sleep_for(kNap);
    const uint32_t before = done;
    done = job.done.load(std::memory_order_acquire);
    if (done > before) waited = kNap;
  }
  return true;
}

bool ThreadPool::RunTask(Job& job, size_t thread) {
  uint64_t claims = job.claims.load(std::memory_order_relaxed);
  uint32_t task = 0;
  do {
    task = static_cast<uint32_t>(claims);
    if (task >= static_cast<uint32_t>(claims >> 32)) return false;
  } while (!job.claims.compare_exchange_weak(claims, claims + 1, std::memory_order_acquire, std::memory_order_relaxed));
  job.run(job.job, task, thread);
  job.done.fetch_add(1, std::memory_order_release);
  return true;
}

bool ThreadPool::RunAny(size_t thread) {
  const size_t oldest = oldest_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < kJobs; ++i) {
    if (RunTask(jobs_[(oldest + i) % kJobs], thread)) return true;
  }
  return false;
}

void ThreadPool::Help(size_t thread) {
  while (!ending_.load(std::memory_order_relaxed)) {
    const uint32_t seen = starts_.load();
    while (RunAny(thread)) {
    }
    int turn = 0;
    while (turn < kTurns && starts_.load(std::memory_order_relaxed) == seen) ++turn;
    if (turn < kTurns) continue;
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_.fetch_add(1);
    wake_.wait(lock, [&] { return ending_ || starts_.load() != seen; });
    sleepers_.fetch_sub(1);
  }
}

}  // namespace mlml
