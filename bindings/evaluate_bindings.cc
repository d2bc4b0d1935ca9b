// What js/evaluate/ sees of the ranking metrics: those of one evaluator, which has a module and its memory to itself,
// so that both go when it goes. Only numbers pass, and no Embind is needed.
#include <emscripten/emscripten.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "metrics/ranking_metrics.h"

namespace {

using Metrics = mlml::RankingMetrics;

Metrics metrics;
mlml::MetricsOutcome outcome;
mlml::Buffer<uint8_t> staging;
size_t written = 0;

// Calls `function` with the rows in their types.
template <typename Function>
auto WithRows(int float64, const void* scores, const int32_t* targets, size_t rows, size_t width, size_t batch_rows,
              Function function) {
  const size_t classes = metrics.classes();
  if (float64 != 0) {
    return function(mlml::Rows<double>{static_cast<const double*>(scores), targets, rows, classes, width, batch_rows});
  }
  return function(mlml::Rows<float>{static_cast<const float*>(scores), targets, rows, classes, width, batch_rows});
}

}  // namespace

extern "C" {

// A double, because JavaScript reads a size as a signed number.
EMSCRIPTEN_KEEPALIVE double maximumMemory() { return MLML_MAXIMUM_MEMORY; }

// Address of at least `bytes` bytes, or 0 when memory is exhausted. What was there before is lost.
EMSCRIPTEN_KEEPALIVE uint8_t* stage(size_t bytes) { return staging.Reserve(bytes) ? staging.data() : nullptr; }

EMSCRIPTEN_KEEPALIVE int begin(size_t classes, const int32_t* ks, size_t num_ks) {
  return metrics.Begin(classes, ks, num_ks) ? 1 : 0;
}

// These return a MetricsStatus.
EMSCRIPTEN_KEEPALIVE int prepare(int float64, const void* scores, const int32_t* targets, size_t rows, size_t width,
                                 size_t batch_rows, int skip) {
  const auto policy = skip != 0 ? mlml::NonFinitePolicy::kSkip : mlml::NonFinitePolicy::kError;
  outcome = WithRows(float64, scores, targets, rows, width, batch_rows,
                     [&](const auto& typed) { return metrics.Prepare(typed, policy); });
  return static_cast<int>(outcome.status);
}
EMSCRIPTEN_KEEPALIVE int merge(const uint8_t* state, size_t size) {
  return static_cast<int>(metrics.Merge(state, size));
}

EMSCRIPTEN_KEEPALIVE size_t badRow() { return outcome.row; }
EMSCRIPTEN_KEEPALIVE size_t badColumn() { return outcome.column; }

EMSCRIPTEN_KEEPALIVE void add(int float64, const void* scores, const int32_t* targets, const double* losses,
                              size_t rows, size_t width, double first_row) {
  WithRows(float64, scores, targets, rows, width, rows,
           [&](const auto& typed) { metrics.Add(typed, losses, static_cast<uint64_t>(first_row)); });
}

// Address of the state, of writtenSize() bytes, or 0 when memory is exhausted.
EMSCRIPTEN_KEEPALIVE uint8_t* write() {
  mlml::StateWriter counter(nullptr);
  metrics.Write(counter);
  if (!staging.Reserve(counter.size())) return nullptr;
  mlml::StateWriter writer(staging.data());
  metrics.Write(writer);
  written = writer.size();
  return staging.data();
}
EMSCRIPTEN_KEEPALIVE size_t writtenSize() { return written; }

// Address of computedSize() float64 numbers: the Means, MeansAtK for each k, OfLabel for each label, the bins of
// margins. Or 0 when memory is exhausted.
EMSCRIPTEN_KEEPALIVE size_t computedSize() {
  return (sizeof(Metrics::Means) + metrics.num_ks() * sizeof(Metrics::MeansAtK) +
          metrics.classes() * sizeof(Metrics::OfLabel) + 2 * Metrics::kMarginBins * sizeof(double)) /
         sizeof(double);
}
EMSCRIPTEN_KEEPALIVE double* compute() {
  if (!staging.Reserve(computedSize() * sizeof(double))) return nullptr;
  auto* means = reinterpret_cast<Metrics::Means*>(staging.data());
  auto* at_k = reinterpret_cast<Metrics::MeansAtK*>(means + 1);
  auto* of_labels = reinterpret_cast<Metrics::OfLabel*>(at_k + metrics.num_ks());
  auto* margins = reinterpret_cast<double*>(of_labels + metrics.classes());
  std::copy_n(metrics.margins(), 2 * Metrics::kMarginBins, margins);
  return metrics.Compute(means, at_k, of_labels) ? reinterpret_cast<double*>(means) : nullptr;
}

// Address of GroupSums::kGroups * (1 + metrics.num_sums()) float64 numbers, or 0 when memory is exhausted.
EMSCRIPTEN_KEEPALIVE double* sumsOfGroups() {
  if (!staging.Reserve(mlml::GroupSums::kGroups * (1 + metrics.num_sums()) * sizeof(double))) return nullptr;
  auto* sums = reinterpret_cast<double*>(staging.data());
  metrics.groups().Values(sums);
  return sums;
}
// Two halves, for JavaScript's numbers hold no more.
EMSCRIPTEN_KEEPALIVE uint32_t fingerprintLow() { return static_cast<uint32_t>(metrics.fingerprint()); }
EMSCRIPTEN_KEEPALIVE uint32_t fingerprintHigh() { return static_cast<uint32_t>(metrics.fingerprint() >> 32); }
}
