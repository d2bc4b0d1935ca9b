#ifndef MULTILABEL_MARGIN_LOSS_LOSS_DIRECT_COUNTS_H_
#define MULTILABEL_MARGIN_LOSS_LOSS_DIRECT_COUNTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "base/simd.h"

namespace mlml {

// The direct row kernel compares every score with every threshold, with four thresholds in registers at a time. It
// takes O(C * K) time, and is the faster kernel for few thresholds. row_counts.h has the contract of its functions.
template <typename T>
class DirectCounts {
  using Count = CountOf<T>;
  static constexpr size_t kGroup = 4;
  static constexpr size_t kChunk = 4096 / sizeof(T);  // with its counts, 8 KB that stay in the first-level cache

 public:
  [[nodiscard]] bool Reserve(size_t num_thresholds) {
    const size_t padded = Padded(num_thresholds);
    return thresholds_.Reserve(padded) && above_.Reserve(padded * kLanes<T>);
  }

  void Begin(const T* thresholds, size_t num_thresholds) {
    num_thresholds_ = num_thresholds;
    const size_t padded = Padded(num_thresholds);
    std::copy_n(thresholds, num_thresholds, thresholds_.data());
    // No score is above +Inf, so the padding counts nothing.
    std::fill(thresholds_.data() + num_thresholds, thresholds_.data() + padded, kInfinity<T>);
    std::fill_n(above_.data(), padded * kLanes<T>, Count{0});
  }

  template <typename At, typename Consume>
  void CountScores(At* scores, size_t size, Consume& consume) {
    const size_t last = num_thresholds_ - 1 - (num_thresholds_ - 1) % kGroup;
    Consume local = consume;  // in registers
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
    consume = local;
  }

  void End(int64_t* above) {
    for (size_t k = 0; k < num_thresholds_; ++k) {
      int64_t sum = 0;
      for (size_t lane = 0; lane < kLanes<T>; ++lane) sum -= above_[k * kLanes<T> + lane];
      above[k] = sum;
    }
  }

 private:
  static size_t Padded(size_t num_thresholds) {
    return std::max(kGroup, (num_thresholds + kGroup - 1) / kGroup * kGroup);
  }

  // Compares with exactly the thresholds that are left: 5 thresholds take three quarters of the time of two full
  // groups.
  template <bool kFirst, typename At, typename Consume>
  void CountLastGroup(size_t k, At* scores, size_t size, const Count* before, Consume& consume) {
    const auto use = [scores, &consume](auto x, auto counts, size_t j) { consume(x, counts, scores + j); };
    switch (num_thresholds_ - k) {
      case 1:
        if constexpr (kFirst) {
          const auto use_one = [scores, &consume](auto x, auto counts, size_t j) {
            consume.OfOne(x, counts, scores + j);
          };
          return CountGroup<1, true>(k, scores, size, before, use_one);
        }
        return CountGroup<1, kFirst>(k, scores, size, before, use);
      case 2:
        return CountGroup<2, kFirst>(k, scores, size, before, use);
      case 3:
        return CountGroup<3, kFirst>(k, scores, size, before, use);
      default:
        return CountGroup<4, kFirst>(k, scores, size, before, use);
    }
  }

  // Counts the kSize thresholds from k on. Calls use(scores, minus_counts, j) with their counts plus those of `before`,
  // which the first group does not have.
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

  size_t num_thresholds_ = 0;
  Buffer<T> thresholds_;
  Buffer<Count> above_;  // [padded, lanes], negated
};

// Counts a short row with up to four targets, and keeps all counts in registers: 10 classes take a third of the time.
// The targets are masked in registers, since a vector that was just written by element is slow to load. `targets` and
// `thresholds` have four elements each, where -1 and +Inf stand for no target.
template <typename T, typename Consume>
void CountShortRow(T* scores, size_t size, const int32_t* targets, const T* thresholds, Consume& consume,
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
  Consume local = consume;  // in registers
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
    // The last vector overlaps with the one before, which overwrites some of its scores.
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
  consume = local;
}

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_LOSS_DIRECT_COUNTS_H_
