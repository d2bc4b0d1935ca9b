#include "metrics/ranking_metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "base/simd.h"

namespace mlml {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The next smaller number: a score is at or above a finite x where it is above that.
template <typename T>
T Before(T x) {
  using Bits = std::make_unsigned_t<CountOf<T>>;
  if (x == 0) return -std::numeric_limits<T>::denorm_min();
  const Bits bits = std::bit_cast<Bits>(x);
  return std::bit_cast<T>(x > 0 ? bits - 1 : bits + 1);
}

// Position of the first score that is NaN or infinite, or `size`.
template <typename T>
size_t FindNonFinite(const T* scores, size_t size) {
  const hn::ScalableTag<T> d;
  constexpr size_t L = kLanes<T>;
  size_t j = 0;
  // The difference is 0, or NaN.
  for (; j + L <= size; j += L) {
    const auto x = hn::LoadU(d, scores + j);
    const auto difference = hn::Sub(x, x);
    if (HWY_UNLIKELY(!hn::AllTrue(d, hn::Eq(difference, difference)))) break;
  }
  while (j < size && scores[j] - scores[j] == 0) ++j;
  return j;
}

// The highest of so many.
template <typename T>
T Highest(const T* scores, size_t size) {
  const hn::ScalableTag<T> d;
  constexpr size_t L = kLanes<T>;
  if (size < L) return *std::max_element(scores, scores + size);
  // The last vector overlaps with the one before.
  auto highest = hn::LoadU(d, scores + size - L);
  for (size_t j = 0; j + L <= size; j += L) highest = hn::Max(highest, hn::LoadU(d, scores + j));
  return hn::GetLane(hn::MaxOfLanes(d, highest));
}

size_t BinOfMargin(double margin) {
  using Metrics = RankingMetrics;
  const auto bits = std::bit_cast<uint64_t>(std::abs(margin));
  // Sixteenths of powers of two, counted from that of bin 1.
  const auto step = static_cast<int64_t>(bits >> (52 - Metrics::kMarginFractionBits)) -
                    (int64_t{1023 + Metrics::kLeastMarginExponent} << Metrics::kMarginFractionBits);
  const auto bin = static_cast<size_t>(std::clamp<int64_t>(step + 1, 0, Metrics::kMarginBins - 1));
  return margin < 0 ? Metrics::kMarginBins + bin : bin;
}

constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio

// A number whose bits all depend on all of `x`: the finaliser of SplitMix64, from Steele, Lea and Flood, "Fast
// splittable pseudorandom number generators" (2014).
uint64_t Mix(uint64_t x) {
  x += kOdd;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

// The crossover of the loss, measured there on as many thresholds.
bool UsesBuckets(size_t num_labels, size_t classes) { return 2 * num_labels > 32 && classes > 256; }

// A few are sorted by exchanges without a branch, which would be mispredicted.
template <typename T>
void Sort(T* values, size_t size) {
  if (size > 8) {
    std::sort(values, values + size);
    return;
  }
  for (size_t round = 0; round < size; ++round) {
    for (size_t i = round % 2; i + 1 < size; i += 2) {
      const T lower = std::min(values[i], values[i + 1]);
      values[i + 1] = std::max(values[i], values[i + 1]);
      values[i] = lower;
    }
  }
}

// For kernels that count both ways: here one is enough.
struct Ignore {
  template <typename Scores, typename Counts, typename T>
  void operator()(Scores /*scores*/, Counts /*counts*/, T* /*at*/) const {}
};

}  // namespace

template <>
RankingMetrics::Scratch<float>& RankingMetrics::ScratchOf() {
  return f32_;
}
template <>
RankingMetrics::Scratch<double>& RankingMetrics::ScratchOf() {
  return f64_;
}

bool RankingMetrics::Begin(size_t classes, const int32_t* ks, size_t num_ks) {
  classes_ = classes;
  num_ks_ = num_ks;
  if (!ks_.Reserve(num_ks + 1) || !at_k_.Reserve(2 * num_ks + 1) || !sums_.Reserve(num_sums()) ||
      !groups_.Begin(num_sums()) || !support_.Reserve(classes) || !twice_rank_sum_.Reserve(classes)) {
    return false;
  }
  std::copy_n(ks, num_ks, ks_.data());
  std::fill_n(sums_.data(), num_sums(), ExactSum());
  std::fill_n(support_.data(), classes, uint64_t{0});
  std::fill_n(twice_rank_sum_.data(), classes, uint64_t{0});
  average_precision_.Begin(classes);

  for (size_t i = 0; i < num_ks; ++i) most_ranks_ = std::max(most_ranks_, static_cast<size_t>(ks[i]));
  most_ranks_ = std::min(most_ranks_, classes);
  if (!discounts_.Reserve(most_ranks_ + 1)) return false;
  double sum = 0;
  discounts_[0] = 0;
  for (size_t rank = 1; rank <= most_ranks_; ++rank) {
    sum += 1 / std::log2(static_cast<double>(rank) + 1);
    discounts_[rank] = sum;
  }
  return true;
}

template <typename T>
MetricsOutcome RankingMetrics::Prepare(const Rows<T>& rows, NonFinitePolicy policy) {
  policy_ = policy;
  if (rows_ + rows_skipped_ + rows.batch_rows > kMostRows) return {MetricsStatus::kTooManyRows, 0, 0};
  const auto end = static_cast<int32_t>(classes_);
  for (size_t i = 0; i < rows.rows * rows.width; ++i) {
    if (rows.targets[i] < -1 || rows.targets[i] >= end) {
      return {MetricsStatus::kTargetOutOfRange, i / rows.width, i % rows.width};
    }
  }
  if (policy == NonFinitePolicy::kError) {
    const size_t i = FindNonFinite(rows.scores, rows.rows * classes_);
    if (i < rows.rows * classes_) return {MetricsStatus::kNonFiniteScore, i / classes_, i % classes_};
  }

  size_t most = 1;
  for (size_t row = 0; row < rows.rows; ++row) {
    most = std::max(most, rows.CountTargets(row));
  }
  Scratch<T>& scratch = ScratchOf<T>();
  bool reserved = labels_.Reserve(most) && counts_.Reserve(2 * most) && ranks_.Reserve(most) &&
                  scratch.thresholds.Reserve(2 * most) && scratch.direct.Reserve(2 * most) &&
                  (!UsesBuckets(most, classes_) || scratch.bucketed.Reserve(2 * most)) &&
                  average_precision_.ReserveRows(rows.batch_rows);
  ScoreBins::Pages pages;
  for (size_t row = 0; reserved && row < rows.rows; ++row) {
    const T* scores = rows.scores + row * classes_;
    if (!IsSkipped(scores)) average_precision_.Want(scores, pages);
  }
  reserved = reserved && average_precision_.Reserve(pages, rows.batch_rows);
  return {reserved ? MetricsStatus::kOk : MetricsStatus::kOutOfMemory, 0, 0};
}

template <typename T>
bool RankingMetrics::IsSkipped(const T* scores) const {
  return policy_ == NonFinitePolicy::kSkip && FindNonFinite(scores, classes_) < classes_;
}

template <typename T>
void RankingMetrics::Add(const Rows<T>& rows, const double* losses, uint64_t first_row) {
  for (size_t row = 0; row < rows.rows; ++row) {
    const T* scores = rows.scores + row * classes_;
    if (IsSkipped(scores)) {
      ++rows_skipped_;
      average_precision_.Skip();
      continue;
    }
    const size_t num_labels = GatherLabels(rows.targets + row * rows.width, rows.CountTargets(row));
    const uint64_t hash = Mix(first_row + row);
    groups_.BeginRow(hash);
    uint64_t of_labels = hash;
    for (size_t k = 0; k < num_labels; ++k) of_labels = (of_labels + static_cast<uint64_t>(labels_[k])) * kOdd;
    fingerprint_ += Mix(of_labels);
    AddRow(scores, num_labels, losses[row]);
    average_precision_.Add(scores, labels_.data(), num_labels);
  }
}

// Their set, in ascending order.
size_t RankingMetrics::GatherLabels(const int32_t* targets, size_t size) {
  int32_t* labels = labels_.data();
  std::copy_n(targets, size, labels);
  Sort(labels, size);
  return static_cast<size_t>(std::unique(labels, labels + size) - labels);
}

template <typename T>
void RankingMetrics::AddRow(const T* scores, size_t num_labels, double loss) {
  ++rows_;
  AddTo(kLoss, loss);
  if (num_labels == 0) {
    ++rows_without_labels_;
    AddTo(kLrap, 1);
    AddTo(kOneError, 1);
    return;
  }
  CountRanks(scores, num_labels);
  const int64_t* above = counts_.data();
  const int64_t* at_least = above + num_labels;
  for (size_t k = 0; k < num_labels; ++k) {
    const auto label = static_cast<size_t>(labels_[k]);
    ++support_[label];
    twice_rank_sum_[label] += static_cast<uint64_t>(above[k] + 1 + at_least[k]);
    ranks_[k] = static_cast<uint64_t>(at_least[k]) << 32 | static_cast<uint64_t>(above[k]);
  }
  Sort(ranks_.data(), num_labels);

  // Group by group of equal scores, from the highest down.
  std::fill_n(at_k_.data(), 2 * num_ks_, 0.0);
  double precision_sum = 0;
  uint64_t pairs_in_disorder = 0;
  bool has_ties = false;
  for (size_t i = 0; i < num_labels;) {
    const uint64_t rank = ranks_[i];
    const Label group = {static_cast<int32_t>(rank), static_cast<int32_t>(rank >> 32)};
    const size_t first = i;
    while (i < num_labels && ranks_[i] == rank) ++i;
    const size_t labels = i - first;
    const auto others = static_cast<size_t>(group.at_least) - i;
    precision_sum += static_cast<double>(labels) * (static_cast<double>(i) / static_cast<double>(group.at_least));
    pairs_in_disorder += uint64_t{labels} * others;
    has_ties |= static_cast<size_t>(group.at_least - group.above) > labels;
    AddAtK(group, labels);
    if (first == 0) {
      const double right = static_cast<double>(labels) / static_cast<double>(group.at_least);
      AddTo(kOneError, group.above == 0 ? 1 - right : 1);
      AddTo(kReciprocalRank, 1 / static_cast<double>(others + 1));
    }
  }
  rows_with_ties_ += has_ties ? 1 : 0;
  AddTo(kCoverage, static_cast<double>(ranks_[num_labels - 1] >> 32));
  if (num_labels == classes_) {
    ++rows_with_all_labels_;
    AddTo(kLrap, 1);
  } else {
    AddTo(kLrap, precision_sum / static_cast<double>(num_labels));
    const double pairs = static_cast<double>(num_labels) * static_cast<double>(classes_ - num_labels);
    AddTo(kRankingLoss, static_cast<double>(pairs_in_disorder) / pairs);
    AddMargin(scores, num_labels);
  }
  for (size_t i = 0; i < num_ks_; ++i) {
    const double found = at_k_[2 * i];
    if (found == 0) continue;
    const auto k = static_cast<size_t>(ks_[i]);
    const size_t first = kSums + i * kSumsAtK;
    AddTo(first + kPrecision, found / static_cast<double>(k));
    AddTo(first + kRecall, found / static_cast<double>(num_labels));
    AddTo(first + kNdcg, at_k_[2 * i + 1] / Discounts(std::min(num_labels, k)));
  }
}

template <typename T>
void RankingMetrics::AddMargin(const T* scores, size_t num_labels) {
  // The labels' scores are out of the way for a while.
  T* writable = const_cast<T*>(scores);
  T* of_labels = ScratchOf<T>().thresholds.data();
  T lowest = kInfinity<T>;
  for (size_t k = 0; k < num_labels; ++k) {
    of_labels[k] = std::exchange(writable[labels_[k]], -kInfinity<T>);
    lowest = std::min(lowest, of_labels[k]);
  }
  const T highest = Highest(scores, classes_);
  for (size_t k = 0; k < num_labels; ++k) writable[labels_[k]] = of_labels[k];
  ++margins_[BinOfMargin(static_cast<double>(lowest) - static_cast<double>(highest))];
}

// A group of equal scores, of which so many are labels: what is expected of them among the first k, in a random order.
void RankingMetrics::AddAtK(Label group, size_t labels) {
  const auto above = static_cast<size_t>(group.above);
  const auto at_least = static_cast<size_t>(group.at_least);
  const double share = static_cast<double>(labels) / static_cast<double>(at_least - above);
  for (size_t i = 0; i < num_ks_; ++i) {
    const auto k = static_cast<size_t>(ks_[i]);
    if (above >= k) continue;
    const size_t end = std::min(at_least, k);
    at_k_[2 * i] += share * static_cast<double>(end - above);
    at_k_[2 * i + 1] += share * (Discounts(end) - Discounts(above));
  }
}

// counts_[k] = number of scores above that of label k, counts_[num_labels + k] = and at or above it.
template <typename T>
void RankingMetrics::CountRanks(const T* scores, size_t num_labels) {
  T* thresholds = ScratchOf<T>().thresholds.data();
  for (size_t k = 0; k < num_labels; ++k) {
    thresholds[k] = scores[labels_[k]];
    thresholds[num_labels + k] = Before(thresholds[k]);
  }
  if (UsesBuckets(num_labels, classes_)) {
    CountRanks(scores, num_labels, ScratchOf<T>().bucketed);
  } else {
    CountRanks(scores, num_labels, ScratchOf<T>().direct);
  }
}

template <typename T, typename Kernel>
void RankingMetrics::CountRanks(const T* scores, size_t num_labels, Kernel& kernel) {
  // Whole vectors in place, where nobody will write; the others in a copy that is filled up.
  const size_t whole = classes_ - classes_ % kLanes<T>;
  T rest[kLanes<T>];
  std::fill(std::copy(scores + whole, scores + classes_, rest), rest + kLanes<T>, -kInfinity<T>);
  struct Part {
    T* scores;
    size_t size;
  };
  Ignore ignore;
  kernel.Begin(ScratchOf<T>().thresholds.data(), 2 * num_labels);
  for (const auto& [part, size] : {Part{const_cast<T*>(scores), whole}, Part{rest, whole < classes_ ? kLanes<T> : 0}}) {
    kernel.CountScores(part, size, ignore);
  }
  kernel.End(counts_.data());
}

template <typename Function>
void RankingMetrics::ForEachField(Function field) {
  for (uint64_t* count : {&rows_, &rows_without_labels_, &rows_with_all_labels_, &rows_with_ties_, &rows_skipped_}) {
    field(*count);
  }
  for (size_t i = 0; i < num_sums(); ++i) sums_[i].ForEachField(field);
  field(fingerprint_);
  for (uint64_t& bin : margins_) field(bin);
  for (size_t label = 0; label < classes_; ++label) {
    field(support_[label]);
    field(twice_rank_sum_[label]);
  }
}

void RankingMetrics::Write(StateWriter& writer) {
  ForEachField([&](uint64_t field) { writer.Put(field); });
  groups_.Write(writer);
  average_precision_.Write(writer);
}

MetricsStatus RankingMetrics::Merge(const uint8_t* state, size_t size) {
  StateReader check(state, size);
  uint64_t rows = rows_ + rows_skipped_;
  ForEachField([&](const uint64_t& field) {
    const uint64_t added = check.Get();
    if (&field == &rows_ || &field == &rows_skipped_) rows = added > kMostRows ? added : rows + added;
  });
  groups_.Merge<true>(check);
  if (!check.ok()) return MetricsStatus::kBadState;
  if (rows > kMostRows) return MetricsStatus::kTooManyRows;
  if (!average_precision_.Merge<true>(check)) return MetricsStatus::kOutOfMemory;
  if (!check.ok() || !check.at_end()) return MetricsStatus::kBadState;

  StateReader reader(state, size);
  ForEachField([&](uint64_t& field) { field += reader.Get(); });
  groups_.Merge<false>(reader);
  return average_precision_.Merge<false>(reader) ? MetricsStatus::kOk : MetricsStatus::kOutOfMemory;
}

bool RankingMetrics::Compute(Means* means, MeansAtK* at_k, OfLabel* of_labels) {
  Buffer<double> average_precisions;
  if (!average_precisions.Reserve(classes_) ||
      !average_precision_.Compute(average_precisions.data(), &means->micro_average_precision)) {
    return false;
  }
  const auto rows = static_cast<double>(rows_);
  const auto mean = [&](size_t sum) { return rows_ == 0 ? kNan : sums_[sum].Value() / rows; };
  means->rows = rows;
  means->rows_without_labels = static_cast<double>(rows_without_labels_);
  means->rows_with_all_labels = static_cast<double>(rows_with_all_labels_);
  means->rows_with_ties = static_cast<double>(rows_with_ties_);
  means->rows_skipped = static_cast<double>(rows_skipped_);
  means->loss = mean(kLoss);
  means->ranking_loss = mean(kRankingLoss);
  means->coverage = mean(kCoverage);
  means->lrap = mean(kLrap);
  means->one_error = mean(kOneError);
  means->reciprocal_rank = mean(kReciprocalRank);
  means->score_resolution = average_precision_.exact() ? 0 : std::ldexp(1.0, -int(average_precision_.fraction_bits()));
  for (size_t i = 0; i < num_ks_; ++i) {
    const size_t first = kSums + i * kSumsAtK;
    at_k[i] = {mean(first + kPrecision), mean(first + kRecall), mean(first + kNdcg)};
  }

  double macro = 0;
  for (size_t label = 0; label < classes_; ++label) {
    const auto support = static_cast<double>(support_[label]);
    of_labels[label] = {support,
                        support_[label] == 0 ? kNan : static_cast<double>(twice_rank_sum_[label]) / 2 / support,
                        average_precisions[label]};
    macro += average_precisions[label];
  }
  means->macro_average_precision = rows_ == 0 ? kNan : macro / static_cast<double>(classes_);
  if (rows_ == 0) means->micro_average_precision = kNan;
  return true;
}

template MetricsOutcome RankingMetrics::Prepare(const Rows<float>&, NonFinitePolicy);
template MetricsOutcome RankingMetrics::Prepare(const Rows<double>&, NonFinitePolicy);
template void RankingMetrics::Add(const Rows<float>&, const double*, uint64_t);
template void RankingMetrics::Add(const Rows<double>&, const double*, uint64_t);

}  // namespace mlml
