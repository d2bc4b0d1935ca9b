#include "loss/multilabel_margin_loss.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "base/buffer.h"
#include "base/simd.h"
#include "loss/hinge_sums.h"
#include "loss/ranked_pairs.h"
#include "loss/row_counts.h"

namespace mlml {
namespace {

// How a row is computed. With thresholds t[k] = x[k] - margin, a pair adds where x[j] > t[k], which in floating point
// is the same as (margin - x[k]) + x[j] > 0. So everything follows from two integer counts: below[j], the thresholds
// below non-target j, and above[k], the non-targets above threshold k:
//
//   D * loss = sum of below[j] * x[j] - sum of above[k] * t[k],    gradient[j] = below[j] / D,  [k] = -above[k] / D
//
// The counts are exact, also their sums over the copies of a class, and each element of the gradient is one of these
// times 1/D.

// Scores of double are for checks of gradients more than for training. They do without the kernels for few targets,
// which would be a sixth of the module.
template <typename T>
constexpr bool kHasDirect = sizeof(T) == sizeof(float);

template <typename T>
struct RowBuffers {
  Buffer<int32_t> targets;  // [k]: class
  Buffer<T> scores;         // [k]: score of the class
  Buffer<T> thresholds;
  Buffer<int64_t> above;  // [k]: pairs in which target k is the one to rank higher
  // Under TargetOrder::kRanked, of these the pairs of two targets, and the pairs in which target k is the other.
  Buffer<int64_t> ranked_above;
  Buffer<int64_t> below;
  Buffer<int32_t> violators;  // classes of the scores above the lowest threshold
  Buffer<T> violator_scores;
  Buffer<T> row;  // the copy of the scores to compute on, where there is no gradient
  RowCounts<T, kHasDirect<T>> counts;
  RankedPairs<T> ranked;
};

// Takes vectors of non-targets and their counts from a row kernel: adds their part of the loss, and writes their
// gradient over the scores.
//
// Counts are negated, since a comparison that holds is a mask of -1, and are converted as signed integers. If they were
// not negative, the compiler would see that and convert them as unsigned ones, which takes V8 seven instructions
// instead of one.
template <typename T>
class LossAndGradient {
  using D = hn::ScalableTag<T>;
  using DI = hn::ScalableTag<CountOf<T>>;
  using DD = hn::ScalableTag<double>;

 public:
  // The loss is a sum over differences from `reference`, which is 0 for float. The gradient is count * scale. `lowest`
  // is finite, and no score with a pair of a finite threshold is below it.
  LossAndGradient(T reference, T lowest, T scale)
      : reference_(hn::Set(D(), reference)), lowest_(hn::Set(D(), lowest)), scale_(hn::Set(D(), scale)) {}

  void operator()(hn::Vec<D> scores, hn::Vec<DI> minus_counts, T* gradient) {
    Add(scores, minus_counts);
    StoreGradient(minus_counts, gradient);
  }

  // Does the same for the counts of one threshold, which are masks. Products with a mask are bitwise: a row of 1000
  // scores takes 0.72 of the time.
  void OfOne(hn::Vec<D> scores, hn::Vec<DI> minus_counts, T* gradient) {
    static_assert(sizeof(T) == sizeof(float), "the reference is 0");
    const DD dd;
    const hn::Half<D> dh;
    const auto counted = hn::BitCast(D(), minus_counts);
    const auto x = hn::And(counted, scores);
    sum0_ = hn::Add(sum0_, hn::PromoteTo(dd, hn::LowerHalf(dh, x)));
    sum1_ = hn::Add(sum1_, hn::PromoteTo(dd, hn::UpperHalf(dh, x)));
    hn::StoreU(hn::And(counted, scale_), D(), gradient);
  }

  void StoreGradient(hn::Vec<DI> minus_counts, T* gradient) const {
    hn::StoreU(hn::Mul(ToFloat(minus_counts), scale_), D(), gradient);
  }

  void Add(hn::Vec<D> scores, hn::Vec<DI> minus_counts) {
    const DD dd;
    const auto counts = ToFloat(minus_counts);
    // A score without a pair may be infinite or NaN, which times 0 is NaN. The maximum of NaN and a number is the
    // number, and takes one instruction where a mask takes four.
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

  // The sum of count * (score - reference).
  double Sum() const { return hn::GetLane(hn::SumOfLanes(DD(), hn::Add(sum0_, sum1_))); }

 private:
  static hn::Vec<D> ToFloat(hn::Vec<DI> minus_counts) { return hn::Abs(hn::ConvertTo(D(), minus_counts)); }

  hn::Vec<D> reference_;
  hn::Vec<D> lowest_;
  hn::Vec<D> scale_;
  hn::Vec<DD> sum0_ = hn::Zero(DD());
  hn::Vec<DD> sum1_ = hn::Zero(DD());
};

// If at most so many scores of a row are above its lowest threshold (in most rows of a trained model), only these are
// counted. That is 6 times as fast for 1000 classes. An attempt that is given up takes at most 5 % more time.
constexpr size_t MostViolators(size_t classes) { return 16 + classes / 8; }
// Scores that are compared between two branches, and the fewest such steps that are worth an attempt.
template <typename T>
constexpr size_t kViolatorStep = 4 * kLanes<T>;
constexpr size_t kFewestViolatorSteps = 8;

constexpr int32_t kNoTarget = -1;
// CountShortRow takes so many targets.
constexpr size_t kMostShortTargets = 4;
// Room is made for so many targets, however wide the list is, before the targets of each row are counted.
constexpr size_t kMostUncounted = 32;

// Computes rows one by one.
template <typename T>
class RowComputation {
 public:
  // The gradient is a count times loss_scale / D.
  RowComputation(size_t classes, const Options& options, KernelChoice kernel, double loss_scale, bool with_gradient,
                 RowBuffers<T>& buffers)
      : classes_(classes),
        margin_(static_cast<T>(options.margin)),
        options_(options),
        kernel_(kernel),
        with_gradient_(with_gradient),
        loss_scale_(loss_scale),
        scale_of_classes_(loss_scale / static_cast<double>(classes)),
        buffers_(buffers) {}

  // Returns the loss of the row whose targets are in the buffers. Its gradient, or anything, replaces the scores.
  double Compute(T* row, size_t num_targets, const int32_t* unknown, size_t num_unknown, double weight) {
    if (weight == 0) {
      std::fill_n(row, classes_, T{0});
      return 0;
    }
    if (options_.nan_policy == NanPolicy::kPropagate && HasNan(row)) {
      std::fill_n(row, classes_, std::numeric_limits<T>::quiet_NaN());
      return std::numeric_limits<double>::quiet_NaN();
    }
    GatherTargets(row, num_targets);
    if (!(lowest_ < kInfinity<T>)) {  // no targets, or none with a threshold that a score can be above
      std::fill_n(row, classes_, T{0});
      return 0;
    }
    const bool by_classes = options_.normalization == Normalization::kClasses;
    const auto divisor = static_cast<double>(by_classes ? classes_ : num_targets);
    const double scale = (by_classes ? scale_of_classes_ : loss_scale_ / divisor) * weight;
    Mask(row, unknown, num_unknown);
    double sum = SumPairs(row, num_targets, static_cast<T>(scale));
    const int64_t* below = nullptr;
    if (options_.target_order == TargetOrder::kRanked) {
      sum += SumRankedPairs(num_targets);
      below = buffers_.below.data();
    }
    if (with_gradient_) StoreTargets(row, num_targets, below, scale);
    return sum / divisor * weight;
  }

 private:
  static constexpr size_t kMany = std::numeric_limits<size_t>::max();
  // Measured in WebAssembly: CountShortRow is the fastest for up to so many scores, with few targets. Where no gradient
  // is wanted, SumHinges takes over earlier: 64 scores take 0.55 of the time.
  static constexpr size_t kMostShortScores = 64;
  static constexpr size_t kMostShortScoresWithoutGradient = 16;

  // The sum over the pairs of a target and another class. Writes the number of pairs of each target, and over the
  // scores the gradient, which is 0 for targets; without a gradient, perhaps neither.
  double SumPairs(T* row, size_t num_targets, T scale) {
    // A score without a pair is raised to `lowest`, for its product with 0. For double that is the reference: the
    // distance of a lower number from it may overflow, and times 0 be NaN. A score below the reference that has a pair
    // has it with a threshold of -Inf, and the loss is +Inf whatever that score is.
    const T lowest = sizeof(T) == sizeof(double) ? reference_ : std::max(lowest_, std::numeric_limits<T>::lowest());
    LossAndGradient<T> non_targets(reference_, lowest, scale);
    if constexpr (kHasDirect<T>) {
      const size_t most = with_gradient_ ? kMostShortScores : kMostShortScoresWithoutGradient;
      if (classes_ <= most && num_targets <= kMostShortTargets && kernel_ == KernelChoice::kMeasured) {
        CountShortRow(row, classes_, buffers_.targets.data(), buffers_.thresholds.data(), non_targets,
                      buffers_.above.data());
        return SumOfCounts(non_targets.Sum(), num_targets, buffers_.above.data());
      }
    }
    Mask(row, buffers_.targets.data(), num_targets);
    const size_t violators = FindViolators(row);
    const bool all = violators == kMany;
    T* scores = all ? row : buffers_.violator_scores.data();
    const size_t size = all ? classes_ : violators;
    if constexpr (kHasDirect<T>) {
      if (!with_gradient_ && !buffers_.counts.UsesBuckets(num_targets, size, kernel_)) {
        return SumHinges(scores, size, num_targets);
      }
    }
    buffers_.counts.Count(scores, size, buffers_.thresholds.data(), num_targets, kernel_, non_targets,
                          buffers_.above.data());
    if (!all) {
      std::fill_n(row, classes_, T{0});
      for (size_t i = 0; i < violators; ++i) row[buffers_.violators[i]] = scores[i];
    }
    return SumOfCounts(non_targets.Sum(), num_targets, buffers_.above.data());
  }

  // Replaces scores that are NaN by -Inf, if there are any.
  double SumHinges(T* scores, size_t size, size_t num_targets) const {
    const T* thresholds = buffers_.thresholds.data();
    double sum = HingeSums::Sum(scores, size, thresholds, num_targets);
    if (std::isnan(sum)) {
      for (size_t j = 0; j < size; ++j) scores[j] = scores[j] == scores[j] ? scores[j] : -kInfinity<T>;
      sum = HingeSums::Sum(scores, size, thresholds, num_targets);
    }
    return sum < kInfinity<double> ? sum : SumLargeHinges(scores, size, thresholds, num_targets);
  }

  // The same in double, where no finite scores exceed the largest number.
  [[gnu::noinline]] static double SumLargeHinges(const T* scores, size_t size, const T* thresholds,
                                                 size_t num_targets) {
    double sum = 0;
    for (size_t k = 0; k < num_targets; ++k) {
      for (size_t j = 0; j < size; ++j) {
        if (scores[j] > thresholds[k]) sum += static_cast<double>(scores[j]) - static_cast<double>(thresholds[k]);
      }
    }
    return sum;
  }

  // Adds the pairs of two targets to the counts, and returns the sum over them.
  double SumRankedPairs(size_t num_targets) {
    int64_t* above = buffers_.ranked_above.data();
    std::fill_n(above, num_targets, int64_t{0});
    buffers_.ranked.Count(buffers_.scores.data(), buffers_.thresholds.data(), num_targets, above,
                          buffers_.below.data());
    const double sum = SumOfRankedPairs(num_targets, above, buffers_.below.data());
    for (size_t k = 0; k < num_targets; ++k) buffers_.above[k] += above[k];
    return sum;
  }

  // The sum of below[k] * score[k] - above[k] * threshold[k]. No number is near all pairs, as the lowest threshold is
  // for the non-targets: two low targets may be a pair beside one of two high targets. So products and sums have twice
  // the bits of a double, in which nothing cancels.
  double SumOfRankedPairs(size_t num_targets, const int64_t* above, const int64_t* below) const {
    double largest = 0;
    for (size_t k = 0; k < num_targets; ++k) {
      if (above[k] > 0) largest = std::max(largest, std::abs(static_cast<double>(buffers_.thresholds[k])));
      if (below[k] > 0) largest = std::max(largest, std::abs(static_cast<double>(buffers_.scores[k])));
    }
    if (largest == std::numeric_limits<double>::infinity()) return largest;
    // Products with counts would overflow.
    const double unit = largest > 0x1p900 ? 0x1p-100 : 1;
    double sum = 0;
    double error = 0;
    const auto add = [&](double value) {
      const double before = sum;
      sum += value;
      const double added = sum - before;
      error += (before - (sum - added)) + (value - added);
    };
    const auto add_product = [&](int64_t count, T factor) {
      if (count == 0) return;
      const double whole = static_cast<double>(factor) * unit;
      // 26 bits, so that the product with a count has no rounding; and the 27 bits below.
      const auto upper = std::bit_cast<double>(std::bit_cast<uint64_t>(whole) & ~uint64_t{0x7ffffff});
      add(static_cast<double>(count) * upper);
      add(static_cast<double>(count) * (whole - upper));
    };
    for (size_t k = 0; k < num_targets; ++k) {
      add_product(below[k], buffers_.scores[k]);
      // The thresholds of the comparisons: a pair adds exactly what it exceeds its threshold by.
      add_product(-above[k], buffers_.thresholds[k]);
    }
    return std::max((sum + error) / unit, 0.0);
  }

  // Subtracts the targets' part of the loss from that of the non-targets, `sum`.
  double SumOfCounts(double sum, size_t num_targets, const int64_t* above) const {
    double difference = SumOfTargets<false>(sum, num_targets, above);
    // A score without a pair that is infinite or NaN, times 0, gives NaN. If the sum without these is NaN too, it
    // exceeds the largest number.
    if (std::isnan(difference)) difference = SumOfTargets<true>(sum, num_targets, above);
    // All terms are positive: a negative sum is a rounding error of 0.
    return std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(difference, 0.0);
  }

  // Without kCareful it has no branches, which could not be predicted.
  template <bool kCareful>
  double SumOfTargets(double sum, size_t num_targets, const int64_t* above) const {
    const auto reference = static_cast<double>(reference_);
    for (size_t k = 0; k < num_targets; ++k) {
      // The thresholds of the comparisons: a pair adds exactly what it exceeds its threshold by.
      const auto threshold = static_cast<double>(buffers_.thresholds[k]);
      if (!kCareful || above[k] > 0) sum -= static_cast<double>(above[k]) * (threshold - reference);
    }
    return sum;
  }

  // Writes the gradient of the targets, whose elements are 0 so far.
  void StoreTargets(T* row, size_t num_targets, const int64_t* below, double scale) {
    const int32_t* targets = buffers_.targets.data();
    int64_t* counts = buffers_.above.data();
    // An element that is not 0 belongs to a class that is listed before. Without one, no class has two copies that are
    // not 0, unless their products are too small for the type.
    bool has_copies = scale < static_cast<double>(std::numeric_limits<T>::min());
    for (size_t k = 0; k < num_targets; ++k) {
      counts[k] = (below == nullptr ? 0 : below[k]) - counts[k];
      has_copies |= row[targets[k]] != T{0};
      row[targets[k]] += static_cast<T>(static_cast<double>(counts[k]) * scale);
    }
    if (has_copies) StoreCopies(row, num_targets, scale);
  }

  // Writes the gradient again, with the counts of the copies of a class added before they are multiplied. The product
  // of each copy would be rounded, and the sum of 70,000 of them was off by a factor of 2.
  [[gnu::noinline]] void StoreCopies(T* row, size_t num_targets, double scale) {
    using Index = CountOf<T>;
    int32_t* targets = buffers_.targets.data();
    int64_t* counts = buffers_.above.data();
    // The element of a class holds the index of its first copy meanwhile.
    static_assert(sizeof(Index) == sizeof(T));
    for (size_t k = num_targets; k-- > 0;) {
      const auto index = static_cast<Index>(k);
      std::memcpy(row + targets[k], &index, sizeof(index));
    }
    for (size_t k = 0; k < num_targets; ++k) {
      Index first;
      std::memcpy(&first, row + targets[k], sizeof(first));
      if (static_cast<size_t>(first) == k) continue;
      counts[first] += counts[k];
      targets[k] = kNoTarget;
    }
    for (size_t k = 0; k < num_targets; ++k) {
      // The sum with 0 is never -0, which a product that underflows may be.
      if (targets[k] != kNoTarget) row[targets[k]] = T{0} + static_cast<T>(static_cast<double>(counts[k]) * scale);
    }
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
    // Without branches, which could not be predicted. The minimum of NaN and a number is the number.
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
    for (size_t k = num_targets; k < kMostShortTargets; ++k) {
      buffers_.targets[k] = kNoTarget;
      thresholds[k] = kInfinity<T>;
    }
    lowest_ = hn::GetLane(lowest);
    // Both sums of the loss can be taken over differences from any number, since both have the same number of pairs.
    // With doubles that are far from 0 the sums would cancel, unless that number is near them. Floats are summed in
    // double, which has 29 more bits.
    reference_ = lowest_finite < kInfinity<T> ? lowest_finite : T{0};
  }

  // Replaces the scores of some classes by -Inf, which is above no threshold, so that the kernels treat all classes
  // alike. The gradient of these classes becomes 0.
  static void Mask(T* row, const int32_t* classes, size_t size) {
    for (size_t k = 0; k < size; ++k) row[classes[k]] = -kInfinity<T>;
  }

  // Gathers the scores above the lowest threshold. Returns their number, or kMany if they are many or the row is short.
  size_t FindViolators(const T* row) {
    const hn::ScalableTag<T> d;
    constexpr size_t L = kLanes<T>;
    constexpr size_t kStep = kViolatorStep<T>;
    if (classes_ < kFewestViolatorSteps * kStep) return kMany;
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

  const size_t classes_;
  const T margin_;
  const Options& options_;
  const KernelChoice kernel_;
  const bool with_gradient_;
  const double loss_scale_;
  const double scale_of_classes_;
  RowBuffers<T>& buffers_;
  T lowest_ = 0;  // the lowest threshold of the row
  T reference_ = 0;
};

}  // namespace

struct Workspace::Buffers {
  RowBuffers<float> f32;
  RowBuffers<double> f64;
  Buffer<bool> is_target;  // [class]; all false between uses

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

namespace {

// The index of the first entry outside [-1, classes), or `size`.
size_t FindOutOfRange(const int32_t* entries, size_t size, size_t classes) {
  const auto end = static_cast<int32_t>(classes);
  bool found = false;
  // Without an exit, so that it compiles to vectors.
  for (size_t i = 0; i < size; ++i) found |= (entries[i] < -1) | (entries[i] >= end);
  if (!found) return size;
  size_t i = 0;
  while (entries[i] >= -1 && entries[i] < end) ++i;
  return i;
}

// Finds the first class that is both unknown and a target, in O(targets + unknown) for each row.
template <typename T>
Outcome FindUnknownTarget(const Rows<T>& rows, Buffer<bool>& is_target) {
  if (is_target.capacity() < rows.classes) {
    if (!is_target.Reserve(rows.classes)) return {.status = Status::kOutOfMemory};
    std::fill_n(is_target.data(), rows.classes, false);
  }
  for (size_t row = 0; row < rows.count; ++row) {
    const int32_t* targets = rows.targets + row * rows.width;
    const int32_t* unknown = rows.unknown + row * rows.unknown_width;
    const size_t num_targets = rows.CountTargets(row);
    const size_t num_unknown = rows.CountUnknown(row);
    for (size_t k = 0; k < num_targets; ++k) is_target[targets[k]] = true;
    size_t column = 0;
    while (column < num_unknown && !is_target[unknown[column]]) ++column;
    for (size_t k = 0; k < num_targets; ++k) is_target[targets[k]] = false;
    if (column < num_unknown) return {.status = Status::kUnknownTarget, .row = row, .column = column};
  }
  return {};
}

}  // namespace

template <typename T>
Outcome Validate(const Rows<T>& rows, NanPolicy nan_policy, Workspace& workspace) {
  const size_t num_targets = rows.count * rows.width;
  const size_t target = FindOutOfRange(rows.targets, num_targets, rows.classes);
  if (target < num_targets) {
    return {.status = Status::kTargetOutOfRange, .row = target / rows.width, .column = target % rows.width};
  }
  if (rows.unknown != nullptr) {
    const size_t num_unknown = rows.count * rows.unknown_width;
    const size_t i = FindOutOfRange(rows.unknown, num_unknown, rows.classes);
    if (i < num_unknown) {
      return {.status = Status::kUnknownOutOfRange, .row = i / rows.unknown_width, .column = i % rows.unknown_width};
    }
    const Outcome outcome = FindUnknownTarget(rows, workspace.buffers().is_target);
    if (outcome.status != Status::kOk) return outcome;
  }
  if (nan_policy == NanPolicy::kError) {
    const size_t num_scores = rows.count * rows.classes;
    for (size_t i = 0; i < num_scores; ++i) {
      if (rows.scores[i] != rows.scores[i]) {
        return {.status = Status::kNanScore, .row = i / rows.classes, .column = i % rows.classes};
      }
    }
  }
  return {};
}

template <typename T>
bool Reserve(const Rows<T>& rows, const Options& options, KernelChoice kernel, bool with_gradient,
             Workspace& workspace) {
  RowBuffers<T>& buffers = workspace.buffers().template Of<T>();
  // A wide list may be mostly padding.
  size_t most = std::clamp(rows.width, kMostShortTargets, kMostUncounted);
  for (size_t i = 0; i < rows.count && rows.width > most; ++i) {
    most = std::max(most, rows.CountTargets(i));
  }
  const size_t violators = MostViolators(rows.classes) + kViolatorStep<T>;
  return buffers.targets.Reserve(most) && buffers.scores.Reserve(most) && buffers.thresholds.Reserve(most) &&
         buffers.above.Reserve(most) && buffers.violators.Reserve(violators) &&
         buffers.violator_scores.Reserve(violators) && buffers.counts.Reserve(most, rows.classes, kernel) &&
         (with_gradient || buffers.row.Reserve(rows.classes)) &&
         (options.target_order == TargetOrder::kIgnored ||
          (buffers.below.Reserve(most) && buffers.ranked_above.Reserve(most) && buffers.ranked.Reserve(most)));
}

template <typename T>
void Compute(const Rows<T>& rows, const Options& options, KernelChoice kernel, double* losses, T* grad,
             Workspace& workspace) {
  RowBuffers<T>& buffers = workspace.buffers().template Of<T>();
  const double loss_scale = options.reduction == Reduction::kMean ? 1.0 / static_cast<double>(rows.batch_rows) : 1.0;
  const bool with_gradient = grad != nullptr && !options.loss_only;
  RowComputation<T> computation(rows.classes, options, kernel, loss_scale, with_gradient, buffers);
  for (size_t i = 0; i < rows.count; ++i) {
    const size_t num_targets = rows.CountTargets(i);
    std::copy_n(rows.targets + i * rows.width, num_targets, buffers.targets.data());
    const T* scores = rows.scores + i * rows.classes;
    T* row = grad == nullptr ? buffers.row.data() : grad + i * rows.classes;
    if (row != scores) std::memcpy(row, scores, rows.classes * sizeof(T));
    const int32_t* unknown = rows.unknown == nullptr ? nullptr : rows.unknown + i * rows.unknown_width;
    const double weight = rows.sample_weights == nullptr ? 1.0 : rows.sample_weights[i];
    losses[i] = computation.Compute(row, num_targets, unknown, rows.CountUnknown(i), weight);
  }
}

// The instances for both types of scores.
template Outcome Validate(const Rows<float>&, NanPolicy, Workspace&);
template Outcome Validate(const Rows<double>&, NanPolicy, Workspace&);
template bool Reserve(const Rows<float>&, const Options&, KernelChoice, bool, Workspace&);
template bool Reserve(const Rows<double>&, const Options&, KernelChoice, bool, Workspace&);
template void Compute(const Rows<float>&, const Options&, KernelChoice, double*, float*, Workspace&);
template void Compute(const Rows<double>&, const Options&, KernelChoice, double*, double*, Workspace&);

}  // namespace mlml
