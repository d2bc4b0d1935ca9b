// Predicted classes against their definition, row by row; exact sums of weights; curves at every threshold.
#include "metrics/classification.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "metrics/ranking_metrics.h"

namespace mlml {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

std::vector<uint8_t> Written(const LabelSums& sums) {
  StateWriter counter(nullptr);
  sums.Write(counter);
  std::vector<uint8_t> state(counter.size());
  StateWriter writer(state.data());
  sums.Write(writer);
  return state;
}

[[nodiscard]] bool MergeInto(LabelSums& sums, const std::vector<uint8_t>& state, uint64_t rows) {
  StateReader check(state.data(), state.size());
  if (!sums.Merge<true>(check, rows) || !check.ok()) return false;
  StateReader reader(state.data(), state.size());
  return sums.Merge<false>(reader, rows) && reader.ok() && reader.at_end();
}

void AddTo(LabelSums& sums, double weight, size_t sum) {
  LabelSums::Limbs limbs;
  limbs.AddWeight(weight);
  ASSERT_TRUE(sums.Reserve(limbs));
  sums.BeginRow(weight);
  sums.Add(sum);
}

TEST(LabelSums, AreExactInAnyOrderAndInParts) {
  std::mt19937_64 random(31);
  for (int round = 0; round < 50; ++round) {
    SCOPED_TRACE(testing::Message() << "seed 31, round " << round);
    struct Term {
      double weight;
      size_t sum;
    };
    std::vector<Term> terms;
    std::vector<ExactSum> expected(3);
    for (int i = 0; i < 60; ++i) {
      // Weights of any size, and many that are 1.
      const int exponent = static_cast<int>(random() % 2000) - 1060;
      const double weight =
          random() % 2 == 0 ? 1 : std::ldexp(1 + static_cast<double>(random() % 1000) / 1024, exponent);
      terms.push_back({random() % 10 == 0 ? 0 : weight, random() % 3});
      expected[terms.back().sum].Add(terms.back().weight);
    }
    for (int order = 0; order < 3; ++order) {
      std::shuffle(terms.begin(), terms.end(), random);
      LabelSums whole, part, merged;
      ASSERT_TRUE(whole.Begin(3) && part.Begin(3) && merged.Begin(3));
      for (size_t i = 0; i < terms.size(); ++i) {
        AddTo(whole, terms[i].weight, terms[i].sum);
        AddTo(i % 3 == 0 ? part : merged, terms[i].weight, terms[i].sum);
      }
      ASSERT_TRUE(MergeInto(merged, Written(part), terms.size()));
      for (size_t sum = 0; sum < 3; ++sum) {
        EXPECT_EQ(whole.Value(sum), expected[sum].Value());
        EXPECT_EQ(merged.Value(sum), expected[sum].Value());
      }
      EXPECT_EQ(Written(merged), Written(whole));
    }
  }
}

TEST(LabelSums, RefuseCountsOfMoreRowsThanThereAre) {
  LabelSums sums, other;
  ASSERT_TRUE(sums.Begin(1) && other.Begin(1));
  for (int i = 0; i < 3; ++i) AddTo(sums, 1, 0);
  EXPECT_FALSE(MergeInto(other, Written(sums), 2));
  EXPECT_TRUE(MergeInto(other, Written(sums), 3));
  EXPECT_EQ(other.Value(0), 3);
}

struct Predicted {
  std::vector<Classification::LabelCounts> counts;
  std::vector<double> metrics;
  std::vector<size_t> classes;  // those that are predicted, and how many of them are right
  double right = 0;
};

template <typename T>
Predicted Classify(const ClassificationOptions& options, const std::vector<T>& scores,
                   const std::vector<int32_t>& labels, const std::vector<int32_t>& unknown) {
  Classification classification;
  EXPECT_TRUE(classification.Begin(scores.size(), options));
  Predicted predicted = {std::vector<Classification::LabelCounts>(scores.size()),
                         std::vector<double>(Classification::kRowMetrics, -1),
                         {}};
  classification.Add(
      AveragePrecision::Row<T>{scores.data(), labels.data(), labels.size(), unknown.data(), unknown.size(), 1},
      [&](size_t metric, double value) { predicted.metrics[metric] = value; },
      [&](size_t label, bool is_right) {
        predicted.right += is_right ? 1 : 0;
        predicted.classes.push_back(label);
      });
  classification.Compute(predicted.counts.data());
  return predicted;
}

std::vector<size_t> ClassesOf(const Predicted& predicted) {
  std::vector<size_t> classes;
  double right = 0;
  for (size_t label = 0; label < predicted.counts.size(); ++label) {
    if (predicted.counts[label].predicted > 0) classes.push_back(label);
    right += predicted.counts[label].true_positives;
  }
  EXPECT_EQ(predicted.classes, classes);
  EXPECT_EQ(predicted.right, right);
  return classes;
}

TEST(Classification, ThresholdsAreRoundedToTheTypeOfTheScores) {
  const double thresholds[] = {0.7, 0.7, 0.3, kInfinite};
  const ClassificationOptions options = {.thresholds = thresholds};
  // 0.7f is below 0.7, and 0.3f above 0.3.
  EXPECT_EQ(ClassesOf(Classify<float>(options, {0.7f, std::nextafter(0.7f, 0.0f), 0.3f, 1e30f}, {}, {})),
            (std::vector<size_t>{0, 2}));
  EXPECT_EQ(
      ClassesOf(Classify<double>(options, {0.7, std::nextafter(0.7, 0.0), std::nextafter(0.3, 0.0), 1e300}, {}, {})),
      (std::vector<size_t>{0}));
}

TEST(Classification, OfEqualScoresTheFirstClassesArePredicted) {
  const double thresholds[] = {0, 0, 0, 0, 0, 0};
  const std::vector<float> scores = {1, 2, 1, 1, 3, -1};
  EXPECT_EQ(ClassesOf(Classify(ClassificationOptions{.most = 3}, scores, {}, {})), (std::vector<size_t>{0, 1, 4}));
  EXPECT_EQ(ClassesOf(Classify(ClassificationOptions{.most = 3}, scores, {}, {1})), (std::vector<size_t>{0, 2, 4}));
  EXPECT_EQ(ClassesOf(Classify(ClassificationOptions{.thresholds = thresholds, .most = 9}, scores, {}, {0})),
            (std::vector<size_t>{1, 2, 3, 4}));
}

TEST(Classification, AHighScoreBelowItsThresholdKeepsItsPlace) {
  const double thresholds[] = {0, 9, 0, 0};
  const ClassificationOptions options = {.thresholds = thresholds, .most = 2};
  EXPECT_EQ(ClassesOf(Classify<float>(options, {1, 3, 2, 0}, {}, {})), (std::vector<size_t>{2}));
  EXPECT_EQ(ClassesOf(Classify<float>(options, {1, 3, 2, 0}, {}, {1})), (std::vector<size_t>{0, 2}));
}

TEST(Classification, MetricsOfARow) {
  const double thresholds[] = {0.5, 0.5, 0.5, 0.5, 0.5};
  const ClassificationOptions options = {.thresholds = thresholds, .beta = 2, .zero_division = 1};
  using Metrics = std::vector<double>;
  // Predicted 0, 1, 2; labels 1, 2, 3, 4.
  EXPECT_EQ(Classify<float>(options, {1, 1, 1, 0, 0}, {1, 2, 3, 4}, {}).metrics,
            (Metrics{2.0 / 3, 0.5, 4.0 / 7, 2 / (4 / 1.25 + 3 / 5.0), 0.4, 0.6, 0}));
  // Without the class 0, predicted 1, 2; labels 1, 2.
  EXPECT_EQ(Classify<float>(options, {1, 1, 1, 0, 0}, {1, 2}, {0}).metrics, (Metrics{1, 1, 1, 1, 1, 0, 1}));
  EXPECT_EQ(Classify<float>(options, {0, 0, 0, 0, 0}, {}, {}).metrics, (Metrics{1, 1, 1, 1, 1, 0, 1}));
  EXPECT_EQ(Classify<float>(options, {0, 0, 0, 0, 0}, {3}, {}).metrics, (Metrics{1, 0, 0, 0, 0, 0.2, 0}));
  EXPECT_EQ(Classify<float>(options, {1, 0, 0, 0, 0}, {}, {}).metrics, (Metrics{0, 1, 0, 0, 0, 0.2, 0}));
  EXPECT_EQ(Classify<float>(options, {1, 0, 0, 0, 0}, {}, {0, 1, 2, 3, 4}).metrics, (Metrics{1, 1, 1, 1, 1, 0, 1}));
}

TEST(Classification, BetaOfAnySize) {
  const double thresholds[] = {0.5, 0.5, 0.5, 0.5};
  for (const auto& [beta, expected] : {std::pair{1e-200, 1.0 / 3}, {1e200, 0.5}}) {
    const ClassificationOptions options = {.thresholds = thresholds, .beta = beta};
    // Precision 1/3, recall 1/2.
    EXPECT_EQ(Classify<float>(options, {1, 1, 1, 0}, {2, 3}, {}).metrics[Classification::kFBeta], expected);
    EXPECT_EQ(Classify<float>(options, {0, 0, 0, 0}, {2, 3}, {}).metrics[Classification::kFBeta], 0);
  }
}

// The curve of scores that are kept, and of so many that they are counted in bins, against counts at each threshold.
template <typename T>
void CheckCurve(size_t rows, bool weighted) {
  constexpr size_t kClasses = 8;
  std::mt19937_64 random(32);
  std::vector<T> scores(rows * kClasses);
  for (T& score : scores) {
    const double uniform = static_cast<double>(random() % 100000) / 100000;
    // Some that crowd near 1, and both zeros.
    score = static_cast<T>(random() % 3 == 0   ? 1 - uniform / 1000
                           : random() % 9 == 0 ? -0.0 * uniform
                                               : 2 * uniform - 1);
  }
  std::vector<int32_t> targets(rows);
  for (int32_t& target : targets) target = static_cast<int32_t>(random() % (kClasses + 1)) - 1;
  const std::vector<double> losses(rows);
  std::vector<double> weights(rows, 1);
  for (double& weight : weights) weight = weighted ? static_cast<double>(random() % 4) / 4 : 1;
  RankingMetrics metrics;
  ASSERT_TRUE(metrics.Begin(kClasses, nullptr, 0));
  const Rows<T> batch = {scores.data(), targets.data(), rows, kClasses, 1, rows};
  const RowDetails details = {.losses = losses.data(), .weights = weights.data()};
  ASSERT_EQ(metrics.Prepare(batch, details, NonFinitePolicy::kError, true).status, MetricsStatus::kOk);
  metrics.Add(batch, details);

  for (const size_t label : {size_t{0}, size_t{5}, AveragePrecision::kAllLabels}) {
    // By descending score: sums of weights, of all and of labels.
    std::map<double, std::pair<double, double>, std::greater<>> sums;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (label != AveragePrecision::kAllLabels && i % kClasses != label) continue;
      const size_t row = i / kClasses;
      if (weights[row] == 0) continue;
      auto& [all, positive] = sums[static_cast<double>(scores[i])];
      all += weights[row];
      if (targets[row] == static_cast<int32_t>(i % kClasses)) positive += weights[row];
    }
    Buffer<AveragePrecision::Point> points;
    size_t count = 0;
    ASSERT_EQ(metrics.average_precision().Curve(label, points, &count), AveragePrecision::Missing::kNothing);
    ASSERT_GT(count, 50u);
    auto next = sums.begin();
    double all = 0;
    double positive = 0;
    for (size_t i = 0; i < count; ++i) {
      ASSERT_LT(points[i].threshold, i == 0 ? kInfinite : points[i - 1].threshold);
      for (; next != sums.end() && next->first >= points[i].threshold; ++next) {
        all += next->second.first;
        positive += next->second.second;
      }
      // Sums of quarters are exact.
      ASSERT_EQ(points[i].all, all);
      ASSERT_EQ(points[i].positive, positive);
    }
    EXPECT_EQ(next, sums.end());
  }
}

TEST(Curve, OfKeptScores) {
  CheckCurve<float>(1000, false);
  CheckCurve<double>(1000, false);
}
TEST(Curve, OfWeightedScores) { CheckCurve<float>(1000, true); }
TEST(Curve, OfBins) {
  CheckCurve<float>(AveragePrecision::kMostKept / 8 + 1, false);
  CheckCurve<double>(AveragePrecision::kMostKept / 8 + 1, false);
}

}  // namespace
}  // namespace mlml
