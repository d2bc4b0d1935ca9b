// The products of a linear layer against sums in double, for sizes around those of vectors, tiles and blocks.

#include <gtest/gtest.h>

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
  LinearForward(layer.shape, layer.x.data(), layer.weight.data(), layer.bias.data(), y.data());
  return y;
}

void CheckForward(const Layer& layer) {
  const auto [rows, inputs, outputs] = layer.shape;
  const Floats y = Forward(layer);
  Floats without_bias(rows * outputs);
  LinearForward(layer.shape, layer.x.data(), layer.weight.data(), nullptr, without_bias.data());
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
  const Floats y = Forward(layer);
  Floats dx(rows * inputs);
  LinearBackwardInput(layer.shape, layer.dy.data(), y.data(), layer.weight.data(), dx.data());
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
  LinearBackwardWeight(layer.shape, layer.dy.data(), y.data(), layer.x.data(), dweight.data(), present.data());
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

// What threads would share: each output alone has the bits that it has among others.
TEST(Linear, OutputsDoNotDependOnOthers) {
  TRACE_SEED();
  Rng rng(Seed());
  const size_t rows = 7;
  const size_t inputs = 1050;
  const size_t outputs = 13;
  const Layer layer = RandomLayer(rng, rows, inputs, outputs, 0.3);
  const Floats y = Forward(layer);
  Floats dweight(outputs * inputs);
  std::vector<uint8_t> present(outputs);
  LinearBackwardWeight(layer.shape, layer.dy.data(), y.data(), layer.x.data(), dweight.data(), present.data());
  for (size_t o = 0; o < outputs; ++o) {
    const LinearShape one = {rows, inputs, 1};
    Floats alone(rows);
    LinearForward(one, layer.x.data(), layer.weight.data() + o * inputs, layer.bias.data() + o, alone.data());
    Floats dy(rows);
    for (size_t n = 0; n < rows; ++n) {
      EXPECT_EQ(alone[n], y[n * outputs + o]);
      dy[n] = layer.dy[n * outputs + o];
    }
    Floats drow(inputs);
    uint8_t is_present = 0;
    LinearBackwardWeight(one, dy.data(), alone.data(), layer.x.data(), drow.data(), &is_present);
    EXPECT_EQ(is_present, present[o]);
    for (size_t i = 0; i < inputs && is_present != 0; ++i) EXPECT_EQ(drow[i], dweight[o * inputs + i]);
  }
}

}  // namespace
}  // namespace mlml
