#ifndef MULTILABEL_MARGIN_LOSS_TRAINING_OUTER_PRODUCTS_H_
#define MULTILABEL_MARGIN_LOSS_TRAINING_OUTER_PRODUCTS_H_

#include <cstddef>
#include <cstdint>

namespace mlml {

// Factor (m, k) is values[m * stride + k * step].
struct Factors {
  const float* values = nullptr;
  size_t stride = 0;
  size_t step = 0;
};

// c[m, :] = sum over k of factor(m, k) b[k, :], of b [depth, columns] and c [rows, columns], whose rows begin `stride`
// elements apart; for each row m of which `present` is not 0, or for all where it is null.
//
// With `skips_zeros`, for an all finite b, terms whose factor is zero are left out.
void SumOuterProducts(const Factors& factors, const uint8_t* present, size_t rows, size_t depth, bool skips_zeros,
                      const float* b, size_t stride, size_t columns, float* c);

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TRAINING_OUTER_PRODUCTS_H_
