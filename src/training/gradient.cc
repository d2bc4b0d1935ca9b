#include "training/gradient.h"

#include <algorithm>

namespace mlml {

void CompleteGradient(const Gradient& gradient, float* values) {
  for (size_t row = 0; row < gradient.rows; ++row) {
    if (!gradient.IsPresent(row)) std::fill_n(values + row * gradient.columns, gradient.columns, 0.0F);
  }
}

}  // namespace mlml
