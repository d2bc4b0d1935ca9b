// Operators on each element against loops, and dropout against its definition.

#include <gtest/gtest.h>

#include <algorithm>

#include "training/dropout.h"
#include "training/elementwise.h"
#include "training_arrays.h"

namespace mlml {
namespace {

class Sizes : public testing::TestWithParam<size_t> {};

TEST_P(Sizes, Elementwise) {
  TRACE_SEED();
  Rng rng(Seed());
  const size_t size = GetParam();
  Floats a = RandomFloats(rng, size);
  const Floats b = RandomFloats(rng, size);
  a[0] = 0;
  a[size - 1] = kNan;
  const auto same = [](float value, float wanted) {
    return value == wanted || (std::isnan(value) && std::isnan(wanted));
  };

  Floats y(size);
  Relu(a.data(), size, y.data());
  Floats dx(size);
  ReluBackward(b.data(), y.data(), size, dx.data());
  Floats sum(size);
  Add(a.data(), b.data(), size, sum.data());
  Floats in_place = a;
  Add(in_place.data(), b.data(), size, in_place.data());
  Floats scaled(size);
  Scale(a.data(), size, 3, scaled.data());
  for (size_t i = 0; i < size; ++i) {
    EXPECT_TRUE(same(y[i], a[i] < 0 ? 0 : a[i])) << i;
    EXPECT_EQ(dx[i], a[i] <= 0 ? 0 : b[i]) << i;
    EXPECT_TRUE(same(sum[i], a[i] + b[i])) << i;
    EXPECT_TRUE(same(in_place[i], sum[i])) << i;
    EXPECT_TRUE(same(scaled[i], 3 * a[i])) << i;
  }
  Fill(y.data(), size, 2);
  EXPECT_EQ(y, Floats(size, 2));
}

TEST_P(Sizes, Rows) {
  TRACE_SEED();
  Rng rng(Seed());
  const size_t columns = GetParam();
  for (const size_t rows : {0, 1, 5}) {
    const Floats x = RandomFloats(rng, rows * columns);
    const Floats row = RandomFloats(rng, columns);
    Floats y(rows * columns);
    AddRow(x.data(), row.data(), rows, columns, y.data());
    Floats sums(columns);
    ColumnSums(x.data(), rows, columns, sums.data());
    for (size_t j = 0; j < columns; ++j) {
      ReferenceSum sum;
      for (size_t n = 0; n < rows; ++n) {
        const size_t i = n * columns + j;
        EXPECT_EQ(y[i], x[i] + row[j]);
        sum.Add(x[i]);
      }
      sum.Expect(sums[j], "sum of " + std::to_string(j));
    }
  }
}

// MurmurHash3's finaliser.
uint32_t Mix(uint32_t h) {
  h = (h ^ h >> 16) * 0x85ebca6b;
  h = (h ^ h >> 13) * 0xc2b2ae35;
  return h ^ h >> 16;
}

uint64_t SplitMix64(uint64_t z) {
  z += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

TEST_P(Sizes, DropoutIsItsDefinition) {
  TRACE_SEED();
  Rng rng(Seed());
  const size_t size = GetParam();
  const Floats x = RandomFloats(rng, size);
  for (const double p : {0.0, 0.1, 0.5, 0.9, 1.0}) {
    const uint64_t seed = rng();
    Floats y(size);
    Dropout(x.data(), size, p, seed, y.data());
    const float scale = p == 1 ? 0 : 1.0F / static_cast<float>(1 - p);
    const uint64_t keys = SplitMix64(seed);
    for (size_t i = 0; i < size; ++i) {
      const auto index = static_cast<uint32_t>(i);
      const uint32_t hash = Mix(Mix(index ^ static_cast<uint32_t>(keys)) ^ static_cast<uint32_t>(keys >> 32));
      const bool drops = hash >> 8 < static_cast<uint32_t>(std::lround(p * (1 << 24)));
      EXPECT_EQ(y[i], x[i] * (drops ? 0 : scale)) << i << " of " << p;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Sizes, testing::Values(1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 34, 66, 130));

TEST(Dropout, DropsAShareOfPInEverySequenceAndIndependently) {
  TRACE_SEED();
  Rng rng(Seed());
  constexpr size_t kSize = 1 << 16;
  const Floats ones(kSize, 1);
  const auto dropped = [&](double p, uint64_t seed) {
    Floats y(kSize);
    Dropout(ones.data(), kSize, p, seed, y.data());
    std::vector<bool> drops(kSize);
    for (size_t i = 0; i < kSize; ++i) drops[i] = y[i] == 0;
    return drops;
  };
  // Six standard deviations of a binomial share: one chance in 500 million.
  const auto expect_share = [](double share, double p) { EXPECT_NEAR(share, p, 6 * std::sqrt(p * (1 - p) / kSize)); };
  for (const double p : {0.1, 0.5, 0.8}) {
    const uint64_t seed = rng();
    const std::vector<bool> a = dropped(p, seed);
    expect_share(static_cast<double>(std::count(a.begin(), a.end(), true)) / kSize, p);
    // With its neighbours of the same sequence and those of the next seeds, in either half.
    for (const uint64_t other : {seed + 1, seed + (uint64_t{1} << 32), seed}) {
      const std::vector<bool> b = dropped(p, other);
      for (size_t lag = other == seed ? 1 : 0; lag < 5; ++lag) {
        size_t both = 0;
        for (size_t i = 0; i < kSize; ++i) both += a[i] && b[(i + lag) % kSize] ? 1 : 0;
        expect_share(static_cast<double>(both) / kSize, p * p);
      }
    }
  }
}

}  // namespace
}  // namespace mlml
