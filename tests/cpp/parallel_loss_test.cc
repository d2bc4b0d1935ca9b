// The loss on several threads against that on one, to the bit; and the pool alone. Also under ThreadSanitizer.
#include "loss/parallel_loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "base/thread_pool.h"

namespace mlml {
namespace {

constexpr size_t kMostThreads = 16;  // more than the machine has: they take turns on it in any order

template <typename Score>
struct Batch {
  Batch(std::mt19937_64& rng, size_t rows, size_t classes, size_t width)
      : scores(rows * classes),
        targets(rows * width),
        weights(rows),
        unknown(rows),
        rows(rows),
        classes(classes),
        width(width) {
    std::normal_distribution<Score> normal;
    for (Score& score : scores) score = normal(rng);
    std::uniform_int_distribution<int32_t> target(-1, static_cast<int32_t>(classes) - 1);
    for (int32_t& t : targets) t = target(rng);
    for (double& weight : weights) weight = static_cast<double>(target(rng) + 1);
    for (size_t row = 0; row < rows; ++row) {
      const int32_t* list = &targets[row * width];
      unknown[row] = target(rng);
      if (std::find(list, list + width, unknown[row]) != list + width) unknown[row] = -1;
    }
  }

  // The rows from `begin` to before `end`.
  Rows<Score> View(size_t begin, size_t end) const {
    const Rows<Score> all = {.scores = scores.data(),
                             .targets = targets.data(),
                             .count = rows,
                             .classes = classes,
                             .width = width,
                             .batch_rows = rows,
                             .sample_weights = weights.data(),
                             .unknown = unknown.data(),
                             .unknown_width = 1};
    return all.Slice(begin, end);
  }

  std::vector<Score> scores;
  std::vector<int32_t> targets;
  std::vector<double> weights;
  std::vector<int32_t> unknown;  // one class a row, or -1
  size_t rows, classes, width;
};

template <typename Score>
struct Result {
  explicit Result(const Batch<Score>& batch) : losses(batch.rows), grad(batch.scores.size()) {}
  bool operator==(const Result&) const = default;

  std::vector<double> losses;
  std::vector<Score> grad;
};

struct Shape {
  size_t rows, classes, width;
};

// Batches of one task and of many, with rows shorter and longer than a task, for each row kernel.
constexpr Shape kShapes[] = {{0, 5, 2},     {1, 1, 1},     {3, 7, 2},       {700, 10, 3},
                             {997, 80, 20}, {64, 900, 40}, {5, 20000, 300}, {40, 1000, 5}};

template <typename Score>
void ExpectSameBits(size_t threads, size_t repetitions) {
  std::mt19937_64 rng(threads);
  ParallelLoss loss(threads);
  ASSERT_EQ(loss.threads(), threads);
  Workspace workspace;
  for (size_t repetition = 0; repetition < repetitions; ++repetition) {
    for (const auto& [rows, classes, width] : kShapes) {
      SCOPED_TRACE(testing::Message() << threads << " threads, " << rows << " x " << classes << ", " << width);
      Batch<Score> batch(rng, rows, classes, width);
      const Options options{.target_order = repetition % 2 == 0 ? TargetOrder::kIgnored : TargetOrder::kRanked};
      Result<Score> expected(batch);
      ASSERT_EQ(
          MultilabelMarginLoss(batch.View(0, rows), options, expected.losses.data(), expected.grad.data(), workspace)
              .status,
          Status::kOk);

      // In one job.
      ASSERT_EQ(loss.Prepare(batch.View(0, rows), options, true).status, Status::kOk);
      Result<Score> whole(batch);
      loss.Start(0, batch.View(0, rows), options, whole.losses.data(), whole.grad.data());
      ASSERT_TRUE(loss.Finish(0));
      EXPECT_EQ(whole, expected);

      // In two that are under way together.
      Result<Score> halves(batch);
      const size_t half = rows / 2;
      loss.Start(0, batch.View(0, half), options, halves.losses.data(), halves.grad.data());
      loss.Start(1, batch.View(half, rows), options, halves.losses.data() + half, halves.grad.data() + half * classes);
      ASSERT_TRUE(loss.Finish(0));
      ASSERT_TRUE(loss.Finish(1));
      EXPECT_EQ(halves, expected);

      // In place, and without a gradient, whose roundings are others.
      Result<Score> in_place(batch);
      Score* const no_gradient = nullptr;
      std::vector<double> alone(rows);
      ASSERT_EQ(MultilabelMarginLoss(batch.View(0, rows), options, alone.data(), no_gradient, workspace).status,
                Status::kOk);
      ASSERT_EQ(loss.Prepare(batch.View(0, rows), options, false).status, Status::kOk);
      loss.Start(1, batch.View(0, rows), options, in_place.losses.data(), no_gradient);
      ASSERT_TRUE(loss.Finish(1));
      EXPECT_EQ(in_place.losses, alone);
      loss.Start(0, batch.View(0, rows), options, in_place.losses.data(), batch.scores.data());
      ASSERT_TRUE(loss.Finish(0));
      in_place.grad = batch.scores;
      EXPECT_EQ(in_place, expected);
    }
  }
}

TEST(ParallelLoss, SameBitsForAnyNumberOfThreads) {
  for (size_t threads = 1; threads <= kMostThreads; ++threads) {
    ExpectSameBits<float>(threads, 2);
    ExpectSameBits<double>(threads, 2);
  }
}

TEST(ThreadPool, RunsEveryTaskOnce) {
  // A job is constant: what its tasks change is mutable.
  struct Counted {
    mutable std::atomic<int> runs[101] = {};
    mutable std::atomic<size_t> highest_thread = 0;
  };
  const ThreadPool::Run run = [](const void* job, size_t task, size_t thread) {
    const auto& counted = *static_cast<const Counted*>(job);
    ++counted.runs[task];
    size_t highest = counted.highest_thread;
    while (thread > highest && !counted.highest_thread.compare_exchange_weak(highest, thread)) {
    }
  };
  for (const size_t threads : {1, 2, 3, 16}) {
    ThreadPool pool(threads);
    for (int repetition = 0; repetition < 2000; ++repetition) {
      Counted counted;
      pool.Start(static_cast<size_t>(repetition % 2), run, &counted, 101);
      ASSERT_TRUE(pool.Finish(static_cast<size_t>(repetition % 2)));
      for (const auto& runs : counted.runs) ASSERT_EQ(runs, 1);
      ASSERT_LT(counted.highest_thread, threads);
      // Now and then, let the helpers fall asleep.
      if (repetition % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
}

TEST(ThreadPool, HelpersTakeTheirShare) {
  // Each of two tasks waits for the other to begin: one thread alone would never end.
  struct Meeting {
    mutable std::atomic<int> arrived = 0;
  };
  const ThreadPool::Run run = [](const void* job, size_t, size_t) {
    const auto& meeting = *static_cast<const Meeting*>(job);
    ++meeting.arrived;
    while (meeting.arrived < 2) std::this_thread::yield();
  };
  ThreadPool pool(2);
  for (int repetition = 0; repetition < 100; ++repetition) {
    Meeting meeting;
    pool.Start(0, run, &meeting, 2);
    ASSERT_TRUE(pool.Finish(0));
    // The same with a job for each.
    Meeting other;
    pool.Start(1, run, &other, 1);
    pool.Start(0, run, &other, 1);
    ASSERT_TRUE(pool.Finish(1));
    ASSERT_TRUE(pool.Finish(0));
  }
}

TEST(ThreadPool, GivesUpOnADeadThread) {
  struct Trap {
    mutable std::atomic<bool> taken = false;
    mutable std::atomic<bool> opened = false;
  };
  Trap trap;
  const ThreadPool::Run run = [](const void* job, size_t, size_t thread) {
    const auto& caught = *static_cast<const Trap*>(job);
    if (thread == 0) {
      // The caller goes on once the helper is in the trap.
      while (!caught.taken) std::this_thread::yield();
    } else {
      caught.taken = true;
      while (!caught.opened) std::this_thread::yield();
    }
  };
  ThreadPool pool(2, std::chrono::milliseconds(20));
  pool.Start(0, run, &trap, 2);
  EXPECT_FALSE(pool.Finish(0));
  trap.opened = true;  // for the pool to be able to end
}

}  // namespace
}  // namespace mlml
