#ifndef MULTILABEL_MARGIN_LOSS_METRICS_EXACT_SUM_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_EXACT_SUM_H_

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "metrics/state.h"

namespace mlml {

// The exact sum of doubles that are not below 0: one long number in fixed point, in limbs of 32 bits that are kept
// in 64. Neither the order of the terms changes it, nor whether parts are summed apart. Infinite terms are counted.
// After Radford Neal, "Fast exact summation using small and large superaccumulators" (2015).
class ExactSum {
 public:
  // A double has up to 2098 bits in fixed point. The rest is room for the sum of 2^64 of them.
  static constexpr size_t kLimbs = 68;
  // Terms, or sums whose limbs are below 2^32, that may be added to limbs before the next carry.
  static constexpr uint32_t kMostPending = 1u << 30;

  // A finite double that is not below 0, in units of 2^-1074: the sum of its parts times 2^(32 * limb), 2^(32 * (limb +
  // 1)) and 2^(32 * (limb + 2)).
  struct Term {
    explicit Term(double value) {
      const auto bits = std::bit_cast<uint64_t>(value);
      const auto exponent = static_cast<size_t>(bits >> 52) & 0x7ff;
      const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
      const uint64_t mantissa = exponent == 0 ? fraction : fraction | uint64_t{1} << 52;
      const size_t shift = exponent == 0 ? 0 : exponent - 1;
      limb = shift / 32;
      const uint64_t low = (mantissa & 0xffffffff) << (shift % 32);
      const uint64_t high = (mantissa >> 32) << (shift % 32);
      part0 = low & 0xffffffff;
      part1 = (low >> 32) + (high & 0xffffffff);
      part2 = high >> 32;
    }

    // Adds it to the limbs of a sum, which are `step` apart.
    void AddTo(uint64_t* limbs, size_t step) const {
      limbs += limb * step;
      limbs[0] += part0;
      limbs[step] += part1;
      limbs[2 * step] += part2;
    }

    size_t limb;
    // Each is below 2^33.
    uint64_t part0;
    uint64_t part1;
    uint64_t part2;
  };

  ExactSum() = default;
  // The sum whose limbs are `step` apart, with so many infinite terms.
  ExactSum(const uint64_t* limbs, size_t step, uint64_t infinities) : infinities_(infinities) {
    for (size_t i = 0; i < kLimbs; ++i) limbs_[i] = limbs[i * step];
    Carry();
  }

  void Add(double value) {
    if (!(value <= std::numeric_limits<double>::max())) {
      ++infinities_;
      return;
    }
    Term(value).AddTo(limbs_, 1);
    if (++pending_ == kMostPending) Carry();
  }

  void Add(ExactSum other) {
    other.Carry();
    infinities_ += other.infinities_;
    for (size_t i = 0; i < kLimbs; ++i) limbs_[i] += other.limbs_[i];
    Carry();
  }

  // Adds the limbs, after a carry, to limbs that are `step` apart.
  void AddTo(uint64_t* limbs, size_t step) {
    Carry();
    for (size_t i = 0; i < kLimbs; ++i) {
      if (limbs_[i] != 0) limbs[i * step] += limbs_[i];
    }
  }
  uint64_t infinities() const { return infinities_; }

  // Moves what is above 32 bits of a limb to the next one. The last limb keeps all of its bits.
  void Carry() {
    pending_ = 0;
    for (size_t i = 0; i + 1 < kLimbs; ++i) {
      limbs_[i + 1] += limbs_[i] >> 32;
      limbs_[i] &= 0xffffffff;
    }
  }

  // The sum, rounded once.
  double Value() {
    Carry();
    // The last limb begins at 2^1070: more than 32 bits in it are above all doubles.
    if (infinities_ > 0 || limbs_[kLimbs - 1] >> 32 != 0) return std::numeric_limits<double>::infinity();
    size_t top = kLimbs;
    while (top > 0 && limbs_[top - 1] == 0) --top;
    if (top < 3) return std::ldexp(static_cast<double>(limbs_[1] << 32 | limbs_[0]), -1074);
    // The uppermost 64 bits, and in the last of these whether there is anything below: enough to round as the whole
    // does.
    const int zeros = std::countl_zero(limbs_[top - 1]) - 32;
    uint64_t upper = (limbs_[top - 1] << 32 | limbs_[top - 2]) << zeros | limbs_[top - 3] >> (32 - zeros);
    uint64_t rest = limbs_[top - 3] << (32 + zeros);
    for (size_t i = 0; i + 3 < top; ++i) rest |= limbs_[i];
    upper |= static_cast<uint64_t>(rest != 0);
    return std::ldexp(static_cast<double>(upper), static_cast<int>(32 * (top - 2)) - zeros - 1074);
  }

  // Writes the limbs from the first to the last that is not 0: a sum of terms of one size has four or five.
  void Write(StateWriter& writer) {
    Carry();
    size_t begin = 0;
    size_t end = kLimbs;
    while (end > 0 && limbs_[end - 1] == 0) --end;
    while (begin < end && limbs_[begin] == 0) ++begin;
    writer.Put(infinities_);
    writer.Put(begin);
    writer.Put(end - begin);
    for (size_t i = begin; i < end; ++i) writer.Put(limbs_[i]);
  }

  // Reads what Write() wrote of a sum of at most `most_terms` terms.
  static ExactSum Read(StateReader& reader, uint64_t most_terms) {
    ExactSum sum;
    sum.infinities_ = reader.Get();
    const uint64_t begin = reader.Get();
    const uint64_t count = reader.Get();
    if (sum.infinities_ > most_terms || begin > kLimbs || count > kLimbs - begin) {
      reader.Fail();
      return {};
    }
    for (uint64_t i = begin; i < begin + count; ++i) {
      sum.limbs_[i] = reader.Get();
      // 2^32 doubles never reach beyond 2^1056, which is below the last limb.
      if (sum.limbs_[i] >> 32 != 0) reader.Fail();
    }
    return sum;
  }

 private:
  uint64_t limbs_[kLimbs] = {};
  uint64_t infinities_ = 0;
  uint32_t pending_ = 0;  // terms since the last carry
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_EXACT_SUM_H_
