#ifndef MULTILABEL_MARGIN_LOSS_AVERAGE_PRECISION_H_
#define MULTILABEL_MARGIN_LOSS_AVERAGE_PRECISION_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "buffer.h"
#include "state.h"

namespace mlml {

// The average precision of each label over all rows, and of all scores together: the sum over the distinct scores, from
// the highest down, of (gain in recall) * precision at that score. A label that no row has gets 0.
// Formula: scikit-learn, sklearn.metrics.average_precision_score with average=None and 'micro'.
//
// It takes every score of a label in order, which no sum over rows holds. Up to kMostExact scores are kept, and the
// result is exact. More are counted in bins, and those in one bin are taken for equal: a bin is as wide as a score's
// power of two over 2^fraction_bits(). That bounds the memory, whatever the number of rows. Which of the two it is
// depends on the number of scores alone, so that parts merge to the same bits in any order.
class AveragePrecision {
 public:
  static constexpr size_t kMostExact = size_t{1} << 20;

  AveragePrecision() = default;
  ~AveragePrecision() { FreePages(); }
  AveragePrecision(const AveragePrecision&) = delete;
  AveragePrecision& operator=(const AveragePrecision&) = delete;

  void Begin(size_t classes) {
    classes_ = classes;
    // Those of bfloat16, as long as that leaves all bins within some tens of MB: scores of models span 20 to 40 powers
    // of two. With 10, counting takes twice as long, because the bins in use fall out of the cache.
    fraction_bits_ = static_cast<uint32_t>(std::clamp(18 - static_cast<int>(std::bit_width(classes)), 3, 7));
  }

  bool exact() const { return pages_.capacity() == 0; }
  uint32_t fraction_bits() const { return fraction_bits_; }

  // Makes room for so many rows, if each of them is then reserved too. False when there is no memory for it.
  [[nodiscard]] bool ReserveRows(size_t rows) {
    if (exact() && rows <= (kMostExact - seen_) / classes_) {
      return scores_.Reserve(kMostExact) && positive_.Reserve(kMostExact);
    }
    return CountInBins();
  }

  // Of finite scores.
  template <typename T>
  [[nodiscard]] bool ReserveRow(const T* scores) {
    return exact() || ReservePages(scores);
  }

  // A row that is left out. It counts for which of the two it is.
  void Skip() { seen_ += classes_; }

  // A row that there is room for, and its labels in ascending order.
  template <typename T>
  void Add(const T* scores, const int32_t* labels, size_t num_labels) {
    seen_ += classes_;
    if (exact()) {
      for (size_t j = 0; j < classes_; ++j) scores_[size_ + j] = static_cast<double>(scores[j]);
      std::fill_n(positive_.data() + size_, classes_, uint8_t{0});
      for (size_t k = 0; k < num_labels; ++k) positive_[size_ + static_cast<size_t>(labels[k])] = 1;
      size_ += classes_;
      return;
    }
    ForEachKey(scores, [](Page* pages, uint32_t page, uint32_t bin) {
      ++pages[page].bins[bin].all;
      return true;
    });
    for (size_t k = 0; k < num_labels; ++k) {
      const auto j = static_cast<size_t>(labels[k]);
      ++BinOf(j, Ordered(scores[j])).positive;
    }
  }

  // Writes that of each label to of_labels[classes], and that of all together to `micro`. False when there is no memory
  // for it.
  [[nodiscard]] bool Compute(double* of_labels, double* micro) const {
    return exact() ? ComputeExact(of_labels, micro) : ComputeFromBins(of_labels, micro);
  }

  void Write(StateWriter& writer) const {
    writer.Put(seen_);
    writer.Put(exact() ? 1 : 0);
    if (exact()) {
      writer.Put(size_);
      for (size_t i = 0; i < size_; ++i) writer.PutDouble(scores_[i]);
      for (size_t i = 0; i < size_; ++i) writer.Put(positive_[i]);
      return;
    }
    for (size_t label = 0; label < classes_; ++label) {
      uint64_t next = 0;
      ForEachBin(label, [&](uint64_t key, const Bin& bin) {
        writer.Put(key - next + 1);
        writer.Put(bin.all);
        writer.Put(bin.positive);
        next = key + 1;
      });
      writer.Put(0);
    }
  }

  // Adds what Write wrote of as many classes; with kCheck, only checks it and makes room. False when there is no
  // memory.
  template <bool kCheck>
  [[nodiscard]] bool Merge(StateReader& reader) {
    const uint64_t seen = reader.Get();
    if (reader.Get() == 1) return MergeExact<kCheck>(reader, seen);
    if (!CountInBins()) return false;
    if (!kCheck) seen_ += seen;
    const uint64_t num_keys = kPages << fraction_bits_;
    for (size_t label = 0; label < classes_; ++label) {
      uint64_t next = 0;
      while (const uint64_t step = reader.Get()) {
        const uint64_t key = next + (step - 1);
        const uint64_t all = reader.Get();
        const uint64_t positive = reader.Get();
        if (step > num_keys || key >= num_keys || positive > all) {
          reader.Fail();
          return true;
        }
        next = key + 1;
        Bin*& page = PageOf(label, static_cast<size_t>(key) >> fraction_bits_);
        if (kCheck && page == nullptr && !(page = NewPage())) return false;
        if (kCheck) continue;
        Bin& bin = page[static_cast<size_t>(key) & BinMask()];
        bin.all += static_cast<uint32_t>(all);
        bin.positive += static_cast<uint32_t>(positive);
      }
    }
    return true;
  }

 private:
  // Of one label: how many scores there are, and how many of them of rows that have the label.
  struct Bin {
    uint32_t all;
    uint32_t positive;
  };
  struct Page {
    Bin* bins;  // null where a label has no such score
  };
  struct Scored {
    double score;
    bool positive;
  };

  // Sums the terms of the formula, from groups of equal scores in descending order.
  class Summation {
   public:
    explicit Summation(uint64_t positives) : positives_(static_cast<double>(positives)) {}
    void Add(uint64_t all, uint64_t positive) {
      all_ += all;
      found_ += positive;
      if (positive == 0) return;
      sum_ += static_cast<double>(positive) / positives_ * (static_cast<double>(found_) / static_cast<double>(all_));
    }
    double sum() const { return sum_; }

   private:
    double positives_;
    uint64_t all_ = 0;
    uint64_t found_ = 0;
    double sum_ = 0;
  };

  // A page of bins for each sign and exponent of a float that a label has scores of.
  static constexpr size_t kPages = 512;
  static constexpr size_t kMostPages = std::numeric_limits<size_t>::max();
  static constexpr int kFractionBits = 23;  // of a float

  // The bits of a float as an unsigned integer that orders as the number does.
  template <typename T>
  static uint32_t Ordered(T score) {
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(score) + 0.0F);  // -0 + 0 = +0: the zeros are equal
    // ~bits for negative numbers, the sign's bit set for others, without a branch that would be mispredicted.
    return bits ^ (static_cast<uint32_t>(static_cast<int32_t>(bits) >> 31) | 0x80000000);
  }

  size_t BinMask() const { return (size_t{1} << fraction_bits_) - 1; }
  Bin*& PageOf(size_t label, size_t page) { return pages_[label * kPages + page].bins; }
  Bin& BinOf(size_t label, uint32_t ordered) {
    return PageOf(label, ordered >> kFractionBits)[ordered >> (kFractionBits - fraction_bits_) & BinMask()];
  }
  Bin* NewPage() { return static_cast<Bin*>(std::calloc(BinMask() + 1, sizeof(Bin))); }

  // function(pages of the label, page, bin) for each score of a row, until one returns false.
  template <typename T, typename Function>
  bool ForEachKey(const T* row, Function function) {
    constexpr size_t kChunk = 256;
    uint32_t ordered[kChunk];
    const uint32_t shift = kFractionBits - fraction_bits_;
    const auto mask = static_cast<uint32_t>(BinMask());
    Page* pages = pages_.data();
    for (size_t j = 0; j < classes_; j += kChunk) {
      const size_t size = std::min(kChunk, classes_ - j);
      for (size_t i = 0; i < size; ++i) ordered[i] = Ordered(row[j + i]);  // on vectors
      for (size_t i = 0; i < size; ++i, pages += kPages) {
        if (!function(pages, ordered[i] >> kFractionBits, ordered[i] >> shift & mask)) return false;
      }
    }
    return true;
  }

  template <typename T>
  bool ReservePages(const T* row) {
    return ForEachKey(row, [this](Page* pages, uint32_t page, uint32_t) {
      return pages[page].bins != nullptr || (pages[page].bins = NewPage()) != nullptr;
    });
  }

  void FreePages() {
    for (size_t i = 0; i < pages_.capacity(); ++i) std::free(pages_[i].bins);
  }

  // From now on, if it was not so before.
  [[nodiscard]] bool CountInBins() {
    if (!exact()) return true;
    if (classes_ > kMostPages / kPages || !pages_.Reserve(classes_ * kPages)) return false;
    std::fill_n(pages_.data(), pages_.capacity(), Page{nullptr});
    for (size_t i = 0; i < size_; i += classes_) {
      if (!ReservePages(scores_.data() + i)) {
        FreePages();
        pages_.Free();
        return false;
      }
    }
    for (size_t i = 0; i < size_; ++i) {
      Bin& bin = BinOf(i % classes_, Ordered(scores_[i]));
      ++bin.all;
      bin.positive += positive_[i];
    }
    size_ = 0;
    scores_.Free();
    positive_.Free();
    return true;
  }

  template <bool kCheck>
  bool MergeExact(StateReader& reader, uint64_t seen) {
    const uint64_t size = reader.Get();
    if (seen > kMostExact || size > seen || size % classes_ != 0 || size * (sizeof(double) + 1) > reader.left()) {
      reader.Fail();
      return true;
    }
    if (kCheck && !ReserveRows(static_cast<size_t>(seen) / classes_)) return false;
    if (!kCheck) seen_ += seen;
    StateReader flags = reader;
    flags.Skip(static_cast<size_t>(size) * sizeof(double));
    for (size_t i = 0; i < size; ++i) {
      const double score = reader.GetDouble();
      const uint64_t positive = flags.Get();
      if (kCheck) {
        if (positive > 1 || score - score != 0) reader.Fail();
        Bin** page = exact() ? nullptr : &PageOf(i % classes_, Ordered(score) >> kFractionBits);
        if (page != nullptr && *page == nullptr && (*page = NewPage()) == nullptr) return false;
      } else if (exact()) {
        scores_[size_] = score;
        positive_[size_++] = static_cast<uint8_t>(positive);
      } else {
        Bin& bin = BinOf(i % classes_, Ordered(score));
        ++bin.all;
        bin.positive += static_cast<uint32_t>(positive);
      }
    }
    const bool ok = reader.ok();
    reader = flags;
    if (!ok) reader.Fail();
    return true;
  }

  // function(key, bin) for the bins of a label that are not empty, in ascending order.
  template <typename Function>
  void ForEachBin(size_t label, Function function) const {
    for (size_t i = 0; i < kPages; ++i) {
      const Bin* page = pages_[label * kPages + i].bins;
      if (page == nullptr) continue;
      for (size_t bin = 0; bin <= BinMask(); ++bin) {
        if (page[bin].all > 0) function(uint64_t{i} << fraction_bits_ | bin, page[bin]);
      }
    }
  }

  bool ComputeExact(double* of_labels, double* micro) const {
    Buffer<Scored> buffer;
    if (!buffer.Reserve(std::max<size_t>(size_, 1))) return false;
    const auto gather = [&](size_t first, size_t step) {
      size_t count = 0;
      for (size_t i = first; i < size_; i += step) buffer[count++] = {scores_[i], positive_[i] == 1};
      return Of(buffer.data(), count);
    };
    for (size_t label = 0; label < classes_; ++label) of_labels[label] = gather(label, classes_);
    *micro = gather(0, 1);
    return true;
  }

  static double Of(Scored* scored, size_t size) {
    std::sort(scored, scored + size, [](const Scored& a, const Scored& b) { return a.score > b.score; });
    Summation sum(
        static_cast<uint64_t>(std::count_if(scored, scored + size, [](const Scored& s) { return s.positive; })));
    for (size_t i = 0; i < size;) {
      const double score = scored[i].score;
      uint64_t all = 0;
      uint64_t positive = 0;
      for (; i < size && scored[i].score == score; ++i) {
        ++all;
        positive += scored[i].positive ? 1 : 0;
      }
      sum.Add(all, positive);
    }
    return sum.sum();
  }

  bool ComputeFromBins(double* of_labels, double* micro) const {
    struct Total {
      uint64_t all;
      uint64_t positive;
    };
    const size_t num_keys = kPages << fraction_bits_;
    Buffer<Total> totals;
    Buffer<Total> of_label;  // its bins that are not empty
    if (!totals.Reserve(num_keys) || !of_label.Reserve(num_keys)) return false;
    std::fill_n(totals.data(), num_keys, Total{0, 0});
    const auto average = [](const Total* ascending, size_t size) {
      uint64_t positives = 0;
      for (size_t i = 0; i < size; ++i) positives += ascending[i].positive;
      Summation sum(positives);
      for (size_t i = size; i > 0; --i) sum.Add(ascending[i - 1].all, ascending[i - 1].positive);
      return sum.sum();
    };
    for (size_t label = 0; label < classes_; ++label) {
      size_t count = 0;
      ForEachBin(label, [&](uint64_t key, const Bin& bin) {
        Total& total = totals[static_cast<size_t>(key)];
        total.all += bin.all;
        total.positive += bin.positive;
        of_label[count++] = {bin.all, bin.positive};
      });
      of_labels[label] = average(of_label.data(), count);
    }
    *micro = average(totals.data(), num_keys);
    return true;
  }

  size_t classes_ = 0;
  uint32_t fraction_bits_ = 0;
  size_t size_ = 0;    // scores kept, row by row
  uint64_t seen_ = 0;  // these, those counted in bins, and those of rows left out
  Buffer<double> scores_;
  Buffer<uint8_t> positive_;  // 1 where the row has the label
  Buffer<Page> pages_;        // [classes, kPages]. Empty as long as exact()
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_AVERAGE_PRECISION_H_
