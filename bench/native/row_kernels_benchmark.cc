// Times the row kernels alone: loss and gradient of float scores. Like the binding, it copies the scores to a staging
// buffer part by part and computes in place. Each batch has other random input.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "loss/multilabel_margin_loss.h"

namespace {

struct Point {
  size_t rows;
  size_t classes;
  size_t width;
};

// The same grid as in bench/grid.ts.
constexpr Point kGrid[] = {
    {32, 10, 3},       {128, 80, 3},   {128, 1000, 5}, {1024, 1000, 10}, {256, 9600, 5},   {64, 20000, 50},
    {16, 100000, 200}, {8, 670000, 5}, {64, 20000, 1}, {64, 20000, 10},  {64, 20000, 100}, {64, 20000, 1000},
};
constexpr size_t kMostInputs = 256;
constexpr size_t kMostBytes = size_t{64} << 20;
constexpr size_t kStagedBytes = size_t{256} << 10;

struct Input {
  std::vector<float> scores;
  std::vector<int32_t> targets;
};

Input MakeInput(const Point& point, bool trained, std::mt19937_64& rng) {
  std::normal_distribution<float> normal;
  Input input;
  input.scores.resize(point.rows * point.classes);
  for (float& score : input.scores) score = normal(rng);
  for (size_t row = 0; row < point.rows; ++row) {
    for (size_t k = 0; k < point.width; ++k) {
      // One target in each of K equal stretches of the classes: different ones.
      const size_t start = k * point.classes / point.width;
      const size_t end = (k + 1) * point.classes / point.width;
      const size_t target = std::uniform_int_distribution<size_t>(start, end - 1)(rng);
      input.targets.push_back(static_cast<int32_t>(target));
      if (trained) input.scores[row * point.classes + target] += 6;
    }
  }
  return input;
}

void Run(benchmark::State& state, const Point& point, mlml::KernelChoice kernel, bool trained) {
  const size_t count = std::clamp(kMostBytes / (point.rows * point.classes * sizeof(float)), size_t{2}, kMostInputs);
  std::mt19937_64 rng(1);
  std::vector<Input> inputs;
  for (size_t i = 0; i < count; ++i) inputs.push_back(MakeInput(point, trained, rng));

  const size_t part_rows = std::clamp(kStagedBytes / (point.classes * sizeof(float)), size_t{1}, point.rows);
  std::vector<float> staged(part_rows * point.classes);
  std::vector<double> losses(part_rows);
  mlml::Workspace workspace;
  size_t next = 0;
  for ([[maybe_unused]] auto _ : state) {
    const Input& input = inputs[next++ % count];
    for (size_t row = 0; row < point.rows; row += part_rows) {
      mlml::Rows<float> rows;
      rows.count = std::min(part_rows, point.rows - row);
      rows.classes = point.classes;
      rows.width = point.width;
      rows.batch_rows = point.rows;
      rows.scores = staged.data();
      rows.targets = input.targets.data() + row * point.width;
      std::memcpy(staged.data(), input.scores.data() + row * point.classes, rows.count * point.classes * sizeof(float));
      mlml::MultilabelMarginLoss(rows, {}, losses.data(), staged.data(), workspace, kernel);
      benchmark::ClobberMemory();
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(point.rows * point.classes));
}

}  // namespace

int main(int argc, char** argv) {
  for (const bool trained : {false, true}) {
    for (const Point& point : kGrid) {
      for (const mlml::KernelChoice kernel : {mlml::KernelChoice::kDirect, mlml::KernelChoice::kBucketed}) {
        const std::string name = std::string(kernel == mlml::KernelChoice::kDirect ? "direct" : "bucketed") + "/" +
                                 std::to_string(point.rows) + "x" + std::to_string(point.classes) +
                                 "/K:" + std::to_string(point.width) + (trained ? "/trained" : "/random");
        benchmark::RegisterBenchmark(name.c_str(), Run, point, kernel, trained)->Unit(benchmark::kMicrosecond);
      }
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
