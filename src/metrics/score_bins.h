#ifndef MULTILABEL_MARGIN_LOSS_METRICS_SCORE_BINS_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_SCORE_BINS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/buffer.h"
#include "base/simd.h"

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

  // Makes room for Add() and AddPositive() of so many rows, of these pages. False when there is no memory for it.
  [[nodiscard]] bool ReserveRows(const Pages& pages, size_t rows) {
    const bool fit = rows <= kMostRecentRows - recent_rows_;
    for (size_t i = 0; i < kPages; ++i) {
      if (pages.wanted[i] && !Reserve(pages_[i].recent, 2 * PageSize())) return false;
      if (!fit && pages_[i].recent.capacity() > 0 && !Reserve(pages_[i].counts, PageSize())) return false;
    }
    return true;
  }
  // The same for AddCounts().
  [[nodiscard]] bool ReserveCounts(const Pages& pages) {
    for (size_t i = 0; i < kPages; ++i) {
      if (pages.wanted[i] && !Reserve(pages_[i].counts, PageSize())) return false;
    }
    return true;
  }

  // A row of scores.
  template <typename T>
  void Add(const T* scores) {
    if (recent_rows_ == kMostRecentRows) AddRecentToCounts();
    ++recent_rows_;
    Page* pages = pages_;
    ForEachBinOf(scores, [=](uint32_t page, uint32_t bin) { ++pages[page].recent[bin]; });
  }
  // The row that was added last has the label.
  void AddPositive(size_t label, uint32_t key) {
    ++pages_[key >> fraction_bits_].recent[PageSize() + PlaceOf(label, key)];
  }
  void AddCounts(size_t label, uint32_t key, Bin bin) {
    Bin& counts = pages_[key >> fraction_bits_].counts[PlaceOf(label, key)];
    counts.all += bin.all;
    counts.positive += bin.positive;
  }

  // function(key, bin) for the bins of a label that are not empty, in ascending order.
  template <typename Function>
  void ForEachBin(size_t label, Function function) const {
    const size_t bins = size_t{1} << fraction_bits_;
    for (size_t i = 0; i < kPages; ++i) {
      const uint16_t* recent = pages_[i].recent.data();
      const Bin* counts = pages_[i].counts.data();
      if (recent == nullptr && counts == nullptr) continue;
      for (size_t bin = 0; bin < bins; ++bin) {
        const size_t place = label * bins + bin;
        Bin sum = counts == nullptr ? Bin{0, 0} : counts[place];
        if (recent != nullptr) {
          sum.all += recent[place];
          sum.positive += recent[PageSize() + place];
        }
        if (sum.all > 0) function(i * bins + bin, sum);
      }
    }
  }

 private:
  // Rows that 16 bits can count.
  static constexpr size_t kMostRecentRows = std::numeric_limits<uint16_t>::max();
  static constexpr int kFractionBits = 23;  // of a float

  // Empty where no label has such scores.
  struct Page {
    // Of the last rows, [2, classes, bins of a page]: all, and the positive ones. With 16 bits there are more of them
    // in the cache, and all metrics take a tenth less time for 100 classes, and a quarter less for 1000.
    Buffer<uint16_t> recent;
    // Of all before, [classes, bins of a page].
    Buffer<Bin> counts;
  };

  // The bits of a float as an unsigned integer that orders as the number does.
  template <typename T>
  static uint32_t Ordered(T score) {
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(score) + 0.0F);  // -0 + 0 = +0: the zeros are equal
    // ~bits for negative numbers, the sign's bit set for others, without a branch that would be mispredicted.
    return bits ^ (static_cast<uint32_t>(static_cast<int32_t>(bits) >> 31) | 0x80000000);
  }

  size_t PlaceOf(size_t label, uint32_t key) const { return label << fraction_bits_ | (key & BinMask()); }
  uint32_t BinMask() const { return (1u << fraction_bits_) - 1; }

  size_t PageSize() const { return classes_ << fraction_bits_; }

  template <typename T>
  [[nodiscard]] bool Reserve(Buffer<T>& buffer, size_t size) {
    if (buffer.capacity() > 0) return true;
    // Places in a page have 32 bits.
    if (classes_ > std::numeric_limits<uint32_t>::max() >> (fraction_bits_ + 1) || !buffer.Reserve(size)) return false;
    std::fill_n(buffer.data(), size, T{});
    return true;
  }

  void AddRecentToCounts() {
    recent_rows_ = 0;
    for (Page& page : pages_) {
      if (page.recent.capacity() == 0) continue;
      for (size_t i = 0; i < PageSize(); ++i) {
        page.counts[i].all += std::exchange(page.recent[i], uint16_t{0});
        page.counts[i].positive += std::exchange(page.recent[PageSize() + i], uint16_t{0});
      }
    }
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
  size_t recent_rows_ = 0;
  Page pages_[kPages];
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_SCORE_BINS_H_
