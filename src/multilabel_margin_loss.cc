#include "multilabel_margin_loss.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "bucketed_counts.h"
#include "buffer.h"
#include "direct_counts.h"
#include "ranked_pairs.h"
#include "simd.h"

namespace mlml {
namespace {

// How a row is computed. With thresholds t[k] = x[k] - margin, a pair adds where x[j] > t[k], which in floating point
// is the same as (margin - x[k]) + x[j] > 0. So everything follows from two integer counts: below[j], the thresholds
// below non-target j, and above[k], the non-targets above threshold k:
//
//   D * loss = sum of below[j] * x[j] - sum of above[k] * t[k],    gradient[j] = below[j] / D,  [k] = -above[k] / D
//
// The counts are exact; the gradient is one multiplication by 1/D away from them.

template <typename T>
struct RowBuffers {
  Buffer<T> row;            // a copy of the scores, where there is no gradient to hold it
  Buffer<int32_t> targets;  // positions in the row
  Buffer<T> scores;         // of the targets
  Buffer<T> thresholds;
  Buffer<int64_t> above;  // [k]: pairs in which target k is the one to rank higher
  Buffer<int64_t> below;  // [k]: pairs in which it is the other, under TargetOrder::kRanked
  DirectCounts<T> direct;
  BucketedCounts<T> bucketed;
  RankedPairs<T> ranked;
};

// Measured in WebAssembly on 64 rows of 64 to 20,000 classes: below, the direct kernel is the quicker one.
bool UsesBuckets(size_t num_targets, size_t classes, RowKernel kernel) {
  if (kernel != RowKernel::kMeasured) return kernel == RowKernel::kBucketed;
  return num_targets > 32 && classes > 256;
}

// What becomes of a vector of non-targets and their counts: its part of the loss, and its gradient in place of the
// scores.
template <typename T, bool kGradient>
class Finish {
  using D = hn::ScalableTag<T>;
  using DI = hn::ScalableTag<CountOf<T>>;
  using DD = hn::ScalableTag<double>;

 public:
  // The loss is summed over differences from `reference`; the gradient is count * scale.
  Finish(T reference, T scale) : reference_(hn::Set(D(), reference)), scale_(hn::Set(D(), scale)) {}

  void operator()(hn::Vec<D> scores, hn::Vec<DI> int_counts, T* gradient) {
    const D d;
    const DD dd;
    const auto counts = hn::ConvertTo(d, int_counts);
    // A score without a pair may be infinite or NaN, and times 0 that would be NaN.
    const auto above = hn::RebindMask(d, hn::Gt(int_counts, hn::Zero(DI())));
    // The product of a count and a float is exact in double.
    if constexpr (sizeof(T) == sizeof(double)) {
      sum0_ = hn::MulAdd(counts, hn::IfThenElseZero(above, hn::Sub(scores, reference_)), sum0_);
    } else {
      const hn::Half<D> dh;
      const auto x = hn::IfThenElseZero(above, scores);
      sum0_ = hn::MulAdd(hn::PromoteTo(dd, hn::LowerHalf(dh, counts)), hn::PromoteTo(dd, hn::LowerHalf(dh, x)), sum0_);
      sum1_ = hn::MulAdd(hn::PromoteTo(dd, hn::UpperHalf(dh, counts)), hn::PromoteTo(dd, hn::UpperHalf(dh, x)), sum1_);
    }
    if constexpr (kGradient) hn::StoreU(hn::Mul(counts, scale_), d, gradient);
  }

  // Sum of count * (score - reference).
  double Sum() const { return hn::GetLane(hn::SumOfLanes(DD(), hn::Add(sum0_, sum1_))); }

 private:
  hn::Vec<D> reference_;  // 0 for float
  hn::Vec<D> scale_;
  hn::Vec<DD> sum0_ = hn::Zero(DD());
  hn::Vec<DD> sum1_ = hn::Zero(DD());
};

// One row: T scores, and the positions of its targets in them.
template <typename T>
class RowComputation {
 public:
  // `loss_scale` times 1/D is what the gradient's counts are multiplied by.
  RowComputation(size_t classes, const Options& options, RowKernel kernel, double loss_scale, bool with_gradient,
                 RowBuffers<T>& buffers)
      : classes_(classes),
        margin_(static_cast<T>(options.margin)),
        options_(options),
        kernel_(kernel),
        loss_scale_(loss_scale),
        with_gradient_(with_gradient),
        buffers_(buffers) {}

  // The loss of the row whose targets are in the buffers. With a gradient, that takes the place of the scores; without,
  // the scores are lost.
  double Compute(T* row, size_t num_targets) {
    if (options_.nan_policy == NanPolicy::kPropagate && HasNan(row)) {
      Fill(row, std::numeric_limits<T>::quiet_NaN());
      return std::numeric_limits<double>::quiet_NaN();
    }
    if (num_targets == 0) {
      Fill(row, T{0});
      return 0;
    }
    const auto divisor =
        static_cast<double>(options_.normalization == Normalization::kClasses ? classes_ : num_targets);
    const double scale = loss_scale_ / divisor;
    MaskTargets(row, num_targets);

    const T reference = Reference(num_targets);
    double sum = UsesBuckets(num_targets, classes_, kernel_)
                     ? CountPairs(row, num_targets, reference, static_cast<T>(scale), buffers_.bucketed)
                     : CountPairs(row, num_targets, reference, static_cast<T>(scale), buffers_.direct);
    std::fill_n(buffers_.below.data(), num_targets, int64_t{0});
    if (options_.target_order == TargetOrder::kRanked) {
      buffers_.ranked.Count(buffers_.scores.data(), buffers_.thresholds.data(), num_targets, buffers_.above.data(),
                            buffers_.below.data());
    }
    sum += FinishTargets(row, num_targets, static_cast<double>(reference), scale);
    // A sum of positive terms: NaN is what is left of one that exceeds the largest number, and a negative one of 0.
    return std::isnan(sum) ? std::numeric_limits<double>::infinity() : std::max(sum, 0.0) / divisor;
  }

 private:
  bool HasNan(const T* row) const {
    bool found = false;
    for (size_t j = 0; j < classes_; ++j) found |= row[j] != row[j];
    return found;
  }

  void Fill(T* row, T gradient) const {
    if (with_gradient_) std::fill_n(row, classes_, gradient);
  }

  // Keeps the targets' scores and thresholds, and puts -Inf in their places: no such score is above a threshold, so the
  // kernels need not tell targets from others.
  void MaskTargets(T* row, size_t num_targets) {
    for (size_t k = 0; k < num_targets; ++k) {
      buffers_.scores[k] = row[buffers_.targets[k]];
      buffers_.thresholds[k] = buffers_.scores[k] - margin_;  // = -(margin - x[k]), to the bit
    }
    for (size_t k = 0; k < num_targets; ++k) row[buffers_.targets[k]] = -kInfinity<T>;
  }

  // Both sums of the loss may be taken over differences from any number, since there are as many pairs in one as in the
  // other. Doubles lose digits by cancellation where the scores are far from 0, unless that number is near them: the
  // lowest threshold. Floats have 29 digits to spare in the double they are summed in.
  T Reference(size_t num_targets) const {
    T lowest = kInfinity<T>;
    if constexpr (sizeof(T) == sizeof(double)) {
      for (size_t k = 0; k < num_targets; ++k) {
        const T threshold = buffers_.thresholds[k];
        if (threshold > -kInfinity<T> && threshold < lowest) lowest = threshold;
      }
    }
    return lowest < kInfinity<T> ? lowest : T{0};
  }

  // One pass over the row: counts both ways, the non-targets' part of the loss, and their gradient.
  template <typename Counts>
  double CountPairs(T* row, size_t num_targets, T reference, T scale, Counts& counts) {
    return with_gradient_ ? CountPairs(row, num_targets, counts, Finish<T, true>(reference, scale))
                          : CountPairs(row, num_targets, counts, Finish<T, false>(reference, scale));
  }

  template <typename Counts, bool kGradient>
  double CountPairs(T* row, size_t num_targets, Counts& counts, Finish<T, kGradient> finish) {
    counts.Begin(buffers_.thresholds.data(), num_targets);
    const size_t whole = classes_ - classes_ % kLanes<T>;
    counts.CountScores(row, whole, finish);
    if (whole < classes_) {
      T last[kLanes<T>];
      std::fill_n(last, kLanes<T>, -kInfinity<T>);
      std::copy(row + whole, row + classes_, last);
      counts.CountScores(last, kLanes<T>, finish);
      if (kGradient) std::copy_n(last, classes_ - whole, row + whole);
    }
    counts.End(buffers_.above.data());
    return finish.Sum();
  }

  // The targets' part of the loss, and their gradient.
  double FinishTargets(T* row, size_t num_targets, double reference, double scale) const {
    double sum = 0;
    for (size_t k = 0; k < num_targets; ++k) {
      const int64_t above = buffers_.above[k];
      const int64_t below = buffers_.below[k];
      const auto score = static_cast<double>(buffers_.scores[k]);
      // A score without a pair may be infinite or NaN. The threshold in double: that of a float was rounded for the
      // comparisons, by as much as a small loss.
      if (above > 0) sum -= static_cast<double>(above) * (score - options_.margin - reference);
      if (below > 0) sum += static_cast<double>(below) * (score - reference);
      if (with_gradient_) row[buffers_.targets[k]] += static_cast<T>(static_cast<double>(below - above) * scale);
    }
    return sum;
  }

  const size_t classes_;
  const T margin_;
  const Options& options_;
  const RowKernel kernel_;
  const double loss_scale_;
  const bool with_gradient_;
  RowBuffers<T>& buffers_;
};

// The entries before the first negative one.
template <typename Target>
size_t CountTargets(const Target* targets, size_t width) {
  return static_cast<size_t>(std::find_if(targets, targets + width, [](Target t) { return t < 0; }) - targets);
}

// Room for every row, so that nothing fails halfway.
template <typename T, typename Target>
[[nodiscard]] bool ReserveBuffers(const Rows<T, Target>& rows, const Options& options, RowKernel kernel,
                                  bool with_gradient, RowBuffers<T>& buffers) {
  size_t most_direct = 0;
  size_t most_bucketed = 0;
  for (size_t i = 0; i < rows.rows; ++i) {
    const size_t num_targets = CountTargets(rows.targets + i * rows.width, rows.width);
    size_t& most = UsesBuckets(num_targets, rows.classes, kernel) ? most_bucketed : most_direct;
    most = std::max(most, num_targets);
  }
  const size_t most = std::max(most_direct, most_bucketed);
  return (with_gradient || buffers.row.Reserve(rows.classes)) && buffers.targets.Reserve(most) &&
         buffers.scores.Reserve(most) && buffers.thresholds.Reserve(most) && buffers.above.Reserve(most) &&
         buffers.below.Reserve(most) && buffers.direct.Reserve(most_direct) &&
         buffers.bucketed.Reserve(most_bucketed) &&
         (options.target_order == TargetOrder::kIgnored || buffers.ranked.Reserve(most));
}

}  // namespace

struct Workspace::Buffers {
  RowBuffers<float> f32;
  RowBuffers<double> f64;

  template <typename T>
  RowBuffers<T>& Of() {
    if constexpr (sizeof(T) == sizeof(float)) {
      return f32;
    } else {
      return f64;
    }
  }
};

Workspace::Workspace() : buffers_(std::make_unique<Buffers>()) {}
Workspace::~Workspace() = default;

template <typename T, typename Target>
Outcome Validate(const Rows<T, Target>& rows, NanPolicy nan_policy) {
  const auto end = static_cast<Target>(rows.classes);
  const size_t num_targets = rows.rows * rows.width;
  bool out_of_range = false;
  // Without an exit, so that it compiles to vectors.
  for (size_t i = 0; i < num_targets; ++i) out_of_range |= (rows.targets[i] < -1) | (rows.targets[i] >= end);
  if (out_of_range) {
    size_t i = 0;
    while (rows.targets[i] >= -1 && rows.targets[i] < end) ++i;
    return {Status::kTargetOutOfRange, i / rows.width, i % rows.width, static_cast<int64_t>(rows.targets[i])};
  }
  if (nan_policy == NanPolicy::kError) {
    const size_t num_scores = rows.rows * rows.classes;
    for (size_t i = 0; i < num_scores; ++i) {
      if (rows.scores[i] != rows.scores[i]) return {Status::kNanScore, i / rows.classes, i % rows.classes, 0};
    }
  }
  return {};
}

template <typename T, typename Target>
Outcome MultilabelMarginLoss(const Rows<T, Target>& rows, const Options& options, double* loss_sum, T* losses, T* grad,
                             Workspace& workspace, RowKernel kernel) {
  const Outcome outcome = Validate(rows, options.nan_policy);
  if (outcome.status != Status::kOk) return outcome;
  RowBuffers<T>& buffers = workspace.buffers().template Of<T>();
  const bool with_gradient = grad != nullptr;
  if (!ReserveBuffers(rows, options, kernel, with_gradient, buffers)) return {Status::kOutOfMemory, 0, 0, 0};
  const double loss_scale = options.reduction == Reduction::kMean ? 1.0 / static_cast<double>(rows.batch_rows) : 1.0;
  RowComputation<T> computation(rows.classes, options, kernel, loss_scale, with_gradient, buffers);
  for (size_t i = 0; i < rows.rows; ++i) {
    const Target* targets = rows.targets + i * rows.width;
    const size_t num_targets = CountTargets(targets, rows.width);
    for (size_t k = 0; k < num_targets; ++k) buffers.targets[k] = static_cast<int32_t>(targets[k]);
    const T* scores = rows.scores + i * rows.classes;
    T* row = with_gradient ? grad + i * rows.classes : buffers.row.data();
    if (row != scores) std::memcpy(row, scores, rows.classes * sizeof(T));
    const double loss = computation.Compute(row, num_targets);
    *loss_sum += loss;
    if (options.reduction == Reduction::kNone) losses[i] = static_cast<T>(loss);
  }
  return {};
}

template <typename T, typename Target>
Outcome MultilabelMarginLoss(const Rows<T, Target>& rows, const Options& options, double* loss_sum, T* losses, T* grad,
                             Workspace& workspace) {
  return MultilabelMarginLoss(rows, options, loss_sum, losses, grad, workspace, RowKernel::kMeasured);
}

// For every type of scores and targets.
template Outcome Validate(const Rows<float, int32_t>&, NanPolicy);
template Outcome MultilabelMarginLoss(const Rows<float, int32_t>&, const Options&, double*, float*, float*, Workspace&);
template Outcome MultilabelMarginLoss(const Rows<float, int32_t>&, const Options&, double*, float*, float*, Workspace&,
                                      RowKernel);
template Outcome Validate(const Rows<float, int64_t>&, NanPolicy);
template Outcome MultilabelMarginLoss(const Rows<float, int64_t>&, const Options&, double*, float*, float*, Workspace&);
template Outcome MultilabelMarginLoss(const Rows<float, int64_t>&, const Options&, double*, float*, float*, Workspace&,
                                      RowKernel);
template Outcome Validate(const Rows<double, int32_t>&, NanPolicy);
template Outcome MultilabelMarginLoss(const Rows<double, int32_t>&, const Options&, double*, double*, double*,
                                      Workspace&);
template Outcome MultilabelMarginLoss(const Rows<double, int32_t>&, const Options&, double*, double*, double*,
                                      Workspace&, RowKernel);
template Outcome Validate(const Rows<double, int64_t>&, NanPolicy);
template Outcome MultilabelMarginLoss(const Rows<double, int64_t>&, const Options&, double*, double*, double*,
                                      Workspace&);
template Outcome MultilabelMarginLoss(const Rows<double, int64_t>&, const Options&, double*, double*, double*,
                                      Workspace&, RowKernel);

}  // namespace mlml
