#ifndef MULTILABEL_MARGIN_LOSS_METRICS_CLASSIFICATION_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_CLASSIFICATION_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/buffer.h"
#include "metrics/average_precision.h"
#include "metrics/label_sums.h"
#include "metrics/state.h"

namespace mlml {

// Which classes of a row are predicted, and what the metrics of a row need beside that.
struct ClassificationOptions {
  // [classes]: a class is predicted if its score is at or above this number, rounded to the type of the scores. Null:
  // all are. +Inf: never.
  const double* thresholds = nullptr;
  // At most so many of a row: those of the highest scores, and of equal scores those of the lowest numbers. 0: any
  // number.
  size_t most = 0;
  double beta = 1;           // of the F-measure: finite and above 0
  double zero_division = 0;  // the value of 0 / 0
};

// The predicted classes of rows against their labels: sums for each label, and metrics of each row. With tp predicted
// labels, p predicted classes and t labels
//
//   precision = tp / p    recall = tp / t    Jaccard = tp / (p + t - tp)    F = (1 + beta^2) tp / (beta^2 t + p)
//
// and zero_division for 0 / 0. Formulas: scikit-learn, sklearn.metrics.precision_recall_fscore_support, jaccard_score.
class Classification {
 public:
  // Metrics of a row, whose means over the rows are those with average='samples'.
  enum RowMetric { kPrecision, kRecall, kF1, kFBeta, kJaccard, kHammingLoss, kSubsetAccuracy, kRowMetrics };

  // Sums over the rows of their weights.
  struct LabelCounts {
    double true_positives;
    double predicted;
    double support;  // rows that have the label
  };

  [[nodiscard]] bool Begin(size_t classes, const ClassificationOptions& options) {
    classes_ = classes;
    has_thresholds_ = options.thresholds != nullptr;
    most_ = options.most;
    zero_division_ = options.zero_division;
    recall_share_ = 1 / (1 + 1 / (options.beta * options.beta));
    precision_share_ = 1 / (1 + options.beta * options.beta);
    enabled_ = has_thresholds_ || most_ > 0;
    if (!enabled_) return true;
    if (!sums_.Begin(kSums * classes) || !predicted_.Reserve(classes)) return false;
    if (!has_thresholds_) return true;
    if (!f64_.Reserve(classes) || !f32_.Reserve(classes)) return false;
    std::copy_n(options.thresholds, classes, f64_.data());
    std::transform(options.thresholds, options.thresholds + classes, f32_.data(),
                   [](double threshold) { return static_cast<float>(threshold); });
    return true;
  }

  // False where nothing says which classes are predicted: there are no metrics.
  bool enabled() const { return enabled_; }

  // Makes room for weights that need these limbs. False when there is no memory for it.
  [[nodiscard]] bool Reserve(const LabelSums::Limbs& limbs) { return !enabled_ || sums_.Reserve(limbs); }

  // Adds a row, and calls metric(RowMetric, its value) for each of its metrics, and predicted(class, whether it is a
  // label) for each class that is predicted.
  template <typename T, typename Metric, typename Predicted>
  void Add(const AveragePrecision::Row<T>& row, Metric metric, Predicted predicted) {
    const size_t count = Predict(row);
    sums_.BeginRow(row.weight);
    size_t found = 0;
    size_t next = 0;  // among the labels, which ascend as the predicted classes do
    for (size_t i = 0; i < count; ++i) {
      const int32_t label = predicted_[i];
      sums_.Add(PlaceOf(label, kPredicted));
      while (next < row.num_labels && row.labels[next] < label) ++next;
      const bool is_right = next < row.num_labels && row.labels[next] == label;
      predicted(static_cast<size_t>(label), is_right);
      if (!is_right) continue;
      sums_.Add(PlaceOf(label, kTruePositives));
      ++found;
    }
    for (size_t k = 0; k < row.num_labels; ++k) sums_.Add(PlaceOf(row.labels[k], kSupport));

    const auto tp = static_cast<double>(found);
    const auto p = static_cast<double>(count);
    const auto t = static_cast<double>(row.num_labels);
    const size_t known = classes_ - row.num_unknown;
    metric(kPrecision, Ratio(tp, p));
    metric(kRecall, Ratio(tp, t));
    metric(kF1, Ratio(2 * tp, p + t));
    // Without an overflow of beta^2, and where it underflows.
    metric(kFBeta, found == 0 ? Ratio(0, p + t) : tp / (recall_share_ * t + precision_share_ * p));
    metric(kJaccard, Ratio(tp, p + t - tp));
    metric(kHammingLoss, known == 0 ? 0 : (p + t - 2 * tp) / static_cast<double>(known));
    metric(kSubsetAccuracy, found == count && found == row.num_labels ? 1 : 0);
  }

  // Writes the sums of each label to counts[classes].
  void Compute(LabelCounts* counts) const {
    for (size_t label = 0; label < classes_; ++label) {
      const size_t place = kSums * label;
      counts[label] = {sums_.Value(place + kTruePositives), sums_.Value(place + kPredicted),
                       sums_.Value(place + kSupport)};
    }
  }

  void Write(StateWriter& writer) const {
    if (enabled_) sums_.Write(writer);
  }

  // Reads what Write() wrote with the same options. With kCheck, makes room instead of adding it; false when there is
  // no memory for it.
  template <bool kCheck>
  [[nodiscard]] bool Merge(StateReader& reader, uint64_t rows) {
    return !enabled_ || sums_.Merge<kCheck>(reader, rows);
  }

 private:
  enum Sum { kTruePositives, kPredicted, kSupport, kSums };

  static size_t PlaceOf(int32_t label, Sum sum) { return kSums * static_cast<size_t>(label) + sum; }
  double Ratio(double part, double whole) const { return whole == 0 ? zero_division_ : part / whole; }

  // Writes the predicted classes of a row to predicted_, ascending, and returns their number.
  template <typename T>
  size_t Predict(const AveragePrecision::Row<T>& row) {
    int32_t* predicted = predicted_.data();
    const size_t known = classes_ - row.num_unknown;
    if (most_ == 0 || most_ >= known) {
      if (has_thresholds_ && row.num_unknown == 0) return Reaching(row.scores);
      return KeepReaching(row.scores, WithoutUnknown(row));
    }
    const T* scores = row.scores;
    std::nth_element(predicted, predicted + most_, predicted + WithoutUnknown(row),
                     [=](int32_t a, int32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
    const size_t count = KeepReaching(scores, most_);
    std::sort(predicted, predicted + count);
    return count;
  }

  // Writes the known classes of a row to predicted_, and returns their number.
  template <typename T>
  size_t WithoutUnknown(const AveragePrecision::Row<T>& row) {
    size_t count = 0;
    size_t next = 0;
    for (size_t i = 0; i <= row.num_unknown; ++i) {
      const size_t end = i < row.num_unknown ? static_cast<size_t>(row.unknown[i]) : classes_;
      for (; next < end; ++next) predicted_[count++] = static_cast<int32_t>(next);
      next = end + 1;
    }
    return count;
  }

  // Writes the classes that reach their thresholds to predicted_. Without a branch, which would be mispredicted: a
  // place is written before it is known whether it counts.
  template <typename T>
  size_t Reaching(const T* scores) {
    int32_t* predicted = predicted_.data();
    const T* thresholds = Thresholds<T>();
    size_t count = 0;
    for (size_t label = 0; label < classes_; ++label) {
      predicted[count] = static_cast<int32_t>(label);
      count += scores[label] >= thresholds[label] ? 1 : 0;
    }
    return count;
  }

  // Keeps those of the first classes in predicted_ that reach their thresholds.
  template <typename T>
  size_t KeepReaching(const T* scores, size_t count) {
    if (!has_thresholds_) return count;
    int32_t* predicted = predicted_.data();
    const T* thresholds = Thresholds<T>();
    const auto fails = [=](int32_t label) { return !(scores[label] >= thresholds[label]); };
    return static_cast<size_t>(std::remove_if(predicted, predicted + count, fails) - predicted);
  }

  template <typename T>
  const T* Thresholds() const {
    if constexpr (std::is_same_v<T, float>) {
      return f32_.data();
    } else {
      return f64_.data();
    }
  }

  size_t classes_ = 0;
  bool enabled_ = false;
  bool has_thresholds_ = false;
  size_t most_ = 0;
  double zero_division_ = 0;
  double recall_share_ = 0;     // beta^2 / (1 + beta^2)
  double precision_share_ = 0;  // 1 / (1 + beta^2)
  Buffer<double> f64_;          // [classes]: the thresholds
  Buffer<float> f32_;
  LabelSums sums_;  // [classes, kSums]
  Buffer<int32_t> predicted_;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_CLASSIFICATION_H_
