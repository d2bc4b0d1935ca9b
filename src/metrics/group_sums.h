#ifndef MULTILABEL_MARGIN_LOSS_METRICS_GROUP_SUMS_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_GROUP_SUMS_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "metrics/state.h"

namespace mlml {

// Sums of rows that are kept apart in groups, for confidence intervals. Rows fall into groups at random: by a hash of
// their number, so that two models' results for the same rows fall alike. To draw whole groups with replacement is a
// bootstrap of clusters whose members have nothing in common, so that it estimates the variance of means over rows.
// Source: Wolter, Introduction to Variance Estimation (2007), chapter 2, "The Method of Random Groups"; Efron and
// Tibshirani, An Introduction to the Bootstrap (1993).
//
// Numbers in fixed point, with 64 bits before the point and as many behind: the same bits in any order of rows and
// parts. An ExactSum for each would be 36 times as large.
class GroupSums {
 public:
  // The standard error that follows from so many has one of 1/sqrt(2 * 255) = 4 %.
  static constexpr size_t kGroups = 256;

  [[nodiscard]] bool Begin(size_t num_sums) {
    num_sums_ = num_sums;
    if (!sums_.Reserve(kGroups * num_sums)) return false;
    std::fill_n(sums_.data(), kGroups * num_sums, Fixed{0, 0});
    return true;
  }

  // What is added next is of a row of this hash.
  void BeginRow(uint64_t hash) {
    const auto group = static_cast<size_t>(hash % kGroups);
    ++rows_[group];
    row_ = sums_.data() + group * num_sums_;
  }

  // A number from 0 on. More than 2^32 is as much as that.
  void Add(size_t sum, double value) {
    const double bounded = std::min(value, 0x1p32);
    const auto whole = static_cast<uint64_t>(bounded);
    row_[sum].Add({whole, static_cast<uint64_t>((bounded - static_cast<double>(whole)) * 0x1p64)});
  }

  // Writes to sums[kGroups, 1 + num_sums] the number of rows of each group, and their sums.
  void Values(double* values) const {
    for (size_t group = 0; group < kGroups; ++group) {
      *values++ = static_cast<double>(rows_[group]);
      for (size_t sum = 0; sum < num_sums_; ++sum) {
        const Fixed& fixed = sums_[group * num_sums_ + sum];
        *values++ = static_cast<double>(fixed.whole) + static_cast<double>(fixed.fraction) * 0x1p-64;
      }
    }
  }

  void Write(StateWriter& writer) const {
    for (size_t group = 0; group < kGroups; ++group) {
      writer.Put(rows_[group]);
      if (rows_[group] == 0) continue;
      for (size_t sum = 0; sum < num_sums_; ++sum) {
        writer.Put(sums_[group * num_sums_ + sum].whole);
        writer.Put(sums_[group * num_sums_ + sum].fraction);
      }
    }
  }

  // Adds what Write wrote of as many sums; with kCheck, only reads it.
  template <bool kCheck>
  void Merge(StateReader& reader) {
    for (size_t group = 0; group < kGroups; ++group) {
      const uint64_t rows = reader.Get();
      if (rows == 0) continue;
      if (!kCheck) rows_[group] += rows;
      for (size_t sum = 0; sum < num_sums_; ++sum) {
        const uint64_t whole = reader.Get();
        const uint64_t fraction = reader.Get();
        if (!kCheck) sums_[group * num_sums_ + sum].Add({whole, fraction});
      }
    }
  }

 private:
  struct Fixed {
    uint64_t whole;
    uint64_t fraction;  // in units of 2^-64

    void Add(const Fixed& other) {
      fraction += other.fraction;
      whole += other.whole + (fraction < other.fraction ? 1 : 0);
    }
  };

  size_t num_sums_ = 0;
  uint64_t rows_[kGroups] = {};
  Buffer<Fixed> sums_;  // [kGroups, num_sums]
  Fixed* row_ = nullptr;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_GROUP_SUMS_H_
