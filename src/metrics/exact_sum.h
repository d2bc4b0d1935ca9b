#ifndef MULTILABEL_MARGIN_LOSS_METRICS_EXACT_SUM_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_EXACT_SUM_H_

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace mlml {

// The exact sum of doubles that are not below 0, as one long number in fixed point: the same bits in whatever order
// they come, and however many parts are added up apart. Infinite terms are counted by themselves. After Radford Neal,
// "Fast exact summation using small and large superaccumulators" (2015).
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

  // Leaves 32 bits in each limb but the last.
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

  // Calls field(uint64_t&) for each of the numbers that the sum is made of. They add up to those of a sum of sums.
  template <typename Function>
  void ForEachField(Function field) {
    Carry();
    field(infinities_);
    for (uint64_t& limb : limbs_) field(limb);
    Carry();
  }

 private:
  // Doubles have 2098 bits in fixed point, and there is room for 2^64 of them.
  static constexpr size_t kLimbs = 68;
  static constexpr uint32_t kMostPending = 1u << 30;

  uint64_t limbs_[kLimbs] = {};
  uint64_t infinities_ = 0;
  uint32_t pending_ = 0;  // terms since the last carry
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_EXACT_SUM_H_
