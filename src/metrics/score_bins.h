#ifndef MULTILABEL_MARGIN_LOSS_METRICS_SCORE_BINS_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_SCORE_BINS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
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
//
// A bin has two numbers. Its key orders as the scores do, and is what a state holds. Its code is the upper bits of the
// float as they are, the page before the fraction, which is quicker to compute for every score: keys in its place took
// 5 % of the time of all metrics, and with scores of float64 a quarter.
class ScoreBins {
 public:
  // 512 signs and exponents, and 53 for the distances from 1: of that of the last double below it, 2^-53, up to 0.5, to
  // which those of the doubles just above 0.5 round.
  static constexpr size_t kPages = 565;
  // Memory that the bins of all labels may take. Beyond, there are none: see Fits().
  static constexpr size_t kMostBytes = size_t{1} << 30;

  // A set of pages.
  class Pages {
   public:
    void Add(size_t page) { has_[page] = true; }
    void Add(const Pages& others) {
      others.ForEach([this](size_t page) { Add(page); });
    }
    bool Has(size_t page) const { return has_[page]; }
    // Calls function(page) for each. Eight that are not in the set take one step.
    template <typename Function>
    void ForEach(Function function) const {
      for (size_t first = 0; first < kSize; first += kStep) {
        uint64_t step;
        std::memcpy(&step, has_ + first, kStep);
        if (step == 0) continue;
        for (size_t page = first; page < first + kStep; ++page) {
          if (has_[page]) function(page);
        }
      }
    }

   private:
    static constexpr size_t kStep = sizeof(uint64_t);
    static constexpr size_t kSize = (kPages + kStep - 1) / kStep * kStep;
    alignas(kStep) bool has_[kSize] = {};
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

  // Number of keys of a label. The scores at 0.5 and just above share the keys of a page: see KeyPageOf().
  size_t num_keys() const { return (kPages - 1) << fraction_bits_; }

  template <typename T>
  uint32_t CodeOf(T score) const {
    const bool mirrored = score > T{0.5} && score < T{1};
    // -0 + 0 = +0: the zeros are equal.
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(score + (mirrored ? T{-1} : T{0})) + 0.0F);
    return (bits >> (kFractionBits - fraction_bits_)) + ((mirrored ? kMirroredPages : 0) << fraction_bits_);
  }
  template <typename T>
  uint32_t KeyOf(T score) const {
    const uint32_t code = CodeOf(score);
    const uint32_t i = OrderOf(code >> fraction_bits_);
    const uint32_t bin = code & BinMask();
    return static_cast<uint32_t>(KeyPageOf(i)) << fraction_bits_ | (PlaceOf(i).descends ? BinMask() - bin : bin);
  }
  uint32_t CodeOfKey(uint32_t key) const {
    const uint32_t page = key >> fraction_bits_;
    const uint32_t bin = key & BinMask();
    const PlaceOfPage place = PlaceOf(page + (page > kHalf || (page == kHalf && bin > 0) ? 1 : 0));
    return place.page << fraction_bits_ | (place.descends ? BinMask() - bin : bin);
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

  void Want(uint32_t code, Pages& pages) const { pages.Add(code >> fraction_bits_); }

  // Wants the pages of a row of scores. This only stores a flag for each score: a test of whether the page is there
  // took a fifth of the time of all metrics.
  template <typename T>
  void Want(const T* scores, Pages& pages) const {
    ForEachBinOf</*kPlaces=*/false>(scores, [&](uint32_t page) { pages.Add(page); });
  }

  // True if the pages in use and these fit into kMostBytes. It depends on the scores alone, and not on how they were
  // divided into parts or on the memory that the machine has.
  bool Fits(const Pages& pages) const {
    size_t count = num_used_;
    pages.ForEach([&](size_t page) { count += used_.Has(page) ? 0 : 1; });
    return count <= kMostBytes / (sizeof(Bin) + 2 * sizeof(uint16_t)) / PageSize();
  }

  // Makes room for Add() and AddPositive() of so many rows, of these pages. False when there is no memory for it.
  [[nodiscard]] bool ReserveRows(const Pages& pages, size_t rows) {
    bool reserved = true;
    pages.ForEach([&](size_t page) { reserved = reserved && Reserve(pages_[page].recent, 2 * PageSize()); });
    if (rows <= kMostRecentRows - recent_rows_) return reserved;
    for (Page& page : pages_) {
      reserved = reserved && (page.recent.capacity() == 0 || Reserve(page.counts, PageSize()));
    }
    return reserved;
  }
  // Makes room for AddCounts() to these pages. False when there is no memory for it.
  [[nodiscard]] bool ReserveCounts(const Pages& pages) {
    bool reserved = true;
    pages.ForEach([&](size_t page) { reserved = reserved && Reserve(pages_[page].counts, PageSize()); });
    return reserved;
  }

  // Takes note that these pages, for which there is room, are in use from now on.
  void Use(const Pages& pages) {
    pages.ForEach([this](size_t page) {
      num_used_ += used_.Has(page) ? 0 : 1;
      used_.Add(page);
    });
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
  void AddScore(size_t label, uint32_t code) { ++pages_[code >> fraction_bits_].recent[PlaceIn(label, code)]; }
  // Counts a label of the row that was added last.
  void AddPositive(size_t label, uint32_t code) {
    ++pages_[code >> fraction_bits_].recent[PageSize() + PlaceIn(label, code)];
  }
  void AddCounts(size_t label, uint32_t code, Bin bin) {
    Bin& counts = pages_[code >> fraction_bits_].counts[PlaceIn(label, code)];
    counts.all += bin.all;
    counts.positive += bin.positive;
  }

  // Calls function(key, bin) for the bins of a label that are not empty, in ascending order.
  template <typename Function>
  void ForEachBin(size_t label, Function function) const {
    const size_t bins = size_t{1} << fraction_bits_;
    for (size_t i = 0; i < kPages; ++i) {
      const PlaceOfPage at = PlaceOf(static_cast<uint32_t>(i));
      const uint16_t* recent = pages_[at.page].recent.data();
      const Bin* counts = pages_[at.page].counts.data();
      if (recent == nullptr && counts == nullptr) continue;
      for (size_t bin = 0; bin < bins; ++bin) {
        const size_t place = label * bins + (at.descends ? bins - 1 - bin : bin);
        Bin sum = counts == nullptr ? Bin{0, 0} : counts[place];
        if (recent != nullptr) {
          sum.all += recent[place];
          sum.positive += recent[PageSize() + place];
        }
        if (sum.all > 0) function(static_cast<uint32_t>(KeyPageOf(i) * bins + bin), sum);
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
    num_used_ = 0;
    recent_rows_ = 0;
  }

 private:
  static constexpr size_t kMostRecentRows = std::numeric_limits<uint16_t>::max();
  static constexpr int kFractionBits = 23;  // of a float
  // From the page of -2^-53, the number x - 1 of the last double below 1, to the first page behind those of all floats.
  static constexpr uint32_t kMirroredPages = 512 - (256 + 74);

  // The page of the bits, and whether its scores descend while the bits of their fractions ascend.
  struct PlaceOfPage {
    uint32_t page;
    bool descends;
  };

  // Where the page is that comes i-th in the order of the scores.
  static PlaceOfPage PlaceOf(uint32_t i) {
    if (i < kZero) return {kMirrored - 1 - i, true};
    if (i <= kHalf) return {i - kZero, false};
    if (i < kOne) return {kMirrored + (kOne - 1 - i), true};
    return {kPageOfOne + (i - kOne), false};
  }
  // The position of a page in the order of the scores.
  static uint32_t OrderOf(uint32_t page) {
    if (page < kPageOfOne) return kZero + page;
    if (page < kPagesOfSign) return kOne + (page - kPageOfOne);
    if (page < kMirrored) return kMirrored - 1 - page;
    return kOne - 1 - (page - kMirrored);
  }
  // The page's part of its keys. 0.5 has the first key of its page, and what is just above 0.5 has the last one of the
  // next page: no other score has a bin in these two, which therefore have keys of one page.
  static size_t KeyPageOf(size_t i) { return i <= kHalf ? i : i - 1; }
  // Pages of numbers from 0 on, then of those below 0, then of the distances from 1; and the page of 1.
  static constexpr uint32_t kPagesOfSign = 256;
  static constexpr uint32_t kMirrored = 2 * kPagesOfSign;
  static constexpr uint32_t kPageOfOne = 127;
  // Positions of pages in the order of the scores: from 0 on, from 0.5 on, and from 1 on.
  static constexpr uint32_t kZero = kPagesOfSign;
  static constexpr uint32_t kHalf = kZero + kPageOfOne - 1;
  static constexpr uint32_t kOne = kHalf + 54;

  // Empty where no label has such scores.
  struct Page {
    // Counts of the last rows, [2, classes, bins of a page]: all scores, and those of labels. With 16 bits more of them
    // are in the cache: all metrics take a tenth less time for 100 classes, and a quarter less for 1000.
    Buffer<uint16_t> recent;
    // Counts of all rows before, [classes, bins of a page].
    Buffer<Bin> counts;
  };

  size_t PlaceIn(size_t label, uint32_t code) const { return label << fraction_bits_ | (code & BinMask()); }
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

  // CodeOf() on vectors, which saves 5 % of the time of all metrics.
  template <bool kPlaces, typename T>
  void FindBins(const T* scores, size_t first, size_t size, uint32_t* pages, uint32_t* places) const {
    const hn::ScalableTag<float> df;
    const hn::RebindToUnsigned<decltype(df)> du;
    constexpr size_t L = kLanes<float>;
    const auto shift = static_cast<int>(kFractionBits - fraction_bits_);
    const auto mask = hn::Set(du, BinMask());
    const auto mirrored_pages = hn::Set(du, kMirroredPages);
    auto label = hn::Iota(du, static_cast<uint32_t>(first));
    size_t i = 0;
    for (; i + L <= size; i += L) {
      const auto [bits, mirrored] = Mirror(scores + first + i);
      hn::StoreU(hn::Add(hn::ShiftRight<kFractionBits>(bits), hn::And(mirrored, mirrored_pages)), du, pages + i);
      if constexpr (kPlaces) {
        const auto bin = hn::And(hn::ShiftRightSame(bits, shift), mask);
        hn::StoreU(hn::Or(hn::ShiftLeftSame(label, static_cast<int>(fraction_bits_)), bin), du, places + i);
        label = hn::Add(label, hn::Set(du, static_cast<uint32_t>(L)));
      }
    }
    for (; i < size; ++i) {
      const uint32_t code = CodeOf(scores[first + i]);
      pages[i] = code >> fraction_bits_;
      if constexpr (kPlaces) places[i] = static_cast<uint32_t>(PlaceIn(first + i, code));
    }
  }

  using Bits = hn::VFromD<hn::ScalableTag<uint32_t>>;
  struct Mirrored {
    Bits bits;      // of x as floats, or of x - 1 where x is mirrored
    Bits mirrored;  // all bits set where it is
  };

  // Of as many scores as a vector has floats.
  static Mirrored Mirror(const float* scores) {
    const hn::ScalableTag<float> d;
    const hn::ScalableTag<uint32_t> du;
    const auto x = hn::LoadU(d, scores);
    // The bits of the floats between 0.5 and 1 are consecutive.
    const auto from_half = hn::Sub(hn::BitCast(du, x), hn::Set(du, std::bit_cast<uint32_t>(0.5F) + 1));
    const auto mirrored = hn::VecFromMask(du, hn::Lt(from_half, hn::Set(du, (1U << kFractionBits) - 1)));
    // Adds 0 to the others, which makes -0 +0.
    const auto distance = hn::Add(x, hn::And(hn::BitCast(d, mirrored), hn::Set(d, -1.0F)));
    return {hn::BitCast(du, distance), mirrored};
  }
  static Mirrored Mirror(const double* scores) {
    const hn::ScalableTag<double> d;
    const hn::ScalableTag<float> df;
    const hn::Half<decltype(df)> half;
    const hn::ScalableTag<uint32_t> du;
    const auto one_half = [&](const double* from) {
      const auto x = hn::LoadU(d, from);
      const auto mirrored = hn::VecFromMask(d, hn::And(hn::Gt(x, hn::Set(d, 0.5)), hn::Lt(x, hn::Set(d, 1.0))));
      return std::pair{hn::DemoteTo(half, hn::Add(x, hn::And(mirrored, hn::Set(d, -1.0)))), mirrored};
    };
    const auto [lower, lower_mirrored] = one_half(scores);
    const auto [upper, upper_mirrored] = one_half(scores + kLanes<double>);
    // What is too small for a float has become a zero of either sign.
    const auto distance = hn::Add(hn::Combine(df, upper, lower), hn::Zero(df));
    return {hn::BitCast(du, distance),
            hn::ConcatEven(du, hn::BitCast(du, upper_mirrored), hn::BitCast(du, lower_mirrored))};
  }

  size_t classes_ = 0;
  uint32_t fraction_bits_ = 0;
  size_t recent_rows_ = 0;
  Pages used_;
  size_t num_used_ = 0;
  Page pages_[kPages];
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_SCORE_BINS_H_
