// The products of a linear layer against sums in double, for sizes around those of vectors, tiles and blocks.

#include <gtest/gtest.h>

#include <cstring>

#include "training/gradient.h"
#include "training/linear.h"
#include "training_arrays.h"

namespace mlml {
namespace {

struct Layer {
  LinearShape shape;
  Floats x;
  Floats weight;
  Floats bias;
  Floats dy;
};

Layer RandomLayer(Rng& rng, size_t rows, size_t inputs, size_t outputs, double share) {
  return {{rows, inputs, outputs},
          RandomFloats(rng, rows * inputs),
          RandomFloats(rng, outputs * inputs),
          RandomFloats(rng, outputs),
          SparseFloats(rng, rows * outputs, share)};
}

Floats Forward(const Layer& layer) {
  Floats y(layer.shape.rows * layer.shape.outputs);
  LinearForward(layer.shape, {0, layer.shape.outputs}, layer.x.data(), layer.weight.data(), layer.bias.data(),
                y.data());
  return y;
}

void CheckForward(const Layer& layer) {
  const auto [rows, inputs, outputs] = layer.shape;
  const Floats y = Forward(layer);
  Floats without_bias(rows * outputs);
  LinearForward(layer.shape, {0, outputs}, layer.x.data(), layer.weight.data(), nullptr, without_bias.data());
  for (size_t n = 0; n < rows; ++n) {
    for (size_t o = 0; o < outputs; ++o) {
      ReferenceSum sum;
      for (size_t k = 0; k < inputs; ++k) {
        sum.Add(static_cast<double>(layer.x[n * inputs + k]) * layer.weight[o * inputs + k]);
      }
      sum.Expect(without_bias[n * outputs + o], "without bias " + At(n, o));
      sum.Add(layer.bias[o]);
      sum.Expect(y[n * outputs + o], "y " + At(n, o));
    }
  }
}

void CheckBackward(const Layer& layer) {
  const auto [rows, inputs, outputs] = layer.shape;
  const bool is_finite = LinearIsFinite(layer.shape, Forward(layer).data());
  Floats dx(rows * inputs);
  LinearBackwardInput(layer.shape, {0, rows}, {0, inputs}, is_finite, layer.dy.data(), layer.weight.data(), dx.data());
  for (size_t n = 0; n < rows; ++n) {
    for (size_t i = 0; i < inputs; ++i) {
      ReferenceSum sum;
      for (size_t o = 0; o < outputs; ++o) {
        sum.Add(static_cast<double>(layer.dy[n * outputs + o]) * layer.weight[o * inputs + i]);
      }
      sum.Expect(dx[n * inputs + i], "dx " + At(n, i));
    }
  }

  Floats dweight(outputs * inputs);
  std::vector<uint8_t> present(outputs, 2);
  LinearPresent(layer.shape, is_finite, layer.dy.data(), present.data());
  LinearBackwardWeight(layer.shape, {0, outputs}, {0, inputs}, is_finite, layer.dy.data(), layer.x.data(),
                       present.data(), dweight.data());
  for (size_t o = 0; o < outputs; ++o) {
    ASSERT_LE(present[o], 1);
    for (size_t i = 0; i < inputs; ++i) {
      ReferenceSum sum;
      for (size_t n = 0; n < rows; ++n) {
        sum.Add(static_cast<double>(layer.dy[n * outputs + o]) * layer.x[n * inputs + i]);
      }
      if (present[o] != 0) {
        sum.Expect(dweight[o * inputs + i], "dweight " + At(o, i));
      } else {
        EXPECT_EQ(sum.magnitude, 0) << At(o, i);
        EXPECT_TRUE(std::isnan(dweight[o * inputs + i])) << "written though not present, " << At(o, i);
      }
    }
  }
  CompleteGradient({dweight.data(), present.data(), outputs, inputs}, dweight.data());
  for (size_t o = 0; o < outputs; ++o) {
    for (size_t i = 0; i < inputs && present[o] == 0; ++i) EXPECT_EQ(dweight[o * inputs + i], 0);
  }
}

class LinearSizes : public testing::TestWithParam<size_t> {};

TEST_P(LinearSizes, AreSumsOfProducts) {
  TRACE_SEED();
  Rng rng(Seed());
  for (const size_t rows : {1, 2, 3, 5, 8, 66}) {
    for (const size_t outputs : {1, 3, 4, 7, 8, 33}) {
      for (const double share : {1.0, 0.1, 0.0}) {
        const Layer layer = RandomLayer(rng, rows, GetParam(), outputs, share);
        CheckForward(layer);
        CheckBackward(layer);
      }
    }
  }
}

// Around vectors of 4, 8 and 16 lanes, panels of two of them, and 8 N + 2 of each.
INSTANTIATE_TEST_SUITE_P(Inputs, LinearSizes,
                         testing::Values(1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 34, 66, 130));

// More rows, inputs and outputs than a block has.
TEST(Linear, LargeLayersAreSumsOfProducts) {
  TRACE_SEED();
  Rng rng(Seed());
  for (const double share : {1.0, 0.02}) {
    const Layer layer = RandomLayer(rng, 131, 1100, 143, share);
    CheckForward(layer);
    CheckBackward(layer);
  }
}

TEST(Linear, NoRowsAndNoInputs) {
  Rng rng(Seed());
  CheckForward(RandomLayer(rng, 0, 5, 3, 1));
  CheckBackward(RandomLayer(rng, 0, 5, 3, 1));
  CheckForward(RandomLayer(rng, 2, 0, 3, 1));
  CheckBackward(RandomLayer(rng, 2, 0, 3, 1));
}

// 0 times infinity is NaN in the dense product, and zeros are skipped only where that cannot be.
TEST(Linear, InfinitiesMeetZerosAsInTheDenseProduct) {
  TRACE_SEED();
  Rng rng(Seed());
  for (const float value : {kInf, -kInf, kNan}) {
    Layer weights = RandomLayer(rng, 6, 9, 7, 0.2);
    weights.weight[3 * 9 + 4] = value;
    CheckBackward(weights);
    Layer inputs = RandomLayer(rng, 6, 9, 7, 0.2);
    inputs.x[2 * 9 + 8] = value;
    CheckBackward(inputs);
    // Also where the input that meets the infinite weight is zero.
    Layer both = RandomLayer(rng, 1, 9, 7, 0.2);
    both.weight[3 * 9 + 4] = value;
    both.x[4] = 0;
    CheckBackward(both);
    Layer gradient = RandomLayer(rng, 6, 9, 7, 0.2);
    gradient.dy[3 * 7 + 2] = value;
    CheckBackward(gradient);
  }
}

std::vector<Range> RandomParts(Rng& rng, size_t size) {
  std::vector<Range> parts;
  for (size_t begin = 0; begin < size; begin = parts.back().end) {
    parts.push_back({begin, std::uniform_int_distribution<size_t>(begin + 1, size)(rng)});
  }
  return parts;
}

// Threads share a product in parts, which have the bits of the whole.
TEST(Linear, PartsHaveTheBitsOfTheWhole) {
  TRACE_SEED();
  Rng rng(Seed());
  const auto same = [](const Floats& a, const Floats& b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  };
  for (const double share : {1.0, 0.3, 0.02}) {
    for (const auto& [rows, inputs, outputs] : {LinearShape{7, 1050, 13}, LinearShape{135, 70, 9}, {33, 40, 150}}) {
      for (const bool has_infinity : {false, true}) {
        Layer layer = RandomLayer(rng, rows, inputs, outputs, share);
        if (has_infinity) layer.weight[0] = kInf;
        const auto& [shape, x, weight, bias, dy] = layer;
        const Floats y = Forward(layer);
        Floats y_parts(rows * outputs);
        for (const auto& [begin, end] : RandomParts(rng, rows)) {
          for (const Range& range : RandomParts(rng, outputs)) {
            LinearForward({end - begin, inputs, outputs}, range, x.data() + begin * inputs, weight.data(), bias.data(),
                          y_parts.data() + begin * outputs);
          }
        }
        EXPECT_TRUE(same(y, y_parts));

        const bool is_finite = LinearIsFinite(shape, y.data());
        EXPECT_EQ(is_finite, !has_infinity);
        Floats dx(rows * inputs), dx_parts(rows * inputs);
        LinearBackwardInput(shape, {0, rows}, {0, inputs}, is_finite, dy.data(), weight.data(), dx.data());
        Floats dweight(outputs * inputs), dweight_parts(outputs * inputs);
        std::vector<uint8_t> present(outputs);
        LinearPresent(shape, is_finite, dy.data(), present.data());
        LinearBackwardWeight(shape, {0, outputs}, {0, inputs}, is_finite, dy.data(), x.data(), present.data(),
                             dweight.data());
        for (const Range& columns : RandomParts(rng, inputs)) {
          for (const Range& of_rows : RandomParts(rng, rows)) {
            LinearBackwardInput(shape, of_rows, columns, is_finite, dy.data(), weight.data(), dx_parts.data());
          }
          for (const Range& of_outputs : RandomParts(rng, outputs)) {
            LinearBackwardWeight(shape, of_outputs, columns, is_finite, dy.data(), x.data(), present.data(),
                                 dweight_parts.data());
          }
        }
        EXPECT_TRUE(same(dx, dx_parts));
        EXPECT_TRUE(same(dweight, dweight_parts));
      }
    }
  }
}

}  // namespace
}  // namespace mlml
