#ifndef MULTILABEL_MARGIN_LOSS_LOSS_DIRECT_COUNTS_H_
#define MULTILABEL_MARGIN_LOSS_LOSS_DIRECT_COUNTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "base/simd.h"

namespace mlml {

// The direct row kernel: compares every score with every threshold, four thresholds held in registers at a time.
// O(C * K), and the quicker one for few targets.
template <typename T>
class DirectCounts {
  using Count = CountOf<T>;
  static constexpr size_t kGroup = 4;
  static constexpr size_t kChunk = 4096 / sizeof(T);  // with its counts, 8 KB that stay in the first-level cache

 public:
  [[nodiscard]] bool Reserve(size_t num_targets) {
    const size_t padded = Padded(num_targets);
    return thresholds_.Reserve(padded) && above_.Reserve(padded * kLanes<T>);
  }

  void Begin(const T* thresholds, size_t num_targets) {
    num_targets_ = num_targets;
    const size_t padded = Padded(num_targets);
    std::copy_n(thresholds, num_targets, thresholds_.data());
    // No score is above +Inf, so the padding counts nothing.
    std::fill(thresholds_.data() + num_targets, thresholds_.data() + padded, kInfinity<T>);
    std::fill_n(above_.data(), padded * kLanes<T>, Count{0});
  }

  // For each vector of `size` scores, a multiple of kLanes<T>, calls finish(scores, minus the number of thresholds
  // below each of them, their address). It may write there.
  template <typename Finish>
  void CountScores(T* scores, size_t size, Finish& finish) {
    const size_t last = num_targets_ - 1 - (num_targets_ - 1) % kGroup;
    Finish local = finish;  // in registers
    for (size_t j = 0; j < size; j += kChunk) {
      const size_t chunk = std::min(kChunk, size - j);
      if (last == 0) {
        CountLastGroup<true>(0, scores + j, chunk, nullptr, local);
        continue;
      }
      Count counts[kChunk];
      const auto store = [&counts](auto, auto sums, size_t i) {
        hn::StoreU(sums, hn::ScalableTag<Count>(), counts + i);
      };
      CountGroup<kGroup, true>(0, scores + j, chunk, nullptr, store);
      for (size_t k = kGroup; k < last; k += kGroup) CountGroup<kGroup, false>(k, scores + j, chunk, counts, store);
      CountLastGroup<false>(last, scores + j, chunk, counts, local);
    }
    finish = local;
  }

  // above[k] = number of scores above threshold k, over all since Begin.
  void End(int64_t* above) {
    for (size_t k = 0; k < num_targets_; ++k) {
      int64_t sum = 0;
      for (size_t lane = 0; lane < kLanes<T>; ++lane) sum -= above_[k * kLanes<T> + lane];
      above[k] = sum;
    }
  }

 private:
  static size_t Padded(size_t num_targets) { return std::max(kGroup, (num_targets + kGroup - 1) / kGroup * kGroup); }

  // Of exactly as many thresholds as there are: in three quarters of the time of a full group for 5 targets.
  template <bool kFirst, typename Finish>
  void CountLastGroup(size_t k, T* scores, size_t size, const Count* before, Finish& finish) {
    const auto use = [scores, &finish](auto x, auto counts, size_t j) { finish(x, counts, scores + j); };
    switch (num_targets_ - k) {
      case 1:
        return CountGroup<1, kFirst>(k, scores, size, before, use);
      case 2:
        return CountGroup<2, kFirst>(k, scores, size, before, use);
      case 3:
        return CountGroup<3, kFirst>(k, scores, size, before, use);
      default:
        return CountGroup<4, kFirst>(k, scores, size, before, use);
    }
  }

  // Calls use(scores, minus the counts, their place) with the counts of the thresholds up to this group: those of
  // `before`, unless this is the first one, and of kSize more.
  template <size_t kSize, bool kFirst, typename Use>
  void CountGroup(size_t k, const T* scores, size_t size, const Count* before, const Use& use) {
    static_assert(kSize >= 1 && kSize <= kGroup);
    const hn::ScalableTag<T> d;
    const hn::ScalableTag<Count> di;
    constexpr size_t L = kLanes<T>;
    const auto t0 = hn::Set(d, thresholds_[k]);
    const auto t1 = hn::Set(d, thresholds_[k + 1]);
    const auto t2 = hn::Set(d, thresholds_[k + 2]);
    const auto t3 = hn::Set(d, thresholds_[k + 3]);
    Count* above = above_.data() + k * L;
    auto a0 = hn::LoadU(di, above);
    auto a1 = hn::LoadU(di, above + L);
    auto a2 = hn::LoadU(di, above + 2 * L);
    auto a3 = hn::LoadU(di, above + 3 * L);
    for (size_t j = 0; j < size; j += L) {
      const auto x = hn::LoadU(d, scores + j);
      auto counts = kFirst ? hn::Zero(di) : hn::LoadU(di, before + j);
      const auto compare = [&](auto threshold, auto& sum) {
        const auto mask = hn::BitCast(di, hn::VecFromMask(d, hn::Gt(x, threshold)));  // a true lane is -1
        sum = hn::Add(sum, mask);
        counts = hn::Add(counts, mask);
      };
      compare(t0, a0);
      if constexpr (kSize > 1) compare(t1, a1);
      if constexpr (kSize > 2) compare(t2, a2);
      if constexpr (kSize > 3) compare(t3, a3);
      use(x, counts, j);
    }
    hn::StoreU(a0, di, above);
    hn::StoreU(a1, di, above + L);
    hn::StoreU(a2, di, above + 2 * L);
    hn::StoreU(a3, di, above + 3 * L);
  }

  size_t num_targets_ = 0;
  Buffer<T> thresholds_;
  Buffer<Count> above_;  // [padded, lanes], negated
};

// The same for a short row and up to four targets, without memory in between: in a third of the time for 10 classes.
// Nor are the targets masked in memory, where a vector could not be loaded soon after. Both arrays are of four:
// `targets` with -1 and `thresholds` with +Inf for want of others.
template <typename T, typename Finish>
void CountShortRow(T* scores, size_t size, const int32_t* targets, const T* thresholds, Finish& finish,
                   int64_t* above) {
  const hn::ScalableTag<T> d;
  const hn::ScalableTag<CountOf<T>> di;
  constexpr size_t L = kLanes<T>;
  const auto y0 = hn::Set(di, targets[0]);
  const auto y1 = hn::Set(di, targets[1]);
  const auto y2 = hn::Set(di, targets[2]);
  const auto y3 = hn::Set(di, targets[3]);
  const auto t0 = hn::Set(d, thresholds[0]);
  const auto t1 = hn::Set(d, thresholds[1]);
  const auto t2 = hn::Set(d, thresholds[2]);
  const auto t3 = hn::Set(d, thresholds[3]);
  auto a0 = hn::Zero(di);
  auto a1 = hn::Zero(di);
  auto a2 = hn::Zero(di);
  auto a3 = hn::Zero(di);
  Finish local = finish;  // in registers
  const auto count = [&](auto x, auto index, auto use) {
    const auto is_target =
        hn::Or(hn::Or(hn::Eq(index, y0), hn::Eq(index, y1)), hn::Or(hn::Eq(index, y2), hn::Eq(index, y3)));
    // All bits set is a NaN, which is above nothing.
    const auto others = hn::Or(x, hn::VecFromMask(d, hn::RebindMask(d, is_target)));
    use(others, hn::BitCast(di, hn::VecFromMask(d, hn::Gt(others, t0))),
        hn::BitCast(di, hn::VecFromMask(d, hn::Gt(others, t1))),
        hn::BitCast(di, hn::VecFromMask(d, hn::Gt(others, t2))),
        hn::BitCast(di, hn::VecFromMask(d, hn::Gt(others, t3))));
  };
  const auto count_whole = [&](T* at, auto index) {
    count(hn::LoadU(d, at), index, [&](auto x, auto m0, auto m1, auto m2, auto m3) {
      a0 = hn::Add(a0, m0);
      a1 = hn::Add(a1, m1);
      a2 = hn::Add(a2, m2);
      a3 = hn::Add(a3, m3);
      local(x, hn::Add(hn::Add(m0, m1), hn::Add(m2, m3)), at);
    });
  };
  auto index = hn::Iota(di, 0);
  if (size < L) {
    T rest[L];
    for (size_t i = 0; i < L; ++i) rest[i] = i < size ? scores[i] : -kInfinity<T>;
    count_whole(rest, index);
    std::copy_n(rest, size, scores);
  } else {
    // The last vector overlaps with the one before, whose scores are yet to be overwritten.
    const auto last = hn::LoadU(d, scores + size - L);
    size_t j = 0;
    for (; j + L <= size; j += L) {
      count_whole(scores + j, index);
      index = hn::Add(index, hn::Set(di, static_cast<CountOf<T>>(L)));
    }
    if (j < size) {
      const auto last_index = hn::Add(hn::Iota(di, 0), hn::Set(di, static_cast<CountOf<T>>(size - L)));
      const auto is_new = hn::VecFromMask(di, hn::Gt(last_index, hn::Set(di, static_cast<CountOf<T>>(j) - 1)));
      count(last, last_index, [&](auto x, auto m0, auto m1, auto m2, auto m3) {
        a0 = hn::Add(a0, hn::And(m0, is_new));
        a1 = hn::Add(a1, hn::And(m1, is_new));
        a2 = hn::Add(a2, hn::And(m2, is_new));
        a3 = hn::Add(a3, hn::And(m3, is_new));
        const auto counts = hn::Add(hn::Add(m0, m1), hn::Add(m2, m3));
        local.Add(x, hn::And(counts, is_new));
        local.StoreGradient(counts, scores + size - L);
      });
    }
  }
  above[0] = -hn::GetLane(hn::SumOfLanes(di, a0));
  above[1] = -hn::GetLane(hn::SumOfLanes(di, a1));
  above[2] = -hn::GetLane(hn::SumOfLanes(di, a2));
  above[3] = -hn::GetLane(hn::SumOfLanes(di, a3));
  finish = local;
}

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_LOSS_DIRECT_COUNTS_H_
