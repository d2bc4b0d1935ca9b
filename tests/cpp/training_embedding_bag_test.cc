// Bags against sums in double: forward, gradient, and the steps that are fused with the gradient against those over it.

#include <gtest/gtest.h>

#include <algorithm>

#include "training/embedding_bag.h"
#include "training/optimizers.h"
#include "training_arrays.h"

namespace mlml {
namespace {

struct Batch {
  std::vector<int32_t> input;
  std::vector<int32_t> offsets;
  Floats weights{0};
  bool is_weighted = true;

  Bags View() const {
    return {input.data(), is_weighted ? weights.data() : nullptr, offsets.data(), input.size(), offsets.size()};
  }
  float Weight(size_t entry) const { return is_weighted ? weights[entry] : 1; }
  size_t BagOf(size_t entry) const {
    // Empty bags have the offset of the one after them.
    const auto after = std::upper_bound(offsets.begin(), offsets.end(), static_cast<int32_t>(entry));
    return static_cast<size_t>(after - offsets.begin()) - 1;
  }
};

// Bags of 0 to 9 entries.
Batch RandomBatch(Rng& rng, size_t bags, size_t table_rows, bool is_weighted) {
  Batch batch;
  batch.is_weighted = is_weighted;
  for (size_t n = 0; n < bags; ++n) {
    batch.offsets.push_back(static_cast<int32_t>(batch.input.size()));
    const size_t size = std::uniform_int_distribution<size_t>(0, 9)(rng);
    for (size_t i = 0; i < size; ++i) {
      batch.input.push_back(static_cast<int32_t>(std::uniform_int_distribution<size_t>(0, table_rows - 1)(rng)));
    }
  }
  batch.weights = RandomFloats(rng, batch.input.size());
  return batch;
}

void Check(const Batch& batch, size_t table_rows, size_t columns, const Floats& table, const Floats& dy) {
  const Bags bags = batch.View();
  Floats y(bags.bags * columns);
  BagForward(bags, table.data(), columns, y.data());
  for (size_t n = 0; n < bags.bags; ++n) {
    for (size_t j = 0; j < columns; ++j) {
      ReferenceSum sum;
      for (size_t e = static_cast<size_t>(bags.offsets[n]); e < bags.End(n); ++e) {
        sum.Add(static_cast<double>(batch.Weight(e)) * table[static_cast<size_t>(batch.input[e]) * columns + j]);
      }
      sum.Expect(y[n * columns + j], "y " + At(n, j));
    }
  }

  ASSERT_TRUE(ReserveBagBackward(bags.entries, bags.bags, table_rows, columns));
  Floats dtable(table_rows * columns);
  std::vector<uint8_t> present(table_rows, 2);
  BagBackward(bags, dy.data(), table_rows, columns, dtable.data(), present.data());
  std::vector<ReferenceSum> sums(table_rows * columns);
  std::vector<uint8_t> named(table_rows, 0);
  for (size_t e = 0; e < bags.entries; ++e) {
    const auto row = static_cast<size_t>(batch.input[e]);
    named[row] = 1;
    for (size_t j = 0; j < columns; ++j) {
      sums[row * columns + j].Add(static_cast<double>(batch.Weight(e)) * dy[batch.BagOf(e) * columns + j]);
    }
  }
  ASSERT_EQ(present, named);
  for (size_t row = 0; row < table_rows; ++row) {
    for (size_t j = 0; j < columns && named[row] != 0; ++j) {
      sums[row * columns + j].Expect(dtable[row * columns + j], "dtable " + At(row, j));
    }
  }

  // A fused step is one over the gradient. Their gradients may differ by twice the bound of a sum.
  const Gradient gradient = {dtable.data(), present.data(), table_rows, columns};
  const AdagradOptions adagrad = {.lr = 0.5, .lr_decay = 0.1, .eps = 1e-10};
  Floats fused = table;
  Floats apart = table;
  Floats fused_sum(table.size(), 0.25F);
  Floats apart_sum(table.size(), 0.25F);
  BagAdagradStep(bags, dy.data(), columns, AdagradRate(adagrad, 3), adagrad.eps, fused.data(), fused_sum.data());
  AdagradStep(gradient, adagrad, 3, apart.data(), apart_sum.data());
  Floats fused_sgd = table;
  Floats apart_sgd = table;
  BagSgdStep(bags, dy.data(), columns, 0.5, fused_sgd.data());
  SgdStep(gradient, {.lr = 0.5}, false, apart_sgd.data(), nullptr);
  const auto expect_near = [](float a, float b, double bound, const std::string& where) {
    if (std::isnan(b)) {
      EXPECT_TRUE(std::isnan(a)) << where;
    } else if (std::isinf(b)) {
      EXPECT_EQ(a, b) << where;
    } else {
      EXPECT_NEAR(a, b, bound) << where;
    }
  };
  for (size_t i = 0; i < table.size(); ++i) {
    const std::string where = At(i / columns, i % columns);
    const double g = std::abs(sums[i].sum);
    const double dg = 2 * sums[i].Bound();
    // d(sum) = 2 g dg. The step, 0.5 g / sqrt(sum), has a slope of at most 0.5 / sqrt(0.25) = 1. Each rounding adds
    // half an epsilon: two of the sum, five of the step.
    expect_near(fused_sum[i], apart_sum[i], 2 * g * dg + dg * dg + 2 * FLT_EPSILON * (0.25 + g * g), "sum " + where);
    expect_near(fused[i], apart[i], dg + 5 * FLT_EPSILON * (std::abs(table[i]) + 1), "Adagrad " + where);
    expect_near(fused_sgd[i], apart_sgd[i], dg + 3 * FLT_EPSILON * (std::abs(table[i]) + g), "SGD " + where);
  }
}

class BagColumns : public testing::TestWithParam<size_t> {};

TEST_P(BagColumns, AreSumsOfRows) {
  TRACE_SEED();
  Rng rng(Seed());
  const size_t columns = GetParam();
  for (const size_t table_rows : {1, 5, 200}) {
    for (const size_t bags : {0, 1, 3, 20}) {
      for (const double share : {1.0, 0.1, 0.0}) {
        const Batch batch = RandomBatch(rng, bags, table_rows, bags != 3);
        Check(batch, table_rows, columns, RandomFloats(rng, table_rows * columns),
              SparseFloats(rng, bags * columns, share));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Columns, BagColumns, testing::Values(1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 34, 66, 130));

TEST(Bag, InfinitiesMeetZerosAsInTheDenseSum) {
  TRACE_SEED();
  Rng rng(Seed());
  const size_t columns = 9;
  for (const float value : {kInf, kNan}) {
    Batch batch = RandomBatch(rng, 8, 6, true);
    batch.weights[0] = value;
    batch.weights[5] = value;
    Check(batch, 6, columns, RandomFloats(rng, 6 * columns), SparseFloats(rng, 8 * columns, 0.2));
    Floats dy = SparseFloats(rng, 8 * columns, 0.2);
    dy[columns + 3] = value;
    Check(RandomBatch(rng, 8, 6, true), 6, columns, RandomFloats(rng, 6 * columns), dy);
  }
}

TEST(Bag, ColumnsDoNotDependOnOthers) {
  TRACE_SEED();
  Rng rng(Seed());
  const size_t columns = 23;
  const size_t table_rows = 9;
  const Batch batch = RandomBatch(rng, 12, table_rows, true);
  const Bags bags = batch.View();
  const Floats table = RandomFloats(rng, table_rows * columns);
  const Floats dy = SparseFloats(rng, bags.bags * columns, 0.3);
  ASSERT_TRUE(ReserveBagBackward(bags.entries, bags.bags, table_rows, columns));
  Floats y(bags.bags * columns);
  BagForward(bags, table.data(), columns, y.data());
  Floats stepped = table;
  Floats sum(table.size(), 0.25F);
  BagAdagradStep(bags, dy.data(), columns, 0.5, 1e-10, stepped.data(), sum.data());
  const auto column = [](const Floats& matrix, size_t width, size_t j) {
    Floats values(matrix.size() / width, 0);
    for (size_t i = 0; i < values.size(); ++i) values[i] = matrix[i * width + j];
    return values;
  };
  for (size_t j = 0; j < columns; ++j) {
    Floats alone = column(table, columns, j);
    Floats y_alone(bags.bags);
    BagForward(bags, alone.data(), 1, y_alone.data());
    EXPECT_EQ(y_alone, column(y, columns, j));
    Floats sum_alone(table_rows, 0.25F);
    BagAdagradStep(bags, column(dy, columns, j).data(), 1, 0.5, 1e-10, alone.data(), sum_alone.data());
    EXPECT_EQ(alone, column(stepped, columns, j));
    EXPECT_EQ(sum_alone, column(sum, columns, j));
  }
}

TEST(Bag, BadInputIsFound) {
  const std::vector<int32_t> input = {0, 4, 5, -1};
  EXPECT_EQ(FindBadIndex(input.data(), 4, 6), 3);
  EXPECT_EQ(FindBadIndex(input.data(), 4, 5), 2);
  EXPECT_EQ(FindBadIndex(input.data(), 3, 6), -1);
  EXPECT_EQ(FindBadIndex(input.data(), 0, 0), -1);
  const auto bad_offset = [](const std::vector<int32_t>& offsets) {
    return FindBadOffset(offsets.data(), offsets.size(), 4);
  };
  EXPECT_EQ(bad_offset({}), -1);
  EXPECT_EQ(bad_offset({0, 0, 4, 4}), -1);
  EXPECT_EQ(bad_offset({1, 2}), 0);
  EXPECT_EQ(bad_offset({-1, 2}), 0);
  EXPECT_EQ(bad_offset({0, 3, 2}), 2);
  EXPECT_EQ(bad_offset({0, 5}), 1);
  EXPECT_EQ(bad_offset({0, -1}), 1);
}

}  // namespace
}  // namespace mlml
