#ifndef MULTILABEL_MARGIN_LOSS_TRAINING_VECTORS_H_
#define MULTILABEL_MARGIN_LOSS_TRAINING_VECTORS_H_

#include <cstddef>

#include "base/simd.h"

namespace mlml {

// Calls operate(tag, i) for each whole vector of the elements [0, size), and then for each element that is left, as a
// vector of one lane: an operator is written once.
template <typename Operate>
void ForVectors(size_t size, const Operate& operate) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  size_t i = 0;
  for (; i + kLanes<float> <= size; i += kLanes<float>) operate(d, i);
  for (; i < size; ++i) operate(d1, i);
}

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TRAINING_VECTORS_H_
