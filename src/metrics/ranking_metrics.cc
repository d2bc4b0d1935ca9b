#include "metrics/ranking_metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "base/simd.h"
#include "metrics/exact_sum.h"

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

double WeightOf(const RowDetails& details, size_t row) { return details.weights == nullptr ? 1 : details.weights[row]; }

// Writes the distinct values in ascending order to `to`, and returns their number.
size_t ToSet(const int32_t* values, size_t size, int32_t* to) {
  std::copy_n(values, size, to);
  Sort(to, size);
  return static_cast<size_t>(std::unique(to, to + size) - to);
}

}  // namespace

template <>
RankingMetrics::Scratch<float>& RankingMetrics::ScratchOf() {
  return f32_;
}
template <>
RankingMetrics::Scratch<double>& RankingMetrics::ScratchOf() {
  return f64_;
}

bool RankingMetrics::Begin(size_t classes, const int32_t* ks, size_t num_ks,
                           const ClassificationOptions& classification) {
  classes_ = classes;
  num_ks_ = num_ks;
  if (!classification_.Begin(classes, classification)) return false;
  if (!ks_.Reserve(num_ks + 1) || !at_k_.Reserve(2 * num_ks + 1) || !groups_.Begin(num_sums()) ||
      !support_.Reserve(classes) || !twice_rank_sum_.Reserve(classes)) {
    return false;
  }
  std::copy_n(ks, num_ks, ks_.data());
  std::fill_n(support_.data(), classes, uint64_t{0});
  std::fill_n(twice_rank_sum_.data(), classes, uint64_t{0});
  average_precision_.Begin(classes);
  label_groups_.Begin(classes);
  confusions_.Begin(classes);

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
MetricsOutcome RankingMetrics::Prepare(const Rows<T>& rows, const RowDetails& details, NonFinitePolicy policy,
                                       bool first_part) {
  policy_ = policy;
  if (num_rows() + rows.batch_rows > kMostRows) return {MetricsStatus::kTooManyRows, 0, 0};
  const auto end = static_cast<int32_t>(classes_);
  for (size_t i = 0; i < rows.count * rows.width; ++i) {
    if (rows.targets[i] < -1 || rows.targets[i] >= end) {
      return {MetricsStatus::kTargetOutOfRange, i / rows.width, i % rows.width};
    }
  }
  if (policy == NonFinitePolicy::kError) {
    const size_t i = FindNonFinite(rows.scores, rows.count * classes_);
    if (i < rows.count * classes_) return {MetricsStatus::kNonFiniteScore, i / classes_, i % classes_};
  }

  size_t most = 1;
  for (size_t row = 0; row < rows.count; ++row) most = std::max(most, rows.CountTargets(row));
  Scratch<T>& scratch = ScratchOf<T>();
  const bool reserved = labels_.Reserve(most) && places_.Reserve(most) && unknown_.Reserve(details.unknown_width) &&
                        counts_.Reserve(2 * most) && ranks_.Reserve(most) && scratch.thresholds.Reserve(2 * most) &&
                        scratch.others.Reserve(classes_) &&
                        (details.unknown_width == 0 || scratch.known.Reserve(classes_)) &&
                        scratch.counts.Reserve(2 * most, classes_, KernelChoice::kMeasured) &&
                        label_groups_.Reserve() && confusions_.Reserve();
  if (!reserved) return {MetricsStatus::kOutOfMemory, 0, 0};
  if (first_part) average_precision_.BeginBatch(rows.batch_rows);
  LabelSums::Limbs limbs;
  for (size_t row = 0; row < rows.count; ++row) {
    const T* scores = rows.scores + row * classes_;
    if (IsSkipped(scores)) continue;
    const size_t num_unknown = GatherUnknown(details, row);
    const double weight = WeightOf(details, row);
    limbs.AddWeight(weight);
    average_precision_.Want(AveragePrecision::Row<T>{scores, nullptr, 0, unknown_.data(), num_unknown, weight});
  }
  if (!classification_.Reserve(limbs)) return {MetricsStatus::kOutOfMemory, 0, 0};
  average_precision_.Reserve();
  return {MetricsStatus::kOk, 0, 0};
}

template <typename T>
bool RankingMetrics::IsSkipped(const T* scores) const {
  return policy_ == NonFinitePolicy::kSkip && FindNonFinite(scores, classes_) < classes_;
}

template <typename T>
void RankingMetrics::Add(const Rows<T>& rows, const RowDetails& details) {
  average_precision_.Commit();
  for (size_t row = 0; row < rows.count; ++row) {
    if (IsSkipped(rows.scores + row * classes_)) {
      ++rows_skipped_;
      average_precision_.Skip();
      continue;
    }
    const AveragePrecision::Row<T> gathered = Gather(rows, details, row);
    weight_ = gathered.weight;
    const uint64_t id = details.ids == nullptr ? Mix(details.file) + details.first_row + row : details.ids[row];
    AddFingerprints(Mix(id), gathered);
    groups_.BeginRow(Mix(id));
    label_groups_.BeginRow(Mix(id));
    if (AddRow(WithoutUnknown(gathered), details.losses[row])) AddConfusions(gathered);
    if (has_classification()) {
      const size_t first = FirstOfClassification();
      classification_.Add(
          gathered, [&](size_t metric, double value) { AddTo(first + metric, value); },
          [&](size_t label, bool is_right) { label_groups_.AddPredicted(label, is_right); });
    }
    average_precision_.Add(gathered);
  }
}

// The row with its labels and unknown classes as ascending sets that have nothing in common.
template <typename T>
AveragePrecision::Row<T> RankingMetrics::Gather(const Rows<T>& rows, const RowDetails& details, size_t row) {
  const size_t num_unknown = GatherUnknown(details, row);
  int32_t* labels = labels_.data();
  size_t num_labels = ToSet(rows.targets + row * rows.width, rows.CountTargets(row), labels);
  if (num_unknown > 0) {
    const int32_t* unknown = unknown_.data();
    const auto is_unknown = [=](int32_t label) { return std::binary_search(unknown, unknown + num_unknown, label); };
    num_labels = static_cast<size_t>(std::remove_if(labels, labels + num_labels, is_unknown) - labels);
  }
  return {rows.scores + row * classes_, labels, num_labels, unknown_.data(), num_unknown, WeightOf(details, row)};
}

// Writes the unknown classes of a row to unknown_, and returns their number.
size_t RankingMetrics::GatherUnknown(const RowDetails& details, size_t row) {
  if (details.unknown_width == 0) return 0;
  const int32_t* unknown = details.unknown + row * details.unknown_width;
  const auto end = std::find_if(unknown, unknown + details.unknown_width, [](int32_t label) { return label < 0; });
  return ToSet(unknown, static_cast<size_t>(end - unknown), unknown_.data());
}

template <typename T>
RankingMetrics::KnownRow<T> RankingMetrics::WithoutUnknown(const AveragePrecision::Row<T>& row) {
  if (row.num_unknown == 0) return {row.scores, row.labels, row.num_labels, classes_};
  T* known = ScratchOf<T>().known.data();
  size_t begin = 0;
  size_t k = 0;
  T* end = known;
  for (size_t i = 0; i <= row.num_unknown; ++i) {
    const size_t next = i < row.num_unknown ? static_cast<size_t>(row.unknown[i]) : classes_;
    for (; k < row.num_labels && static_cast<size_t>(row.labels[k]) < next; ++k) {
      places_[k] = row.labels[k] - static_cast<int32_t>(i);
    }
    end = std::copy(row.scores + begin, row.scores + next, end);
    begin = next + 1;
  }
  return {known, places_.data(), row.num_labels, classes_ - row.num_unknown};
}

template <typename T>
void RankingMetrics::AddFingerprints(uint64_t id, const AveragePrecision::Row<T>& row) {
  uint64_t labels = 0;
  const auto add = [&](uint64_t value) { labels = (labels + value) * kOdd; };
  for (size_t k = 0; k < row.num_labels; ++k) add(static_cast<uint64_t>(row.labels[k]));
  for (size_t k = 0; k < row.num_unknown; ++k) add(~static_cast<uint64_t>(row.unknown[k]));
  if (row.weight != 1) add(std::bit_cast<uint64_t>(row.weight));
  labels_fingerprint_ += Mix(labels);
  fingerprint_ += Mix(Mix(labels) + id);
}

template <typename T>
bool RankingMetrics::AddRow(const KnownRow<T>& row, double loss) {
  const size_t num_labels = row.num_labels;
  ++rows_;
  AddTo(kWeight, 1);
  AddTo(kLoss, loss);
  if (num_labels == 0) {
    ++rows_without_labels_;
    AddTo(kLrap, 1);
    AddTo(kOneError, 1);
    return false;
  }
  CountRanks(row);
  const int64_t* above = counts_.data();
  const int64_t* at_least = above + num_labels;
  for (size_t k = 0; k < num_labels; ++k) {
    const auto label = static_cast<size_t>(labels_[k]);
    ++support_[label];
    const auto twice_rank = static_cast<uint64_t>(above[k] + 1 + at_least[k]);
    twice_rank_sum_[label] += twice_rank;
    label_groups_.AddLabel(label, twice_rank);
    ranks_[k] = static_cast<uint64_t>(at_least[k]) << 32 | static_cast<uint64_t>(above[k]);
  }
  Sort(ranks_.data(), num_labels);

  // Groups of equal scores, from the highest down.
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
  bool is_outscored = false;
  if (num_labels == row.classes) {
    ++rows_with_all_labels_;
    AddTo(kLrap, 1);
  } else {
    AddTo(kLrap, precision_sum / static_cast<double>(num_labels));
    const double pairs = static_cast<double>(num_labels) * static_cast<double>(row.classes - num_labels);
    AddTo(kRankingLoss, static_cast<double>(pairs_in_disorder) / pairs);
    is_outscored = AddMargin(row);
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
  return is_outscored;
}

template <typename T>
bool RankingMetrics::AddMargin(const KnownRow<T>& row) {
  // The maximum of a copy without the labels: segment by segment between labels, all metrics took 4 % longer.
  T* others = ScratchOf<T>().others.data();
  std::copy_n(row.scores, row.classes, others);
  T lowest = kInfinity<T>;
  for (size_t k = 0; k < row.num_labels; ++k) {
    lowest = std::min(lowest, std::exchange(others[row.labels[k]], -kInfinity<T>));
  }
  const T highest = Highest(others, row.classes);
  ScratchOf<T>().highest_other = highest;
  ++margins_[BinOfMargin(static_cast<double>(lowest) - static_cast<double>(highest))];
  return lowest < highest;
}

// Adds a row in which a class is above a label, after AddMargin().
template <typename T>
void RankingMetrics::AddConfusions(const AveragePrecision::Row<T>& row) {
  T* others = ScratchOf<T>().others.data();
  if (row.num_unknown > 0) {
    // AddMargin() left the known classes there, in other places.
    std::copy_n(row.scores, classes_, others);
    for (size_t k = 0; k < row.num_labels; ++k) others[row.labels[k]] = -kInfinity<T>;
    for (size_t k = 0; k < row.num_unknown; ++k) others[row.unknown[k]] = -kInfinity<T>;
  }
  for (size_t k = 0; k < row.num_labels; ++k) {
    const auto label = static_cast<size_t>(row.labels[k]);
    if (row.scores[label] < ScratchOf<T>().highest_other) confusions_.Add(label, row.scores[label], others);
  }
}

// Adds what is expected of a group of equal scores, of which `labels` are labels, among the first k in a random order.
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

// Sets counts_[k] to the number of scores above that of label k, and counts_[num_labels + k] to that of those at or
// above it.
template <typename T>
void RankingMetrics::CountRanks(const KnownRow<T>& row) {
  T* thresholds = ScratchOf<T>().thresholds.data();
  for (size_t k = 0; k < row.num_labels; ++k) {
    thresholds[k] = row.scores[row.labels[k]];
    thresholds[row.num_labels + k] = Before(thresholds[k]);
  }
  IgnoreCounts ignore;
  ScratchOf<T>().counts.Count(row.scores, row.classes, thresholds, 2 * row.num_labels, KernelChoice::kMeasured, ignore,
                              counts_.data());
}

template <typename Function>
void RankingMetrics::ForEachCount(Function field) {
  for (uint64_t* count : {&rows_, &rows_skipped_, &rows_without_labels_, &rows_with_all_labels_, &rows_with_ties_,
                          &fingerprint_, &labels_fingerprint_}) {
    field(*count);
  }
  for (uint64_t& bin : margins_) field(bin);
  for (size_t label = 0; label < classes_; ++label) {
    field(support_[label]);
    field(twice_rank_sum_[label]);
  }
}

void RankingMetrics::Write(StateWriter& writer) {
  ForEachCount([&](uint64_t count) { writer.Put(count); });
  groups_.Write(writer);
  average_precision_.Write(writer);
  classification_.Write(writer);
  label_groups_.Write(writer);
  confusions_.Write(writer);
}

template <bool kCheck>
MetricsStatus RankingMetrics::Merge(StateReader& reader) {
  uint64_t rows = 0;
  uint64_t skipped = 0;
  uint64_t margins = 0;
  uint64_t support = 0;
  ForEachCount([&](uint64_t& count) {
    const uint64_t added = reader.Get();
    if (&count == &rows_) rows = added;
    if (&count == &rows_skipped_) skipped = added;
    if constexpr (!kCheck) {
      count += added;
      return;
    }
    if (rows > kMostRows || skipped > kMostRows - rows) reader.Fail();
    if (&count == &rows_without_labels_ || &count == &rows_with_all_labels_ || &count == &rows_with_ties_) {
      if (added > rows) reader.Fail();
    } else if (&count >= margins_ && &count < margins_ + 2 * kMarginBins) {
      if (added > rows - margins) reader.Fail();
      margins += std::min(added, rows - margins);
    } else if (classes_ > 0 && &count >= support_.data() && &count < support_.data() + classes_) {
      support = added;
      if (added > rows) reader.Fail();
    } else if (classes_ > 0 && &count >= twice_rank_sum_.data() && &count < twice_rank_sum_.data() + classes_) {
      // Ranks lie between 1 and the number of classes.
      if (added < 2 * support || added > 2 * support * classes_) reader.Fail();
    }
  });
  if (!reader.ok()) return MetricsStatus::kBadState;
  if (kCheck && rows + skipped > kMostRows - num_rows()) return MetricsStatus::kTooManyRows;
  groups_.Merge<kCheck>(reader, rows);
  if (!reader.ok()) return MetricsStatus::kBadState;
  if constexpr (kCheck) {
    average_precision_.PrepareMerge(reader, rows, skipped);
  } else {
    average_precision_.Merge(reader, rows, skipped);
  }
  if (!reader.ok()) return MetricsStatus::kBadState;
  if (!classification_.Merge<kCheck>(reader, rows) || !label_groups_.Merge<kCheck>(reader, rows) ||
      !confusions_.Merge<kCheck>(reader, rows)) {
    return MetricsStatus::kOutOfMemory;
  }
  return reader.ok() && reader.at_end() ? MetricsStatus::kOk : MetricsStatus::kBadState;
}

MetricsStatus RankingMetrics::Merge(const uint8_t* state, size_t size) {
  StateReader check(state, size);
  const MetricsStatus status = Merge<true>(check);
  if (status != MetricsStatus::kOk) return status;
  StateReader reader(state, size);
  return Merge<false>(reader);
}

bool RankingMetrics::Compute(Means* means, MeansAtK* at_k, LabelMeans* of_labels) {
  using Value = AveragePrecision::Value;
  using Missing = AveragePrecision::Missing;
  constexpr Value kNone = {kNan, kNan, kNan};
  Buffer<Value> average_precisions;
  if (!average_precisions.Reserve(classes_)) return false;
  const Missing missing = average_precision_.Compute(average_precisions.data(), &means->micro_average_precision);
  if (missing != Missing::kNothing) std::fill_n(average_precisions.data(), classes_, kNone);
  const double weight = groups_.Total(kWeight);
  const auto mean = [&](size_t sum) { return weight == 0 ? kNan : groups_.Total(sum) / weight; };
  means->rows = static_cast<double>(rows_);
  means->rows_without_labels = static_cast<double>(rows_without_labels_);
  means->rows_with_all_labels = static_cast<double>(rows_with_all_labels_);
  means->rows_with_ties = static_cast<double>(rows_with_ties_);
  means->rows_skipped = static_cast<double>(rows_skipped_);
  means->weight = weight;
  means->loss = mean(kLoss);
  means->ranking_loss = mean(kRankingLoss);
  means->coverage = mean(kCoverage);
  means->lrap = mean(kLrap);
  means->one_error = mean(kOneError);
  means->reciprocal_rank = mean(kReciprocalRank);
  means->missing = static_cast<double>(missing);
  for (size_t i = 0; i < num_ks_; ++i) {
    const size_t first = kSums + i * kSumsAtK;
    at_k[i] = {mean(first + kPrecision), mean(first + kRecall), mean(first + kNdcg)};
  }

  ExactSum macro, low, high;
  for (size_t label = 0; label < classes_; ++label) {
    const auto support = static_cast<double>(support_[label]);
    const Value& value = average_precisions[label];
    of_labels[label] = {support,
                        support_[label] == 0 ? kNan : static_cast<double>(twice_rank_sum_[label]) / 2 / support, value};
    if (missing != Missing::kNothing) continue;
    macro.Add(value.value);
    low.Add(value.low);
    high.Add(value.high);
  }
  const auto classes = static_cast<double>(classes_);
  means->macro_average_precision = {macro.Value() / classes, low.Value() / classes, high.Value() / classes};
  if (weight == 0 || missing != Missing::kNothing) {
    means->macro_average_precision = kNone;
    means->micro_average_precision = kNone;
  }
  return true;
}

void RankingMetrics::ComputeClassification(double* means, Classification::LabelCounts* counts) const {
  const double weight = groups_.Total(kWeight);
  for (size_t i = 0; i < Classification::kRowMetrics; ++i) {
    means[i] = weight == 0 ? kNan : groups_.Total(FirstOfClassification() + i) / weight;
  }
  classification_.Compute(counts);
}

template MetricsOutcome RankingMetrics::Prepare(const Rows<float>&, const RowDetails&, NonFinitePolicy, bool);
template MetricsOutcome RankingMetrics::Prepare(const Rows<double>&, const RowDetails&, NonFinitePolicy, bool);
template void RankingMetrics::Add(const Rows<float>&, const RowDetails&);
template void RankingMetrics::Add(const Rows<double>&, const RowDetails&);

}  // namespace mlml
