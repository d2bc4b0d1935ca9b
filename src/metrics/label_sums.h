#ifndef MULTILABEL_MARGIN_LOSS_METRICS_LABEL_SUMS_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_LABEL_SUMS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/buffer.h"
#include "metrics/exact_sum.h"
#include "metrics/state.h"

namespace mlml {

// Many exact sums of the weights of rows. Rows of weight 1 are counted. Other weights are added in fixed point, in the
// limbs of exact_sum.h, of which only those are kept that the weights need: five of 68 for weights of usual sizes.
class LabelSums {
 public:
  // The limbs that sums of some weights need.
  struct Limbs {
    size_t begin = ExactSum::kLimbs;
    size_t end = 0;

    bool empty() const { return begin >= end; }
    bool Hold(const Limbs& other) const { return other.empty() || (begin <= other.begin && other.end <= end); }
    void Add(const Limbs& other) {
      begin = std::min(begin, other.begin);
      end = std::max(end, other.end);
    }
    // A term has three limbs, and the sum of 2^32 terms one more.
    void AddWeight(double weight) {
      if (weight == 0 || weight == 1) return;
      const size_t limb = ExactSum::Term(weight).limb;
      Add({limb, std::min(limb + 4, ExactSum::kLimbs)});
    }
  };

  [[nodiscard]] bool Begin(size_t size) {
    size_ = size;
    if (!counts_.Reserve(size)) return false;
    std::fill_n(counts_.data(), size, uint32_t{0});
    return true;
  }

  // Makes room for weights that need these limbs, and changes no sum. False when there is no memory for it.
  [[nodiscard]] bool Reserve(const Limbs& wanted) {
    if (kept_.Hold(wanted)) return true;
    Limbs all = kept_;
    all.Add(wanted);
    const size_t limbs = all.end - all.begin;
    if (size_ > std::numeric_limits<size_t>::max() / sizeof(uint64_t) / limbs) return false;
    Buffer<uint64_t> larger;
    if (!larger.Reserve(limbs * size_)) return false;
    std::fill_n(larger.data(), limbs * size_, uint64_t{0});
    if (!kept_.empty()) {
      std::copy_n(limbs_.data(), (kept_.end - kept_.begin) * size_, larger.data() + (kept_.begin - all.begin) * size_);
    }
    limbs_.Take(larger);
    kept_ = all;
    return true;
  }

  // Begins a row of this weight, for which there is room.
  void BeginRow(double weight) {
    weight_ = weight;
    if (weight == 0 || weight == 1) return;
    CountPending();
    term_ = ExactSum::Term(weight);
    at_ = (term_.limb - kept_.begin) * size_;
  }
  // Adds the weight of the row to a sum, to each once in a row at most.
  void Add(size_t sum) {
    if (weight_ == 1) {
      ++counts_[sum];
    } else if (weight_ != 0) {
      limbs_[at_ + sum] += term_.part0;
      limbs_[at_ + sum + size_] += term_.part1;
      limbs_[at_ + sum + 2 * size_] += term_.part2;
    }
  }

  // A sum, rounded once.
  double Value(size_t sum) const {
    if (kept_.empty()) return counts_[sum];
    ExactSum total = SumOf(sum);
    total.Add(static_cast<double>(counts_[sum]));
    return total.Value();
  }

  void Write(StateWriter& writer) const {
    writer.Put(kept_.empty() ? 0 : 1);
    for (size_t sum = 0; sum < size_; ++sum) {
      writer.Put(counts_[sum]);
      if (!kept_.empty()) SumOf(sum).Write(writer);
    }
  }

  // Reads what Write() wrote of as many sums over at most `rows` rows. With kCheck, checks it and makes room instead of
  // adding it; false when there is no memory for it.
  template <bool kCheck>
  [[nodiscard]] bool Merge(StateReader& reader, uint64_t rows) {
    const uint64_t weighted = reader.Get();
    if (weighted > 1) reader.Fail();
    if (!kCheck && weighted == 1) CountPending();
    Limbs wanted;
    for (size_t sum = 0; sum < size_ && reader.ok(); ++sum) {
      const uint64_t count = reader.Get();
      if (count > rows) reader.Fail();
      if (!kCheck) counts_[sum] += static_cast<uint32_t>(count);
      if (weighted == 0) continue;
      ExactSum added = ExactSum::Read(reader, rows);
      if (added.infinities() > 0) reader.Fail();
      uint64_t limbs[ExactSum::kLimbs] = {};
      added.AddTo(limbs, 1);
      for (size_t i = 0; i < ExactSum::kLimbs; ++i) {
        if (limbs[i] == 0) continue;
        if (kCheck) {
          // Carries go one limb further.
          wanted.Add({i, std::min(i + 2, ExactSum::kLimbs)});
        } else {
          limbs_[(i - kept_.begin) * size_ + sum] += limbs[i];
        }
      }
    }
    return !kCheck || !reader.ok() || Reserve(wanted);
  }

 private:
  ExactSum SumOf(size_t sum) const {
    uint64_t limbs[ExactSum::kLimbs] = {};
    for (size_t i = kept_.begin; i < kept_.end; ++i) limbs[i] = limbs_[(i - kept_.begin) * size_ + sum];
    return {limbs, 1, 0};
  }

  // Counts what is about to be added to each sum.
  void CountPending() {
    if (++pending_ < ExactSum::kMostPending) return;
    pending_ = 1;
    for (size_t i = 0; i + 1 < kept_.end - kept_.begin; ++i) {
      uint64_t* limb = limbs_.data() + i * size_;
      for (size_t sum = 0; sum < size_; ++sum) {
        limb[sum + size_] += limb[sum] >> 32;
        limb[sum] &= 0xffffffff;
      }
    }
  }

  size_t size_ = 0;
  Buffer<uint32_t> counts_;  // [size]: rows of weight 1, of which there are fewer than 2^32
  Buffer<uint64_t> limbs_;   // [limbs that are kept, size]
  Limbs kept_;
  uint32_t pending_ = 0;  // terms of each sum since the last carry

  // The row at hand.
  double weight_ = 1;
  ExactSum::Term term_{0.0};
  size_t at_ = 0;  // where the limbs begin that it is added to
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_LABEL_SUMS_H_
