// What js/evaluate/ sees of the ranking metrics: those of one evaluator. Each evaluator has a module and its memory to
// itself, so that both go when it goes. Only numbers pass, so this needs no Embind.
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
mlml::Buffer<mlml::AveragePrecision::Point> curve;  // the one that was computed last
size_t curve_size = 0;
size_t num_confusions = 0;

// A part of a batch. js/evaluate/layout.ts has the places of the fields, and writes 0 for pointers to what was not
// given.
struct Part {
  double first_row;
  double file;
  const void* scores;  // of double where float64 is not 0, else of float
  const int32_t* targets;
  const double* losses;
  const double* weights;
  const uint64_t* ids;
  const int32_t* unknown;
  uint32_t float64;
  uint32_t rows;
  uint32_t width;
  uint32_t unknown_width;
  uint32_t batch_rows;
  uint32_t first_part;
  uint32_t skip_non_finite;
};
Part part;

static_assert(offsetof(Part, first_row) == 0 && offsetof(Part, file) == 8 && offsetof(Part, scores) == 16 &&
              offsetof(Part, targets) == 20 && offsetof(Part, losses) == 24 && offsetof(Part, weights) == 28 &&
              offsetof(Part, ids) == 32 && offsetof(Part, unknown) == 36 && offsetof(Part, float64) == 40 &&
              offsetof(Part, rows) == 44 && offsetof(Part, width) == 48 && offsetof(Part, unknown_width) == 52 &&
              offsetof(Part, batch_rows) == 56 && offsetof(Part, first_part) == 60 &&
              offsetof(Part, skip_non_finite) == 64 && sizeof(Part) == 72);

// The results are read as numbers in this order.
using Value = mlml::AveragePrecision::Value;
static_assert(offsetof(Value, value) == 0 * sizeof(double) && offsetof(Value, low) == 1 * sizeof(double) &&
              offsetof(Value, high) == 2 * sizeof(double) && sizeof(Value) == 3 * sizeof(double));
using Means = Metrics::Means;
static_assert(offsetof(Means, rows) == 0 * sizeof(double) &&
              offsetof(Means, rows_without_labels) == 1 * sizeof(double) &&
              offsetof(Means, rows_with_all_labels) == 2 * sizeof(double) &&
              offsetof(Means, rows_with_ties) == 3 * sizeof(double) &&
              offsetof(Means, rows_skipped) == 4 * sizeof(double) && offsetof(Means, weight) == 5 * sizeof(double) &&
              offsetof(Means, loss) == 6 * sizeof(double) && offsetof(Means, ranking_loss) == 7 * sizeof(double) &&
              offsetof(Means, coverage) == 8 * sizeof(double) && offsetof(Means, lrap) == 9 * sizeof(double) &&
              offsetof(Means, one_error) == 10 * sizeof(double) &&
              offsetof(Means, reciprocal_rank) == 11 * sizeof(double) &&
              offsetof(Means, macro_average_precision) == 12 * sizeof(double) &&
              offsetof(Means, micro_average_precision) == 15 * sizeof(double) &&
              offsetof(Means, missing) == 18 * sizeof(double) && sizeof(Means) == 19 * sizeof(double));
using MeansAtK = Metrics::MeansAtK;
static_assert(offsetof(MeansAtK, precision) == 0 * sizeof(double) && offsetof(MeansAtK, recall) == 1 * sizeof(double) &&
              offsetof(MeansAtK, ndcg) == 2 * sizeof(double) && sizeof(MeansAtK) == 3 * sizeof(double));
using LabelMeans = Metrics::LabelMeans;
static_assert(offsetof(LabelMeans, support) == 0 * sizeof(double) &&
              offsetof(LabelMeans, mean_rank) == 1 * sizeof(double) &&
              offsetof(LabelMeans, average_precision) == 2 * sizeof(double) &&
              sizeof(LabelMeans) == 5 * sizeof(double));
using Classified = mlml::Classification;
static_assert(Classified::kPrecision == 0 && Classified::kRecall == 1 && Classified::kF1 == 2 &&
              Classified::kFBeta == 3 && Classified::kJaccard == 4 && Classified::kHammingLoss == 5 &&
              Classified::kSubsetAccuracy == 6 && Classified::kRowMetrics == 7);
using LabelCounts = Classified::LabelCounts;
static_assert(offsetof(LabelCounts, true_positives) == 0 * sizeof(double) &&
              offsetof(LabelCounts, predicted) == 1 * sizeof(double) &&
              offsetof(LabelCounts, support) == 2 * sizeof(double) && sizeof(LabelCounts) == 3 * sizeof(double));
using Pair = mlml::Confusions::Pair;
static_assert(offsetof(Pair, label) == 0 * sizeof(double) && offsetof(Pair, other) == 1 * sizeof(double) &&
              offsetof(Pair, rows) == 2 * sizeof(double) && sizeof(Pair) == 3 * sizeof(double));
static_assert(mlml::LabelGroups::kMostClasses == 4096 && mlml::Confusions::kMostClasses == 4096);
using Point = mlml::AveragePrecision::Point;
static_assert(offsetof(Point, threshold) == 0 * sizeof(double) && offsetof(Point, all) == 1 * sizeof(double) &&
              offsetof(Point, positive) == 2 * sizeof(double) && sizeof(Point) == 3 * sizeof(double));
static_assert(mlml::GroupSums::kGroups == 256 && Metrics::kMarginBins == 514 && Metrics::kMarginFractionBits == 4 &&
              Metrics::kLeastMarginExponent == -16);

// Calls `function` with the rows of the part in their types, and what else is known of them.
template <typename Function>
auto WithPart(Function function) {
  const mlml::RowDetails details = {.losses = part.losses,
                                    .weights = part.weights,
                                    .unknown = part.unknown,
                                    .unknown_width = part.unknown_width,
                                    .ids = part.ids,
                                    .file = static_cast<uint64_t>(part.file),
                                    .first_row = static_cast<uint64_t>(part.first_row)};
  const auto with_scores = [&]<typename T>(const T* scores) {
    return function(mlml::Rows<T>{.scores = scores,
                                  .targets = part.targets,
                                  .count = part.rows,
                                  .classes = metrics.classes(),
                                  .width = part.width,
                                  .batch_rows = part.batch_rows},
                    details);
  };
  return part.float64 != 0 ? with_scores(static_cast<const double*>(part.scores))
                           : with_scores(static_cast<const float*>(part.scores));
}

}  // namespace

extern "C" {

// A double, because JavaScript reads a size as a signed number.
EMSCRIPTEN_KEEPALIVE double maximumMemory() { return MLML_MAXIMUM_MEMORY; }

// Returns the address of at least `bytes` bytes, or 0 when memory is exhausted. What was there before is lost.
EMSCRIPTEN_KEEPALIVE uint8_t* stage(size_t bytes) { return staging.Reserve(bytes) ? staging.data() : nullptr; }

// Returns 0 when memory is exhausted. `thresholds` may be null, and `most` 0: see ClassificationOptions.
EMSCRIPTEN_KEEPALIVE int begin(size_t classes, const int32_t* ks, size_t num_ks, const double* thresholds, size_t most,
                               double beta, double zero_division) {
  return metrics.Begin(classes, ks, num_ks,
                       {.thresholds = thresholds, .most = most, .beta = beta, .zero_division = zero_division})
             ? 1
             : 0;
}

// Where to describe the part that prepare() and add() take.
EMSCRIPTEN_KEEPALIVE Part* partAddress() { return &part; }

// These return a MetricsStatus.
EMSCRIPTEN_KEEPALIVE int prepare() {
  const auto policy = part.skip_non_finite != 0 ? mlml::NonFinitePolicy::kSkip : mlml::NonFinitePolicy::kError;
  outcome = WithPart([&](const auto& rows, const mlml::RowDetails& details) {
    return metrics.Prepare(rows, details, policy, part.first_part != 0);
  });
  return static_cast<int>(outcome.status);
}
EMSCRIPTEN_KEEPALIVE int merge(const uint8_t* state, size_t size) {
  return static_cast<int>(metrics.Merge(state, size));
}

EMSCRIPTEN_KEEPALIVE size_t badRow() { return outcome.row; }
EMSCRIPTEN_KEEPALIVE size_t badColumn() { return outcome.column; }

EMSCRIPTEN_KEEPALIVE void add() {
  WithPart([](const auto& rows, const mlml::RowDetails& details) { metrics.Add(rows, details); });
}

// Returns the address of the state, of writtenSize() bytes, or 0 when memory is exhausted.
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

// Returns the address of computedSize() numbers of float64, or 0 when memory is exhausted: the Means, MeansAtK for each
// k, LabelMeans for each label, the bins of margins, and where classes are predicted the means of Classified::RowMetric
// and LabelCounts for each label.
EMSCRIPTEN_KEEPALIVE size_t computedSize() {
  const size_t classified = metrics.has_classification()
                                ? Classified::kRowMetrics * sizeof(double) + metrics.classes() * sizeof(LabelCounts)
                                : 0;
  return (sizeof(Means) + metrics.num_ks() * sizeof(MeansAtK) + metrics.classes() * sizeof(LabelMeans) +
          2 * Metrics::kMarginBins * sizeof(double) + classified) /
         sizeof(double);
}
EMSCRIPTEN_KEEPALIVE double* compute() {
  if (!staging.Reserve(computedSize() * sizeof(double))) return nullptr;
  auto* means = reinterpret_cast<Means*>(staging.data());
  auto* at_k = reinterpret_cast<MeansAtK*>(means + 1);
  auto* of_labels = reinterpret_cast<LabelMeans*>(at_k + metrics.num_ks());
  auto* margins = reinterpret_cast<double*>(of_labels + metrics.classes());
  std::copy_n(metrics.margins(), 2 * Metrics::kMarginBins, margins);
  if (metrics.has_classification()) {
    double* row_means = margins + 2 * Metrics::kMarginBins;
    metrics.ComputeClassification(row_means, reinterpret_cast<LabelCounts*>(row_means + Classified::kRowMetrics));
  }
  return metrics.Compute(means, at_k, of_labels) ? reinterpret_cast<double*>(means) : nullptr;
}

// Returns the address of GroupSums::kGroups * (1 + numSums()) numbers of float64, or 0 when memory is exhausted.
EMSCRIPTEN_KEEPALIVE size_t numSums() { return metrics.num_sums(); }
EMSCRIPTEN_KEEPALIVE double* groupSums() {
  if (!staging.Reserve(mlml::GroupSums::kGroups * (1 + metrics.num_sums()) * sizeof(double))) return nullptr;
  auto* sums = reinterpret_cast<double*>(staging.data());
  metrics.groups().Values(sums);
  return sums;
}

// Returns the address of GroupSums::kGroups times LabelGroups::Counts of a label as numbers of float64, or 0 when
// memory is exhausted. To be called for at most LabelGroups::kMostClasses.
EMSCRIPTEN_KEEPALIVE double* labelGroups(size_t label) {
  if (!staging.Reserve(mlml::GroupSums::kGroups * 4 * sizeof(double))) return nullptr;
  auto* values = reinterpret_cast<double*>(staging.data());
  metrics.label_groups().Values(label, values);
  return values;
}

// Returns the address of numConfusions() pairs of three numbers of float64 each, `most` of them at most, or 0 when
// memory is exhausted.
EMSCRIPTEN_KEEPALIVE Pair* confusions(size_t most) {
  if (!staging.Reserve(most * sizeof(Pair))) return nullptr;
  auto* pairs = reinterpret_cast<Pair*>(staging.data());
  num_confusions = metrics.confusions().Worst(pairs, most);
  return pairs;
}
EMSCRIPTEN_KEEPALIVE size_t numConfusions() { return num_confusions; }

// Returns an AveragePrecision::Missing. The curve is that of a label, or where it is -1 that of all scores together.
EMSCRIPTEN_KEEPALIVE int computeCurve(int32_t label) {
  const size_t which = label < 0 ? mlml::AveragePrecision::kAllLabels : static_cast<size_t>(label);
  return static_cast<int>(metrics.average_precision().Curve(which, curve, &curve_size));
}
// curveSize() points of three numbers of float64 each.
EMSCRIPTEN_KEEPALIVE Point* curvePoints() { return curve.data(); }
EMSCRIPTEN_KEEPALIVE size_t curveSize() { return curve_size; }

EMSCRIPTEN_KEEPALIVE double numRows() { return static_cast<double>(metrics.num_rows()); }

// Halves of 32 bits, because a number of JavaScript cannot hold 64.
EMSCRIPTEN_KEEPALIVE uint32_t fingerprintLow() { return static_cast<uint32_t>(metrics.fingerprint()); }
EMSCRIPTEN_KEEPALIVE uint32_t fingerprintHigh() { return static_cast<uint32_t>(metrics.fingerprint() >> 32); }
EMSCRIPTEN_KEEPALIVE uint32_t labelsFingerprintLow() { return static_cast<uint32_t>(metrics.labels_fingerprint()); }
EMSCRIPTEN_KEEPALIVE uint32_t labelsFingerprintHigh() {
  return static_cast<uint32_t>(metrics.labels_fingerprint() >> 32);
}
}
