#ifndef MULTILABEL_MARGIN_LOSS_METRICS_GROUP_SUMS_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_GROUP_SUMS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "metrics/exact_sum.h"
#include "metrics/state.h"

namespace mlml {

// Sums of rows, kept apart in groups for confidence intervals. A hash of what a row is known by chooses its group, so
// that the same rows fall into the same groups for two models. To draw whole groups with replacement is a bootstrap of
// clusters whose members have nothing in common, so it estimates the variance of means over rows.
// Source: Wolter, Introduction to Variance Estimation (2007), chapter 2, "The Method of Random Groups"; Efron and
// Tibshirani, An Introduction to the Bootstrap (1993).
class GroupSums {
 public:
  // A standard error estimated from 256 groups has itself a relative standard error of 1/sqrt(2 * 255) = 4 %.
  static constexpr size_t kGroups = 256;

  [[nodiscard]] bool Begin(size_t num_sums) {
    num_sums_ = num_sums;
    if (!sums_.Reserve(kGroups * num_sums)) return false;
    std::fill_n(sums_.data(), kGroups * num_sums, ExactSum());
    return true;
  }

  // Begins a row of this hash. Add() then adds to the sums of its group.
  void BeginRow(uint64_t hash) {
    const auto group = static_cast<size_t>(hash % kGroups);
    ++rows_[group];
    row_ = sums_.data() + group * num_sums_;
  }

  // Adds a number that is not below 0.
  void Add(size_t sum, double value) { row_[sum].Add(value); }

  // Writes to values[kGroups, 1 + num_sums] the number of rows of each group, and its sums.
  void Values(double* values) {
    for (size_t group = 0; group < kGroups; ++group) {
      *values++ = static_cast<double>(rows_[group]);
      for (size_t sum = 0; sum < num_sums_; ++sum) *values++ = sums_[group * num_sums_ + sum].Value();
    }
  }

  void Write(StateWriter& writer) {
    for (size_t group = 0; group < kGroups; ++group) {
      writer.Put(rows_[group]);
      if (rows_[group] == 0) continue;
      for (size_t sum = 0; sum < num_sums_; ++sum) sums_[group * num_sums_ + sum].Write(writer);
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
      if (!kCheck) rows_[group] += rows;
      for (size_t sum = 0; sum < num_sums_; ++sum) {
        ExactSum::Merge(reader, rows, kCheck ? nullptr : &sums_[group * num_sums_ + sum]);
      }
    }
    if (seen != all_rows) reader.Fail();
  }

 private:
  size_t num_sums_ = 0;
  uint64_t rows_[kGroups] = {};
  Buffer<ExactSum> sums_;  // [kGroups, num_sums]
  ExactSum* row_ = nullptr;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_GROUP_SUMS_H_
