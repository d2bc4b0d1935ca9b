// The ranking metrics against their definitions, computed from full rankings in double; exact sums and merging.
#include "metrics/ranking_metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <vector>

namespace mlml {
namespace {

constexpr double kUnit = 0x1p-53;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <typename T>
struct Batch {
  size_t rows;
  size_t classes;
  size_t width;
  std::vector<T> scores;
  std::vector<int32_t> targets;
  std::vector<double> losses;

  // The rows [begin, end).
  Rows<T> Part(size_t begin, size_t end) {
    return {scores.data() + begin * classes, targets.data() + begin * width, end - begin, classes, width, end - begin};
  }
  std::set<size_t> LabelsOf(size_t row) const {
    std::set<size_t> labels;
    for (size_t i = row * width; i < (row + 1) * width && targets[i] >= 0; ++i) {
      labels.insert(static_cast<size_t>(targets[i]));
    }
    return labels;
  }
};

struct Results {
  RankingMetrics::Means means;
  std::vector<RankingMetrics::MeansAtK> at_k;
  std::vector<RankingMetrics::LabelMeans> of_labels;

  // All numbers of it, to be compared one by one.
  std::vector<double> Numbers() const {
    std::vector<double> numbers = {means.rows,
                                   means.rows_without_labels,
                                   means.rows_with_all_labels,
                                   means.rows_with_ties,
                                   means.rows_skipped,
                                   means.loss,
                                   means.ranking_loss,
                                   means.coverage,
                                   means.lrap,
                                   means.one_error,
                                   means.reciprocal_rank,
                                   means.macro_average_precision.value,
                                   means.micro_average_precision.value};
    for (const auto& at : at_k) numbers.insert(numbers.end(), {at.precision, at.recall, at.ndcg});
    for (const auto& of : of_labels)
      numbers.insert(numbers.end(), {of.support, of.mean_rank, of.average_precision.value});
    return numbers;
  }
};

double Discount(size_t rank, size_t k) { return rank > k ? 0 : 1 / std::log2(static_cast<double>(rank) + 1); }

// Sum over the distinct scores, from the highest down, of (gain in recall) * precision.
double AveragePrecisionOf(std::vector<std::pair<double, bool>> scored) {
  std::sort(scored.begin(), scored.end(), [](auto& a, auto& b) { return a.first > b.first; });
  double positives = 0;
  for (const auto& [score, positive] : scored) positives += positive;
  double sum = 0;
  double found = 0;
  for (size_t i = 0; i < scored.size();) {
    const double found_before = found;
    const double score = scored[i].first;
    for (; i < scored.size() && scored[i].first == score; ++i) found += scored[i].second;
    if (positives > 0) sum += (found - found_before) / positives * (found / static_cast<double>(i));
  }
  return sum;
}

template <typename T>
Results Reference(const Batch<T>& batch, const std::vector<int32_t>& ks) {
  Results results{{}, std::vector<RankingMetrics::MeansAtK>(ks.size()), {}};
  RankingMetrics::Means& sums = results.means;
  const size_t classes = batch.classes;
  results.of_labels.assign(classes, RankingMetrics::LabelMeans{});
  std::vector<std::vector<std::pair<double, bool>>> columns(classes);
  std::vector<std::pair<double, bool>> all;
  for (size_t row = 0; row < batch.rows; ++row) {
    const T* x = &batch.scores[row * classes];
    if (std::any_of(x, x + classes, [](T score) { return !std::isfinite(score); })) {
      ++sums.rows_skipped;
      continue;
    }
    ++sums.rows;
    sums.loss += batch.losses[row];
    const std::set<size_t> labels = batch.LabelsOf(row);
    const auto is_label = [&](size_t j) { return labels.count(j) == 1; };
    for (size_t j = 0; j < classes; ++j) {
      columns[j].emplace_back(x[j], is_label(j));
      all.emplace_back(x[j], is_label(j));
    }
    const auto count = [&](auto condition) {
      size_t n = 0;
      for (size_t j = 0; j < classes; ++j) n += condition(j);
      return static_cast<double>(n);
    };
    const auto size = static_cast<double>(labels.size());
    const double others = static_cast<double>(classes) - size;

    // For each place in the ranking, the share of labels among those who could be there.
    std::vector<size_t> order(classes);
    for (size_t j = 0; j < classes; ++j) order[j] = j;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return x[a] > x[b]; });
    std::vector<double> share(classes);
    for (size_t place = 0; place < classes; ++place) {
      const T score = x[order[place]];
      share[place] = count([&](size_t j) { return x[j] == score && is_label(j); }) /
                     count([&](size_t j) { return x[j] == score; });
    }

    double disorder = 0;
    double precisions = 0;
    double coverage = 0;
    double first = std::numeric_limits<double>::infinity();
    bool ties = false;
    for (const size_t k : labels) {
      const double at_least = count([&](size_t j) { return x[j] >= x[k]; });
      const double labels_at_least = count([&](size_t j) { return x[j] >= x[k] && is_label(j); });
      const double above = count([&](size_t j) { return x[j] > x[k]; });
      disorder += at_least - labels_at_least;
      precisions += labels_at_least / at_least;
      coverage = std::max(coverage, at_least);
      first = std::min(first, at_least - labels_at_least + 1);
      ties |= count([&](size_t j) { return x[j] == x[k] && !is_label(j); }) > 0;
      ++results.of_labels[k].support;
      results.of_labels[k].mean_rank += (above + 1 + at_least) / 2;
    }
    sums.rows_without_labels += size == 0;
    sums.rows_with_all_labels += others == 0;
    sums.rows_with_ties += ties;
    const bool has_pairs = size > 0 && others > 0;
    sums.ranking_loss += has_pairs ? disorder / (size * others) : 0;
    sums.lrap += has_pairs ? precisions / size : 1;
    sums.coverage += coverage;
    sums.one_error += 1 - share[0];
    sums.reciprocal_rank += size == 0 ? 0 : 1 / first;
    for (size_t i = 0; i < ks.size(); ++i) {
      const auto k = static_cast<size_t>(ks[i]);
      double hits = 0;
      double dcg = 0;
      double ideal = 0;
      for (size_t place = 0; place < classes; ++place) {
        if (place < k) hits += share[place];
        dcg += share[place] * Discount(place + 1, k);
        if (place < labels.size()) ideal += Discount(place + 1, k);
      }
      results.at_k[i].precision += hits / static_cast<double>(k);
      results.at_k[i].recall += size == 0 ? 0 : hits / size;
      results.at_k[i].ndcg += size == 0 ? 0 : dcg / ideal;
    }
  }
  for (double* sum :
       {&sums.loss, &sums.ranking_loss, &sums.coverage, &sums.lrap, &sums.one_error, &sums.reciprocal_rank})
    *sum /= sums.rows;
  for (auto& at : results.at_k) {
    at.precision /= sums.rows;
    at.recall /= sums.rows;
    at.ndcg /= sums.rows;
  }
  for (size_t j = 0; j < classes; ++j) {
    auto& of = results.of_labels[j];
    of.mean_rank = of.support == 0 ? kNan : of.mean_rank / of.support;
    of.average_precision.value = AveragePrecisionOf(columns[j]);
    sums.macro_average_precision.value += of.average_precision.value / static_cast<double>(classes);
  }
  sums.micro_average_precision.value = AveragePrecisionOf(all);
  return results;
}

template <typename T>
void Update(RankingMetrics& metrics, Batch<T>& batch, size_t begin, size_t end) {
  const Rows<T> rows = batch.Part(begin, end);
  const std::vector<T> scores = batch.scores;
  const RowDetails details = {.losses = batch.losses.data() + begin, .first_row = begin};
  ASSERT_EQ(metrics.Prepare(rows, details, NonFinitePolicy::kSkip, true).status, MetricsStatus::kOk);
  metrics.Add(rows, details);
  EXPECT_EQ(std::memcmp(scores.data(), batch.scores.data(), scores.size() * sizeof(T)), 0);
}

Results ResultsOf(RankingMetrics& metrics) {
  Results results{{},
                  std::vector<RankingMetrics::MeansAtK>(metrics.num_ks()),
                  std::vector<RankingMetrics::LabelMeans>(metrics.classes())};
  EXPECT_TRUE(metrics.Compute(&results.means, results.at_k.data(), results.of_labels.data()));
  return results;
}

std::vector<uint8_t> StateOf(RankingMetrics& metrics) {
  StateWriter counter(nullptr);
  metrics.Write(counter);
  std::vector<uint8_t> bytes(counter.size());
  StateWriter writer(bytes.data());
  metrics.Write(writer);
  return bytes;
}

// Scores are multiples of 1/`steps` in [-4, 4]; few steps make many ties.
template <typename T>
Batch<T> RandomBatch(size_t rows, size_t classes, size_t width, int steps, std::mt19937& random) {
  Batch<T> batch{rows, classes, width, std::vector<T>(rows * classes), std::vector<int32_t>(rows * width, -1), {}};
  std::uniform_int_distribution<int> score(-4 * steps, 4 * steps);
  for (T& x : batch.scores) x = static_cast<T>(score(random)) / static_cast<T>(steps);
  std::uniform_int_distribution<int32_t> target(0, static_cast<int32_t>(classes) - 1);
  for (size_t row = 0; row < rows; ++row) {
    // Every row's own number of targets, doubles among them; what follows the first -1 does not count.
    const size_t size = random() % (width + 1);
    for (size_t i = 0; i < size; ++i) batch.targets[row * width + i] = target(random);
    if (size + 1 < width) batch.targets[row * width + width - 1] = target(random);
    batch.losses.push_back(std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 64) - 32));
  }
  return batch;
}

// Both sides sum at most `terms` numbers of their own size, each with a few roundings.
void ExpectClose(const Results& actual, const Results& expected, size_t terms) {
  const std::vector<double> a = actual.Numbers();
  const std::vector<double> e = expected.Numbers();
  ASSERT_EQ(a.size(), e.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(e[i])) {
      EXPECT_TRUE(std::isnan(a[i])) << "number " << i;
    } else {
      EXPECT_NEAR(a[i], e[i], 2 * kUnit * static_cast<double>(terms + 8) * std::max(1.0, std::abs(e[i])))
          << "number " << i;
    }
  }
}

void ExpectSameBits(const Results& actual, const Results& expected) {
  const std::vector<double> a = actual.Numbers();
  const std::vector<double> e = expected.Numbers();
  ASSERT_EQ(a.size(), e.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint64_t>(a[i]), std::bit_cast<uint64_t>(e[i])) << "number " << i;
  }
}

bool IsExact(const Results& results) {
  const auto exact = [](const AveragePrecision::Value& value) { return value.low == value.high; };
  return exact(results.means.macro_average_precision) && exact(results.means.micro_average_precision) &&
         std::all_of(results.of_labels.begin(), results.of_labels.end(),
                     [&](const auto& of) { return exact(of.average_precision); });
}

void ExpectExactAveragePrecisions(const Results& results) {
  EXPECT_TRUE(IsExact(results));
  EXPECT_EQ(results.means.macro_average_precision.low, results.means.macro_average_precision.value);
}

void ExpectWithinBounds(const Results& actual, const Results& expected) {
  const auto expect_within = [](const AveragePrecision::Value& value, double truth) {
    EXPECT_LE(value.low, value.value);
    EXPECT_GE(value.high, value.value);
    EXPECT_LE(value.low, truth);
    EXPECT_GE(value.high, truth);
  };
  expect_within(actual.means.macro_average_precision, expected.means.macro_average_precision.value);
  expect_within(actual.means.micro_average_precision, expected.means.micro_average_precision.value);
  for (size_t label = 0; label < actual.of_labels.size(); ++label) {
    SCOPED_TRACE(testing::Message() << "label " << label);
    expect_within(actual.of_labels[label].average_precision, expected.of_labels[label].average_precision.value);
  }
}

template <typename T>
class RankingMetricsTest : public testing::Test {};
using ScoreTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(RankingMetricsTest, ScoreTypes);

TYPED_TEST(RankingMetricsTest, AgreesWithTheDefinitions) {
  const std::vector<int32_t> ks = {1, 3, 5, 700};
  for (const size_t classes : {1, 2, 3, 4, 5, 7, 8, 9, 31, 100, 257, 600}) {
    for (const size_t width : {size_t{0}, size_t{1}, size_t{4}, size_t{40}, classes}) {
      for (const int steps : {1, 1000}) {
        const auto seed = static_cast<unsigned>(classes * 10000 + width * 10 + static_cast<size_t>(steps == 1));
        SCOPED_TRACE(testing::Message() << "classes " << classes << ", width " << width << ", seed " << seed);
        std::mt19937 random(seed);
        Batch<TypeParam> batch = RandomBatch<TypeParam>(12, classes, width, steps, random);
        // All classes; a skipped row; the largest numbers and both zeros, which are equal.
        if (width == classes) {
          for (size_t i = 0; i < classes; ++i) batch.targets[i] = static_cast<int32_t>(i);
        }
        batch.scores[classes] = std::numeric_limits<TypeParam>::infinity();
        batch.scores[2 * classes] = std::numeric_limits<TypeParam>::max();
        batch.scores[3 * classes] = std::numeric_limits<TypeParam>::lowest();
        batch.scores[4 * classes] = -TypeParam{0};
        batch.scores[5 * classes - 1] = TypeParam{0};
        batch.scores[6 * classes - 1] = std::numeric_limits<TypeParam>::denorm_min();
        RankingMetrics metrics;
        ASSERT_TRUE(metrics.Begin(classes, ks.data(), ks.size()));
        Update(metrics, batch, 0, 5);
        Update(metrics, batch, 5, batch.rows);
        const Results actual = ResultsOf(metrics);
        ExpectExactAveragePrecisions(actual);
        ExpectClose(actual, Reference(batch, ks), batch.rows * classes);
      }
    }
  }
}

TYPED_TEST(RankingMetricsTest, ManyScoresAreCountedInBinsThatTellRoundScoresApart) {
  // Multiples of 1/16 up to 4 have at most 7 bits, as many as a bin tells apart here: the result stays exact.
  const std::vector<int32_t> ks = {2};
  std::mt19937 random(7);
  Batch<TypeParam> batch = RandomBatch<TypeParam>(9000, 120, 6, 16, random);
  // Signs and exponents that one label has, once it is counted in bins; and a row left out.
  batch.scores[8990 * 120 + 5] = std::numeric_limits<TypeParam>::max();
  batch.scores[8991 * 120 + 6] = std::numeric_limits<TypeParam>::lowest();
  batch.scores[8992 * 120 + 119] = TypeParam{0x1p-126};
  batch.scores[8993 * 120] = -TypeParam{0};
  batch.scores[8994 * 120] = std::numeric_limits<TypeParam>::infinity();
  RankingMetrics metrics;
  ASSERT_TRUE(metrics.Begin(120, ks.data(), ks.size()));
  Update(metrics, batch, 0, 100);
  ExpectExactAveragePrecisions(ResultsOf(metrics));
  Update(metrics, batch, 100, 8985);
  Update(metrics, batch, 8985, batch.rows);
  const Results actual = ResultsOf(metrics);
  ExpectClose(actual, Reference(batch, ks), batch.rows * 120);
  ExpectWithinBounds(actual, Reference(batch, ks));
  EXPECT_FALSE(IsExact(actual));
}

TYPED_TEST(RankingMetricsTest, BinsHoldMoreScoresThan16BitsCount) {
  const std::vector<int32_t> ks = {1};
  std::mt19937 random(8);
  Batch<TypeParam> batch = RandomBatch<TypeParam>(140000, 16, 3, 1, random);
  for (TypeParam& score : batch.scores) score = score > 2 ? TypeParam{1} : TypeParam{0};
  // Exact, in bins that are made of these rows, and beyond what one of them counts twice over.
  RankingMetrics whole;
  ASSERT_TRUE(whole.Begin(16, ks.data(), ks.size()));
  Update(whole, batch, 0, 65000);
  Update(whole, batch, 65000, 65535);
  Update(whole, batch, 65535, 65536);
  Update(whole, batch, 65536, batch.rows);
  const Results actual = ResultsOf(whole);
  ExpectClose(actual, Reference(batch, ks), batch.rows * 16);

  RankingMetrics merged;
  ASSERT_TRUE(merged.Begin(16, ks.data(), ks.size()));
  Update(merged, batch, 0, 66000);
  RankingMetrics rest;
  ASSERT_TRUE(rest.Begin(16, ks.data(), ks.size()));
  Update(rest, batch, 66000, 139000);
  const std::vector<uint8_t> state = StateOf(rest);
  ASSERT_EQ(merged.Merge(state.data(), state.size()), MetricsStatus::kOk);
  Update(merged, batch, 139000, batch.rows);
  EXPECT_EQ(StateOf(merged), StateOf(whole));
}

TYPED_TEST(RankingMetricsTest, MergingInAnyOrderGivesTheSameBits) {
  const std::vector<int32_t> ks = {1, 4};
  for (const size_t classes : {13, 20000}) {
    std::mt19937 random(static_cast<unsigned>(classes));
    Batch<TypeParam> batch = RandomBatch<TypeParam>(60, classes, 9, 1 << 20, random);
    batch.scores[7 * classes + 1] = std::numeric_limits<TypeParam>::quiet_NaN();
    RankingMetrics whole;
    ASSERT_TRUE(whole.Begin(classes, ks.data(), ks.size()));
    Update(whole, batch, 0, batch.rows);
    const Results expected = ResultsOf(whole);
    EXPECT_EQ(IsExact(expected), classes == 13);
    EXPECT_EQ(expected.means.rows_skipped, 1);

    const std::vector<std::pair<size_t, size_t>> parts = {{0, 7}, {7, 8}, {8, 33}, {33, 60}};
    for (const std::vector<size_t>& order : {std::vector<size_t>{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}}) {
      RankingMetrics merged;
      ASSERT_TRUE(merged.Begin(classes, ks.data(), ks.size()));
      for (const size_t i : order) {
        RankingMetrics part;
        ASSERT_TRUE(part.Begin(classes, ks.data(), ks.size()));
        Update(part, batch, parts[i].first, parts[i].second);
        const std::vector<uint8_t> state = StateOf(part);
        ASSERT_EQ(merged.Merge(state.data(), state.size()), MetricsStatus::kOk);
      }
      ExpectSameBits(ResultsOf(merged), expected);
      if (classes == 20000 && order[0] == 3) {
        EXPECT_EQ(StateOf(merged), StateOf(whole));
      }
    }
  }
}

// The margin of a row by its definition, or NaN if it has none.
template <typename T>
double MarginOf(const Batch<T>& batch, size_t row) {
  const std::set<size_t> labels = batch.LabelsOf(row);
  if (labels.empty() || labels.size() == batch.classes) return kNan;
  double lowest = std::numeric_limits<double>::infinity();
  double highest = -lowest;
  for (size_t j = 0; j < batch.classes; ++j) {
    const double score = batch.scores[row * batch.classes + j];
    if (labels.count(j) == 1) {
      lowest = std::min(lowest, score);
    } else {
      highest = std::max(highest, score);
    }
  }
  return lowest - highest;
}

// Its lower and upper edge, away from 0.
std::pair<double, double> EdgesOfBin(size_t bin) {
  const auto edge = [](size_t i) {
    const auto step = static_cast<int>(i - 1);
    return i == 0 ? 0 : std::ldexp(16 + step % 16, step / 16 - 16 - 4);
  };
  if (bin == RankingMetrics::kMarginBins - 1) return {edge(bin), std::numeric_limits<double>::infinity()};
  return {edge(bin), edge(bin + 1)};
}

// The key of the only bin in use.
uint32_t OnlyKey(const ScoreBins& bins, size_t label) {
  std::vector<uint32_t> keys;
  bins.ForEachBin(label, [&](uint32_t key, const ScoreBins::Bin& bin) {
    EXPECT_EQ(bin.all, 1U);
    keys.push_back(key);
  });
  EXPECT_EQ(keys.size(), 1U);
  return keys.empty() ? 0 : keys.front();
}

TYPED_TEST(RankingMetricsTest, KeysOfBinsAscendWithTheScores) {
  using T = TypeParam;
  std::vector<T> scores = {0, -T{0}};
  const auto add = [&](T score) {
    for (const T x : {score, std::nextafter(score, T{-4}), std::nextafter(score, T{4})}) {
      scores.insert(scores.end(), {x, -x});
    }
  };
  // Every power of two of a float, beyond which a double is no float, and what is as far from 1.
  for (int exponent = -152; exponent <= 127; ++exponent) {
    for (const T fraction : {T{1}, T{1.25}, T{1.5}, T{1.75}}) {
      add(std::ldexp(fraction, exponent));
      if (exponent < 0) add(1 - std::ldexp(fraction, exponent));
    }
  }
  std::sort(scores.begin(), scores.end());
  // A label for each score, so that vectors are full, and the last one is not. 7 classes have more bits for a fraction.
  for (const size_t classes : {scores.size(), size_t{7}}) {
    uint32_t last = 0;
    for (size_t begin = 0; begin + classes <= scores.size(); begin += classes) {
      const auto bins = std::make_unique<ScoreBins>();
      bins->Begin(classes);
      ScoreBins::Pages pages;
      bins->Want(scores.data() + begin, pages);
      ASSERT_TRUE(bins->ReserveRows(pages, 1));
      bins->Use(pages);
      bins->Add(scores.data() + begin);
      for (size_t label = 0; label < classes; ++label) {
        const T score = scores[begin + label];
        SCOPED_TRACE(testing::Message() << "score " << std::hexfloat << score);
        const uint32_t key = OnlyKey(*bins, label);
        EXPECT_GE(key, last);
        EXPECT_LT(key, bins->num_keys());
        EXPECT_EQ(bins->CodeOfKey(key), bins->CodeOf(score));
        EXPECT_EQ(bins->KeyOf(score), key);
        last = key;
      }
    }
  }
}

TYPED_TEST(RankingMetricsTest, CountsMarginsInBins) {
  for (const size_t classes : {1, 2, 3, 5, 8, 33, 100}) {
    for (const int steps : {1, 1000}) {
      const auto seed = static_cast<unsigned>(classes * 10 + static_cast<size_t>(steps == 1));
      SCOPED_TRACE(testing::Message() << "seed " << seed);
      std::mt19937 random(seed);
      Batch<TypeParam> batch = RandomBatch<TypeParam>(60, classes, 4, steps, random);
      // Of every size, beyond the outermost bins too.
      for (size_t row = 0; row < 40; ++row) {
        const int exponent = static_cast<int>(row) - 20;
        for (size_t j = 0; j < classes; ++j) {
          TypeParam& score = batch.scores[row * classes + j];
          score = std::ldexp(score, exponent);
        }
      }
      RankingMetrics metrics;
      ASSERT_TRUE(metrics.Begin(classes, nullptr, 0));
      Update(metrics, batch, 0, batch.rows);
      std::vector<uint64_t> expected(2 * RankingMetrics::kMarginBins, 0);
      for (size_t row = 0; row < batch.rows; ++row) {
        const double margin = MarginOf(batch, row);
        if (std::isnan(margin)) continue;
        size_t bin = 0;
        while (std::abs(margin) >= EdgesOfBin(bin).second) ++bin;
        EXPECT_GE(std::abs(margin), EdgesOfBin(bin).first);
        ++expected[margin < 0 ? RankingMetrics::kMarginBins + bin : bin];
      }
      EXPECT_EQ(std::vector<uint64_t>(metrics.margins(), metrics.margins() + expected.size()), expected);
    }
  }
}

TYPED_TEST(RankingMetricsTest, GroupsHaveEveryRowOnce) {
  const std::vector<int32_t> ks = {1, 4};
  std::mt19937 random(5);
  Batch<TypeParam> batch = RandomBatch<TypeParam>(3000, 7, 3, 100, random);
  RankingMetrics metrics;
  ASSERT_TRUE(metrics.Begin(7, ks.data(), ks.size()));
  Update(metrics, batch, 0, batch.rows);
  const size_t width = 1 + metrics.num_sums();
  std::vector<double> groups(GroupSums::kGroups * width);
  metrics.groups().Values(groups.data());
  std::vector<double> totals(width, 0);
  for (size_t i = 0; i < groups.size(); ++i) totals[i % width] += groups[i];
  const Results results = ResultsOf(metrics);
  const RankingMetrics::Means& means = results.means;
  std::vector<double> expected = {1,          means.loss,      means.ranking_loss,   means.coverage,
                                  means.lrap, means.one_error, means.reciprocal_rank};
  for (const auto& at : results.at_k) expected.insert(expected.end(), {at.precision, at.recall, at.ndcg});
  EXPECT_EQ(totals[0], means.rows);
  for (size_t i = 0; i < expected.size(); ++i) {
    // The sums of groups are rounded, and their totals are added up in double.
    EXPECT_NEAR(totals[i + 1], expected[i] * means.rows, GroupSums::kGroups * kUnit * expected[i] * means.rows) << i;
  }
  // 3000 rows thrown at random: a binomial distribution of mean 11.7, which exceeds 45 with a chance below 1e-12.
  for (size_t i = 0; i < groups.size(); i += width) EXPECT_LT(groups[i], 45);

  // A single row is in one group, and the same one for every model.
  const auto group_of = [&](uint64_t row) {
    RankingMetrics one;
    EXPECT_TRUE(one.Begin(7, ks.data(), ks.size()));
    const Rows<TypeParam> rows = batch.Part(0, 1);
    const RowDetails details = {.losses = batch.losses.data(), .first_row = row};
    EXPECT_EQ(one.Prepare(rows, details, NonFinitePolicy::kError, true).status, MetricsStatus::kOk);
    one.Add(rows, details);
    one.groups().Values(groups.data());
    for (size_t group = 0; group < GroupSums::kGroups; ++group) {
      if (groups[group * width] == 1) return group;
    }
    return GroupSums::kGroups;
  };
  // 300 rows thrown at random are expected to fall into 177 groups.
  std::set<size_t> found;
  for (uint64_t row = 0; row < 300; ++row) {
    const size_t group = group_of(row);
    ASSERT_LT(group, GroupSums::kGroups);
    if (row < 3) {
      EXPECT_EQ(group, group_of(row));
    }
    found.insert(group);
  }
  EXPECT_GT(found.size(), GroupSums::kGroups / 2);
}

TYPED_TEST(RankingMetricsTest, CountsLabelsOfGroupsAndPairsOfClasses) {
  for (const size_t classes : {1, 2, 5, 16, 33, 100}) {
    for (const int steps : {1, 1000}) {
      const auto seed = static_cast<unsigned>(classes * 10 + static_cast<size_t>(steps == 1));
      SCOPED_TRACE(testing::Message() << "seed " << seed);
      std::mt19937 random(seed);
      Batch<TypeParam> batch = RandomBatch<TypeParam>(200, classes, 4, steps, random);
      batch.scores[7 * classes] = std::numeric_limits<TypeParam>::infinity();
      std::vector<int32_t> unknown(2 * batch.rows, -1);
      for (size_t row = 0; row < batch.rows; row += 3) unknown[2 * row] = static_cast<int32_t>(random() % classes);
      const std::vector<double> thresholds(classes, 0.5);
      const auto evaluate = [&](RankingMetrics& metrics, size_t begin, size_t end) {
        ASSERT_TRUE(metrics.Begin(classes, nullptr, 0, {.thresholds = thresholds.data()}));
        const Rows<TypeParam> rows = batch.Part(begin, end);
        const RowDetails details = {.losses = batch.losses.data() + begin,
                                    .unknown = unknown.data() + 2 * begin,
                                    .unknown_width = 2,
                                    .first_row = begin};
        ASSERT_EQ(metrics.Prepare(rows, details, NonFinitePolicy::kSkip, true).status, MetricsStatus::kOk);
        metrics.Add(rows, details);
      };
      RankingMetrics whole, merged, part;
      evaluate(whole, 0, batch.rows);
      evaluate(merged, 90, batch.rows);
      evaluate(part, 0, 90);
      const std::vector<uint8_t> state = StateOf(part);
      ASSERT_EQ(merged.Merge(state.data(), state.size()), MetricsStatus::kOk);

      std::vector<double> pairs(classes * classes, 0);
      std::vector<double> totals(4 * classes, 0);
      for (size_t row = 0; row < batch.rows; ++row) {
        if (row == 7) continue;
        const TypeParam* scores = batch.scores.data() + row * classes;
        std::set<size_t> labels = batch.LabelsOf(row);
        const auto is_known = [&](size_t j) { return unknown[2 * row] != static_cast<int32_t>(j); };
        std::erase_if(labels, [&](size_t label) { return !is_known(label); });
        for (const size_t label : labels) {
          double twice_rank = 1;
          for (size_t j = 0; j < classes; ++j) {
            if (!is_known(j)) continue;
            twice_rank += (scores[j] > scores[label] ? 1 : 0) + (scores[j] >= scores[label] ? 1 : 0);
            if (labels.count(j) == 0 && scores[j] > scores[label]) ++pairs[label * classes + j];
          }
          totals[4 * label] += twice_rank;
          ++totals[4 * label + 1];
        }
        for (size_t j = 0; j < classes; ++j) {
          if (!is_known(j) || scores[j] < TypeParam{0.5}) continue;
          ++totals[4 * j + 2];
          totals[4 * j + 3] += labels.count(j) > 0 ? 1 : 0;
        }
      }
      for (const RankingMetrics* metrics : {&whole, &merged}) {
        std::vector<Confusions::Pair> found(classes * classes);
        found.resize(metrics->confusions().Worst(found.data(), found.size()));
        std::vector<double> actual(classes * classes, 0);
        for (size_t i = 0; i < found.size(); ++i) {
          if (i > 0) {
            EXPECT_LE(found[i].rows, found[i - 1].rows);
          }
          actual[static_cast<size_t>(found[i].label) * classes + static_cast<size_t>(found[i].other)] = found[i].rows;
        }
        EXPECT_EQ(actual, pairs);
        if (found.size() > 3) {
          std::vector<Confusions::Pair> worst(3);
          ASSERT_EQ(metrics->confusions().Worst(worst.data(), 3), 3U);
          for (size_t i = 0; i < 3; ++i) {
            EXPECT_EQ(worst[i].rows, found[i].rows);
            EXPECT_EQ(worst[i].label, found[i].label);
            EXPECT_EQ(worst[i].other, found[i].other);
          }
        }
        for (size_t label = 0; label < classes; ++label) {
          std::vector<double> groups(4 * GroupSums::kGroups);
          metrics->label_groups().Values(label, groups.data());
          std::vector<double> sums(4, 0);
          for (size_t i = 0; i < groups.size(); ++i) sums[i % 4] += groups[i];
          EXPECT_EQ(sums, std::vector<double>(totals.begin() + 4 * static_cast<std::ptrdiff_t>(label),
                                              totals.begin() + 4 * static_cast<std::ptrdiff_t>(label) + 4));
        }
      }
    }
  }
}

TYPED_TEST(RankingMetricsTest, TheFingerprintIsOfRowsAndLabelsInAnyOrder) {
  std::mt19937 random(6);
  Batch<TypeParam> batch = RandomBatch<TypeParam>(10, 5, 4, 1, random);
  const auto of = [&](const std::vector<std::pair<size_t, size_t>>& parts) {
    RankingMetrics metrics;
    EXPECT_TRUE(metrics.Begin(5, nullptr, 0));
    for (const auto& [begin, end] : parts) Update(metrics, batch, begin, end);
    return metrics.fingerprint();
  };
  const uint64_t whole = of({{0, 10}});
  EXPECT_EQ(of({{4, 10}, {0, 3}, {3, 4}}), whole);
  EXPECT_NE(of({{0, 9}}), whole);
  for (TypeParam& score : batch.scores) score += 1;
  EXPECT_EQ(of({{0, 10}}), whole);
  // Two rows change places.
  std::copy_n(std::vector<int32_t>{0, 1, -1, -1, 0, 2, -1, -1}.begin(), 8, batch.targets.begin());
  const uint64_t before = of({{0, 10}});
  std::swap_ranges(batch.targets.begin(), batch.targets.begin() + 4, batch.targets.begin() + 4);
  EXPECT_NE(of({{0, 10}}), before);
  std::swap(batch.targets[0], batch.targets[1]);
  EXPECT_NE(of({{0, 10}}), before);
}

TEST(GroupSums, AreExactInAnyOrderAndForLargeTerms) {
  std::mt19937_64 random(8);
  std::vector<double> terms;
  terms.reserve(200);
  for (int i = 0; i < 200; ++i)
    terms.push_back(static_cast<double>(random() >> 11) * 0x1p-53 * (i % 7 == 0 ? 1e40 : 1));
  std::vector<std::vector<uint8_t>> states;
  for (int order = 0; order < 3; ++order) {
    GroupSums sums;
    ASSERT_TRUE(sums.Begin(1));
    for (const double term : terms) {
      sums.BeginRow(3);
      sums.Add(0, term);
    }
    StateWriter counter(nullptr);
    sums.Write(counter);
    states.emplace_back(counter.size());
    StateWriter writer(states.back().data());
    sums.Write(writer);
    std::shuffle(terms.begin(), terms.end(), random);
  }
  EXPECT_EQ(states[0], states[1]);
  EXPECT_EQ(states[0], states[2]);

  GroupSums large;
  ASSERT_TRUE(large.Begin(1));
  std::vector<double> values(GroupSums::kGroups * 2);
  double sum = 0;
  for (const double term : {0.75, 0x1p33, 1e300, std::numeric_limits<double>::infinity()}) {
    large.BeginRow(0);
    large.Add(0, term);
    large.Values(values.data());
    EXPECT_EQ(values[1], sum += term);
  }
  EXPECT_EQ(values[0], 4);
}

TYPED_TEST(RankingMetricsTest, SaysWhatIsWrongAndAddsNothing) {
  const int32_t k = 1;
  RankingMetrics metrics;
  ASSERT_TRUE(metrics.Begin(3, &k, 1));
  Batch<TypeParam> batch{2, 3, 2, {1, 2, 3, 4, 5, 6}, {0, -1, 1, 3}, {0, 0}};
  MetricsOutcome outcome = metrics.Prepare(batch.Part(0, 2), {}, NonFinitePolicy::kError, true);
  EXPECT_EQ(outcome.status, MetricsStatus::kTargetOutOfRange);
  EXPECT_EQ(outcome.row, 1U);
  EXPECT_EQ(outcome.column, 1U);
  batch.targets[3] = -1;
  batch.scores[5] = -std::numeric_limits<TypeParam>::infinity();
  outcome = metrics.Prepare(batch.Part(0, 2), {}, NonFinitePolicy::kError, true);
  EXPECT_EQ(outcome.status, MetricsStatus::kNonFiniteScore);
  EXPECT_EQ(outcome.row, 1U);
  EXPECT_EQ(outcome.column, 2U);
  EXPECT_EQ(ResultsOf(metrics).means.rows, 0);
}

TYPED_TEST(RankingMetricsTest, ARefusedStateInBinsLeavesKeptScoresAsTheyAre) {
  const std::vector<int32_t> ks = {1, 4};
  std::mt19937 random(4);
  Batch<TypeParam> batch = RandomBatch<TypeParam>(9020, 120, 4, 100, random);
  const auto begin = [&](RankingMetrics& metrics, size_t first, size_t last) {
    ASSERT_TRUE(metrics.Begin(120, ks.data(), ks.size()));
    Update(metrics, batch, first, last);
  };
  RankingMetrics all, binned, kept;
  begin(all, 0, 9020);
  begin(binned, 0, 9000);
  begin(kept, 9000, 9020);
  const Results before = ResultsOf(kept);
  const std::vector<uint8_t> state = StateOf(binned);
  for (size_t size = 0; size < state.size(); size += 1 + state.size() / 50) {
    EXPECT_EQ(kept.Merge(state.data(), size), MetricsStatus::kBadState) << size;
    ExpectSameBits(ResultsOf(kept), before);
  }
  EXPECT_EQ(kept.Merge(state.data(), state.size()), MetricsStatus::kOk);
  ExpectSameBits(ResultsOf(kept), ResultsOf(all));
}

TYPED_TEST(RankingMetricsTest, RefusesADamagedStateAndAddsNothing) {
  const std::vector<int32_t> ks = {1, 4};
  for (const size_t rows : {20, 9000}) {  // kept and in bins
    std::mt19937 random(3);
    Batch<TypeParam> batch = RandomBatch<TypeParam>(rows, 120, 4, 100, random);
    RankingMetrics metrics;
    ASSERT_TRUE(metrics.Begin(120, ks.data(), ks.size()));
    Update(metrics, batch, 0, batch.rows);
    const std::vector<uint8_t> state = StateOf(metrics);
    const Results before = ResultsOf(metrics);
    // Cut short anywhere, with something behind, and with bytes that are none of an integer's.
    for (size_t size = 0; size < state.size(); size += 1 + state.size() / 50) {
      EXPECT_EQ(metrics.Merge(state.data(), size), MetricsStatus::kBadState) << size;
    }
    std::vector<uint8_t> damaged = state;
    damaged.push_back(0);
    EXPECT_EQ(metrics.Merge(damaged.data(), damaged.size()), MetricsStatus::kBadState);
    damaged.assign(state.size(), 0xff);
    EXPECT_EQ(metrics.Merge(damaged.data(), damaged.size()), MetricsStatus::kBadState);
    ExpectSameBits(ResultsOf(metrics), before);
    // Random bytes may be a state by chance; they must do no harm.
    for (int round = 0; round < 200; ++round) {
      damaged = state;
      for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] = static_cast<uint8_t>(random());
      RankingMetrics other;
      ASSERT_TRUE(other.Begin(120, ks.data(), ks.size()));
      (void)other.Merge(damaged.data(), damaged.size());
      ResultsOf(other);
    }
  }
}

TEST(ExactSum, HasTheSameBitsInAnyOrderAndIsRoundedOnce) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 100; ++round) {
    SCOPED_TRACE(testing::Message() << "seed 11, round " << round);
    // 60-bit numbers scaled alike: an integer holds their sum, which its conversion rounds once.
    const int exponent = static_cast<int>(random() % 1900) - 1000;
    std::vector<double> terms;
    unsigned __int128 total = 0;
    for (size_t i = 0; i < 50; ++i) {
      const uint64_t integer = (random() >> 11) >> (random() % 53);
      terms.push_back(std::ldexp(static_cast<double>(integer), exponent));
      total += integer;
    }
    const double expected = std::ldexp(static_cast<double>(static_cast<uint64_t>(total)), exponent);
    for (int order = 0; order < 3; ++order) {
      ExactSum sum;
      for (const double term : terms) sum.Add(term);
      EXPECT_EQ(sum.Value(), expected);
      std::shuffle(terms.begin(), terms.end(), random);
    }
  }
}

TEST(ExactSum, KeepsWhatDoublesLose) {
  ExactSum sum;
  for (const double term : {1e300, 1.0, 0x1p-1074, 0x1.fffffffffffffp1023}) sum.Add(term);
  EXPECT_EQ(sum.Value(), std::numeric_limits<double>::infinity());  // beyond the largest double, but not NaN
  ExactSum small;
  small.Add(0x1p-1074);
  EXPECT_EQ(small.Value(), 0x1p-1074);
  // Half an ulp of 1, and a little more: what is far below decides.
  small.Add(1);
  small.Add(0x1p-53);
  EXPECT_EQ(small.Value(), 1 + 0x1p-52);
  small.Add(std::numeric_limits<double>::infinity());
  EXPECT_EQ(small.Value(), std::numeric_limits<double>::infinity());
  // Of parts that were merged: more than the last limb's 32 bits.
  ExactSum large;
  large.Add(0x1p1023);
  for (int i = 0; i < 60; ++i) {
    StateWriter counter(nullptr);
    large.Write(counter);
    std::vector<uint8_t> state(counter.size());
    StateWriter writer(state.data());
    large.Write(writer);
    StateReader reader(state.data(), state.size());
    large.Add(ExactSum::Read(reader, 1));
    EXPECT_TRUE(reader.ok() && reader.at_end());
  }
  EXPECT_EQ(large.Value(), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace mlml
