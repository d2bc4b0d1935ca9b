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

// Counts, for each label, the scores in each bin, and how many of them belong to rows that have the label.
//
// A bin holds the scores whose floats share the sign, the exponent and the first fraction_bits() of the fraction: it is
// as wide as 2^-fraction_bits() of the power of two below the score. Probabilities crowd near 1 as they do near 0, so a
// score x between 0.5 and 1 is binned by its distance from 1, as the negative number x - 1; the subtraction is exact.
// The bin of a score never decreases when the score grows, which is all that the bounds in average_precision.h need.
//
// Bins are kept in pages. A page holds the bins of one sign and exponent, for all labels, and exists once any label has
// a score there.
class ScoreBins {
 public:
  // 512 signs and exponents, and 52 for the distances from 1 down to that of the last double below it, 2^-53. (They
  // have an exponent more, whose page is that of scores in [0.5, 1).)
  static constexpr size_t kPages = 564;
  // Memory that the bins of all labels may take. Beyond, there are none: see Fits().
  static constexpr size_t kMostBytes = size_t{1} << 30;

  struct Pages {
    bool wanted[kPages] = {};
  };
  struct Bin {
    uint32_t all;
    uint32_t positive;
  };

  void Begin(size_t classes) {
    classes_ = classes;
    // 7 bits are the fraction of bfloat16. With 10, counting takes twice as long, because the bins in use fall out of
    // the cache. Scores of models span 20 to 60 pages: with fewer bits for many classes, all of them take some hundred
    // MB at most.
    fraction_bits_ = static_cast<uint32_t>(std::clamp(18 - static_cast<int>(std::bit_width(classes)), 1, 7));
  }

  // Number of bins of a label. Keys order as the scores do.
  size_t num_keys() const { return kPages << fraction_bits_; }

  template <typename T>
  uint32_t KeyOf(T score) const {
    const bool mirrored = score > T{0.5} && score < T{1};
    const uint32_t ordered = Ordered(static_cast<float>(mirrored ? score - T{1} : score));
    const uint32_t moved = mirrored ? kMirroredPages : score >= T{1} ? kPagesFromOne : 0;
    return (ordered >> (kFractionBits - fraction_bits_)) + (moved << fraction_bits_);
  }

  // The lowest finite double whose key is this one or a higher one.
  double LowestOf(uint32_t key) const {
    // The bits of a double as a signed integer that orders as the number does, and back.
    const auto ordered = [](int64_t bits) { return bits ^ ((bits >> 63) & std::numeric_limits<int64_t>::max()); };
    int64_t low = ordered(std::bit_cast<int64_t>(std::numeric_limits<double>::lowest()));
    int64_t high = ordered(std::bit_cast<int64_t>(std::numeric_limits<double>::max()));
    while (low < high) {
      // Halved one by one: their sum may overflow.
      const int64_t middle = (low >> 1) + (high >> 1) + (low & high & 1);
      if (KeyOf(std::bit_cast<double>(ordered(middle))) >= key) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return std::bit_cast<double>(ordered(low));
  }

  void Want(uint32_t key, Pages& pages) const { pages.wanted[key >> fraction_bits_] = true; }

  // Wants the pages of a row of scores. This only stores a flag for each score: a test of whether the page is there
  // took a fifth of the time of all metrics.
  template <typename T>
  void Want(const T* scores, Pages& pages) const {
    bool* wanted = pages.wanted;
    ForEachBinOf</*kPlaces=*/false>(scores, [=](uint32_t page) { wanted[page] = true; });
  }

  // True if the pages in use and these fit into kMostBytes. It depends on the scores alone, and not on how they were
  // divided into parts or on the memory that the machine has.
  bool Fits(const Pages& pages) const {
    size_t count = 0;
    for (size_t i = 0; i < kPages; ++i) count += used_.wanted[i] || pages.wanted[i] ? 1 : 0;
    return count <= kMostBytes / (sizeof(Bin) + 2 * sizeof(uint16_t)) / PageSize();
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
  // Makes room for AddCounts() to these pages. False when there is no memory for it.
  [[nodiscard]] bool ReserveCounts(const Pages& pages) {
    for (size_t i = 0; i < kPages; ++i) {
      if (pages.wanted[i] && !Reserve(pages_[i].counts, PageSize())) return false;
    }
    return true;
  }

  // Takes note that these pages, for which there is room, are in use from now on.
  void Use(const Pages& pages) {
    for (size_t i = 0; i < kPages; ++i) used_.wanted[i] |= pages.wanted[i];
  }

  // Adds a row of scores.
  template <typename T>
  void Add(const T* scores) {
    BeginRow();
    Page* pages = pages_;
    ForEachBinOf</*kPlaces=*/true>(scores, [=](uint32_t page, uint32_t place) { ++pages[page].recent[place]; });
  }
  // Begins a row of which AddScore() adds the scores, one by one.
  void BeginRow() {
    if (recent_rows_ == kMostRecentRows) AddRecentToCounts();
    ++recent_rows_;
  }
  void AddScore(size_t label, uint32_t key) { ++pages_[key >> fraction_bits_].recent[PlaceOf(label, key)]; }
  // Counts a label of the row that was added last.
  void AddPositive(size_t label, uint32_t key) {
    ++pages_[key >> fraction_bits_].recent[PageSize() + PlaceOf(label, key)];
  }
  void AddCounts(size_t label, uint32_t key, Bin bin) {
    Bin& counts = pages_[key >> fraction_bits_].counts[PlaceOf(label, key)];
    counts.all += bin.all;
    counts.positive += bin.positive;
  }

  // Calls function(key, bin) for the bins of a label that are not empty, in ascending order.
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
        if (sum.all > 0) function(static_cast<uint32_t>(i * bins + bin), sum);
      }
    }
  }

  // Forgets all scores, and gives their memory back.
  void Free() {
    for (Page& page : pages_) {
      page.recent.Free();
      page.counts.Free();
    }
    used_ = {};
    recent_rows_ = 0;
  }

 private:
  static constexpr size_t kMostRecentRows = std::numeric_limits<uint16_t>::max();
  static constexpr int kFractionBits = 23;  // of a float
  // By how many pages the scores from 1 on move up, to make room for those between 0.5 and 1.
  static constexpr uint32_t kPagesFromOne = 52;
  // From the page of -0.5, where the numbers x - 1 begin, to the page of 0.5, where the scores x begin.
  static constexpr uint32_t kMirroredPages = 382 - 129;

  // Empty where no label has such scores.
  struct Page {
    // Counts of the last rows, [2, classes, bins of a page]: all scores, and those of labels. With 16 bits more of them
    // are in the cache: all metrics take a tenth less time for 100 classes, and a quarter less for 1000.
    Buffer<uint16_t> recent;
    // Counts of all rows before, [classes, bins of a page].
    Buffer<Bin> counts;
  };

  // The bits of a float as an unsigned integer that orders as the number does.
  static uint32_t Ordered(float score) {
    const auto bits = std::bit_cast<uint32_t>(score + 0.0F);  // -0 + 0 = +0: the zeros are equal
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

  // Calls function(page, place of the bin in it) for each score of a row; without kPlaces, of the page only.
  template <bool kPlaces, typename T, typename Function>
  void ForEachBinOf(const T* scores, Function function) const {
    constexpr size_t kChunk = 256;
    uint32_t pages[kChunk];
    uint32_t places[kChunk];
    for (size_t first = 0; first < classes_; first += kChunk) {
      const size_t size = std::min(kChunk, classes_ - first);
      FindBins<kPlaces>(scores, first, size, pages, places);
      for (size_t i = 0; i < size; ++i) {
        if constexpr (kPlaces) {
          function(pages[i], places[i]);
        } else {
          function(pages[i]);
        }
      }
    }
  }

  // KeyOf() on vectors, which saves 5 % of the time of all metrics.
  template <bool kPlaces, typename T>
  void FindBins(const T* scores, size_t first, size_t size, uint32_t* pages, uint32_t* places) const {
    const hn::ScalableTag<T> d;
    const hn::Rebind<float, decltype(d)> df;
    const hn::RebindToSigned<decltype(df)> di;
    const hn::RebindToUnsigned<decltype(df)> du;
    constexpr size_t L = kLanes<T>;
    const auto shift = static_cast<int>(kFractionBits - fraction_bits_);
    const auto mask = hn::Set(du, BinMask());
    const auto half = hn::Set(d, T{0.5});
    const auto one = hn::Set(d, T{1});
    auto label = hn::Iota(du, static_cast<uint32_t>(first));
    size_t i = 0;
    for (; i + L <= size; i += L) {
      const auto x = hn::LoadU(d, scores + first + i);
      const auto from_one = hn::Ge(x, one);
      const auto mirrored = hn::AndNot(from_one, hn::Gt(x, half));
      // Adds 0 to the others, so that both zeros become +0.
      const auto distance = hn::Add(x, hn::IfThenElseZero(mirrored, hn::Neg(one)));
      hn::VFromD<decltype(di)> bits;
      hn::VFromD<decltype(du)> moved;
      if constexpr (std::is_same_v<T, float>) {
        bits = hn::BitCast(di, distance);
        moved = hn::Or(hn::And(hn::BitCast(du, hn::VecFromMask(d, mirrored)), hn::Set(du, kMirroredPages)),
                       hn::And(hn::BitCast(du, hn::VecFromMask(d, from_one)), hn::Set(du, kPagesFromOne)));
      } else {
        // Numbers that are too small for a float become +0, whatever their sign, as in Ordered().
        bits = hn::BitCast(di, hn::Add(hn::DemoteTo(df, distance), hn::Zero(df)));
        const auto pages_from_one = hn::IfThenElseZero(from_one, hn::Set(d, T{kPagesFromOne}));
        const auto moves = hn::IfThenElse(mirrored, hn::Set(d, T{kMirroredPages}), pages_from_one);
        moved = hn::BitCast(du, hn::DemoteTo(di, moves));
      }
      const auto flip = hn::Or(hn::ShiftRight<31>(bits), hn::Set(di, std::numeric_limits<int32_t>::min()));
      const auto ordered = hn::BitCast(du, hn::Xor(bits, flip));
      hn::StoreU(hn::Add(hn::ShiftRight<kFractionBits>(ordered), moved), du, pages + i);
      if constexpr (kPlaces) {
        const auto bin = hn::And(hn::ShiftRightSame(ordered, shift), mask);
        hn::StoreU(hn::Or(hn::ShiftLeftSame(label, static_cast<int>(fraction_bits_)), bin), du, places + i);
        label = hn::Add(label, hn::Set(du, static_cast<uint32_t>(L)));
      }
    }
    for (; i < size; ++i) {
      const uint32_t key = KeyOf(scores[first + i]);
      pages[i] = key >> fraction_bits_;
      if constexpr (kPlaces) places[i] = static_cast<uint32_t>(PlaceOf(first + i, key));
    }
  }

  size_t classes_ = 0;
  uint32_t fraction_bits_ = 0;
  size_t recent_rows_ = 0;
  Pages used_;
  Page pages_[kPages];
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_SCORE_BINS_H_
