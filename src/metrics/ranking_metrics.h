// Ranking metrics of multi-label classification over rows of scores in memory, in one pass.
//
// Of a row of C scores, let Y be the set of its labels: the entries of its targets before the first negative one.
// Labels are ranked by their scores, and everything follows from two counts for each of Y: the scores above its own,
// and the scores at or above it, its own included. Where scikit-learn has a metric, the rule is scikit-learn's.
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

#include "metrics/average_precision.h"
#include "loss/bucketed_counts.h"
#include "base/buffer.h"
#include "loss/direct_counts.h"
#include "metrics/exact_sum.h"
#include "metrics/group_sums.h"
#include "loss/multilabel_margin_loss.h"
#include "metrics/state.h"

namespace mlml {

// What a score that is NaN or infinite does. kError: nothing is counted, MetricsStatus::kNonFiniteScore says where the
// first one is. kSkip: its row is left out, and counted as such.
enum class NonFinitePolicy : int32_t { kError, kSkip };

// kBadState: of Merge.
enum class MetricsStatus : int32_t { kOk, kTargetOutOfRange, kNonFiniteScore, kOutOfMemory, kTooManyRows, kBadState };

// `row` counts from the first of `Rows`, and is of the first offender; so is `column`.
struct MetricsOutcome {
  MetricsStatus status = MetricsStatus::kOk;
  size_t row = 0;
  size_t column = 0;
};

// Sums over rows, from which the metrics follow. All are exact: rows may come in any order, and in parts that are
// merged in any order, and the metrics have the same bits.
class RankingMetrics {
 public:
  // Those skipped included.
  static constexpr uint64_t kMostRows = (uint64_t{1} << 32) - 1;

  // 1 <= classes < 2^31; each k from 1. False when there is no memory for it. To be called once, before all others.
  [[nodiscard]] bool Begin(size_t classes, const int32_t* ks, size_t num_ks);

  // Checks rows and makes room for them: for all parts of a batch of `rows.batch_rows`, before Add is called for any.
  template <typename T>
  MetricsOutcome Prepare(const Rows<T>& rows, NonFinitePolicy policy);

  // Adds rows that were prepared, with the loss of each and the number of the first one: what a row is known by among
  // all. The scores are left as they were.
  template <typename T>
  void Add(const Rows<T>& rows, const double* losses, uint64_t first_row);

  // Adds what Write wrote of the same number of classes and the same ks; or nothing, and says what is wrong.
  MetricsStatus Merge(const uint8_t* state, size_t size);
  void Write(StateWriter& writer);

  // Means over the rows. Beside them, one for each k; and of each label.
  struct Means {
    double rows;  // without those skipped
    double rows_without_labels;
    double rows_with_all_labels;
    double rows_with_ties;  // of one of Y and one of the others
    double rows_skipped;
    double loss;
    double ranking_loss;
    double coverage;
    double lrap;
    double one_error;
    double reciprocal_rank;
    double macro_average_precision;
    double micro_average_precision;
    double score_resolution;  // of these two, relative: 0 if exact
  };
  struct MeansAtK {
    double precision;
    double recall;
    double ndcg;
  };
  struct OfLabel {
    double support;  // rows that have it
    // In these, from 1; the mean of its ranks if its score is not the only one. NaN if there are none.
    double mean_rank;
    double average_precision;  // see average_precision.h
  };
  // Of NaN if there are no rows. False when there is no memory for it.
  [[nodiscard]] bool Compute(Means* means, MeansAtK* at_k, OfLabel* of_labels);

  // Bins of margins: the sizes of those from 0 on, and behind them of those below 0. Bin 0 is below 2^-16, then there
  // are 16 to each power of two, and the last is of all from 2^16 on.
  static constexpr int kMarginFractionBits = 4;
  static constexpr int kLeastMarginExponent = -16;
  static constexpr size_t kMarginBins = (32 << kMarginFractionBits) + 2;
  const uint64_t* margins() const { return margins_; }  // [2, kMarginBins]

  // In group_sums.h: of loss, ranking loss, coverage, LRAP, one-error, reciprocal rank, and for each k of precision,
  // recall and nDCG.
  const GroupSums& groups() const { return groups_; }
  // The same for the same rows with the same labels, in any order; else another but for a chance of 2^-64.
  uint64_t fingerprint() const { return fingerprint_; }

  size_t classes() const { return classes_; }
  size_t num_ks() const { return num_ks_; }
  size_t num_sums() const { return kSums + num_ks_ * kSumsAtK; }

 private:
  struct Label {
    int32_t above;     // number of scores above its own
    int32_t at_least;  // and at or above it
  };
  enum Sum { kLoss, kRankingLoss, kCoverage, kLrap, kOneError, kReciprocalRank, kSums };
  enum SumAtK { kPrecision, kRecall, kNdcg, kSumsAtK };
  template <typename T>
  struct Scratch {
    Buffer<T> thresholds;
    DirectCounts<T> direct;
    BucketedCounts<T> bucketed;
  };

  template <typename T>
  bool IsSkipped(const T* scores) const;
  template <typename T>
  void AddRow(const T* scores, size_t num_labels, double loss);
  template <typename T>
  void AddMargin(const T* scores, size_t num_labels);
  template <typename T>
  void CountRanks(const T* scores, size_t num_labels);
  template <typename T, typename Kernel>
  void CountRanks(const T* scores, size_t num_labels, Kernel& kernel);
  size_t GatherLabels(const int32_t* targets, size_t size);
  void AddAtK(Label group, size_t labels);
  double Discounts(size_t ranks) const { return discounts_[ranks < most_ranks_ ? ranks : most_ranks_]; }
  // Of the row at hand.
  void AddTo(size_t sum, double value) {
    sums_[sum].Add(value);
    groups_.Add(sum, value);
  }
  // Calls field(uint64_t&) for each number of the state but those of groups and of the average precision.
  template <typename Function>
  void ForEachField(Function field);

  template <typename T>
  Scratch<T>& ScratchOf();

  size_t classes_ = 0;
  size_t num_ks_ = 0;
  size_t most_ranks_ = 0;
  NonFinitePolicy policy_ = NonFinitePolicy::kError;  // that rows were prepared with
  Buffer<int32_t> ks_;
  Buffer<double> discounts_;  // [n]: sum of those of the first n ranks, up to the largest k or C

  uint64_t rows_ = 0;
  uint64_t rows_without_labels_ = 0;
  uint64_t rows_with_all_labels_ = 0;
  uint64_t rows_with_ties_ = 0;
  uint64_t rows_skipped_ = 0;
  uint64_t fingerprint_ = 0;
  uint64_t margins_[2 * kMarginBins] = {};
  Buffer<ExactSum> sums_;
  GroupSums groups_;
  Buffer<uint64_t> support_;         // [classes]
  Buffer<uint64_t> twice_rank_sum_;  // [classes]: of above + 1 and at_least
  AveragePrecision average_precision_;

  // Of the row at hand.
  Buffer<int32_t> labels_;  // ascending
  Buffer<int64_t> counts_;
  Buffer<uint64_t> ranks_;  // at_least << 32 | above, ascending
  Buffer<double> at_k_;     // [num_ks, 2]: number of labels among the first k, and the DCG
  Scratch<float> f32_;
  Scratch<double> f64_;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_RANKING_METRICS_H_
