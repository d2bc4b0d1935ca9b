#ifndef MULTILABEL_MARGIN_LOSS_METRICS_CONFUSIONS_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_CONFUSIONS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "base/simd.h"
#include "metrics/state.h"

namespace mlml {

// For each label and each other class, the number of rows that have the label, do not have the other class, and score
// the other class above the label. Equal scores do not count. For more than kMostClasses there are none: memory is 4
// bytes for each pair of classes.
class Confusions {
 public:
  static constexpr size_t kMostClasses = 4096;

  struct Pair {
    double label;
    double other;
    double rows;
  };

  void Begin(size_t classes) { classes_ = classes; }
  bool enabled() const { return classes_ <= kMostClasses; }

  // Makes room. To be called before rows are added. False when there is no memory for it.
  [[nodiscard]] bool Reserve() {
    if (!enabled() || rows_.capacity() > 0) return true;
    if (!rows_.Reserve(classes_ * classes_)) return false;
    std::fill_n(rows_.data(), classes_ * classes_, uint32_t{0});
    return true;
  }

  // Counts the scores above that of a label of the row, among others[classes], where the labels and the unknown classes
  // of the row have -Inf. Most vectors of a trained model have no such score, and are passed over four at a time.
  template <typename T>
  void Add(size_t label, T score, const T* others) {
    if (!enabled()) return;
    const hn::ScalableTag<uint32_t> d;
    constexpr size_t L = kLanes<uint32_t>;
    uint32_t* rows = rows_.data() + label * classes_;
    size_t j = 0;
    for (; j + 4 * L <= classes_; j += 4 * L) {
      const auto above0 = Above(others + j, score);
      const auto above1 = Above(others + j + L, score);
      const auto above2 = Above(others + j + 2 * L, score);
      const auto above3 = Above(others + j + 3 * L, score);
      const auto any = hn::Or(hn::Or(above0, above1), hn::Or(above2, above3));
      if (hn::AllTrue(d, hn::Eq(any, hn::Zero(d)))) continue;
      // All bits set are -1.
      hn::StoreU(hn::Sub(hn::LoadU(d, rows + j), above0), d, rows + j);
      hn::StoreU(hn::Sub(hn::LoadU(d, rows + j + L), above1), d, rows + j + L);
      hn::StoreU(hn::Sub(hn::LoadU(d, rows + j + 2 * L), above2), d, rows + j + 2 * L);
      hn::StoreU(hn::Sub(hn::LoadU(d, rows + j + 3 * L), above3), d, rows + j + 3 * L);
    }
    for (; j < classes_; ++j) rows[j] += others[j] > score ? 1 : 0;
  }

  // Writes the pairs of the most rows to pairs[most], from the most down, of equal ones those of the lowest classes;
  // and returns their number.
  size_t Worst(Pair* pairs, size_t most) const {
    size_t count = 0;
    for (size_t i = 0; i < rows_.capacity(); ++i) {
      const double rows = rows_[i];
      if (rows == 0 || (count == most && rows <= pairs[most - 1].rows)) continue;
      size_t at = std::min(count, most - 1);
      for (; at > 0 && rows > pairs[at - 1].rows; --at) pairs[at] = pairs[at - 1];
      const size_t label = i / classes_;
      pairs[at] = {static_cast<double>(label), static_cast<double>(i % classes_), rows};
      count = std::min(count + 1, most);
    }
    return count;
  }

  void Write(StateWriter& writer) const {
    if (!enabled()) return;
    size_t next = 0;
    for (size_t i = 0; i < rows_.capacity(); ++i) {
      if (rows_[i] == 0) continue;
      writer.Put(i - next + 1);
      writer.Put(rows_[i]);
      next = i + 1;
    }
    writer.Put(0);
  }

  // Reads what Write() wrote of as many classes over so many rows. With kCheck, checks it and makes room instead of
  // adding it; false when there is no memory for it.
  template <bool kCheck>
  [[nodiscard]] bool Merge(StateReader& reader, uint64_t rows) {
    if (!enabled()) return true;
    uint64_t next = 0;
    while (const uint64_t step = reader.Get()) {
      const uint64_t added = reader.Get();
      if (step > classes_ * classes_ - next || added == 0 || added > rows) reader.Fail();
      if (!reader.ok()) return true;
      next += step;
      const auto pair = static_cast<size_t>(next - 1);
      if (pair / classes_ == pair % classes_) reader.Fail();
      if constexpr (!kCheck) rows_[pair] += static_cast<uint32_t>(added);
    }
    return !kCheck || !reader.ok() || Reserve();
  }

 private:
  using Mask = hn::VFromD<hn::ScalableTag<uint32_t>>;

  // All bits set where a score is above another one, of as many scores as a vector has floats.
  static Mask Above(const float* scores, float score) {
    const hn::ScalableTag<float> d;
    return hn::BitCast(hn::ScalableTag<uint32_t>(),
                       hn::VecFromMask(d, hn::Gt(hn::LoadU(d, scores), hn::Set(d, score))));
  }
  static Mask Above(const double* scores, double score) {
    const hn::ScalableTag<double> d;
    const hn::ScalableTag<uint32_t> du;
    const auto above = [&](const double* from) {
      return hn::BitCast(du, hn::VecFromMask(d, hn::Gt(hn::LoadU(d, from), hn::Set(d, score))));
    };
    return hn::ConcatEven(du, above(scores + kLanes<double>), above(scores));
  }

  size_t classes_ = 0;
  Buffer<uint32_t> rows_;  // [classes, classes]: of a label, and of another class
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_CONFUSIONS_H_
