#ifndef MULTILABEL_MARGIN_LOSS_LOSS_RANKED_PAIRS_H_
#define MULTILABEL_MARGIN_LOSS_LOSS_RANKED_PAIRS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "loss/thresholds.h"

namespace mlml {

// Counts the pairs that TargetOrder::kRanked adds among the targets: i before j, with the score of j above the
// threshold of i. A Fenwick tree over the sorted thresholds counts them in O(K log K).
template <typename T>
class RankedPairs {
 public:
  [[nodiscard]] bool Reserve(size_t num_targets) {
    return sorted_.Reserve(num_targets) && place_.Reserve(num_targets) && rank_.Reserve(num_targets) &&
           tree_.Reserve(num_targets + 1);
  }

  // above[i] += number of later targets whose score is above threshold i;
  // below[j] = number of earlier targets whose threshold is below score j.
  void Count(const T* scores, const T* thresholds, size_t num_targets, int64_t* above, int64_t* below) {
    size_ = SortThresholds(thresholds, num_targets, sorted_.data());
    std::fill_n(place_.data(), num_targets, kNowhere);
    for (size_t i = 0; i < size_; ++i) place_[sorted_[i].target] = static_cast<int32_t>(i);
    for (size_t k = 0; k < num_targets; ++k) {
      // The number of thresholds below the score; 0 for NaN.
      rank_[k] = static_cast<int32_t>(
          std::partition_point(sorted_.data(), sorted_.data() + size_,
                               [&](const Threshold<T>& threshold) { return threshold.value < scores[k]; }) -
          sorted_.data());
    }

    ClearTree();
    for (size_t j = 0; j < num_targets; ++j) {
      below[j] = AddedBelow(rank_[j]);
      if (place_[j] != kNowhere) Add(place_[j]);
    }
    ClearTree();
    int64_t added = 0;
    for (size_t i = num_targets; i-- > 0;) {
      // Score j is above threshold i where its rank is greater than the threshold's place.
      if (place_[i] != kNowhere) above[i] += added - AddedBelow(place_[i]);
      if (rank_[i] > 0) {
        Add(rank_[i] - 1);
        ++added;
      }
    }
  }

 private:
  static constexpr int32_t kNowhere = -1;

  void ClearTree() { std::fill_n(tree_.data(), size_ + 1, 0); }
  void Add(int32_t place) {
    for (size_t i = static_cast<size_t>(place) + 1; i <= size_; i += i & (~i + 1)) ++tree_[i];
  }
  // The number of added places below `place`.
  int64_t AddedBelow(int32_t place) const {
    int64_t sum = 0;
    for (auto i = static_cast<size_t>(place); i > 0; i &= i - 1) sum += tree_[i];
    return sum;
  }

  size_t size_ = 0;
  Buffer<Threshold<T>> sorted_;
  Buffer<int32_t> place_;  // [k]: index in sorted_ of the threshold of target k, or kNowhere
  Buffer<int32_t> rank_;   // [k]: number of thresholds below the score of target k
  Buffer<int32_t> tree_;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_LOSS_RANKED_PAIRS_H_
