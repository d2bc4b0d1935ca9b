#ifndef MULTILABEL_MARGIN_LOSS_TRAINING_GRADIENT_ROWS_H_
#define MULTILABEL_MARGIN_LOSS_TRAINING_GRADIENT_ROWS_H_

#include <cstddef>

#include "training/gradient.h"
#include "training/vectors.h"

namespace mlml {

// Calls operate(tag, i, g) for each vector of the parameter, with its gradient g. With `kSkipAbsent`, not for rows that
// are not present; else g is zero for these.
template <bool kSkipAbsent, typename Operate>
void ForGradient(const Gradient& gradient, const Operate& operate) {
  const auto with_values = [&](size_t begin, size_t size) {
    ForVectors(size,
               [&, begin](auto d, size_t i) { operate(d, begin + i, hn::LoadU(d, gradient.values + begin + i)); });
  };
  if (gradient.present == nullptr) return with_values(0, gradient.rows * gradient.columns);
  for (size_t row = 0; row < gradient.rows; ++row) {
    const size_t begin = row * gradient.columns;
    if (gradient.IsPresent(row)) {
      with_values(begin, gradient.columns);
    } else if constexpr (!kSkipAbsent) {
      ForVectors(gradient.columns, [&, begin](auto d, size_t i) { operate(d, begin + i, hn::Zero(d)); });
    }
  }
}

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TRAINING_GRADIENT_ROWS_H_
