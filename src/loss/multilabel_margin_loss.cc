#include "loss/multilabel_margin_loss.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "loss/bucketed_counts.h"
#include "base/buffer.h"
#include "loss/direct_counts.h"
#include "loss/ranked_pairs.h"
#include "base/simd.h"

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
  Buffer<int32_t> targets;  // positions in the row
  Buffer<T> scores;         // of the targets
  Buffer<T> thresholds;
  Buffer<int64_t> above;      // [k]: pairs in which target k is the one to rank higher
  Buffer<int64_t> below;      // [k]: pairs in which it is the other, under TargetOrder::kRanked
  Buffer<int32_t> violators;  // positions in the row of the scores above the lowest threshold
  Buffer<T> violator_scores;
  Buffer<T> row;  // where no gradient is wanted: what is computed in place of the scores
  DirectCounts<T> direct;
  BucketedCounts<T> bucketed;
  RankedPairs<T> ranked;
};

// Scores of double are for checks of gradients more than for training: they do without the kernels for few targets,
// which would be a sixth of the module.
template <typename T>
constexpr bool kHasDirect = sizeof(T) == sizeof(float);

// Measured in WebAssembly on 64 rows of 64 to 20,000 classes: below, the direct kernel is the quicker one.
template <typename T>
bool UsesBuckets(size_t num_targets, size_t classes, RowKernel kernel) {
  if (!kHasDirect<T>) return true;
  if (kernel != RowKernel::kMeasured) return kernel == RowKernel::kBucketed;
  return num_targets > 32 && classes > 256;
}

// What becomes of a vector of non-targets and their counts: its part of the loss, and its gradient in place of the
// scores.
//
// Counts come negated, as sums of the masks of comparisons are. Non-negative ones the compiler would notice, and
// convert as unsigned integers, which takes V8 seven instructions instead of one.
template <typename T>
class Finish {
  using D = hn::ScalableTag<T>;
  using DI = hn::ScalableTag<CountOf<T>>;
  using DD = hn::ScalableTag<double>;

 public:
  // The loss is summed over differences from `reference`; the gradient is count * scale. `lowest` is finite, and no
  // score that has a pair is below it.
  Finish(T reference, T lowest, T scale)
      : reference_(hn::Set(D(), reference)), lowest_(hn::Set(D(), lowest)), scale_(hn::Set(D(), scale)) {}

  void operator()(hn::Vec<D> scores, hn::Vec<DI> minus_counts, T* gradient) {
    Add(scores, minus_counts);
    StoreGradient(minus_counts, gradient);
  }

  void StoreGradient(hn::Vec<DI> minus_counts, T* gradient) const {
    hn::StoreU(hn::Mul(ToFloat(minus_counts), scale_), D(), gradient);
  }

  void Add(hn::Vec<D> scores, hn::Vec<DI> minus_counts) {
    const DD dd;
    const auto counts = ToFloat(minus_counts);
    // A score without a pair may be infinite or NaN, and times 0 that would be NaN. Max of NaN and a number is the
    // number, and is one instruction where a mask takes four.
    const auto x = hn::Max(scores, lowest_);
    // The product of a count and a float is exact in double.
    if constexpr (sizeof(T) == sizeof(double)) {
      sum0_ = hn::MulAdd(counts, hn::Sub(x, reference_), sum0_);
    } else {
      const hn::Half<D> dh;
      sum0_ = hn::MulAdd(hn::PromoteTo(dd, hn::LowerHalf(dh, counts)), hn::PromoteTo(dd, hn::LowerHalf(dh, x)), sum0_);
      sum1_ = hn::MulAdd(hn::PromoteTo(dd, hn::UpperHalf(dh, counts)), hn::PromoteTo(dd, hn::UpperHalf(dh, x)), sum1_);
    }
  }

  // Sum of count * (score - reference).
  double Sum() const { return hn::GetLane(hn::SumOfLanes(DD(), hn::Add(sum0_, sum1_))); }

 private:
  static hn::Vec<D> ToFloat(hn::Vec<DI> minus_counts) { return hn::Abs(hn::ConvertTo(D(), minus_counts)); }

  hn::Vec<D> reference_;  // 0 for float
  hn::Vec<D> lowest_;
  hn::Vec<D> scale_;
  hn::Vec<DD> sum0_ = hn::Zero(DD());
  hn::Vec<DD> sum1_ = hn::Zero(DD());
};

// Where so few of a row's scores are above its lowest threshold (most rows of a trained model), these alone are looked
// at: 6 times as fast as the whole row at 1000 classes, and at most 5 % lost where the attempt is given up.
constexpr size_t MostViolators(size_t classes) { return 16 + classes / 8; }

// One row: T scores, and the positions of its targets in them.
template <typename T>
class RowComputation {
 public:
  // `loss_scale` times 1/D is what the gradient's counts are multiplied by.
  RowComputation(size_t classes, const Options& options, RowKernel kernel, double loss_scale, RowBuffers<T>& buffers)
      : classes_(classes),
        margin_(static_cast<T>(options.margin)),
        options_(options),
        kernel_(kernel),
        loss_scale_(loss_scale),
        scale_of_classes_(loss_scale / static_cast<double>(classes)),
        buffers_(buffers) {}

  // The loss of the row whose targets are in the buffers. Its gradient takes the place of the scores.
  double Compute(T* row, size_t num_targets) {
    if (options_.nan_policy == NanPolicy::kPropagate && HasNan(row)) {
      std::fill_n(row, classes_, std::numeric_limits<T>::quiet_NaN());
      return std::numeric_limits<double>::quiet_NaN();
    }
    GatherTargets(row, num_targets);
    if (!(lowest_ < kInfinity<T>)) {  // No targets, or none that anything can be above.
      std::fill_n(row, classes_, T{0});
      return 0;
    }
    const bool by_classes = options_.normalization == Normalization::kClasses;
    const auto divisor = static_cast<double>(by_classes ? classes_ : num_targets);
    const double scale = by_classes ? scale_of_classes_ : loss_scale_ / divisor;
    Finish<T> finish(reference_, std::max(lowest_, std::numeric_limits<T>::lowest()), static_cast<T>(scale));
    const bool is_short = kHasDirect<T> && classes_ <= kShort && num_targets <= kFew && kernel_ == RowKernel::kMeasured;
    if constexpr (kHasDirect<T>) {
      if (is_short) {
        CountShortRow(row, classes_, buffers_.targets.data(), buffers_.thresholds.data(), finish,
                      buffers_.above.data());
      }
    }
    if (!is_short) {
      MaskTargets(row, num_targets);
      CountPairs(row, num_targets, finish);
    }
    const bool ranked = options_.target_order == TargetOrder::kRanked;
    if (ranked) {
      buffers_.ranked.Count(buffers_.scores.data(), buffers_.thresholds.data(), num_targets, buffers_.above.data(),
                            buffers_.below.data());
    }

    const int64_t* aboves = buffers_.above.data();
    const int64_t* belows = ranked ? buffers_.below.data() : nullptr;
    for (size_t k = 0; k < num_targets; ++k) {
      const int64_t count = (ranked ? belows[k] : 0) - aboves[k];
      row[buffers_.targets[k]] += static_cast<T>(static_cast<double>(count) * scale);
    }
    double sum = SumOfTargets<false>(finish.Sum(), num_targets, belows);
    // NaN is what is left of a score without a pair that is infinite or NaN, times 0; with these left out, of a sum
    // that exceeds the largest number.
    if (std::isnan(sum)) sum = SumOfTargets<true>(finish.Sum(), num_targets, belows);
    // A sum of positive terms: a negative one is what is left of 0.
    return std::isnan(sum) ? std::numeric_limits<double>::infinity() : std::max(sum, 0.0) / divisor;
  }

 private:
  static constexpr size_t kMany = std::numeric_limits<size_t>::max();
  // Measured in WebAssembly: of up to so many scores and targets, CountShortRow is the quickest.
  static constexpr size_t kShort = 64;
  static constexpr size_t kFew = 4;

  // Adds the targets' part of the loss to the others'. Without kCareful, without branches that nothing could predict.
  template <bool kCareful>
  double SumOfTargets(double sum, size_t num_targets, const int64_t* belows) const {
    const auto reference = static_cast<double>(reference_);
    for (size_t k = 0; k < num_targets; ++k) {
      const int64_t above = buffers_.above[k];
      // The thresholds of the comparisons: a pair adds exactly what it exceeds its threshold by.
      const auto threshold = static_cast<double>(buffers_.thresholds[k]);
      if (!kCareful || above > 0) sum -= static_cast<double>(above) * (threshold - reference);
      if (belows == nullptr) continue;
      const auto score = static_cast<double>(buffers_.scores[k]);
      if (!kCareful || belows[k] > 0) sum += static_cast<double>(belows[k]) * (score - reference);
    }
    return sum;
  }

  bool HasNan(const T* row) const {
    bool found = false;
    for (size_t j = 0; j < classes_; ++j) found |= row[j] != row[j];
    return found;
  }

  void GatherTargets(const T* row, size_t num_targets) {
    const int32_t* targets = buffers_.targets.data();
    T* scores = buffers_.scores.data();
    T* thresholds = buffers_.thresholds.data();
    const hn::CappedTag<T, 1> d;
    // Without branches, which nothing could predict. Min of NaN and a number is the number.
    auto lowest = hn::Set(d, kInfinity<T>);
    T lowest_finite = kInfinity<T>;
    for (size_t k = 0; k < num_targets; ++k) {
      const T score = row[targets[k]];
      const T threshold = score - margin_;  // = -(margin - x[k]), to the bit
      scores[k] = score;
      thresholds[k] = threshold;
      lowest = hn::Min(hn::Set(d, threshold), lowest);
      if (sizeof(T) == sizeof(double) && threshold < lowest_finite && threshold > -kInfinity<T>) {
        lowest_finite = threshold;
      }
    }
    for (size_t k = num_targets; k < kFew; ++k) {
      buffers_.targets[k] = -1;
      thresholds[k] = kInfinity<T>;
    }
    lowest_ = hn::GetLane(lowest);
    // Both sums of the loss may be taken over differences from any number, since there are as many pairs in one as in
    // the other. Doubles lose digits by cancellation where the scores are far from 0, unless that number is near them.
    // Floats have 29 digits to spare in the double they are summed in.
    reference_ = lowest_finite < kInfinity<T> ? lowest_finite : T{0};
  }

  // Puts -Inf in the targets' places: no such score is above a threshold, so the kernels need not tell them from
  // others.
  void MaskTargets(T* row, size_t num_targets) {
    const int32_t* targets = buffers_.targets.data();
    for (size_t k = 0; k < num_targets; ++k) row[targets[k]] = -kInfinity<T>;
  }

  // Counts both ways; the non-targets go through `finish`.
  void CountPairs(T* row, size_t num_targets, Finish<T>& finish) {
    const size_t violators = FindViolators(row);
    if (violators == kMany) {
      Count(row, classes_, num_targets, finish);
      return;
    }
    T* scores = buffers_.violator_scores.data();
    Count(scores, violators, num_targets, finish);
    std::fill_n(row, classes_, T{0});
    for (size_t i = 0; i < violators; ++i) row[buffers_.violators[i]] = scores[i];
  }

  // Gathers the scores above the lowest threshold; kMany if they are, or if the row is too short for it to pay.
  size_t FindViolators(const T* row) {
    const hn::ScalableTag<T> d;
    constexpr size_t L = kLanes<T>;
    constexpr size_t kStep = 4 * L;
    if (classes_ < 8 * kStep) return kMany;
    int32_t* positions = buffers_.violators.data();
    T* scores = buffers_.violator_scores.data();
    size_t found = 0;
    const auto gather = [&](size_t begin, size_t end) {
      for (size_t j = begin; j < end; ++j) {
        positions[found] = static_cast<int32_t>(j);
        scores[found] = row[j];
        found += row[j] > lowest_;
      }
    };
    const auto lowest = hn::Set(d, lowest_);
    size_t j = 0;
    for (; j + kStep <= classes_; j += kStep) {
      const auto above = hn::Or(hn::Or(hn::VecFromMask(d, hn::Gt(hn::LoadU(d, row + j), lowest)),
                                       hn::VecFromMask(d, hn::Gt(hn::LoadU(d, row + j + L), lowest))),
                                hn::Or(hn::VecFromMask(d, hn::Gt(hn::LoadU(d, row + j + 2 * L), lowest)),
                                       hn::VecFromMask(d, hn::Gt(hn::LoadU(d, row + j + 3 * L), lowest))));
      if (hn::AllFalse(d, hn::MaskFromVec(above))) continue;
      gather(j, j + kStep);
      if (found > MostViolators(j)) return kMany;
    }
    gather(j, classes_);
    return found;
  }

  void Count(T* scores, size_t size, size_t num_targets, Finish<T>& finish) {
    if constexpr (kHasDirect<T>) {
      if (!UsesBuckets<T>(num_targets, size, kernel_)) {
        Count(scores, size, num_targets, finish, buffers_.direct);
        return;
      }
    }
    Count(scores, size, num_targets, finish, buffers_.bucketed);
  }

  // Whole vectors in place; the rest, and a short row at once, in a copy that is filled up.
  template <typename Kernel>
  void Count(T* scores, size_t size, size_t num_targets, Finish<T>& finish, Kernel& kernel) {
    kernel.Begin(buffers_.thresholds.data(), num_targets);
    size_t whole = 0;
    if (size > kShort) {
      whole = size - size % kLanes<T>;
      kernel.CountScores(scores, whole, finish);
    }
    if (whole < size) {
      T rest[kShort];
      const size_t length = size - whole;
      const size_t padded = (length + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
      std::copy_n(scores + whole, length, rest);
      std::fill(rest + length, rest + padded, -kInfinity<T>);
      kernel.CountScores(rest, padded, finish);
      std::copy_n(rest, length, scores + whole);
    }
    kernel.End(buffers_.above.data());
  }

  const size_t classes_;
  const T margin_;
  const Options& options_;
  const RowKernel kernel_;
  const double loss_scale_;
  const double scale_of_classes_;
  RowBuffers<T>& buffers_;
  T lowest_ = 0;  // threshold of the row
  T reference_ = 0;
};

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

template <typename T>
Outcome Validate(const Rows<T>& rows, NanPolicy nan_policy) {
  const auto end = static_cast<int32_t>(rows.classes);
  const size_t num_targets = rows.rows * rows.width;
  bool out_of_range = false;
  // Without an exit, so that it compiles to vectors.
  for (size_t i = 0; i < num_targets; ++i) out_of_range |= (rows.targets[i] < -1) | (rows.targets[i] >= end);
  if (out_of_range) {
    size_t i = 0;
    while (rows.targets[i] >= -1 && rows.targets[i] < end) ++i;
    return {Status::kTargetOutOfRange, i / rows.width, i % rows.width};
  }
  if (nan_policy == NanPolicy::kError) {
    const size_t num_scores = rows.rows * rows.classes;
    for (size_t i = 0; i < num_scores; ++i) {
      if (rows.scores[i] != rows.scores[i]) return {Status::kNanScore, i / rows.classes, i % rows.classes};
    }
  }
  return {};
}

template <typename T>
bool Reserve(const Rows<T>& rows, const Options& options, RowKernel kernel, bool with_gradient, Workspace& workspace) {
  RowBuffers<T>& buffers = workspace.buffers().template Of<T>();
  // Targets padded to a great width may be few; CountShortRow fills up to four.
  size_t most = std::clamp<size_t>(rows.width, 4, 32);
  for (size_t i = 0; i < rows.rows && rows.width > most; ++i) {
    most = std::max(most, rows.CountTargets(i));
  }
  const size_t violators = MostViolators(rows.classes) + 4 * kLanes<T>;
  return buffers.targets.Reserve(most) && buffers.scores.Reserve(most) && buffers.thresholds.Reserve(most) &&
         buffers.above.Reserve(most) && buffers.violators.Reserve(violators) &&
         buffers.violator_scores.Reserve(violators) && (!kHasDirect<T> || buffers.direct.Reserve(most)) &&
         (with_gradient || buffers.row.Reserve(rows.classes)) &&
         (!UsesBuckets<T>(most, rows.classes, kernel) || buffers.bucketed.Reserve(most)) &&
         (options.target_order == TargetOrder::kIgnored ||
          (buffers.below.Reserve(most) && buffers.ranked.Reserve(most)));
}

template <typename T>
void Compute(const Rows<T>& rows, const Options& options, RowKernel kernel, double* losses, T* grad,
             Workspace& workspace) {
  RowBuffers<T>& buffers = workspace.buffers().template Of<T>();
  const double loss_scale = options.reduction == Reduction::kMean ? 1.0 / static_cast<double>(rows.batch_rows) : 1.0;
  RowComputation<T> computation(rows.classes, options, kernel, loss_scale, buffers);
  for (size_t i = 0; i < rows.rows; ++i) {
    const size_t num_targets = rows.CountTargets(i);
    std::copy_n(rows.targets + i * rows.width, num_targets, buffers.targets.data());
    const T* scores = rows.scores + i * rows.classes;
    T* row = grad == nullptr ? buffers.row.data() : grad + i * rows.classes;
    if (row != scores) std::memcpy(row, scores, rows.classes * sizeof(T));
    losses[i] = computation.Compute(row, num_targets);
  }
}

// For every type of scores.
template Outcome Validate(const Rows<float>&, NanPolicy);
template Outcome Validate(const Rows<double>&, NanPolicy);
template bool Reserve(const Rows<float>&, const Options&, RowKernel, bool, Workspace&);
template bool Reserve(const Rows<double>&, const Options&, RowKernel, bool, Workspace&);
template void Compute(const Rows<float>&, const Options&, RowKernel, double*, float*, Workspace&);
template void Compute(const Rows<double>&, const Options&, RowKernel, double*, double*, Workspace&);

}  // namespace mlml
