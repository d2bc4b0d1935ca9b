#ifndef MULTILABEL_MARGIN_LOSS_METRICS_LABEL_GROUPS_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_LABEL_GROUPS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "metrics/group_sums.h"
#include "metrics/state.h"

namespace mlml {

// What is known of each label over the rows of each of the groups of group_sums.h, for confidence intervals of metrics
// of a label. They are whole numbers, which do not regard the weights of rows. For more than kMostClasses there are
// none: memory is 6 KB for each class.
class LabelGroups {
 public:
  static constexpr size_t kMostClasses = 4096;

  struct Counts {
    uint64_t twice_rank_sum;  // over the rows that have the label, of its rank: see RankingMetrics::LabelMeans
    uint32_t support;         // rows that have the label
    uint32_t predicted;       // rows for which it is predicted
    uint32_t true_positives;  // rows that have it and for which it is predicted
  };

  void Begin(size_t classes) { classes_ = classes; }
  bool enabled() const { return classes_ <= kMostClasses; }

  // Makes room. To be called before rows are added. False when there is no memory for it.
  [[nodiscard]] bool Reserve() {
    if (!enabled() || counts_.capacity() > 0) return true;
    if (!counts_.Reserve(GroupSums::kGroups * classes_)) return false;
    std::fill_n(counts_.data(), GroupSums::kGroups * classes_, Counts{});
    return true;
  }

  // Begins a row of this hash, which falls into the group that it has in GroupSums.
  void BeginRow(uint64_t hash) {
    row_ = enabled() ? counts_.data() + static_cast<size_t>(hash % GroupSums::kGroups) * classes_ : nullptr;
  }
  void AddLabel(size_t label, uint64_t twice_rank) {
    if (row_ == nullptr) return;
    ++row_[label].support;
    row_[label].twice_rank_sum += twice_rank;
  }
  void AddPredicted(size_t label, bool is_right) {
    if (row_ == nullptr) return;
    ++row_[label].predicted;
    row_[label].true_positives += is_right ? 1 : 0;
  }

  // Writes those of a label in all groups to values[kGroups, 4], in the order of the members. To be called where they
  // are enabled().
  void Values(size_t label, double* values) const {
    for (size_t group = 0; group < GroupSums::kGroups; ++group) {
      const Counts counts = counts_.capacity() == 0 ? Counts{} : counts_[group * classes_ + label];
      *values++ = static_cast<double>(counts.twice_rank_sum);
      *values++ = counts.support;
      *values++ = counts.predicted;
      *values++ = counts.true_positives;
    }
  }

  void Write(StateWriter& writer) const {
    if (!enabled()) return;
    size_t next = 0;
    for (size_t i = 0; i < counts_.capacity(); ++i) {
      const Counts& counts = counts_[i];
      if (counts.support == 0 && counts.predicted == 0) continue;
      writer.Put(i - next + 1);
      writer.Put(counts.support);
      writer.Put(counts.predicted);
      if (counts.support > 0) writer.Put(counts.twice_rank_sum);
      if (counts.support > 0 && counts.predicted > 0) writer.Put(counts.true_positives);
      next = i + 1;
    }
    writer.Put(0);
  }

  // Reads what Write() wrote of as many classes over so many rows. With kCheck, checks it and makes room instead of
  // adding it; false when there is no memory for it.
  template <bool kCheck>
  [[nodiscard]] bool Merge(StateReader& reader, uint64_t rows) {
    if (!enabled()) return true;
    uint64_t next = 0;
    while (const uint64_t step = reader.Get()) {
      if (step > GroupSums::kGroups * classes_ - next) {
        reader.Fail();
        return true;
      }
      next += step;
      const uint64_t support = reader.Get();
      const uint64_t predicted = reader.Get();
      const uint64_t twice_rank_sum = support > 0 ? reader.Get() : 0;
      const uint64_t true_positives = support > 0 && predicted > 0 ? reader.Get() : 0;
      if (support > rows || predicted > rows || true_positives > std::min(support, predicted) ||
          twice_rank_sum < 2 * support || twice_rank_sum > 2 * support * classes_) {
        reader.Fail();
      }
      if (!reader.ok()) return true;
      if constexpr (!kCheck) {
        Counts& counts = counts_[static_cast<size_t>(next - 1)];
        counts.twice_rank_sum += twice_rank_sum;
        counts.support += static_cast<uint32_t>(support);
        counts.predicted += static_cast<uint32_t>(predicted);
        counts.true_positives += static_cast<uint32_t>(true_positives);
      }
    }
    return !kCheck || !reader.ok() || Reserve();
  }

 private:
  size_t classes_ = 0;
  Buffer<Counts> counts_;  // [kGroups, classes]
  Counts* row_ = nullptr;  // of the group of the row at hand; null where they are not enabled
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_LABEL_GROUPS_H_
