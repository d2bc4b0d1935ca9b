#ifndef MULTILABEL_MARGIN_LOSS_METRICS_AVERAGE_PRECISION_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_AVERAGE_PRECISION_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/buffer.h"
#include "metrics/score_bins.h"
#include "metrics/state.h"

namespace mlml {

// The average precision of each label over all rows, and of all scores together: the sum over the distinct scores, from
// the highest down, of (gain in recall) * precision at that score. A label that no row has gets 0.
// Formula: scikit-learn, sklearn.metrics.average_precision_score with average=None and 'micro', and with sample_weight.
//
// This needs every score of a label in order, which no sum over rows holds. Up to kMostKept scores are kept, and the
// result is exact. More are counted in bins (score_bins.h): the result takes the scores in a bin for equal, and comes
// with the lowest and the highest value that their unknown order allows. Where the bins would take too much memory, or
// rows have weights, which bins do not count, there is no result, and Missing says why.
//
// Which of the three it is depends on the scores and weights alone, so parts merge to the same bits in any order. The
// one exception is a machine that has less memory than ScoreBins::kMostBytes.
class AveragePrecision {
 public:
  static constexpr size_t kMostKept = size_t{1} << 20;

  // Why there is no result.
  enum class Missing : int32_t { kNothing, kMemory, kWeights };

  struct Value {
    double value;
    double low;
    double high;
  };

  // One row of finite scores.
  template <typename T>
  struct Row {
    const T* scores;        // [classes]
    const int32_t* labels;  // ascending
    size_t num_labels;
    const int32_t* unknown;  // ascending, without the labels: classes whose scores do not count
    size_t num_unknown;
    double weight;
  };

  void Begin(size_t classes) {
    classes_ = classes;
    bins_.Begin(classes);
  }

  // A batch is added in three steps. BeginBatch() once, Want() for each of its rows, and Reserve(), make room, and
  // change no result; Commit() makes the batch count, and Add() or Skip() then adds each row. A batch in several parts
  // may take the steps for each part, as long as all parts have made room before the first Commit().
  void BeginBatch(size_t rows) {
    batch_rows_ = rows;
    next_ = mode_;
    batch_weighted_ = false;
    kept_pages_ = {};
    batch_pages_ = {};
    if (mode_ == Mode::kKept && rows > (kMostKept - seen_) / classes_) LeaveKept();
  }
  template <typename T>
  void Want(const Row<T>& row) {
    batch_weighted_ |= row.weight != 1;
    if (next_ != Mode::kBins) return;
    if (row.num_unknown == 0) {
      bins_.Want(row.scores, batch_pages_);
    } else {
      ForEachKnown(row, [&](size_t label) { bins_.Want(bins_.CodeOf(row.scores[label]), batch_pages_); });
    }
  }
  void Reserve() {
    if (next_ == Mode::kKept && !ReserveKept(weighted_ || batch_weighted_)) next_ = Mode::kNone;
    if (next_ != Mode::kBins) return;
    batch_pages_.Add(kept_pages_);
    if (!BinsFit() || !bins_.ReserveRows(batch_pages_, size_ / classes_ + batch_rows_)) next_ = Mode::kNone;
  }
  void Commit() {
    if (batch_weighted_ && !weighted_) {
      weighted_ = true;
      if (next_ == Mode::kKept) std::fill_n(weights_.data(), size_ / classes_, 1.0);
    }
    if (next_ == Mode::kBins) bins_.Use(batch_pages_);
    if (mode_ == next_) return;
    if (next_ == Mode::kBins) {
      ForEachKeptRow([&](const double* scores, const uint8_t* flags, bool has_unknown) {
        if (!has_unknown) {
          bins_.Add(scores);
        } else {
          bins_.BeginRow();
        }
        for (size_t label = 0; label < classes_; ++label) {
          if (has_unknown && flags[label] != kUnknown) bins_.AddScore(label, bins_.CodeOf(scores[label]));
          if (flags[label] == kPositive) bins_.AddPositive(label, bins_.CodeOf(scores[label]));
        }
      });
    } else {
      bins_.Free();
    }
    mode_ = next_;
    size_ = 0;
    scores_.Free();
    flags_.Free();
    weights_.Free();
  }

  // A row that is left out counts for which of the three it is.
  void Skip() { seen_ += classes_; }

  template <typename T>
  void Add(const Row<T>& row) {
    seen_ += classes_;
    if (mode_ == Mode::kKept) {
      std::copy_n(row.scores, classes_, scores_.data() + size_);
      std::fill_n(flags_.data() + size_, classes_, uint8_t{kNegative});
      for (size_t k = 0; k < row.num_labels; ++k) flags_[size_ + static_cast<size_t>(row.labels[k])] = kPositive;
      for (size_t k = 0; k < row.num_unknown; ++k) flags_[size_ + static_cast<size_t>(row.unknown[k])] = kUnknown;
      if (weighted_) weights_[size_ / classes_] = row.weight;
      size_ += classes_;
    } else if (mode_ == Mode::kBins) {
      if (row.num_unknown == 0) {
        bins_.Add(row.scores);
      } else {
        bins_.BeginRow();
        ForEachKnown(row, [&](size_t label) { bins_.AddScore(label, bins_.CodeOf(row.scores[label])); });
      }
      for (size_t k = 0; k < row.num_labels; ++k) {
        const auto label = static_cast<size_t>(row.labels[k]);
        bins_.AddPositive(label, bins_.CodeOf(row.scores[label]));
      }
    }
  }

  // Writes the value of each label to of_labels[classes], and that of all scores together to `micro`; or nothing, and
  // says why.
  [[nodiscard]] Missing Compute(Value* of_labels, Value* micro) const {
    if (mode_ == Mode::kNone) return weighted_ ? Missing::kWeights : Missing::kMemory;
    const bool done = mode_ == Mode::kKept ? ComputeFromKept(of_labels, micro) : ComputeFromBins(of_labels, micro);
    return done ? Missing::kNothing : Missing::kMemory;
  }

  // A point of the curve of precision and recall: sums of weights over the scores at or above the threshold.
  struct Point {
    double threshold;
    double all;
    double positive;
  };
  static constexpr size_t kAllLabels = std::numeric_limits<size_t>::max();

  // Writes the curve of a label, or that of all scores together, from the highest threshold down: a point for each
  // distinct score, or where scores were counted in bins for each bin, whose threshold is the lowest number in it. The
  // sums are exact, whichever it is. Or writes nothing, and says why.
  [[nodiscard]] Missing Curve(size_t label, Buffer<Point>& points, size_t* count) const {
    *count = 0;
    if (mode_ == Mode::kNone) return weighted_ ? Missing::kWeights : Missing::kMemory;
    const bool done = mode_ == Mode::kKept ? CurveFromKept(label, points, count) : CurveFromBins(label, points, count);
    if (!done) return Missing::kMemory;
    for (size_t i = 1; i < *count; ++i) {
      points[i].all += points[i - 1].all;
      points[i].positive += points[i - 1].positive;
    }
    return Missing::kNothing;
  }

  void Write(StateWriter& writer) const {
    writer.Put(static_cast<uint64_t>(mode_));
    writer.Put(weighted_ ? 1 : 0);
    if (mode_ == Mode::kKept) {
      writer.Put(size_ / classes_);
      for (size_t i = 0; i < size_; ++i) writer.PutDouble(scores_[i]);
      for (size_t i = 0; i < size_; ++i) writer.Put(flags_[i]);
      for (size_t row = 0; weighted_ && row < size_ / classes_; ++row) writer.PutDouble(weights_[row]);
    } else if (mode_ == Mode::kBins) {
      for (size_t label = 0; label < classes_; ++label) {
        uint32_t next = 0;
        bins_.ForEachBin(label, [&](uint32_t key, const ScoreBins::Bin& bin) {
          writer.Put(key - next + 1);
          writer.Put(bin.all);
          writer.Put(bin.positive);
          next = key + 1;
        });
        writer.Put(0);
      }
    }
  }

  // Merging takes two steps, both of which read what Write() wrote of as many classes, of `rows` rows and `skipped`
  // ones that were left out. PrepareMerge() checks it and makes room, and changes no result.
  void PrepareMerge(StateReader& reader, uint64_t rows, uint64_t skipped) {
    BeginBatch(0);
    const uint64_t theirs = reader.Get();
    const uint64_t weighted = reader.Get();
    batch_weighted_ = weighted == 1;
    const uint64_t seen = (rows + skipped) * classes_;
    const bool is_kept = theirs == static_cast<uint64_t>(Mode::kKept);
    const bool is_binned = theirs == static_cast<uint64_t>(Mode::kBins);
    if (theirs > static_cast<uint64_t>(Mode::kNone) || weighted > 1 || (is_kept && seen > kMostKept) ||
        (is_binned && batch_weighted_)) {
      reader.Fail();
      return;
    }
    // Not before the sizes are known to be right.
    const auto decide = [&] {
      next_ = std::max(mode_, static_cast<Mode>(theirs));
      if (next_ == Mode::kKept && seen_ + seen > kMostKept) next_ = Mode::kBins;
      if (next_ == Mode::kBins && mode_ == Mode::kKept) LeaveKept();
    };
    if (is_kept) {
      const uint64_t size = rows * classes_;
      if (reader.Get() != rows || size * (sizeof(double) + 1) > reader.left()) {
        reader.Fail();
        return;
      }
      decide();
      ForEachKept(reader, static_cast<size_t>(size), batch_weighted_,
                  [&](size_t /*place*/, double score, uint64_t flag, double weight) {
                    if (flag > kUnknown || score - score != 0 || !(weight >= 0) || weight - weight != 0) {
                      reader.Fail();
                    } else if (flag != kUnknown) {
                      bins_.Want(bins_.CodeOf(score), batch_pages_);
                    }
                  });
    } else {
      decide();
      if (is_binned) {
        for (size_t label = 0; label < classes_; ++label) {
          uint64_t all = 0;
          ForEachBin(reader, [&](uint32_t key, uint64_t bin_all, uint64_t bin_positive) {
            if (bin_all == 0 || bin_all > rows - all || bin_positive > bin_all) {
              reader.Fail();
              return;
            }
            all += bin_all;
            bins_.Want(bins_.CodeOfKey(key), batch_pages_);
          });
        }
      }
    }
    if (!reader.ok()) return;
    if (next_ == Mode::kKept && !ReserveKept(weighted_ || batch_weighted_)) next_ = Mode::kNone;
    if (next_ != Mode::kBins) return;
    const ScoreBins::Pages their_pages = batch_pages_;
    batch_pages_.Add(kept_pages_);
    if (!BinsFit() || !bins_.ReserveRows(kept_pages_, size_ / classes_) || !bins_.ReserveCounts(their_pages)) {
      next_ = Mode::kNone;
    }
  }

  // Adds what PrepareMerge() has read.
  void Merge(StateReader& reader, uint64_t rows, uint64_t skipped) {
    const bool weighted = batch_weighted_;
    Commit();
    seen_ += (rows + skipped) * classes_;
    const auto theirs = static_cast<Mode>(reader.Get());
    reader.Get();
    if (theirs == Mode::kKept) {
      reader.Get();
      ForEachKept(reader, static_cast<size_t>(rows) * classes_, weighted,
                  [&](size_t place, double score, uint64_t flag, double weight) {
                    if (mode_ == Mode::kKept) {
                      if (weighted_) weights_[size_ / classes_] = weight;
                      scores_[size_] = score;
                      flags_[size_++] = static_cast<uint8_t>(flag);
                    } else if (mode_ == Mode::kBins && flag != kUnknown) {
                      bins_.AddCounts(place % classes_, bins_.CodeOf(score), {1, flag == kPositive ? 1u : 0u});
                    }
                  });
    } else if (theirs == Mode::kBins) {
      for (size_t label = 0; label < classes_; ++label) {
        ForEachBin(reader, [&](uint32_t key, uint64_t all, uint64_t positive) {
          if (mode_ != Mode::kBins) return;
          bins_.AddCounts(label, bins_.CodeOfKey(key), {static_cast<uint32_t>(all), static_cast<uint32_t>(positive)});
        });
      }
    }
  }

 private:
  // In this order: a batch or a merge can only move on.
  enum class Mode : int32_t { kKept, kBins, kNone };
  enum Flag : uint8_t { kNegative, kPositive, kUnknown };

  // A kept score, with the weight of its row: negative where the row does not have the label.
  struct Scored {
    double score;
    double weight;
  };

  // Sums the terms of the formula, from groups of equal scores in descending order.
  class Summation {
   public:
    explicit Summation(double positives) : positives_(positives) {}
    void Add(double all, double positive) {
      all_ += all;
      found_ += positive;
      if (positive > 0) sum_ += positive / positives_ * (found_ / all_);
    }
    double sum() const { return sum_; }

   private:
    double positives_;
    double all_ = 0;
    double found_ = 0;
    double sum_ = 0;
  };

  // The lowest and the highest average precision of scores whose order within a bin is unknown, from bins in descending
  // order. Let a bin have p positive and n negative scores, and let there be `all` scores above it, `found` of them
  // positive. A positive score that is the i-th of the bin's adds its precision over the number of all positives.
  //
  // - At most (found + p) / (all + p): all positives of the bin are equal, and above its negatives. A threshold that
  //   leaves some out only lowers it, since found <= all.
  // - At least (found + i) / (all + n + i): all negatives come first, and no two positives are equal.
  //
  // Both orders are possible in every bin at once, so the bounds cannot be narrower. They are rounded outwards.
  class Bounds {
   public:
    explicit Bounds(uint64_t positives) : positives_(static_cast<double>(positives)) {}
    void Add(uint64_t all, uint64_t positive) {
      if (positive > 0) {
        const auto p = static_cast<double>(positive);
        low_ += LowestSum(all - positive, positive) / positives_;
        high_ += p / positives_ * ((found_ + p) / (all_ + p));
      }
      all_ += static_cast<double>(all);
      found_ += static_cast<double>(positive);
    }
    // `terms` is the number of bins. Each of them adds at most its share of 1, from a few operations, so that no more
    // than (terms + kTerms + 8) * 2^-53 is lost by rounding.
    double low(size_t terms) const { return std::max(0.0, low_ - Slack(terms)); }
    double high(size_t terms) const { return std::min(1.0, high_ + Slack(terms)); }

   private:
    static constexpr uint64_t kTerms = 64;
    static double Slack(size_t terms) { return 2 * static_cast<double>(terms + kTerms + 8) * 0x1p-53; }

    // The sum of (found + i) / (all + n + i) over i = 1 .. p. With d = all + n - found, a term is 1 - d / (all + n +
    // i): concave in i, hence at least its mean over [i - 1/2, i + 1/2]. From kTerms on the sum is replaced by the
    // integral of the terms, which is therefore not above it, and below by less than d / (24 * (all + n + kTerms)^2).
    double LowestSum(uint64_t negative, uint64_t positive) const {
      const double before = all_ + static_cast<double>(negative);
      double sum = 0;
      const uint64_t few = std::min(positive, kTerms);
      for (uint64_t i = 1; i <= few; ++i) {
        sum += (found_ + static_cast<double>(i)) / (before + static_cast<double>(i));
      }
      if (positive > kTerms) {
        const auto rest = static_cast<double>(positive - kTerms);
        sum += rest - (before - found_) * std::log1p(rest / (before + static_cast<double>(kTerms) + 0.5));
      }
      return sum;
    }

    double positives_;
    double all_ = 0;
    double found_ = 0;
    double low_ = 0;
    double high_ = 0;
  };

  // Moves on to bins. Rows with weights move on to kNone: see BinsFit().
  void LeaveKept() {
    next_ = Mode::kBins;
    ForEachKeptRow([&](const double* scores, const uint8_t* flags, bool has_unknown) {
      if (!has_unknown) {
        bins_.Want(scores, kept_pages_);
        return;
      }
      for (size_t label = 0; label < classes_; ++label) {
        if (flags[label] != kUnknown) bins_.Want(bins_.CodeOf(scores[label]), kept_pages_);
      }
    });
  }

  // Calls function(scores, flags, whether one of these is kUnknown) for each kept row.
  template <typename Function>
  void ForEachKeptRow(Function function) const {
    for (size_t i = 0; i < size_; i += classes_) {
      const uint8_t* flags = flags_.data() + i;
      function(scores_.data() + i, flags, std::find(flags, flags + classes_, uint8_t{kUnknown}) != flags + classes_);
    }
  }

  bool BinsFit() const { return !weighted_ && !batch_weighted_ && bins_.Fits(batch_pages_); }

  [[nodiscard]] bool ReserveKept(bool weighted) {
    if (!scores_.Reserve(kMostKept) || !flags_.Reserve(kMostKept)) return false;
    return !weighted || weights_.Reserve(kMostKept / classes_ + 1);
  }

  template <typename T, typename Function>
  void ForEachKnown(const Row<T>& row, Function function) const {
    size_t next = 0;
    for (size_t k = 0; k <= row.num_unknown; ++k) {
      const size_t end = k < row.num_unknown ? static_cast<size_t>(row.unknown[k]) : classes_;
      for (; next < end; ++next) function(next);
      next = end + 1;
    }
  }

  // Calls function(place, score, flag, weight of the row) for each kept score of a state.
  template <typename Function>
  void ForEachKept(StateReader& reader, size_t size, bool weighted, Function function) {
    StateReader flags = reader;
    flags.Skip(size * sizeof(double));
    StateReader weights = flags;
    for (size_t i = 0; weighted && i < size; ++i) weights.Get();
    double weight = 1;
    for (size_t i = 0; i < size; ++i) {
      if (weighted && i % classes_ == 0) weight = weights.GetDouble();
      const double score = reader.GetDouble();
      function(i, score, flags.Get(), weight);
    }
    const bool ok = reader.ok() && flags.ok() && weights.ok();
    reader = weighted ? weights : flags;
    if (!ok) reader.Fail();
  }

  // Calls function(key, all, positive) for each bin of a label of a state.
  template <typename Function>
  void ForEachBin(StateReader& reader, Function function) {
    uint64_t next = 0;
    while (const uint64_t step = reader.Get()) {
      const uint64_t all = reader.Get();
      const uint64_t positive = reader.Get();
      if (step > bins_.num_keys() - next) {
        reader.Fail();
        return;
      }
      next += step;
      function(static_cast<uint32_t>(next - 1), all, positive);
      if (!reader.ok()) return;
    }
  }

  bool ComputeFromKept(Value* of_labels, Value* micro) const {
    Buffer<Scored> buffer;
    if (!buffer.Reserve(std::max<size_t>(size_, 1))) return false;
    const auto average = [&](size_t label) {
      const size_t count = SortKept(label, buffer.data());
      double positives = 0;
      for (size_t i = 0; i < count; ++i) positives += std::max(buffer[i].weight, 0.0);
      Summation sum(positives);
      ForEachScore(buffer.data(), count,
                   [&](double /*score*/, double all, double positive) { sum.Add(all, positive); });
      return Value{sum.sum(), sum.sum(), sum.sum()};
    };
    for (size_t label = 0; label < classes_; ++label) of_labels[label] = average(label);
    *micro = average(kAllLabels);
    return true;
  }

  bool CurveFromKept(size_t label, Buffer<Point>& points, size_t* count) const {
    const size_t most = label == kAllLabels ? size_ : size_ / classes_;
    Buffer<Scored> buffer;
    if (!buffer.Reserve(std::max<size_t>(most, 1)) || !points.Reserve(std::max<size_t>(most, 1))) return false;
    ForEachScore(buffer.data(), SortKept(label, buffer.data()), [&](double score, double all, double positive) {
      points[(*count)++] = {score, all, positive};
    });
    return true;
  }

  // Writes the kept scores of a label, or all, to `scored` in descending order, and returns their number. Scores of
  // weight 0 do not count.
  size_t SortKept(size_t label, Scored* scored) const {
    const bool all = label == kAllLabels;
    size_t count = 0;
    for (size_t i = all ? 0 : label; i < size_; i += all ? 1 : classes_) {
      const double weight = weighted_ ? weights_[i / classes_] : 1;
      if (flags_[i] == kUnknown || weight == 0) continue;
      scored[count++] = {scores_[i], flags_[i] == kPositive ? weight : -weight};
    }
    // Weights too, for sums that do not depend on the order in which the scores came.
    std::sort(scored, scored + count, [](const Scored& a, const Scored& b) {
      return a.score != b.score ? a.score > b.score : a.weight > b.weight;
    });
    return count;
  }

  // Calls function(score, sum of the weights, sum of those of labels) for each distinct score, in order.
  template <typename Function>
  static void ForEachScore(const Scored* scored, size_t size, Function function) {
    for (size_t i = 0; i < size;) {
      const double score = scored[i].score;
      double all = 0;
      double positive = 0;
      for (; i < size && scored[i].score == score; ++i) {
        all += std::abs(scored[i].weight);
        positive += std::max(scored[i].weight, 0.0);
      }
      function(score, all, positive);
    }
  }

  bool CurveFromBins(size_t label, Buffer<Point>& points, size_t* count) const {
    const size_t num_keys = bins_.num_keys();
    if (!points.Reserve(num_keys)) return false;
    std::fill_n(points.data(), num_keys, Point{0, 0, 0});
    const bool all = label == kAllLabels;
    for (size_t of = all ? 0 : label; of < (all ? classes_ : label + 1); ++of) {
      bins_.ForEachBin(of, [&](size_t key, const ScoreBins::Bin& bin) {
        points[num_keys - 1 - key].all += bin.all;
        points[num_keys - 1 - key].positive += bin.positive;
      });
    }
    for (size_t i = 0; i < num_keys; ++i) {
      if (points[i].all == 0) continue;
      points[*count] = points[i];
      points[(*count)++].threshold = bins_.LowestOf(static_cast<uint32_t>(num_keys - 1 - i));
    }
    return true;
  }

  bool ComputeFromBins(Value* of_labels, Value* micro) const {
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
      Summation sum(static_cast<double>(positives));
      Bounds bounds(positives);
      for (size_t i = size; i > 0; --i) {
        const Total& bin = ascending[i - 1];
        sum.Add(static_cast<double>(bin.all), static_cast<double>(bin.positive));
        bounds.Add(bin.all, bin.positive);
      }
      return positives == 0 ? Value{0, 0, 0} : Value{sum.sum(), bounds.low(size), bounds.high(size)};
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
  Mode mode_ = Mode::kKept;
  bool weighted_ = false;  // a row's weight is not 1
  uint64_t seen_ = 0;      // scores of all rows, those left out included

  size_t size_ = 0;  // scores kept, row by row
  Buffer<double> scores_;
  Buffer<uint8_t> flags_;
  Buffer<double> weights_;  // one for each row, once weighted_

  ScoreBins bins_;

  // The batch or the merge at hand.
  size_t batch_rows_ = 0;
  Mode next_ = Mode::kKept;
  bool batch_weighted_ = false;
  ScoreBins::Pages kept_pages_;
  ScoreBins::Pages batch_pages_;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_AVERAGE_PRECISION_H_
