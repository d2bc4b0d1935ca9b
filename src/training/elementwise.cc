#include "training/elementwise.h"

#include <algorithm>

#include "training/vectors.h"

namespace mlml {

void Fill(float* x, size_t size, float value) { std::fill_n(x, size, value); }

size_t CountNonzero(const float* x, size_t size) {
  size_t count = 0;
  ForVectors(size, [&](auto d, size_t i) {
    const auto v = hn::LoadU(d, x + i);
    count += hn::CountTrue(d, hn::Ne(v, hn::Zero(d)));
  });
  return count;
}

void Relu(const float* x, size_t size, float* y) {
  ForVectors(size, [=](auto d, size_t i) {
    const auto v = hn::LoadU(d, x + i);
    hn::StoreU(hn::IfThenZeroElse(hn::Lt(v, hn::Zero(d)), v), d, y + i);
  });
}

void ReluBackward(const float* dy, const float* y, size_t size, float* dx) {
  ForVectors(size, [=](auto d, size_t i) {
    const auto off = hn::Le(hn::LoadU(d, y + i), hn::Zero(d));
    hn::StoreU(hn::IfThenZeroElse(off, hn::LoadU(d, dy + i)), d, dx + i);
  });
}

void Add(const float* a, const float* b, size_t size, float* y) {
  ForVectors(size, [=](auto d, size_t i) { hn::StoreU(hn::Add(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, y + i); });
}

void AddRow(const float* x, const float* row, size_t rows, size_t columns, float* y) {
  for (size_t n = 0; n < rows; ++n) Add(x + n * columns, row, columns, y + n * columns);
}

void ColumnSums(const float* x, size_t rows, size_t columns, float* sums) {
  // In registers from the first row to the last.
  ForVectors(columns, [=](auto d, size_t j) {
    auto sum = hn::Zero(d);
    for (size_t n = 0; n < rows; ++n) sum = hn::Add(sum, hn::LoadU(d, x + n * columns + j));
    hn::StoreU(sum, d, sums + j);
  });
}

void Scale(const float* x, size_t size, float factor, float* y) {
  ForVectors(size, [=](auto d, size_t i) { hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), d, y + i); });
}

}  // namespace mlml
