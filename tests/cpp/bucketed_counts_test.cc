// Tests the cost bound of the bucketed kernel, which no result shows: how many tables a score meets, and how many
// thresholds it is then compared with, stay bounded however the thresholds lie.
#include "loss/bucketed_counts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace mlml {
namespace {

template <typename T>
struct Thresholds {
  std::string name;
  std::function<T(size_t k, size_t size)> at;
};

// Every one of them leaves nearly all thresholds in one bucket of a linear map.
template <typename T>
std::vector<Thresholds<T>> DegenerateThresholds() {
  const auto ulps_from_1 = [](size_t k) {
    return T{1} + static_cast<T>(k) * std::numeric_limits<T>::epsilon();  // neighbours
  };
  return {
      {"all equal", [](size_t, size_t) { return T{0.5}; }},
      {"one outlier", [](size_t k, size_t) { return k == 0 ? T{1e30} : static_cast<T>(k) * T{1e-3}; }},
      {"neighbours, one outlier", [=](size_t k, size_t) { return k == 0 ? T{1e30} : ulps_from_1(k); }},
      {"neighbours, outliers of every magnitude",
       [=](size_t k, size_t) { return k < 30 ? static_cast<T>(std::pow(T{10}, static_cast<T>(k))) : ulps_from_1(k); }},
      {"powers of two over the whole range",
       [](size_t k, size_t size) {
         using Limits = std::numeric_limits<T>;
         const double step =
             static_cast<double>(Limits::max_exponent - Limits::min_exponent) / static_cast<double>(size);
         return static_cast<T>(std::exp2(Limits::min_exponent + step * static_cast<double>(k)));
       }},
      {"denormals", [](size_t k, size_t) { return static_cast<T>(k) * std::numeric_limits<T>::denorm_min(); }},
      {"-0 and denormals",
       [](size_t k, size_t) { return k == 0 ? -T{0} : static_cast<T>(k) * std::numeric_limits<T>::denorm_min(); }},
      {"the largest numbers",
       [](size_t k, size_t size) {
         const T largest = std::numeric_limits<T>::max();
         return k == 0 ? -largest : largest * (static_cast<T>(k) / static_cast<T>(size));
       }},
      {"-Inf and others", [](size_t k, size_t) { return k % 2 == 0 ? -kInfinity<T> : static_cast<T>(k); }},
  };
}

template <typename T>
class BucketedCountsTest : public testing::Test {};
using ScoreTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(BucketedCountsTest, ScoreTypes);

TYPED_TEST(BucketedCountsTest, StepsPerScoreAreBoundedForDegenerateThresholds) {
  using T = TypeParam;
  for (const auto& [name, at] : DegenerateThresholds<T>()) {
    for (const size_t size : {33, 200, 1000, 20000}) {
      SCOPED_TRACE(name + ", " + std::to_string(size) + " thresholds");
      std::vector<T> thresholds(size);
      for (size_t k = 0; k < size; ++k) thresholds[k] = at(k, size);
      std::shuffle(thresholds.begin(), thresholds.end(), std::mt19937_64(size));
      BucketedCounts<T> counts;
      ASSERT_TRUE(counts.Reserve(size));
      counts.Begin(thresholds.data(), size);
      // A table over n thresholds takes more than log2(n) bits of the number's, and none is made for fewer than 9.
      EXPECT_LE(counts.depth(), sizeof(T) * 8 / 4);
      EXPECT_LE(counts.longest_search(), 8);
    }
  }
}

TYPED_TEST(BucketedCountsTest, OneTableSufficesForSpreadThresholds) {
  using T = TypeParam;
  std::mt19937_64 random(1);
  std::normal_distribution<T> normal;
  std::vector<T> thresholds(1000);
  for (T& threshold : thresholds) threshold = normal(random);
  BucketedCounts<T> counts;
  ASSERT_TRUE(counts.Reserve(thresholds.size()));
  counts.Begin(thresholds.data(), thresholds.size());
  EXPECT_EQ(counts.depth(), 0);
}

// Can be assigned, which a lambda cannot.
template <typename Function>
struct Keep {
  const Function* function;
  void operator()(auto scores, auto counts, auto* at) { (*function)(scores, counts, at); }
};

// Ranks at and around every threshold, against a search of the sorted ones.
TYPED_TEST(BucketedCountsTest, RanksAreExactAtAndBesideTheThresholds) {
  using T = TypeParam;
  for (const auto& [name, at] : DegenerateThresholds<T>()) {
    for (const size_t size : {1, 2, 9, 33, 1000}) {
      SCOPED_TRACE(name + ", " + std::to_string(size) + " thresholds");
      std::vector<T> thresholds(size);
      for (size_t k = 0; k < size; ++k) thresholds[k] = at(k, size);
      std::vector<T> scores = {-kInfinity<T>, kInfinity<T>, T{0}, -T{0}, std::numeric_limits<T>::quiet_NaN()};
      for (const T threshold : thresholds) {
        for (const T score :
             {threshold, std::nextafter(threshold, kInfinity<T>), std::nextafter(threshold, -kInfinity<T>)}) {
          scores.push_back(score);
        }
      }
      while (scores.size() % kLanes<T> != 0) scores.push_back(T{0});
      const std::vector<T> given = scores;
      BucketedCounts<T> kernel;
      ASSERT_TRUE(kernel.Reserve(size));
      kernel.Begin(thresholds.data(), size);
      std::vector<CountOf<T>> counts(scores.size());  // negated
      const auto keep = [&](auto, auto vector, T* at) {
        hwy::HWY_NAMESPACE::StoreU(vector, hwy::HWY_NAMESPACE::ScalableTag<CountOf<T>>(), &counts[at - scores.data()]);
      };
      Keep<decltype(keep)> consume{&keep};
      kernel.CountScores(scores.data(), scores.size(), consume);
      std::vector<int64_t> above(size);
      kernel.End(above.data());
      for (size_t j = 0; j < given.size(); ++j) {
        const auto below =
            std::count_if(thresholds.begin(), thresholds.end(), [&](T threshold) { return given[j] > threshold; });
        ASSERT_EQ(-counts[j], below) << "score " << given[j];
      }
      for (size_t k = 0; k < size; ++k) {
        const auto expected = std::count_if(given.begin(), given.end(), [&](T score) { return score > thresholds[k]; });
        ASSERT_EQ(above[k], expected) << "threshold " << thresholds[k];
      }
    }
  }
}

}  // namespace
}  // namespace mlml
