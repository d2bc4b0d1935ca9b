// Arrays for the tests of the training core, and the bound of a float32 sum.
#ifndef MULTILABEL_MARGIN_LOSS_TESTS_TRAINING_ARRAYS_H_
#define MULTILABEL_MARGIN_LOSS_TESTS_TRAINING_ARRAYS_H_

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace mlml {

using Rng = std::mt19937_64;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

inline uint64_t Seed() {
  const char* seed = std::getenv("MLML_TEST_SEED");
  return seed == nullptr ? 20240607 : std::strtoull(seed, nullptr, 10);
}

#define TRACE_SEED() SCOPED_TRACE("MLML_TEST_SEED=" + std::to_string(Seed()))

// Floats that start 4 bytes after the start of a block, so that no vector of them is aligned, and end with it, so that
// AddressSanitizer sees any access beyond.
class Floats {
 public:
  explicit Floats(size_t size, float value = kNan) : values_(size + 1, value) { values_[0] = 0; }

  size_t size() const { return values_.size() - 1; }
  float* data() { return values_.data() + 1; }
  const float* data() const { return values_.data() + 1; }
  float& operator[](size_t i) { return values_[i + 1]; }
  float operator[](size_t i) const { return values_[i + 1]; }
  bool operator==(const Floats& other) const = default;

 private:
  std::vector<float> values_;
};

inline Floats RandomFloats(Rng& rng, size_t size) {
  Floats floats(size, 0);
  for (size_t i = 0; i < size; ++i) floats[i] = std::normal_distribution<float>()(rng);
  return floats;
}

// As gradients of the loss are: zero but for a share of them.
inline Floats SparseFloats(Rng& rng, size_t size, double share) {
  Floats floats = RandomFloats(rng, size);
  for (size_t i = 0; i < size; ++i) {
    if (!std::bernoulli_distribution(share)(rng)) floats[i] = 0;
  }
  return floats;
}

// A sum of products in double, and the bound of its error in float32 in any order: each product is rounded once and
// then takes part in at most `terms` additions, each of which adds half an epsilon (Higham, Accuracy and
// Stability, 3.1).
struct ReferenceSum {
  double sum = 0;
  double magnitude = 0;
  size_t terms = 0;

  void Add(double term) {
    sum += term;
    magnitude += std::abs(term);
    ++terms;
  }

  double Bound() const {
    // Products below the normal range lose an absolute amount.
    return static_cast<double>(terms + 1) * (0.5 * FLT_EPSILON * 1.001 * magnitude + FLT_TRUE_MIN);
  }

  void Expect(float value, const std::string& where) const {
    if (std::isnan(sum)) {
      EXPECT_TRUE(std::isnan(value)) << where << ": " << value;
    } else if (std::isinf(sum)) {
      EXPECT_EQ(value, sum) << where;
    } else {
      EXPECT_NEAR(value, sum, Bound()) << where;
    }
  }
};

inline std::string At(size_t row, size_t column) {
  return "at [" + std::to_string(row) + ", " + std::to_string(column) + "]";
}

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TESTS_TRAINING_ARRAYS_H_
