// The loss and its gradient by their definition: a loop over the pairs, O(K * C), with sums in double. The tests
// compare the kernels with it.
#ifndef MULTILABEL_MARGIN_LOSS_TESTS_REFERENCE_H_
#define MULTILABEL_MARGIN_LOSS_TESTS_REFERENCE_H_

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "loss/multilabel_margin_loss.h"

namespace mlml {

static_assert(FLT_EVAL_METHOD == 0, "the conditions must be evaluated in the type of the scores");

struct Reference {
  double reduced = 0;          // the sum of the losses, divided by N for Reduction::kMean
  std::vector<double> losses;  // [rows]
  std::vector<double> grad;    // [rows, classes], of the reduced loss

  // Numbers that the error bounds are derived from. A pair raises the loss with its x[j], and lowers it with its x[k].
  std::vector<int64_t> raises;    // [rows, classes]: number of pairs in which the class is x[j]
  std::vector<int64_t> lowers;    // [rows, classes]: number of pairs in which it is x[k]
  std::vector<int64_t> listings;  // [rows, classes]: how often the class is among the targets
  std::vector<double> weights;    // [rows]
  std::vector<double> divisors;   // [rows]: D
};

// The targets of a row: its entries before the first negative one.
inline std::vector<size_t> TargetsOf(const int32_t* row, size_t width) {
  std::vector<size_t> targets;
  for (size_t i = 0; i < width && row[i] >= 0; ++i) targets.push_back(static_cast<size_t>(row[i]));
  return targets;
}

template <typename Score>
Reference ComputeReference(const Rows<Score>& batch, const Options& options) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const Score margin = static_cast<Score>(options.margin);
  const double row_divisor = options.reduction == Reduction::kMean ? static_cast<double>(batch.batch_rows) : 1;
  const size_t classes = batch.classes;

  Reference result;
  result.grad.assign(batch.count * classes, 0);
  result.raises.assign(batch.count * classes, 0);
  result.lowers.assign(batch.count * classes, 0);
  result.listings.assign(batch.count * classes, 0);
  double losses_sum = 0;

  for (size_t row = 0; row < batch.count; ++row) {
    const Score* x = batch.scores + row * classes;
    double* grad = &result.grad[row * classes];
    int64_t* raises = &result.raises[row * classes];
    int64_t* lowers = &result.lowers[row * classes];
    int64_t* listings = &result.listings[row * classes];

    const std::vector<size_t> y = TargetsOf(batch.targets + row * batch.width, batch.width);
    for (const size_t k : y) ++listings[k];
    const size_t divisor = options.normalization == Normalization::kClasses ? classes : std::max<size_t>(y.size(), 1);
    result.divisors.push_back(static_cast<double>(divisor));
    const double weight = batch.sample_weights == nullptr ? 1 : batch.sample_weights[row];
    result.weights.push_back(weight);
    if (weight == 0) {
      result.losses.push_back(0);
      continue;
    }
    std::vector<bool> is_unknown(classes);
    if (batch.unknown != nullptr) {
      for (const size_t j : TargetsOf(batch.unknown + row * batch.unknown_width, batch.unknown_width)) {
        is_unknown[j] = true;
      }
    }

    if (options.nan_policy == NanPolicy::kPropagate && std::any_of(x, x + classes, [](Score s) { return s != s; })) {
      std::fill_n(grad, classes, kNan);
      result.losses.push_back(kNan);
      losses_sum += kNan;
      continue;
    }

    // Returns what the pair adds to the sum: by how much x[j] exceeds the threshold x[k] - margin, which is rounded to
    // the type of the scores. The condition, in that type, is false for NaN.
    const auto add_pair = [&](size_t k, size_t j) -> double {
      if (!((margin - x[k]) + x[j] > 0)) return 0;
      ++raises[j];
      ++lowers[k];
      return static_cast<double>(margin - x[k]) + static_cast<double>(x[j]);
    };

    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      double sum_of_target = 0;
      for (size_t j = 0; j < classes; ++j) {
        if (listings[j] == 0 && !is_unknown[j]) sum_of_target += add_pair(y[i], j);
      }
      if (options.target_order == TargetOrder::kRanked) {
        for (size_t later = i + 1; later < y.size(); ++later) sum_of_target += add_pair(y[i], y[later]);
      }
      sum += sum_of_target;
    }
    result.losses.push_back(sum / static_cast<double>(divisor) * weight);
    losses_sum += result.losses.back();
    for (size_t j = 0; j < classes; ++j) {
      grad[j] = static_cast<double>(raises[j] - lowers[j]) * weight / (static_cast<double>(divisor) * row_divisor);
    }
  }
  result.reduced = losses_sum / row_divisor;
  return result;
}

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TESTS_REFERENCE_H_
