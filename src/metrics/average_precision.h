#ifndef MULTILABEL_MARGIN_LOSS_METRICS_AVERAGE_PRECISION_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_AVERAGE_PRECISION_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "metrics/score_bins.h"
#include "metrics/state.h"

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

  void Begin(size_t classes) {
    classes_ = classes;
    bins_.Begin(classes);
  }

  bool exact() const { return exact_; }
  uint32_t fraction_bits() const { return bins_.fraction_bits(); }

  // Makes room for so many rows, if the pages of each of them are then reserved too. False when there is no memory for
  // it.
  [[nodiscard]] bool ReserveRows(size_t rows) {
    if (exact_ && rows <= (kMostExact - seen_) / classes_) {
      return scores_.Reserve(kMostExact) && positive_.Reserve(kMostExact);
    }
    return CountInBins();
  }

  // Of a row of finite scores.
  template <typename T>
  void Want(const T* scores, ScoreBins::Pages& pages) const {
    if (!exact_) bins_.Want(scores, pages);
  }
  [[nodiscard]] bool Reserve(const ScoreBins::Pages& pages, size_t rows) { return bins_.ReserveRows(pages, rows); }

  // A row that is left out. It counts for which of the two it is.
  void Skip() { seen_ += classes_; }

  // A row that there is room for, and its labels in ascending order.
  template <typename T>
  void Add(const T* scores, const int32_t* labels, size_t num_labels) {
    seen_ += classes_;
    if (!exact_) {
      bins_.Add(scores);
      for (size_t k = 0; k < num_labels; ++k) {
        const auto label = static_cast<size_t>(labels[k]);
        bins_.AddPositive(label, bins_.KeyOf(scores[label]));
      }
      return;
    }
    std::copy_n(scores, classes_, scores_.data() + size_);
    std::fill_n(positive_.data() + size_, classes_, uint8_t{0});
    for (size_t k = 0; k < num_labels; ++k) positive_[size_ + static_cast<size_t>(labels[k])] = 1;
    size_ += classes_;
  }

  // Writes that of each label to of_labels[classes], and that of all together to `micro`. False when there is no memory
  // for it.
  [[nodiscard]] bool Compute(double* of_labels, double* micro) const {
    return exact_ ? ComputeExact(of_labels, micro) : ComputeFromBins(of_labels, micro);
  }

  void Write(StateWriter& writer) const {
    writer.Put(seen_);
    writer.Put(exact_ ? 1 : 0);
    if (exact_) {
      writer.Put(size_);
      for (size_t i = 0; i < size_; ++i) writer.PutDouble(scores_[i]);
      for (size_t i = 0; i < size_; ++i) writer.Put(positive_[i]);
      return;
    }
    for (size_t label = 0; label < classes_; ++label) {
      uint64_t next = 0;
      bins_.ForEachBin(label, [&](size_t key, const ScoreBins::Bin& bin) {
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
    ScoreBins::Pages pages;
    for (size_t label = 0; label < classes_; ++label) {
      uint64_t next = 0;
      while (const uint64_t step = reader.Get()) {
        const uint64_t key = next + (step - 1);
        const uint64_t all = reader.Get();
        const uint64_t positive = reader.Get();
        if (step > bins_.num_keys() || key >= bins_.num_keys() || positive > all) {
          reader.Fail();
          return true;
        }
        next = key + 1;
        if (kCheck) {
          bins_.Want(static_cast<uint32_t>(key), pages);
        } else {
          bins_.AddCounts(label, static_cast<uint32_t>(key),
                          {static_cast<uint32_t>(all), static_cast<uint32_t>(positive)});
        }
      }
    }
    return bins_.ReserveCounts(pages);
  }

 private:
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

  // From now on, if it was not so before.
  [[nodiscard]] bool CountInBins() {
    if (!exact_) return true;
    ScoreBins::Pages pages;
    for (size_t i = 0; i < size_; i += classes_) bins_.Want(scores_.data() + i, pages);
    if (!bins_.ReserveRows(pages, size_ / classes_)) return false;
    for (size_t i = 0; i < size_; i += classes_) {
      bins_.Add(scores_.data() + i);
      for (size_t label = 0; label < classes_; ++label) {
        if (positive_[i + label] == 1) bins_.AddPositive(label, bins_.KeyOf(scores_[i + label]));
      }
    }
    exact_ = false;
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
    ScoreBins::Pages pages;
    for (size_t i = 0; i < size; ++i) {
      const double score = reader.GetDouble();
      const uint64_t positive = flags.Get();
      const uint32_t key = bins_.KeyOf(score);
      if (kCheck) {
        if (positive > 1 || score - score != 0) reader.Fail();
        bins_.Want(key, pages);
      } else if (exact_) {
        scores_[size_] = score;
        positive_[size_++] = static_cast<uint8_t>(positive);
      } else {
        bins_.AddCounts(i % classes_, key, {1, static_cast<uint32_t>(positive)});
      }
    }
    if (!exact_ && !bins_.ReserveCounts(pages)) return false;
    const bool ok = reader.ok();
    reader = flags;
    if (!ok) reader.Fail();
    return true;
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
    const size_t num_keys = bins_.num_keys();
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
      bins_.ForEachBin(label, [&](size_t key, const ScoreBins::Bin& bin) {
        Total& total = totals[key];
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
  bool exact_ = true;
  size_t size_ = 0;    // scores kept, row by row
  uint64_t seen_ = 0;  // these, those counted in bins, and those of rows left out
  Buffer<double> scores_;
  Buffer<uint8_t> positive_;  // 1 where the row has the label
  ScoreBins bins_;            // once exact_ is false
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_AVERAGE_PRECISION_H_
