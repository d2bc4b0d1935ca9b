#ifndef MULTILABEL_MARGIN_LOSS_METRICS_GROUP_SUMS_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_GROUP_SUMS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/buffer.h"
#include "metrics/exact_sum.h"
#include "metrics/state.h"

namespace mlml {

// Exact sums over rows, kept apart in groups for confidence intervals. A hash of what a row is known by chooses its
// group, so that the same rows fall into the same groups for two models. To draw whole groups with replacement is a
// bootstrap of clusters whose members have nothing in common, so it estimates the variance of means over rows. Source:
// Wolter, Introduction to Variance Estimation (2007), chapter 2, "The Method of Random Groups"; Efron and Tibshirani,
// An Introduction to the Bootstrap (1993).
//
// The limbs of one place in all sums are together (exact_sum.h): terms of usual sizes need five of the 68 places, which
// stay in the cache. With an ExactSum for each group and sum, 2 MB, all metrics took a third longer.
class GroupSums {
 public:
  // A standard error estimated from 256 groups has itself a relative standard error of 1/sqrt(2 * 255) = 4 %.
  static constexpr size_t kGroups = 256;

  [[nodiscard]] bool Begin(size_t num_sums) {
    num_sums_ = num_sums;
    const size_t size = kGroups * num_sums;
    if (!limbs_.Reserve(ExactSum::kLimbs * step()) || !infinities_.Reserve(size)) return false;
    std::fill_n(limbs_.data(), ExactSum::kLimbs * step(), uint64_t{0});
    std::fill_n(infinities_.data(), size, uint64_t{0});
    return true;
  }

  // Begins a row of this hash. Add() then adds to the sums of its group.
  void BeginRow(uint64_t hash) {
    const auto group = static_cast<size_t>(hash % kGroups);
    ++rows_[group];
    CountPending(group);
    row_ = group * num_sums_;
  }

  // Adds a number that is not below 0, to each sum once in a row at most.
  void Add(size_t sum, double value) {
    const size_t place = row_ + sum;
    if (!(value <= std::numeric_limits<double>::max())) {
      ++infinities_[place];
      return;
    }
    ExactSum::Term(value).AddTo(limbs_.data() + place, step());
  }

  // The sum over all groups, rounded once.
  double Total(size_t sum) const {
    ExactSum total;
    for (size_t group = 0; group < kGroups; ++group) {
      if (rows_[group] > 0) total.Add(SumOf(group, sum));
    }
    return total.Value();
  }

  // Writes to values[kGroups, 1 + num_sums] the number of rows of each group, and its sums.
  void Values(double* values) const {
    for (size_t group = 0; group < kGroups; ++group) {
      *values++ = static_cast<double>(rows_[group]);
      for (size_t sum = 0; sum < num_sums_; ++sum) *values++ = SumOf(group, sum).Value();
    }
  }

  void Write(StateWriter& writer) const {
    for (size_t group = 0; group < kGroups; ++group) {
      writer.Put(rows_[group]);
      if (rows_[group] == 0) continue;
      for (size_t sum = 0; sum < num_sums_; ++sum) SumOf(group, sum).Write(writer);
    }
  }

  // Reads what Write() wrote of as many sums over so many rows; with kCheck, adds nothing.
  template <bool kCheck>
  void Merge(StateReader& reader, uint64_t all_rows) {
    uint64_t seen = 0;
    for (size_t group = 0; group < kGroups; ++group) {
      const uint64_t rows = reader.Get();
      if (rows == 0) continue;
      if (rows > all_rows - seen) {
        reader.Fail();
        return;
      }
      seen += rows;
      if (!kCheck) {
        rows_[group] += rows;
        CountPending(group);
      }
      for (size_t place = group * num_sums_; place < (group + 1) * num_sums_; ++place) {
        ExactSum sum = ExactSum::Read(reader, rows);
        if (kCheck) continue;
        sum.AddTo(limbs_.data() + place, step());
        infinities_[place] += sum.infinities();
      }
    }
    if (seen != all_rows) reader.Fail();
  }

 private:
  size_t step() const { return kGroups * num_sums_ + 24; }

  ExactSum SumOf(size_t group, size_t sum) const {
    const size_t place = group * num_sums_ + sum;
    return {limbs_.data() + place, step(), infinities_[place]};
  }

  // Counts what is about to be added to each sum of a group.
  void CountPending(size_t group) {
    if (++pending_[group] < ExactSum::kMostPending) return;
    pending_[group] = 1;
    for (size_t place = group * num_sums_; place < (group + 1) * num_sums_; ++place) {
      uint64_t* limb = limbs_.data() + place;
      for (size_t i = 0; i + 1 < ExactSum::kLimbs; ++i, limb += step()) {
        limb[step()] += *limb >> 32;
        *limb &= 0xffffffff;
      }
    }
  }

  size_t num_sums_ = 0;
  uint64_t rows_[kGroups] = {};
  uint32_t pending_[kGroups] = {};  // terms of each sum since the last carry
  Buffer<uint64_t> limbs_;          // [kLimbs, kGroups, num_sums]
  Buffer<uint64_t> infinities_;     // [kGroups, num_sums]
  size_t row_ = 0;                  // where the sums of the row's group begin
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_GROUP_SUMS_H_
