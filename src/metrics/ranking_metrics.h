// Ranking metrics of multi-label classification over rows of scores in memory, in one pass.
//
// Let a row have C scores, and let Y be the set of its labels: the entries of its targets before the first negative
// one. Classes are ranked by their scores, and everything follows from two counts for each of Y: the scores above its
// own, and the scores at or above it, its own included. Where scikit-learn has a metric, the rule is scikit-learn's.
//
//   ranking loss   share of the pairs of one of Y and one of the others that are in the wrong order; ties are wrong.
//                  0 if there is no pair
//   coverage       scores at or above the lowest of Y; 0 for an empty Y
//   LRAP           mean over Y of: share of Y among the scores at or above. 1 if there is no pair
//   nDCG@k         gain 1 for each of Y, discount 1/log2(rank + 1) up to rank k, over that of the best ranking.
//                  0 for an empty Y
//   precision@k    number of Y among the first k, over k
//   recall@k       the same over the size of Y; 0 for an empty Y
//   one-error      1 - precision@1
//   reciprocal     1 / rank of the first of Y, ties ranking after others;
//   rank           0 for an empty Y
//
// Equal scores: nDCG, precision, recall and one-error average over their orders.
//
// The margin of a row is the lowest score of Y minus the highest of the others: below 0 where a label is outscored.
// Rows with no label or all have none. Margins are counted in bins.
#ifndef MULTILABEL_MARGIN_LOSS_METRICS_RANKING_METRICS_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_RANKING_METRICS_H_

#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "loss/multilabel_margin_loss.h"
#include "loss/row_counts.h"
#include "metrics/average_precision.h"
#include "metrics/classification.h"
#include "metrics/confusions.h"
#include "metrics/group_sums.h"
#include "metrics/label_groups.h"
#include "metrics/state.h"

namespace mlml {

// How a score that is NaN or infinite is treated. kError: nothing is counted, and MetricsStatus::kNonFiniteScore says
// where the first one is. kSkip: its row is left out, and counted as such.
enum class NonFinitePolicy : int32_t { kError, kSkip };

// Merge alone returns kBadState.
enum class MetricsStatus : int32_t { kOk, kTargetOutOfRange, kNonFiniteScore, kOutOfMemory, kTooManyRows, kBadState };

// `row` and `column` are those of the first offender; `row` counts from the first of `Rows`.
struct MetricsOutcome {
  MetricsStatus status = MetricsStatus::kOk;
  size_t row = 0;
  size_t column = 0;
};

// Facts about rows beside their scores and targets.
struct RowDetails {
  const double* losses = nullptr;    // [rows]; not read by Prepare
  const double* weights = nullptr;   // [rows], finite and not below 0; null: every weight is 1
  const int32_t* unknown = nullptr;  // [rows, unknown_width], as targets are
  size_t unknown_width = 0;
  // The identity of a row among all: its hash in ids[rows], or where that is null its number, counted from first_row,
  // in the file of this number. Two evaluations of the same rows can be compared if these are the same.
  const uint64_t* ids = nullptr;
  uint64_t file = 0;
  uint64_t first_row = 0;
};

// Sums over rows, from which the metrics follow. All are exact: rows may come in any order, and in parts that are
// merged in any order, and the metrics have the same bits.
//
// Weights: each mean over rows is that of weight * metric over the sum of weights. Counts, margins, mean ranks and
// confusions do not regard weights. Unknown classes: a row is treated as if it had only the others. A target that is
// unknown is no label.
class RankingMetrics {
 public:
  // Rows that are left out included.
  static constexpr uint64_t kMostRows = (uint64_t{1} << 32) - 1;

  // 1 <= classes < 2^31; each k from 1. False when there is no memory for it. To be called once, before all others.
  [[nodiscard]] bool Begin(size_t classes, const int32_t* ks, size_t num_ks,
                           const ClassificationOptions& classification = {});

  // Checks rows and makes room for them: for all parts of a batch of `rows.batch_rows`, before Add is called for any.
  // `first_part` begins a batch; what was prepared before and not added is forgotten.
  template <typename T>
  MetricsOutcome Prepare(const Rows<T>& rows, const RowDetails& details, NonFinitePolicy policy, bool first_part);

  // Adds rows that were prepared.
  template <typename T>
  void Add(const Rows<T>& rows, const RowDetails& details);

  // Adds what Write wrote of the same number of classes and the same options; or nothing, and says what is wrong.
  MetricsStatus Merge(const uint8_t* state, size_t size);
  void Write(StateWriter& writer);

  // Means over the rows, and average precisions. js/evaluate/layout.ts has the places of the fields.
  struct Means {
    double rows;  // without those left out
    double rows_without_labels;
    double rows_with_all_labels;
    double rows_with_ties;  // of a label and another class
    double rows_skipped;
    double weight;  // sum of the weights of the rows
    double loss;
    double ranking_loss;
    double coverage;
    double lrap;
    double one_error;
    double reciprocal_rank;
    AveragePrecision::Value macro_average_precision;
    AveragePrecision::Value micro_average_precision;
    double missing;  // an AveragePrecision::Missing: why the average precisions are NaN
  };
  struct MeansAtK {
    double precision;
    double recall;
    double ndcg;
  };
  struct LabelMeans {
    double support;  // rows that have the label
    // Mean over these rows of the label's rank, from 1; equal scores share the mean of their ranks. NaN without rows.
    double mean_rank;
    AveragePrecision::Value average_precision;  // see average_precision.h
  };
  // Means are NaN if there are no rows, or all weights are 0. False when there is no memory for it.
  [[nodiscard]] bool Compute(Means* means, MeansAtK* at_k, LabelMeans* of_labels);

  // The means over the rows of Classification::RowMetric, and the counts of each label. To be
  // called where classes are predicted, which has_classification() says.
  void ComputeClassification(double* means, Classification::LabelCounts* counts) const;
  bool has_classification() const { return classification_.enabled(); }

  // The curve of precision and recall of a label, or of all together: see AveragePrecision::Curve().
  const AveragePrecision& average_precision() const { return average_precision_; }

  // Bins of margins: first the counts of those from 0 on, then of those below 0. Bin 0 is below 2^-16, then there are
  // 16 to each power of two, and the last one has all from 2^16 on.
  static constexpr int kMarginFractionBits = 4;
  static constexpr int kLeastMarginExponent = -16;
  static constexpr size_t kMarginBins = (32 << kMarginFractionBits) + 2;
  const uint64_t* margins() const { return margins_; }  // [2, kMarginBins]

  // The sums over rows, in groups: of weights, loss, ranking loss, coverage, LRAP, one-error, reciprocal rank, and for
  // each k of precision, recall and nDCG; then those of Classification::RowMetric, where classes are predicted.
  GroupSums& groups() { return groups_; }
  const LabelGroups& label_groups() const { return label_groups_; }
  const Confusions& confusions() const { return confusions_; }

  // Hashes of all rows, in any order, that differ for other rows but for a chance of 2^-64: of what each is known by
  // together with its labels, unknown classes and weight, and of these without what it is known by.
  uint64_t fingerprint() const { return fingerprint_; }
  uint64_t labels_fingerprint() const { return labels_fingerprint_; }

  size_t classes() const { return classes_; }
  size_t num_ks() const { return num_ks_; }
  size_t num_sums() const { return FirstOfClassification() + (has_classification() ? Classification::kRowMetrics : 0); }
  uint64_t num_rows() const { return rows_ + rows_skipped_; }

 private:
  struct Label {
    int32_t above;     // number of scores above its own
    int32_t at_least;  // and at or above it
  };
  enum Sum { kWeight, kLoss, kRankingLoss, kCoverage, kLrap, kOneError, kReciprocalRank, kSums };
  enum SumAtK { kPrecision, kRecall, kNdcg, kSumsAtK };
  template <typename T>
  struct Scratch {
    Buffer<T> thresholds;
    Buffer<T> known;   // scores of a row without its unknown classes
    Buffer<T> others;  // scores of a row, -Inf for its labels
    T highest_other;   // the highest of them
    RowCounts<T, /*kHasDirect=*/true> counts;
  };

  // A row without its unknown classes.
  template <typename T>
  struct KnownRow {
    const T* scores;        // [classes]
    const int32_t* labels;  // places among these scores
    size_t num_labels;
    size_t classes;
  };

  template <typename T>
  bool IsSkipped(const T* scores) const;
  template <typename T>
  AveragePrecision::Row<T> Gather(const Rows<T>& rows, const RowDetails& details, size_t row);
  size_t GatherUnknown(const RowDetails& details, size_t row);
  template <typename T>
  KnownRow<T> WithoutUnknown(const AveragePrecision::Row<T>& row);
  template <typename T>
  void AddFingerprints(uint64_t id, const AveragePrecision::Row<T>& row);
  // These two return whether another class is above a label of the row.
  template <typename T>
  bool AddRow(const KnownRow<T>& row, double loss);
  template <typename T>
  bool AddMargin(const KnownRow<T>& row);
  template <typename T>
  void AddConfusions(const AveragePrecision::Row<T>& row);
  template <typename T>
  void CountRanks(const KnownRow<T>& row);
  void AddAtK(Label group, size_t labels);
  double Discounts(size_t ranks) const { return discounts_[ranks < most_ranks_ ? ranks : most_ranks_]; }
  // Adds to a sum of the row at hand.
  void AddTo(size_t sum, double value) {
    // Not 0 * infinity.
    groups_.Add(sum, weight_ == 0 ? 0 : weight_ * value);
  }
  // Calls field(uint64_t&) for the counts of the state, in order.
  template <typename Function>
  void ForEachCount(Function field);
  // Reads the state and adds it; with kCheck, checks it and makes room instead.
  template <bool kCheck>
  MetricsStatus Merge(StateReader& reader);

  template <typename T>
  Scratch<T>& ScratchOf();
  size_t FirstOfClassification() const { return kSums + num_ks_ * kSumsAtK; }

  size_t classes_ = 0;
  size_t num_ks_ = 0;
  size_t most_ranks_ = 0;
  NonFinitePolicy policy_ = NonFinitePolicy::kError;  // of the rows that were prepared
  Buffer<int32_t> ks_;
  Buffer<double> discounts_;  // [n]: sum of the discounts of the first n ranks, up to the largest k or C

  uint64_t rows_ = 0;
  uint64_t rows_without_labels_ = 0;
  uint64_t rows_with_all_labels_ = 0;
  uint64_t rows_with_ties_ = 0;
  uint64_t rows_skipped_ = 0;
  uint64_t fingerprint_ = 0;
  uint64_t labels_fingerprint_ = 0;
  uint64_t margins_[2 * kMarginBins] = {};
  GroupSums groups_;
  Buffer<uint64_t> support_;         // [classes]
  Buffer<uint64_t> twice_rank_sum_;  // [classes]: sums of above + 1 + at_least
  AveragePrecision average_precision_;
  Classification classification_;
  LabelGroups label_groups_;
  Confusions confusions_;

  // The row at hand.
  double weight_ = 1;
  Buffer<int32_t> labels_;   // ascending, without the unknown ones
  Buffer<int32_t> places_;   // of the labels among the known classes
  Buffer<int32_t> unknown_;  // ascending
  Buffer<int64_t> counts_;
  Buffer<uint64_t> ranks_;  // at_least << 32 | above, ascending
  Buffer<double> at_k_;     // [num_ks, 2]: number of labels among the first k, and the DCG
  Scratch<float> f32_;
  Scratch<double> f64_;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_RANKING_METRICS_H_
