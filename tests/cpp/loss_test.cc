// The loss with every row kernel against the reference. Random tests take their seed from the environment variable
// MLML_TEST_SEED, and a failure prints it.

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "loss/multilabel_margin_loss.h"
#include "reference.h"

namespace mlml {
namespace {

using Rng = std::mt19937_64;

uint64_t Seed() {
  const char* seed = std::getenv("MLML_TEST_SEED");
  return seed == nullptr ? 20240607 : std::strtoull(seed, nullptr, 10);
}

#define TRACE_SEED() SCOPED_TRACE("MLML_TEST_SEED=" + std::to_string(Seed()))

size_t Uniform(Rng& rng, size_t least, size_t most) { return std::uniform_int_distribution(least, most)(rng); }

template <typename T>
T Normal(Rng& rng) {
  return std::normal_distribution<T>()(rng);
}

template <typename T>
constexpr T kInf = std::numeric_limits<T>::infinity();
template <typename T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();

// ---------------------------------------------------------------------------------------------------------------------
// Batches

template <typename Score>
struct Batch {
  size_t rows = 0;
  size_t classes = 0;
  size_t width = 0;
  std::vector<Score> scores = {};     // [rows, classes]
  std::vector<int32_t> targets = {};  // [rows, width]
  std::vector<double> weights = {};   // [rows], or empty for 1
  size_t unknown_width = 0;
  std::vector<int32_t> unknown = {};  // [rows, unknown_width], or empty for none

  Rows<Score> View() const { return At(scores.data(), targets.data()); }

  // The same batch with its scores and targets elsewhere.
  Rows<Score> At(const Score* scores_at, const int32_t* targets_at) const {
    return {.scores = scores_at,
            .targets = targets_at,
            .count = rows,
            .classes = classes,
            .width = width,
            .batch_rows = rows,
            .sample_weights = weights.empty() ? nullptr : weights.data(),
            .unknown = unknown.empty() ? nullptr : unknown.data(),
            .unknown_width = unknown_width};
  }
};

template <typename Score>
Batch<Score> OneRow(const std::vector<double>& scores, const std::vector<int32_t>& targets) {
  return {.rows = 1,
          .classes = scores.size(),
          .width = targets.size(),
          .scores = {scores.begin(), scores.end()},
          .targets = {targets.begin(), targets.end()}};
}

// Rows take turns: `num_targets` different classes, or all if there are fewer; a random number of different classes;
// `num_targets` classes drawn with repetition. A row that is not full goes on with a -1 and any valid entries.
std::vector<int32_t> RandomTargets(Rng& rng, size_t rows, size_t classes, size_t width, size_t num_targets) {
  std::vector<int32_t> targets;
  std::vector<int32_t> order(classes);
  std::iota(order.begin(), order.end(), int32_t{0});
  for (size_t row = 0; row < rows; ++row) {
    const size_t count = row % 3 == 1 ? Uniform(rng, 0, num_targets) : num_targets;
    const bool repeats = row % 3 == 2;
    for (size_t i = 0; i < width; ++i) {
      if (i == count) {
        targets.push_back(-1);
      } else if (i > count) {
        targets.push_back(static_cast<int32_t>(Uniform(rng, 0, classes)) - 1);
      } else {
        if (!repeats && i < classes) std::swap(order[i], order[Uniform(rng, i, classes - 1)]);
        targets.push_back(order[repeats || i >= classes ? Uniform(rng, 0, classes - 1) : i]);
      }
    }
  }
  return targets;
}

enum class Kind { kNormal, kGrid, kNearTies, kConstant, kOffset, kSeparated, kInfinite, kExtreme };
constexpr Kind kKinds[] = {Kind::kNormal, Kind::kGrid,      Kind::kNearTies, Kind::kConstant,
                           Kind::kOffset, Kind::kSeparated, Kind::kInfinite, Kind::kExtreme};
constexpr const char* kKindNames[] = {"normal", "grid",      "near ties", "constant",
                                      "offset", "separated", "infinite",  "extreme"};

template <typename Score>
Score RandomScore(Rng& rng, Kind kind) {
  using Limits = std::numeric_limits<Score>;
  const Score normal = Normal<Score>(rng);
  const Score on_grid = std::round(normal * 4) / 4;  // so that margin - x[k] + x[j] is 0 for many a pair
  switch (kind) {
    case Kind::kNormal:
    case Kind::kSeparated:
      return normal;
    case Kind::kGrid:
      return on_grid;
    case Kind::kNearTies: {
      const Score choices[] = {on_grid, std::nextafter(on_grid, kInf<Score>), std::nextafter(on_grid, -kInf<Score>)};
      return choices[Uniform(rng, 0, 2)];
    }
    case Kind::kConstant:
      return Score(0.3);
    case Kind::kOffset:
      return Score(1e6) + 3 * normal;
    case Kind::kInfinite: {
      const Score choices[] = {kInf<Score>, -kInf<Score>, kNan<Score>, normal, normal, normal, normal, normal};
      return choices[Uniform(rng, 0, std::size(choices) - 1)];
    }
    case Kind::kExtreme: {
      const Score choices[] = {0,
                               -Score{0},
                               Limits::max(),
                               Limits::lowest(),
                               Limits::min(),
                               -Limits::min(),
                               Limits::denorm_min(),
                               -Limits::denorm_min(),
                               normal,
                               normal,
                               normal,
                               kNan<Score>};
      return choices[Uniform(rng, 0, std::size(choices) - 1)];
    }
  }
  return normal;
}

template <typename Score>
Batch<Score> RandomBatch(Rng& rng, size_t rows, size_t classes, size_t num_targets, Kind kind) {
  Batch<Score> batch{.rows = rows, .classes = classes, .width = num_targets + Uniform(rng, 0, 2)};
  batch.targets = RandomTargets(rng, rows, classes, batch.width, num_targets);
  for (size_t i = 0; i < rows * classes; ++i) batch.scores.push_back(RandomScore<Score>(rng, kind));
  if (kind == Kind::kSeparated) {  // as after training: few pairs, or none, are left
    for (size_t row = 0; row < rows; ++row) {
      for (const size_t k : TargetsOf(batch.targets.data() + row * batch.width, batch.width)) {
        batch.scores[row * classes + k] += 6;
      }
    }
  }
  return batch;
}

// Gives each row a weight and a list of unknown classes, some with repetition. A list that is not full goes on with a
// -1 and any valid entries.
template <typename Score>
void AddWeightsAndUnknown(Rng& rng, Batch<Score>& batch) {
  constexpr double kWeights[] = {0, 1, 0.5, 1.0 / 3, 17.25, 1e-6, 1e6};
  batch.unknown_width = Uniform(rng, 1, batch.classes + 2);
  for (size_t row = 0; row < batch.rows; ++row) {
    batch.weights.push_back(kWeights[Uniform(rng, 0, std::size(kWeights) - 1)]);
    std::vector<int32_t> others(batch.classes);
    std::iota(others.begin(), others.end(), int32_t{0});
    for (const size_t k : TargetsOf(batch.targets.data() + row * batch.width, batch.width)) {
      std::erase(others, static_cast<int32_t>(k));
    }
    const size_t count = others.empty() ? 0 : Uniform(rng, 0, batch.unknown_width);
    for (size_t i = 0; i < batch.unknown_width; ++i) {
      batch.unknown.push_back(i < count    ? others[Uniform(rng, 0, others.size() - 1)]
                              : i == count ? -1
                                           : static_cast<int32_t>(Uniform(rng, 0, batch.classes)) - 1);
    }
  }
}

constexpr double kMargins[] = {1, 0, 0.1, 2.5, -0.75};
constexpr Reduction kReductions[] = {Reduction::kNone, Reduction::kMean, Reduction::kSum};
constexpr Normalization kNormalizations[] = {Normalization::kClasses, Normalization::kTargets};
constexpr TargetOrder kTargetOrders[] = {TargetOrder::kIgnored, TargetOrder::kRanked};
constexpr NanPolicy kNanPolicies[] = {NanPolicy::kIgnore, NanPolicy::kPropagate};

Options RandomOptions(Rng& rng) {
  return {kMargins[Uniform(rng, 0, 4)], kReductions[Uniform(rng, 0, 2)], kNormalizations[Uniform(rng, 0, 1)],
          kTargetOrders[Uniform(rng, 0, 1)], kNanPolicies[Uniform(rng, 0, 1)]};
}

std::string Describe(const Options& options) {
  std::ostringstream out;
  out << "margin " << options.margin << ", reduction " << static_cast<int>(options.reduction) << ", normalization "
      << static_cast<int>(options.normalization) << ", target order " << static_cast<int>(options.target_order)
      << ", NaN policy " << static_cast<int>(options.nan_policy);
  return out.str();
}

// ---------------------------------------------------------------------------------------------------------------------
// Running a kernel

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddressSanitizer = true;
#elif defined(__has_feature)
constexpr bool kAddressSanitizer = __has_feature(address_sanitizer);
#else
constexpr bool kAddressSanitizer = false;
#endif

// An array between guards, which show a write outside it. With AddressSanitizer nothing follows the array, so that it
// reports a read past the end too. `misalignment` is in elements.
template <typename T>
class Guarded {
 public:
  Guarded(size_t size, size_t misalignment)
      : size_(size),
        before_(kGuard + misalignment),
        memory_(before_ + size + (kAddressSanitizer ? 0 : kGuard), kFill) {}
  Guarded(const std::vector<T>& values, size_t misalignment) : Guarded(values.size(), misalignment) {
    std::copy(values.begin(), values.end(), data());
  }

  T* data() { return memory_.data() + before_; }
  std::vector<T> values() const { return {memory_.begin() + before_, memory_.begin() + before_ + size_}; }
  bool GuardsIntact() const { return Filled(0, before_) && Filled(before_ + size_, memory_.size()); }
  bool Untouched() const { return Filled(0, memory_.size()); }

 private:
  static constexpr size_t kGuard = 16;
  static constexpr T kFill = static_cast<T>(-54321);

  bool Filled(size_t begin, size_t end) const {
    return std::all_of(memory_.begin() + begin, memory_.begin() + end, [](T value) { return value == kFill; });
  }

  size_t size_;
  size_t before_;
  std::vector<T> memory_;
};

template <typename T>
bool SameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

enum class GradientAt { kNowhere, kElsewhere, kInPlace };

struct Setup {
  KernelChoice kernel = KernelChoice::kMeasured;
  GradientAt gradient_at = GradientAt::kElsewhere;
  size_t misalignment = 0;
};

// Every kernel with every place of the gradient.
std::vector<Setup> AllSetups() {
  std::vector<Setup> setups;
  for (const GradientAt gradient_at : {GradientAt::kElsewhere, GradientAt::kInPlace, GradientAt::kNowhere}) {
    for (const KernelChoice kernel : kKernelChoices) setups.push_back({kernel, gradient_at, setups.size() % 2});
  }
  return setups;
}
const std::vector<Setup> kSetups = AllSetups();

std::string Describe(const Setup& setup) {
  constexpr const char* kKernels[] = {"measured", "direct", "bucketed"};
  constexpr const char* kPlaces[] = {"without gradient", "gradient elsewhere", "gradient in place"};
  return std::string(kKernels[static_cast<int>(setup.kernel)]) + ", " + kPlaces[static_cast<int>(setup.gradient_at)] +
         ", misaligned by " + std::to_string(setup.misalignment);
}

template <typename Score>
struct Result {
  Outcome outcome;
  std::vector<double> losses;
  std::vector<Score> grad;  // unless GradientAt::kNowhere
};

template <typename Score>
Result<Score> Run(const Batch<Score>& batch, const Options& options, const Setup& setup, Workspace& workspace) {
  const bool in_place = setup.gradient_at == GradientAt::kInPlace;
  Guarded<Score> scores(batch.scores, setup.misalignment);
  Guarded<int32_t> targets(batch.targets, setup.misalignment);
  Guarded<double> losses(batch.rows, setup.misalignment);
  Guarded<Score> grad(setup.gradient_at == GradientAt::kElsewhere ? batch.scores.size() : 0, setup.misalignment);

  const Rows<Score> rows = batch.At(scores.data(), targets.data());
  Score* grad_at = setup.gradient_at == GradientAt::kNowhere ? nullptr : in_place ? scores.data() : grad.data();
  Result<Score> result;
  result.outcome = MultilabelMarginLoss(rows, options, losses.data(), grad_at, workspace, setup.kernel);
  result.losses = losses.values();
  result.grad = in_place ? scores.values() : grad.values();

  EXPECT_TRUE(scores.GuardsIntact() && targets.GuardsIntact() && losses.GuardsIntact() && grad.GuardsIntact());
  EXPECT_TRUE(in_place || SameBits(scores.values(), batch.scores)) << "the scores were written to";
  EXPECT_TRUE(SameBits(targets.values(), batch.targets)) << "the targets were written to";
  return result;
}

// ---------------------------------------------------------------------------------------------------------------------
// Error bounds. They count roundings: one changes a number by at most kUnit of it.

template <typename T>
constexpr double kUnit = std::numeric_limits<T>::epsilon() / 2;

// A gradient element is an exact count times g = w/(D*N). In float, g is rounded once and the product once more. (g
// comes from double, where it was rounded three times: next to nothing, and less than the distance of kUnit to the
// largest relative error of a rounding, kUnit / (1 + kUnit).) In double, g is rounded by 1/N, by /D and by the weight,
// and the product once; the reference, which divides once, adds up to three roundings of its own.
template <typename Score>
double GradientBound(double gradient) {
  const int64_t roundings = std::is_same_v<Score, float> ? 2 : 7;
  return static_cast<double>(roundings) * kUnit<Score> * std::abs(gradient);
}

// The loss of a row is, in double,
//
//   1/D * (sum over j of raises[j] * (x[j] - r)  -  sum over k of lowers[k] * (t[k] - r)),    t[k] = x[k] - margin
//
// for any number r. The kernels take 0 for float, whose products with a count are exact in double, and the lowest
// finite threshold for double, lest it lose its digits where scores are far from 0. A term is rounded by t[k], the
// subtraction and the product, and then by no more than C + 2K additions; the total by the division. So the error is at
// most (C + 2K + 4) * kUnit * (the sum of the absolute terms) / D. The weight adds a rounding to both. The reference
// sums hinges, together no more than the absolute terms, in nested loops: C + K + 4 roundings. Both together are below
// twice the first.
//
// For float, a loss without its gradient is a sum of hinges, none of which is negative: the subtraction and four
// additions round each by kUnit<float>.
template <typename Score>
double LossBound(const Rows<Score>& batch, const Options& options, const Reference& reference, size_t row) {
  const Score* x = batch.scores + row * batch.classes;
  const std::vector<size_t> targets = TargetsOf(batch.targets + row * batch.width, batch.width);
  double r = 0;
  if (std::is_same_v<Score, double>) {
    double lowest = kInf<double>;
    for (const size_t k : targets) {
      const double threshold = x[k] - static_cast<Score>(options.margin);
      if (std::isfinite(threshold)) lowest = std::min(lowest, threshold);
    }
    if (lowest < kInf<double>) r = lowest;
  }
  double absolute_terms = 0;
  for (size_t j = 0; j < batch.classes; ++j) {
    const double raises = static_cast<double>(reference.raises[row * batch.classes + j]);
    const double lowers = static_cast<double>(reference.lowers[row * batch.classes + j]);
    if (raises > 0) absolute_terms += raises * std::abs(x[j] - r);
    if (lowers > 0)
      absolute_terms += lowers * std::abs(static_cast<double>(x[j] - static_cast<Score>(options.margin)) - r);
  }
  const double roundings = static_cast<double>(batch.classes + 2 * targets.size() + 5);
  const double in_float = std::is_same_v<Score, float> ? 5.01 * kUnit<float> * reference.losses[row] : 0;
  return 2 * roundings * kUnit<double> * absolute_terms / reference.divisors[row] * reference.weights[row] + in_float;
}

// `actual` was rounded to T once more, at the end. Underflow adds up to a denormal for each of `terms`.
template <typename T>
testing::AssertionResult LossMatches(T actual, double expected, double bound, size_t terms = 1) {
  const auto failure = [&] {
    return testing::AssertionFailure() << "loss " << actual << ", expected " << expected << " within " << bound;
  };
  if (std::isnan(expected)) return std::isnan(actual) ? testing::AssertionSuccess() : failure();
  if (std::isinf(static_cast<T>(expected))) return actual == kInf<T> ? testing::AssertionSuccess() : failure();
  // The loss is finite, but the absolute terms of a double's are not: +Inf is as good as anything.
  if (!std::isfinite(bound)) return actual >= 0 ? testing::AssertionSuccess() : failure();
  const double slack = bound + kUnit<T> * (expected + bound) +
                       static_cast<double>(std::numeric_limits<T>::denorm_min()) * static_cast<double>(terms);
  return actual >= 0 && std::abs(static_cast<double>(actual) - expected) <= slack ? testing::AssertionSuccess()
                                                                                  : failure();
}

// Reports the first entry that is off, and then nothing more of the row.
template <typename Score>
void ExpectMatches(const Result<Score>& actual, const Rows<Score>& batch, const Options& options,
                   const Reference& expected) {
  ASSERT_EQ(actual.outcome.status, Status::kOk);
  for (size_t row = 0; row < batch.count; ++row) {
    SCOPED_TRACE("row " + std::to_string(row));
    const double loss = expected.losses[row];
    const auto lowers = expected.lowers.begin() + row * batch.classes;
    const bool no_pairs = std::all_of(lowers, lowers + batch.classes, [](int64_t count) { return count == 0; });
    const double bound = std::isnan(loss) ? 0 : LossBound(batch, options, expected, row);
    EXPECT_TRUE(LossMatches(actual.losses[row], loss, bound));
    if (no_pairs && !std::isnan(loss)) {
      EXPECT_EQ(actual.losses[row], 0);
    }
    if (actual.grad.empty()) continue;

    double row_sum = 0;
    double row_bound = 0;
    for (size_t j = 0; j < batch.classes; ++j) {
      const size_t i = row * batch.classes + j;
      const double gradient = static_cast<double>(actual.grad[i]);
      if (std::isnan(expected.grad[i])) {
        if (std::isnan(gradient)) continue;
        ADD_FAILURE() << "gradient of class " << j << ": " << gradient << ", expected NaN";
        break;
      }
      const double gradient_bound = GradientBound<Score>(expected.grad[i]);
      // PyTorch has no negative zeros either.
      if (!(std::abs(gradient - expected.grad[i]) <= gradient_bound) || (gradient == 0 && std::signbit(gradient))) {
        ADD_FAILURE() << "gradient of class " << j << ": " << gradient << ", expected " << expected.grad[i]
                      << " within " << gradient_bound;
        break;
      }
      row_sum += gradient;
      row_bound += gradient_bound + static_cast<double>(batch.classes) * kUnit<double> * std::abs(gradient);
    }
    // Each pair adds as much to one entry as it takes from another.
    EXPECT_LE(std::abs(row_sum), row_bound);
  }
}

// Runs a batch in every setup.
template <typename Score>
void Check(const Batch<Score>& batch, const Options& options, Workspace& workspace) {
  SCOPED_TRACE(std::to_string(batch.rows) + " rows of " + std::to_string(batch.classes) + " classes, width " +
               std::to_string(batch.width) + "; " + Describe(options));
  const Rows<Score> view = batch.View();
  const Reference expected = ComputeReference(view, options);
  std::vector<Score> first_grad;
  for (const Setup& setup : kSetups) {
    SCOPED_TRACE(Describe(setup));
    const Result<Score> actual = Run(batch, options, setup, workspace);
    ExpectMatches(actual, view, options, expected);
    if (testing::Test::HasFailure()) return;  // one report is enough
    if (first_grad.empty()) {
      first_grad = actual.grad;
    } else if (setup.gradient_at != GradientAt::kNowhere) {
      ASSERT_TRUE(SameBits(actual.grad, first_grad)) << "not the gradient of: " << Describe(kSetups[0]);
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------

struct TypeNames {
  template <typename P>
  static std::string GetName(int) {
    return std::is_same_v<P, float> ? "f32" : "f64";
  }
};

template <typename Score>
class LossTest : public testing::Test {
 protected:
  using TestBatch = Batch<Score>;

  // One for a whole test: what a batch leaves behind in it must not matter to the next.
  Workspace workspace_;
};

using AllTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(LossTest, AllTypes, TypeNames);

// Values that can be worked out on paper, for the reference as well as for the kernels.
TYPED_TEST(LossTest, WorkedExamples) {
  using Score = TypeParam;
  constexpr double inf = kInf<double>;
  constexpr double nan = kNan<double>;
  const Options by_classes{.reduction = Reduction::kNone};
  const Options ranked{.reduction = Reduction::kNone, .target_order = TargetOrder::kRanked};
  const Options by_targets{.reduction = Reduction::kNone, .normalization = Normalization::kTargets};
  const Options propagate{.reduction = Reduction::kNone, .nan_policy = NanPolicy::kPropagate};
  const Options wide{.margin = 2, .reduction = Reduction::kNone};
  const struct {
    const char* note;
    std::vector<double> scores;
    std::vector<int32_t> targets;
    double loss;
    std::vector<double> grad;
    Options options;
  } examples[] = {
      {"PyTorch's", {.1, .2, .4, .8}, {3, 0, -1, 1}, .85, {-.5, .5, .5, -.5}, by_classes},
      {"one target", {.1, .2, .4, .8}, {3}, .325, {.25, .25, .25, -.75}, by_classes},
      {"listed twice", {.1, .2, .4, .8}, {3, 3}, .65, {.5, .5, .5, -1.5}, by_classes},
      {"first entry -1", {.1, .2, .4, .8}, {-1, 3, 0, 1}, 0, {0, 0, 0, 0}, by_classes},
      {"no entries", {.1, .2, .4, .8}, {}, 0, {0, 0, 0, 0}, by_classes},
      {"all targets", {.1, .2, .4, .8}, {2, 0, 3, 1}, 0, {0, 0, 0, 0}, by_classes},
      {"one class", {.3}, {0}, 0, {0}, by_classes},
      {"one class, no target", {.3}, {-1}, 0, {0}, by_classes},
      {"ties", {2, 1, 1, 3}, {0}, .5, {-.25, 0, 0, .25}, by_classes},
      {"nothing but ties", {1, 0, 0, 0}, {0}, 0, {0, 0, 0, 0}, by_classes},
      {"NaN target", {nan, .2, .4, .8}, {0}, 0, {0, 0, 0, 0}, by_classes},
      {"NaN non-target", {.1, nan, .4, .8}, {0}, .75, {-.5, 0, .25, .25}, by_classes},
      {"+Inf target", {inf, .2, .4, .8}, {0}, 0, {0, 0, 0, 0}, by_classes},
      {"-Inf non-target", {.1, -inf, .4, .8}, {0}, .75, {-.5, 0, .25, .25}, by_classes},
      {"-Inf target", {-inf, .2, .4, .8}, {0}, inf, {-.75, .25, .25, .25}, by_classes},
      {"+Inf non-target", {.1, inf, .4, .8}, {0}, inf, {-.75, .25, .25, .25}, by_classes},
      {"both +Inf", {inf, inf, .4, .8}, {0}, 0, {0, 0, 0, 0}, by_classes},
      {"both -Inf", {-inf, -inf, .4, .8}, {0}, inf, {-.5, 0, .25, .25}, by_classes},
      {"+Inf target, -Inf non-target", {inf, -inf, .4, .8}, {0}, 0, {0, 0, 0, 0}, by_classes},
      {"-Inf target, +Inf non-target", {-inf, inf, .4, .8}, {0}, inf, {-.75, .25, .25, .25}, by_classes},
      {"a wider margin", {2, 1, 1, 3}, {0}, 1.25, {-.75, .25, .25, .25}, wide},
      {"divided by 2 targets", {.1, .2, .4, .8}, {3, 0, -1, 1}, 1.7, {-1, 1, 1, -1}, by_targets},
      {"divided by 0 targets", {.1, .2, .4, .8}, {-1}, 0, {0, 0, 0, 0}, by_targets},
      {"ranked", {.1, .2, .4, .8}, {3, 0, -1, 1}, .925, {-.25, .5, .5, -.75}, ranked},
      {"ranked the wrong way", {.1, .2, .4, .8}, {0, 3}, 1.275, {-.75, .5, .5, -.25}, ranked},
      {"ranked among all targets", {0, 2, 4, 4.5}, {3, 2, 1, 0}, .125, {0, 0, .25, -.25}, ranked},
      {"ranked after itself", {.1, .2, .4, .8}, {3, 3}, .9, {.5, .5, .5, -1.5}, ranked},
      {"NaN is contagious", {.1, nan, .4, .8}, {0}, nan, {nan, nan, nan, nan}, propagate},
      {"NaN without a pair is, too", {.1, nan, .4, .8}, {}, nan, {nan, nan, nan, nan}, propagate},
      {"Inf - Inf is not", {inf, inf, .4, .8}, {0}, 0, {0, 0, 0, 0}, propagate},
  };
  for (const auto& example : examples) {
    SCOPED_TRACE(example.note);
    const auto batch = OneRow<Score>(example.scores, example.targets);
    const Reference reference = ComputeReference(batch.View(), example.options);
    // A dozen roundings of numbers below 2, in examples that are not exact.
    EXPECT_TRUE(LossMatches(reference.losses[0], example.loss, 24 * kUnit<Score>));
    for (size_t j = 0; j < batch.classes; ++j) {
      if (std::isnan(example.grad[j])) {
        EXPECT_TRUE(std::isnan(reference.grad[j]));
      } else {
        EXPECT_EQ(reference.grad[j], example.grad[j]) << "class " << j;
      }
    }
    Check(batch, example.options, this->workspace_);
  }
}

TYPED_TEST(LossTest, SizesAndKinds) {
  using Score = TypeParam;
  TRACE_SEED();
  Rng rng(Seed());
  std::set<size_t> sizes = {1, 3, 7, 1000, 1025, 5000};
  for (const size_t lanes : {4, 8, 16}) sizes.insert({lanes - 1, lanes, lanes + 1, 8 * lanes + 2});
  for (const size_t classes : sizes) {
    std::set<size_t> targets = {classes};
    for (const size_t k : {0, 1, 2, 3, 4, 5, 8, 31, 100}) {
      if (k < classes) targets.insert(k);
    }
    for (const size_t num_targets : targets) {
      for (size_t kind = 0; kind < std::size(kKinds); ++kind) {
        if (classes >= 1000 && Uniform(rng, 0, 3) > 0) continue;  // a quarter of them, for time
        SCOPED_TRACE(std::string(kKindNames[kind]) + " scores, up to " + std::to_string(num_targets) + " targets");
        const auto batch = RandomBatch<Score>(rng, classes < 1000 ? 5 : 3, classes, num_targets, kKinds[kind]);
        Check(batch, RandomOptions(rng), this->workspace_);
        if (this->HasFailure()) return;
      }
    }
  }
}

TYPED_TEST(LossTest, EveryCombinationOfOptions) {
  using Score = TypeParam;
  TRACE_SEED();
  Rng rng(Seed());
  for (const double margin : kMargins) {
    for (const Reduction reduction : kReductions) {
      for (const Normalization normalization : kNormalizations) {
        for (const TargetOrder target_order : kTargetOrders) {
          for (const NanPolicy nan_policy : kNanPolicies) {
            const Options options{.margin = margin,
                                  .reduction = reduction,
                                  .normalization = normalization,
                                  .target_order = target_order,
                                  .nan_policy = nan_policy};
            for (const Kind kind : {Kind::kGrid, Kind::kNearTies, Kind::kInfinite}) {
              Check(RandomBatch<Score>(rng, 4, 17, 6, kind), options, this->workspace_);
              Check(RandomBatch<Score>(rng, 3, 301, 40, kind), options, this->workspace_);
              if (this->HasFailure()) return;
            }
          }
        }
      }
    }
  }
}

TYPED_TEST(LossTest, MoreTargetsThanClasses) {
  using Score = TypeParam;
  TRACE_SEED();
  Rng rng(Seed());
  for (const auto& [classes, listed, width] :
       {std::tuple<size_t, size_t, size_t>{3, 1, 50}, {9, 4, 100}, {300, 100, 2000}, {300, 300, 1000}}) {
    for (const TargetOrder target_order : kTargetOrders) {
      auto batch = RandomBatch<Score>(rng, 2, classes, 0, Kind::kGrid);
      batch.width = width;
      batch.targets.clear();
      for (size_t i = 0; i < 2 * width; ++i) batch.targets.push_back(static_cast<int32_t>(Uniform(rng, 0, listed - 1)));
      Check(batch, {.target_order = target_order}, this->workspace_);
      if (this->HasFailure()) return;
    }
  }
}

// The counts of all copies of a class are added before they are rounded: with GradientBound for any number of copies.
TYPED_TEST(LossTest, ManyCopiesOfATarget) {
  using Score = TypeParam;
  TRACE_SEED();
  Rng rng(Seed());
  for (const auto& [classes, listed, width] :
       {std::tuple<size_t, size_t, size_t>{2, 1, 7001}, {3, 2, 5000}, {70, 3, 3000}, {1000, 7, 999}}) {
    for (const TargetOrder target_order : kTargetOrders) {
      auto batch = RandomBatch<Score>(rng, 2, classes, 0, Kind::kNormal);
      batch.width = width;
      batch.targets.clear();
      for (size_t i = 0; i < 2 * width; ++i) batch.targets.push_back(static_cast<int32_t>(Uniform(rng, 0, listed - 1)));
      Check(batch, {.reduction = Reduction::kNone, .target_order = target_order}, this->workspace_);
      if constexpr (std::is_same_v<Score, float>) {
        // The product of one copy may underflow where that of all does not. Double, where 1/D times the weight is
        // computed, holds it exactly.
        batch.weights = {static_cast<double>(std::numeric_limits<float>::denorm_min()), 1};
        const Options options{.reduction = Reduction::kNone, .target_order = target_order};
        const Result<float> result = Run(batch, options, {}, this->workspace_);
        const Reference expected = ComputeReference(batch.View(), options);
        for (size_t j = 0; j < classes; ++j) {
          if (expected.listings[j] == 0) continue;
          EXPECT_NEAR(result.grad[j], expected.grad[j], std::numeric_limits<float>::denorm_min()) << "class " << j;
          EXPECT_FALSE(result.grad[j] == 0 && std::signbit(result.grad[j])) << "class " << j;
        }
      }
      if (this->HasFailure()) return;
    }
  }
}

TYPED_TEST(LossTest, SeventyThousandCopiesRanked) {
  // Before x[0] there is a pair of each two copies, in which it is both: these cancel. Of the others there are 70,000.
  const auto batch = OneRow<TypeParam>({0, 0}, std::vector<int32_t>(70'000, 0));
  const Options options{.reduction = Reduction::kNone, .target_order = TargetOrder::kRanked};
  const Result<TypeParam> result = Run(batch, options, {}, this->workspace_);
  EXPECT_EQ(result.grad, (std::vector<TypeParam>{-35'000, 35'000}));
}

// The pairs of targets have any magnitudes, and lie anywhere: no digit of a small one may be lost beside a large score.
TYPED_TEST(LossTest, RankedTargetsFarApart) {
  using Score = TypeParam;
  TRACE_SEED();
  Rng rng(Seed());
  const auto expect_loss = [&](const std::vector<double>& scores, const std::vector<int32_t>& targets, double margin) {
    const auto batch = OneRow<Score>(scores, targets);
    const Options options{.margin = margin, .reduction = Reduction::kNone, .target_order = TargetOrder::kRanked};
    const Reference expected = ComputeReference(batch.View(), options);
    const auto [outcome, losses, grad] = mlml::Run(batch, options, {}, this->workspace_);
    // The reference rounds each pair, and each of its additions of positive numbers.
    const auto pairs = static_cast<double>(targets.size() * targets.size());
    EXPECT_NEAR(losses[0], expected.losses[0], (kUnit<Score> + (pairs + 1) * kUnit<double>)*expected.losses[0])
        << testing::PrintToString(scores);
    return static_cast<double>(losses[0]);
  };
  EXPECT_EQ(expect_loss({-1e17, .5, 0, -kInf<double>}, {2, 2, 1, 0}, 2.5), 2.125);
  EXPECT_EQ(expect_loss({0, .5, -1e6, -1e6 + 64}, {0, 1, 2, 3}, 1), (1.5 + 65) / 4);
  expect_loss({1e308, 1.5e308, 1.5e308}, {0, 1, 2}, 0);
  for (size_t repeat = 0; repeat < 2000; ++repeat) {
    std::vector<double> scores(Uniform(rng, 2, 40));
    std::vector<int32_t> targets(scores.size());
    for (size_t i = 0; i < scores.size(); ++i) {
      targets[i] = static_cast<int32_t>(i);
      const double magnitude = std::pow(10.0, static_cast<double>(Uniform(rng, 0, 17)));
      scores[i] = (Uniform(rng, 0, 1) == 0 ? -magnitude : magnitude) + Normal<double>(rng);
    }
    expect_loss(scores, targets, 1);
  }
}

TYPED_TEST(LossTest, WeightsAndUnknownClasses) {
  using Score = TypeParam;
  TRACE_SEED();
  Rng rng(Seed());
  for (const size_t classes : {1, 3, 10, 63, 64, 65, 300, 1025}) {
    for (const size_t num_targets : {0, 1, 3, 4, 5, 40}) {
      for (const Kind kind : {Kind::kNormal, Kind::kGrid, Kind::kSeparated, Kind::kInfinite, Kind::kExtreme}) {
        for (const TargetOrder target_order : kTargetOrders) {
          auto batch = RandomBatch<Score>(rng, 6, classes, std::min(num_targets, classes), kind);
          AddWeightsAndUnknown(rng, batch);
          Options options = RandomOptions(rng);
          options.target_order = target_order;
          Check(batch, options, this->workspace_);
          if (this->HasFailure()) return;
        }
      }
    }
  }
}

TYPED_TEST(LossTest, WeightsAndUnknownWithEveryCombinationOfOptions) {
  using Score = TypeParam;
  TRACE_SEED();
  Rng rng(Seed());
  for (const Reduction reduction : kReductions) {
    for (const Normalization normalization : kNormalizations) {
      for (const TargetOrder target_order : kTargetOrders) {
        for (const NanPolicy nan_policy : kNanPolicies) {
          const Options options{.reduction = reduction,
                                .normalization = normalization,
                                .target_order = target_order,
                                .nan_policy = nan_policy};
          for (const Kind kind : {Kind::kGrid, Kind::kInfinite}) {
            for (const size_t classes : {17, 301}) {
              auto batch = RandomBatch<Score>(rng, 5, classes, 6, kind);
              AddWeightsAndUnknown(rng, batch);
              Check(batch, options, this->workspace_);
              if (this->HasFailure()) return;
            }
          }
        }
      }
    }
  }
}

// Values that can be worked out on paper.
TYPED_TEST(LossTest, WorkedExamplesOfWeightsAndUnknownClasses) {
  using Score = TypeParam;
  constexpr double inf = kInf<double>;
  constexpr double nan = kNan<double>;
  const struct {
    const char* note;
    std::vector<double> scores;
    std::vector<int32_t> unknown;
    double weight;
    NanPolicy nan_policy;
    double loss;
    std::vector<double> grad;
  } examples[] = {
      {"an unknown class", {.1, .2, .4, .8}, {1}, 1, NanPolicy::kIgnore, .225, {.25, 0, .25, -.5}},
      {"the divisor stays", {.1, .2, .4, .8}, {1, 2}, 1, NanPolicy::kIgnore, .075, {.25, 0, 0, -.25}},
      {"all others unknown", {.1, .2, .4, .8}, {2, 0, 1}, 1, NanPolicy::kIgnore, 0, {0, 0, 0, 0}},
      {"listed twice", {.1, .2, .4, .8}, {1, 1}, 1, NanPolicy::kIgnore, .225, {.25, 0, .25, -.5}},
      {"a weight", {.1, .2, .4, .8}, {-1}, 2, NanPolicy::kIgnore, .65, {.5, .5, .5, -1.5}},
      {"weight 0", {.1, .2, .4, .8}, {-1}, 0, NanPolicy::kIgnore, 0, {0, 0, 0, 0}},
      {"weight 0 of an infinite loss", {inf, .2, .4, -inf}, {-1}, 0, NanPolicy::kIgnore, 0, {0, 0, 0, 0}},
      {"weight 0 of NaN", {nan, .2, .4, .8}, {-1}, 0, NanPolicy::kPropagate, 0, {0, 0, 0, 0}},
      {"an infinite loss", {inf, .2, .4, .8}, {-1}, 2, NanPolicy::kIgnore, inf, {.5, .5, .5, -1.5}},
      {"unknown NaN", {nan, .2, .4, .8}, {0}, 1, NanPolicy::kIgnore, .25, {0, .25, .25, -.5}},
      {"unknown NaN is contagious", {nan, .2, .4, .8}, {0}, 1, NanPolicy::kPropagate, nan, {nan, nan, nan, nan}},
      {"unknown +Inf", {inf, .2, .4, .8}, {0}, 1, NanPolicy::kPropagate, .25, {0, .25, .25, -.5}},
  };
  for (const auto& example : examples) {
    SCOPED_TRACE(example.note);
    auto batch = OneRow<Score>(example.scores, {3});
    batch.weights = {example.weight};
    batch.unknown = example.unknown;
    batch.unknown_width = example.unknown.size();
    const Options options{.reduction = Reduction::kNone, .nan_policy = example.nan_policy};
    const Reference reference = ComputeReference(batch.View(), options);
    // A dozen roundings of numbers below 2, in examples that are not exact.
    EXPECT_TRUE(LossMatches(reference.losses[0], example.loss, 24 * kUnit<Score>));
    for (size_t j = 0; j < batch.classes; ++j) {
      EXPECT_TRUE(std::isnan(example.grad[j]) ? std::isnan(reference.grad[j]) : reference.grad[j] == example.grad[j])
          << "class " << j;
    }
    Check(batch, options, this->workspace_);
  }
}

// The kernels size their memory for the row with the most targets, and have more of some things for a row with fewer.
TYPED_TEST(LossTest, NumbersOfTargetsThatDiffer) {
  using Score = TypeParam;
  TRACE_SEED();
  Rng rng(Seed());
  constexpr size_t kClasses = 9000;
  for (const auto& [most, fewer] :
       {std::pair<size_t, size_t>{4097, 4096}, {4097, 1100}, {8192, 4096}, {33, 32}, {32, 31}}) {
    SCOPED_TRACE(std::to_string(most) + " and " + std::to_string(fewer));
    auto batch = RandomBatch<Score>(rng, 1, kClasses, most, Kind::kNormal);
    // `fewer` targets; and `most`, but no more than `fewer` different ones.
    const std::vector<int32_t> full(batch.targets.begin(), batch.targets.begin() + most);
    batch.rows = 3;
    batch.width = most;
    batch.targets = full;
    for (size_t i = 0; i < most; ++i) batch.targets.push_back(i < fewer ? full[i] : int32_t{-1});
    for (size_t i = 0; i < most; ++i) batch.targets.push_back(full[i % fewer]);
    while (batch.scores.size() < batch.rows * kClasses) batch.scores.push_back(Normal<Score>(rng));
    const Reference expected = ComputeReference(batch.View(), {});
    for (const KernelChoice kernel : kKernelChoices) {
      Workspace fresh;  // with memory for nothing more than this batch
      ExpectMatches(Run(batch, {}, {kernel}, fresh), batch.View(), {}, expected);
    }
    if (this->HasFailure()) return;
  }
}

// What the contract says of a loss of float, with its last rounding. The worst case of the kernels' bound is larger,
// for roundings that are all at their largest and in one direction; so these rows are the kinds that come close to it:
// equal scores, few different ones, and scores far from 0, each with thresholds among them.
TEST(FloatLossTest, IsWithinItsBoundOfTheExactSum) {
  TRACE_SEED();
  Rng rng(Seed());
  Workspace workspace;
  for (const size_t classes : {7, 65, 80, 300, 1000}) {
    for (const size_t num_targets : {1, 2, 3, 4, 5, 10, 30, 50}) {
      if (num_targets >= classes) continue;
      for (const size_t values : {1, 2, 3, 10, 1000}) {
        for (const float offset : {0.0F, 100.0F, 1e6F}) {
          Batch<float> batch{.rows = 20, .classes = classes, .width = num_targets};
          batch.targets = RandomTargets(rng, batch.rows, classes, batch.width, num_targets);
          for (size_t row = 0; row < batch.rows; ++row) {
            std::vector<float> choices;
            for (size_t i = 0; i < values; ++i) choices.push_back(offset + Normal<float>(rng));
            for (size_t j = 0; j < classes; ++j) batch.scores.push_back(choices[Uniform(rng, 0, values - 1)]);
            for (const size_t k : TargetsOf(batch.targets.data() + row * batch.width, batch.width)) {
              batch.scores[row * classes + k] += Normal<float>(rng);
            }
          }
          const Options options{.reduction = Reduction::kNone};
          const Reference expected = ComputeReference(batch.View(), options);
          for (const GradientAt gradient_at : {GradientAt::kInPlace, GradientAt::kNowhere}) {
            const auto [outcome, losses, grad] = mlml::Run(batch, options, {.gradient_at = gradient_at}, workspace);
            for (size_t row = 0; row < batch.rows; ++row) {
              EXPECT_NEAR(static_cast<float>(losses[row]), expected.losses[row], 2.1e-7 * expected.losses[row])
                  << classes << " classes, " << num_targets << " targets, " << values << " different scores around "
                  << offset << (grad.empty() ? ", without gradient" : "");
            }
          }
        }
      }
    }
  }
}

// Kernels that compare floats as integers see the sign of a NaN.
TYPED_TEST(LossTest, NanOfEitherSign) {
  using Score = TypeParam;
  TRACE_SEED();
  Rng rng(Seed());
  for (const size_t classes : {7, 17, 40, 64, 130, 1000}) {
    for (const size_t num_targets : {1, 2, 3, 4, 6}) {
      auto batch = RandomBatch<Score>(rng, 3, classes, num_targets, Kind::kNormal);
      for (size_t i = 0; i < 2 * classes; ++i) {  // the last row has none
        if (Uniform(rng, 0, 3) == 0) batch.scores[i] = std::copysign(kNan<Score>, Score(i % 2 == 0 ? 1 : -1));
      }
      Check(batch, {.reduction = Reduction::kNone, .nan_policy = NanPolicy::kIgnore}, this->workspace_);
      if (this->HasFailure()) return;
    }
  }
}

// Many terms, whose rounding errors would show if they were summed in float.
TYPED_TEST(LossTest, LongRow) {
  using Score = TypeParam;
  TRACE_SEED();
  Rng rng(Seed());
  for (const Kind kind : {Kind::kNormal, Kind::kOffset}) {
    for (const Reduction reduction : kReductions) {
      Check(RandomBatch<Score>(rng, 1, 20011, 60, kind), {.reduction = reduction}, this->workspace_);
    }
  }
}

// Thresholds that are hard on a kernel that sorts them into buckets. With a margin of 0 they are the scores of the
// targets.
template <typename Score>
std::vector<std::pair<std::string, std::vector<Score>>> HardThresholds(Rng& rng, size_t n) {
  using Limits = std::numeric_limits<Score>;
  constexpr Score far = Score(1e30);
  std::vector<std::pair<std::string, std::vector<Score>>> sets;
  const auto add = [&](const char* name, auto threshold) {
    std::vector<Score> set;
    for (size_t i = 0; i < n; ++i) set.push_back(threshold(i));
    sets.emplace_back(name, std::move(set));
  };
  const auto pick = [&](std::initializer_list<Score> choices) {
    return choices.begin()[Uniform(rng, 0, choices.size() - 1)];
  };
  const auto steps_from = [](Score from, size_t steps) {  // `steps` numbers on, away from 0
    using Bits = std::conditional_t<sizeof(Score) == 4, uint32_t, uint64_t>;
    return std::bit_cast<Score>(static_cast<Bits>(std::bit_cast<Bits>(from) + steps));
  };

  add("equal", [](size_t) { return Score(0.7); });
  add("evenly spaced", [](size_t i) { return static_cast<Score>(i) / 8; });
  add("an outlier", [&](size_t i) { return i == 0 ? far : Normal<Score>(rng); });
  add("an outlier below", [&](size_t i) { return i == 0 ? -far : Normal<Score>(rng); });
  add("two outliers", [&](size_t i) { return i == 0 ? far : i == 1 ? Score(-1e12) : Normal<Score>(rng); });
  add("outliers and equals", [&](size_t i) { return i == 0 ? -far : i == 1 ? Score(1e12) : Score(0.5); });
  add("powers of two", [&](size_t i) {
    const int exponents = Limits::max_exponent - Limits::min_exponent + Limits::digits;
    const int exponent = Limits::max_exponent - 1 - static_cast<int>(i % static_cast<size_t>(exponents));
    return std::ldexp(Score(i % 2 == 0 ? 1 : -1), exponent);
  });
  add("one over powers of two", [&](size_t i) { return 1 + std::ldexp(Score{1}, -static_cast<int>(i % 60)); });
  add("an ulp apart", [&](size_t i) { return steps_from(1, i); });
  add("clusters an ulp apart", [&](size_t i) { return steps_from(pick({1, Score(-3), Score(1e5), far}), i / 3); });
  add("an ulp apart across zero", [&](size_t i) { return steps_from(i % 2 == 0 ? Score{0} : -Score{0}, i / 2); });
  add("zeros", [&](size_t i) { return i % 3 == 0 ? Score{0} : -Score{0}; });
  add("zeros and others", [&](size_t) { return pick({0, -Score{0}, 1, -1, Limits::min()}); });
  add("denormals", [&](size_t) { return Limits::denorm_min() * static_cast<Score>(Uniform(rng, 0, 4 * n)); });
  add("least and greatest", [&](size_t) {
    return pick({Limits::max(), Limits::lowest(), std::nextafter(Limits::max(), Score{0}), Limits::min(), 0});
  });
  add("half the greatest", [&](size_t) { return Limits::max() / 2 * (2 * Normal<Score>(rng) < 1 ? 1 : -1); });
  add("infinities", [&](size_t) { return pick({kInf<Score>, -kInf<Score>}); });
  add("+Inf", [](size_t) { return kInf<Score>; });
  add("-Inf", [](size_t) { return -kInf<Score>; });
  add("NaN", [](size_t) { return kNan<Score>; });
  add("infinities and others", [&](size_t) { return pick({kInf<Score>, -kInf<Score>, Normal<Score>(rng), 0}); });
  add("-Inf and an outlier", [&](size_t i) { return i == 0 ? -kInf<Score> : i == 1 ? far : Normal<Score>(rng); });
  add("any bits", [&](size_t) {
    using Bits = std::conditional_t<sizeof(Score) == 4, uint32_t, uint64_t>;
    return std::bit_cast<Score>(static_cast<Bits>(rng()));
  });
  return sets;
}

TYPED_TEST(LossTest, HardThresholds) {
  using Score = TypeParam;
  TRACE_SEED();
  Rng rng(Seed());
  for (const size_t num_targets : {1, 2, 5, 9, 33, 150, 1000}) {
    for (const auto& [name, thresholds] : HardThresholds<Score>(rng, num_targets)) {
      for (const size_t others : {size_t{0}, size_t{1}, 3 * num_targets + 7}) {
        SCOPED_TRACE(name + ", " + std::to_string(num_targets) + " targets");
        const size_t classes = num_targets + others;
        // The row in question and an ordinary one, so that each has to do without what the other left.
        auto batch = RandomBatch<Score>(rng, 2, classes, num_targets, Kind::kNormal);
        const std::vector<size_t> targets = TargetsOf(batch.targets.data(), batch.width);
        for (size_t j = 0; j < classes; ++j) {  // at the thresholds, beside them, and elsewhere
          const Score threshold = thresholds[Uniform(rng, 0, num_targets - 1)];
          const Score choices[] = {threshold, std::nextafter(threshold, kInf<Score>),
                                   std::nextafter(threshold, -kInf<Score>), threshold / 2, Normal<Score>(rng)};
          batch.scores[j] = choices[Uniform(rng, 0, std::size(choices) - 1)];
        }
        for (size_t k = 0; k < num_targets; ++k) batch.scores[targets[k]] = thresholds[k];
        Options options = RandomOptions(rng);
        options.margin = 0;
        options.nan_policy = NanPolicy::kIgnore;
        Check(batch, options, this->workspace_);
        if (this->HasFailure()) return;
      }
    }
  }
}

TYPED_TEST(LossTest, PartsHaveTheBitsOfTheWhole) {
  using Score = TypeParam;
  TRACE_SEED();
  Rng rng(Seed());
  for (const size_t num_targets : {3, 50}) {
    for (const Reduction reduction : kReductions) {
      for (const KernelChoice kernel : kKernelChoices) {
        const auto batch = RandomBatch<Score>(rng, 23, 301, num_targets, Kind::kNormal);
        const Options options{.reduction = reduction};
        const Result<Score> whole = Run(batch, options, {kernel}, this->workspace_);

        std::vector<Score> scores = batch.scores;
        Result<Score> parts;
        parts.losses.resize(whole.losses.size());
        parts.grad.resize(batch.scores.size());
        for (size_t begin = 0; begin < batch.rows;) {
          const size_t rows = Uniform(rng, 0, std::min<size_t>(5, batch.rows - begin));
          const Rows<Score> part = batch.At(scores.data(), batch.targets.data()).Slice(begin, begin + rows);
          Workspace fresh;  // as another thread has one
          const Outcome outcome = MultilabelMarginLoss(part, options, parts.losses.data() + begin,
                                                       parts.grad.data() + begin * batch.classes,
                                                       begin % 2 == 0 ? this->workspace_ : fresh, kernel);
          ASSERT_EQ(outcome.status, Status::kOk);
          begin += rows;
        }
        EXPECT_TRUE(SameBits(parts.losses, whole.losses));
        EXPECT_TRUE(SameBits(parts.grad, whole.grad));
      }
    }
  }
}

TYPED_TEST(LossTest, NoRows) {
  TypeParam* const nowhere = nullptr;
  const Rows<TypeParam> rows{.classes = 5, .width = 2};
  for (const Reduction reduction : kReductions) {
    const Outcome outcome = MultilabelMarginLoss(rows, {.reduction = reduction}, nullptr, nowhere, this->workspace_);
    EXPECT_EQ(outcome.status, Status::kOk);
  }
}

TYPED_TEST(LossTest, NoWidth) {
  using Score = TypeParam;
  Score scores[] = {1, 2, 3, 4};
  Score grad[] = {5, 5, 5, 5};
  double losses[] = {5, 5};
  const Rows<Score> rows{.scores = scores, .count = 2, .classes = 2, .batch_rows = 2};
  EXPECT_EQ(MultilabelMarginLoss<Score>(rows, {}, losses, grad, this->workspace_).status, Status::kOk);
  for (const double loss : losses) EXPECT_EQ(loss, 0);
  for (const Score g : grad) EXPECT_EQ(g, 0);
}

// ---------------------------------------------------------------------------------------------------------------------
// Invalid rows

void ExpectOutcome(const Outcome& actual, const Outcome& expected) {
  EXPECT_EQ(actual.status, expected.status);
  EXPECT_EQ(actual.row, expected.row);
  EXPECT_EQ(actual.column, expected.column);
}

// Every function reports `expected`, and none writes anything.
template <typename Score>
void ExpectRefused(const Batch<Score>& batch, NanPolicy nan_policy, const Outcome& expected, Workspace& workspace) {
  const Options options{.reduction = Reduction::kNone, .nan_policy = nan_policy};
  ExpectOutcome(Validate(batch.View(), nan_policy, workspace), expected);
  for (const Setup& setup : kSetups) {
    SCOPED_TRACE(Describe(setup));
    Guarded<Score> scores(batch.scores, 0);
    Guarded<double> losses(batch.rows, 0);
    Guarded<Score> grad(batch.scores.size(), 0);
    Rows<Score> rows = batch.View();
    rows.scores = scores.data();
    Score* grad_at = setup.gradient_at == GradientAt::kNowhere   ? nullptr
                     : setup.gradient_at == GradientAt::kInPlace ? scores.data()
                                                                 : grad.data();
    ExpectOutcome(MultilabelMarginLoss(rows, options, losses.data(), grad_at, workspace, setup.kernel), expected);
    EXPECT_TRUE(losses.Untouched());
    EXPECT_TRUE(grad.Untouched());
    EXPECT_TRUE(scores.GuardsIntact());
    EXPECT_TRUE(SameBits(scores.values(), batch.scores));
  }
}

TYPED_TEST(LossTest, TargetOutOfRange) {
  using Score = TypeParam;
  using Limits = std::numeric_limits<int32_t>;
  constexpr int32_t kClasses = 6;
  const std::vector<int32_t> values = {-2, kClasses, kClasses + 1, Limits::min(), Limits::max()};
  for (const int32_t value : values) {
    // [1, 1] is before the first -1 of its row, [1, 3] and [2, 3] after it.
    for (const auto& [row, column] : {std::pair<size_t, size_t>{0, 0}, {1, 1}, {1, 3}, {2, 3}}) {
      SCOPED_TRACE(std::to_string(value) + " at " + std::to_string(row) + ", " + std::to_string(column));
      Batch<Score> batch{
          3, kClasses, 4, std::vector<Score>(3 * kClasses, Score(0.5)), {0, 1, 2, 3, 4, 5, -1, 0, -1, -1, -1, -1}};
      batch.scores[2] = kNan<Score>;  // not looked for under this policy
      batch.targets[row * 4 + column] = value;
      ExpectRefused(batch, NanPolicy::kPropagate, {Status::kTargetOutOfRange, row, column}, this->workspace_);
    }
  }
}

TYPED_TEST(LossTest, UnknownOutOfRange) {
  using Score = TypeParam;
  using Limits = std::numeric_limits<int32_t>;
  for (const int32_t value : {-2, 4, Limits::min(), Limits::max()}) {
    // Also after a row's first -1.
    for (const size_t column : {0, 2}) {
      Batch<Score> batch{2, 4, 1, std::vector<Score>(8, Score(0.5)), {0, 3}};
      batch.unknown_width = 3;
      batch.unknown = {1, 2, -1, 1, -1, 0};
      batch.unknown[3 + column] = value;
      ExpectRefused(batch, NanPolicy::kIgnore, {Status::kUnknownOutOfRange, 1, column}, this->workspace_);
    }
  }
}

TYPED_TEST(LossTest, UnknownTarget) {
  using Score = TypeParam;
  Batch<Score> batch{3, 4, 2, std::vector<Score>(12, Score(0.5)), {0, 3, 1, -1, -1, 2}};
  batch.unknown_width = 2;
  // Row 1 lists a target of row 0, and entries after the first -1 do not count.
  batch.unknown = {1, 2, 0, 3, 2, -1};
  ExpectOutcome(Validate(batch.View(), NanPolicy::kError, this->workspace_), {});
  Check(batch, {}, this->workspace_);
  batch.unknown = {1, -1, 0, 1, 2, -1};
  ExpectRefused(batch, NanPolicy::kIgnore, {Status::kUnknownTarget, 1, 1}, this->workspace_);
  batch.unknown = {1, -1, 0, -1, 2, -1};
  ExpectOutcome(Validate(batch.View(), NanPolicy::kError, this->workspace_), {});
  // More classes than the workspace has room for so far.
  Batch<Score> wide{1, 5000, 1, std::vector<Score>(5000, Score(0.5)), {4999}};
  wide.unknown_width = 2;
  wide.unknown = {7, 4999};
  ExpectRefused(wide, NanPolicy::kIgnore, {Status::kUnknownTarget, 0, 1}, this->workspace_);
}

TYPED_TEST(LossTest, UnknownNanUnderErrorPolicy) {
  using Score = TypeParam;
  auto batch = OneRow<Score>({.1, .2, kNan<double>, .4}, {3});
  batch.weights = {0};
  batch.unknown_width = 1;
  batch.unknown = {2};
  ExpectRefused(batch, NanPolicy::kError, {Status::kNanScore, 0, 2}, this->workspace_);
}

TYPED_TEST(LossTest, TargetOutOfRangeFirstOfSeveral) {
  using Score = TypeParam;
  const Batch<Score> batch{3, 4, 2, std::vector<Score>(12, Score(0.5)), {0, -1, -1, 4, -2, 77}};
  ExpectRefused(batch, NanPolicy::kIgnore, {Status::kTargetOutOfRange, 1, 1}, this->workspace_);
}

TYPED_TEST(LossTest, TargetsAtTheEndsOfTheRange) {
  using Score = TypeParam;
  const Batch<Score> batch{2, 4, 3, std::vector<Score>(8, Score(0.5)), {0, 3, -1, -1, 3, 0}};
  ExpectOutcome(Validate(batch.View(), NanPolicy::kError, this->workspace_), {});
  Check(batch, {}, this->workspace_);
}

TYPED_TEST(LossTest, NanScoreUnderErrorPolicy) {
  using Score = TypeParam;
  for (const auto& [row, column] : {std::pair<size_t, size_t>{0, 0}, {0, 36}, {1, 5}, {2, 36}}) {
    SCOPED_TRACE(std::to_string(row) + ", " + std::to_string(column));
    Batch<Score> batch{3, 37, 2, std::vector<Score>(3 * 37, Score(0.5)), {0, 1, 2, 3, -1, -1}};
    batch.scores[7] = row == 0 && column == 0 ? kNan<Score> : kInf<Score>;  // an infinity is no NaN
    batch.scores[row * 37 + column] = -kNan<Score>;
    batch.scores.back() = kNan<Score>;
    ExpectRefused(batch, NanPolicy::kError, {Status::kNanScore, row, column}, this->workspace_);
  }
}

TYPED_TEST(LossTest, ErrorPolicyWithoutNan) {
  TRACE_SEED();
  Rng rng(Seed());
  auto batch = RandomBatch<TypeParam>(rng, 4, 37, 5, Kind::kInfinite);
  for (auto& score : batch.scores) {
    if (std::isnan(score)) score = 0;
  }
  Check(batch, {.nan_policy = NanPolicy::kError}, this->workspace_);
}

}  // namespace
}  // namespace mlml
