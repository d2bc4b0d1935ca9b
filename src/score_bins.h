#ifndef MULTILABEL_MARGIN_LOSS_SCORE_BINS_H_
#define MULTILABEL_MARGIN_LOSS_SCORE_BINS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "buffer.h"
#include "simd.h"

namespace mlml {

// How many scores each label has in each bin, and how many of these are of rows that have the label.
//
// The bin of a score is the upper bits of it as a float: the sign, the exponent and fraction_bits() of the fraction.
// Bins are kept in pages, each of one sign and exponent, and of all labels: there is a page for what any label has
// scores of.
class ScoreBins {
 public:
  static constexpr size_t kPages = 512;
  // Which of them are wanted.
  struct Pages {
    bool wanted[kPages] = {};
  };
  struct Bin {
    uint32_t all;
    uint32_t positive;
  };

  void Begin(size_t classes) {
    classes_ = classes;
    // Those of bfloat16, as long as that leaves all bins within some tens of MB: scores of models span 20 to 40 powers
    // of two. With 10, counting takes twice as long, because the bins in use fall out of the cache.
    fraction_bits_ = static_cast<uint32_t>(std::clamp(18 - static_cast<int>(std::bit_width(classes)), 3, 7));
  }

  uint32_t fraction_bits() const { return fraction_bits_; }
  // Of a label: they order as the scores do.
  size_t num_keys() const { return kPages << fraction_bits_; }

  template <typename T>
  uint32_t KeyOf(T score) const {
    return Ordered(score) >> (kFractionBits - fraction_bits_);
  }

  void Want(uint32_t key, Pages& pages) const { pages.wanted[key >> fraction_bits_] = true; }

  // Those of a row of scores. Only a store for each: to look there whether there is room took a fifth of the time of
  // all metrics.
  template <typename T>
  void Want(const T* scores, Pages& pages) const {
    bool* wanted = pages.wanted;
    ForEachBinOf(scores, [=](uint32_t page, uint32_t /*bin*/) { wanted[page] = true; });
  }

  // Makes room. False when there is no memory for it.
  [[nodiscard]] bool Reserve(const Pages& pages) {
    for (size_t i = 0; i < kPages; ++i) {
      if (pages.wanted[i] && pages_[i].capacity() == 0 && !ReservePage(pages_[i])) return false;
    }
    return true;
  }

  // A row of scores, of wanted pages that there is room for.
  template <typename T>
  void Add(const T* scores) {
    Buffer<uint32_t>* pages = pages_;
    ForEachBinOf(scores, [=](uint32_t page, uint32_t bin) { ++pages[page][bin]; });
  }
  // One of what was added is of a row that has the label.
  void AddPositive(size_t label, uint32_t key) { Add(label, key, {0, 1}); }
  void Add(size_t label, uint32_t key, Bin bin) {
    Buffer<uint32_t>& page = pages_[key >> fraction_bits_];
    page[PlaceOf(label, key)] += bin.all;
    page[PlaceOf(classes_ + label, key)] += bin.positive;
  }

  // function(key, bin) for the bins of a label that are not empty, in ascending order.
  template <typename Function>
  void ForEachBin(size_t label, Function function) const {
    const size_t bins = size_t{1} << fraction_bits_;
    for (size_t i = 0; i < kPages; ++i) {
      if (pages_[i].capacity() == 0) continue;
      const uint32_t* all = pages_[i].data() + label * bins;
      const uint32_t* positive = all + classes_ * bins;
      for (size_t bin = 0; bin < bins; ++bin) {
        if (all[bin] > 0) function(i * bins + bin, Bin{all[bin], positive[bin]});
      }
    }
  }

 private:
  static constexpr int kFractionBits = 23;  // of a float

  // The bits of a float as an unsigned integer that orders as the number does.
  template <typename T>
  static uint32_t Ordered(T score) {
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(score) + 0.0F);  // -0 + 0 = +0: the zeros are equal
    // ~bits for negative numbers, the sign's bit set for others, without a branch that would be mispredicted.
    return bits ^ (static_cast<uint32_t>(static_cast<int32_t>(bits) >> 31) | 0x80000000);
  }

  size_t PlaceOf(size_t label, uint32_t key) const { return label << fraction_bits_ | (key & BinMask()); }
  uint32_t BinMask() const { return (1u << fraction_bits_) - 1; }

  [[nodiscard]] bool ReservePage(Buffer<uint32_t>& page) {
    // Places in a page have 32 bits.
    if (classes_ > std::numeric_limits<uint32_t>::max() >> (fraction_bits_ + 1)) return false;
    const size_t size = 2 * classes_ << fraction_bits_;
    if (!page.Reserve(size)) return false;
    std::fill_n(page.data(), size, 0u);
    return true;
  }

  // function(page, place of the bin in it) for each score of a row.
  template <typename T, typename Function>
  void ForEachBinOf(const T* scores, Function function) const {
    constexpr size_t kChunk = 256;
    uint32_t pages[kChunk];
    uint32_t bins[kChunk];
    for (size_t first = 0; first < classes_; first += kChunk) {
      const size_t size = std::min(kChunk, classes_ - first);
      FindBins(scores, first, size, pages, bins);
      for (size_t i = 0; i < size; ++i) function(pages[i], bins[i]);
    }
  }

  // On vectors, which saves 5 % of the time of all metrics.
  template <typename T>
  void FindBins(const T* scores, size_t first, size_t size, uint32_t* pages, uint32_t* bins) const {
    const hn::ScalableTag<T> d;
    const hn::Rebind<float, decltype(d)> df;
    const hn::RebindToSigned<decltype(df)> di;
    const hn::RebindToUnsigned<decltype(df)> du;
    constexpr size_t L = kLanes<T>;
    const auto shift = static_cast<int>(kFractionBits - fraction_bits_);
    const auto mask = hn::Set(du, BinMask());
    auto label = hn::Iota(du, static_cast<uint32_t>(first));
    size_t i = 0;
    for (; i + L <= size; i += L) {
      const auto x = hn::LoadU(d, scores + first + i);
      hn::VFromD<decltype(df)> narrow;
      if constexpr (std::is_same_v<T, float>) {
        narrow = x;
      } else {
        narrow = hn::DemoteTo(df, x);
      }
      const auto bits = hn::BitCast(di, hn::Add(narrow, hn::Zero(df)));
      const auto flip = hn::Or(hn::ShiftRight<31>(bits), hn::Set(di, std::numeric_limits<int32_t>::min()));
      const auto ordered = hn::BitCast(du, hn::Xor(bits, flip));
      hn::StoreU(hn::ShiftRight<kFractionBits>(ordered), du, pages + i);
      const auto bin = hn::And(hn::ShiftRightSame(ordered, shift), mask);
      hn::StoreU(hn::Or(hn::ShiftLeftSame(label, static_cast<int>(fraction_bits_)), bin), du, bins + i);
      label = hn::Add(label, hn::Set(du, static_cast<uint32_t>(L)));
    }
    for (; i < size; ++i) {
      const uint32_t key = KeyOf(scores[first + i]);
      pages[i] = key >> fraction_bits_;
      bins[i] = static_cast<uint32_t>(PlaceOf(first + i, key));
    }
  }

  size_t classes_ = 0;
  uint32_t fraction_bits_ = 0;
  // [2, classes, bins of a page]: all, and the positive ones. Empty where no label has such scores.
  Buffer<uint32_t> pages_[kPages];
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_SCORE_BINS_H_
