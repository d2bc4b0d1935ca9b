#ifndef MULTILABEL_MARGIN_LOSS_TRAINING_ADAGRAD_H_
#define MULTILABEL_MARGIN_LOSS_TRAINING_ADAGRAD_H_

#include "base/simd.h"
#include "training/optimizers.h"

namespace mlml {

// The step of one vector, whose gradient is g: sum += g^2, parameter += rate g / (sqrt(sum) + eps), of a negative rate.
template <typename D, typename V>
HWY_INLINE void AdagradUpdate(D d, V g, float rate, float eps, float* parameter, float* sum) {
  const auto squares = hn::MulAdd(g, g, hn::LoadU(d, sum));
  hn::StoreU(squares, d, sum);
  const auto divisor = hn::Add(hn::Sqrt(squares), hn::Set(d, eps));
  const auto w = hn::Add(hn::LoadU(d, parameter), hn::Div(hn::Mul(hn::Set(d, rate), g), divisor));
  hn::StoreU(w, d, parameter);
}

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TRAINING_ADAGRAD_H_
