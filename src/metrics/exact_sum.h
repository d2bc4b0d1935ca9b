#ifndef MULTILABEL_MARGIN_LOSS_METRICS_EXACT_SUM_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_EXACT_SUM_H_

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "metrics/state.h"

namespace mlml {

// The exact sum of doubles that are not below 0, as one long number in fixed point. It has the same bits in whatever
// order the terms come, and however many parts are summed apart. Infinite terms are counted by themselves. After
// Radford Neal, "Fast exact summation using small and large superaccumulators" (2015).
class ExactSum {
 public:
  void Add(double value) {
    const auto bits = std::bit_cast<uint64_t>(value);
    const auto exponent = static_cast<size_t>(bits >> 52) & 0x7ff;
    if (exponent == 0x7ff) {
      ++infinities_;
      return;
    }
    const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
    // In units of 2^-1074, the value is mantissa * 2^shift.
    const uint64_t mantissa = exponent == 0 ? fraction : fraction | uint64_t{1} << 52;
    const size_t shift = exponent == 0 ? 0 : exponent - 1;
    const size_t limb = shift / 32;
    const uint64_t low = (mantissa & 0xffffffff) << (shift % 32);
    const uint64_t high = (mantissa >> 32) << (shift % 32);
    limbs_[limb] += low & 0xffffffff;
    limbs_[limb + 1] += (low >> 32) + (high & 0xffffffff);
    limbs_[limb + 2] += high >> 32;
    if (++pending_ == kMostPending) Carry();
  }

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

  // Reads what Write() wrote of a sum of at most `most_terms` terms, and adds it to `sum` unless that is null.
  static void Merge(StateReader& reader, uint64_t most_terms, ExactSum* sum) {
    const uint64_t infinities = reader.Get();
    const uint64_t begin = reader.Get();
    const uint64_t count = reader.Get();
    if (infinities > most_terms || begin > kLimbs || count > kLimbs - begin) {
      reader.Fail();
      return;
    }
    if (sum != nullptr) sum->infinities_ += infinities;
    for (uint64_t i = begin; i < begin + count; ++i) {
      const uint64_t limb = reader.Get();
      // 2^32 doubles never reach beyond 2^1056, which is below the last limb.
      if (limb >> 32 != 0) reader.Fail();
      if (sum != nullptr) sum->limbs_[i] += limb;
    }
    if (sum != nullptr) sum->Carry();
  }

 private:
  // A double has up to 2098 bits in fixed point. The rest is room for the sum of 2^64 of them.
  static constexpr size_t kLimbs = 68;
  static constexpr uint32_t kMostPending = 1u << 30;

  uint64_t limbs_[kLimbs] = {};
  uint64_t infinities_ = 0;
  uint32_t pending_ = 0;  // terms since the last carry
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_EXACT_SUM_H_
