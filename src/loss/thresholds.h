#ifndef MULTILABEL_MARGIN_LOSS_LOSS_THRESHOLDS_H_
#define MULTILABEL_MARGIN_LOSS_LOSS_THRESHOLDS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/simd.h"

namespace mlml {

template <typename T>
struct Threshold {
  T value;
  int32_t target;  // its index among the targets
};

// A functor, since a function would be called through its pointer.
struct Below {
  template <typename T>
  bool operator()(const Threshold<T>& a, const Threshold<T>& b) const {
    return a.value < b.value;
  }
};

// A heap sort takes a tenth of the code of std::sort, which would be a sixth of the module.
template <typename T>
void Sort(Threshold<T>* thresholds, size_t size) {
  std::make_heap(thresholds, thresholds + size, Below());
  std::sort_heap(thresholds, thresholds + size, Below());
}

// Writes the thresholds in ascending order without +Inf and NaN, which no score is above, and returns their number.
template <typename T>
size_t SortThresholds(const T* thresholds, size_t size, Threshold<T>* sorted) {
  size_t end = 0;
  for (size_t k = 0; k < size; ++k) {
    if (thresholds[k] < kInfinity<T>) sorted[end++] = {thresholds[k], static_cast<int32_t>(k)};
  }
  Sort(sorted, end);
  return end;
}

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_LOSS_THRESHOLDS_H_
