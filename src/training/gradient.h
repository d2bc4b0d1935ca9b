#ifndef MULTILABEL_MARGIN_LOSS_TRAINING_GRADIENT_H_
#define MULTILABEL_MARGIN_LOSS_TRAINING_GRADIENT_H_

#include <cstddef>
#include <cstdint>

namespace mlml {

// The gradient of a parameter of [rows, columns], row-major. A row whose `present` is 0 is all zero, and its values are
// not in memory: whatever is there is not read. Where `present` is null, all rows are there.
struct Gradient {
  const float* values = nullptr;
  const uint8_t* present = nullptr;
  size_t rows = 0;
  size_t columns = 0;

  bool IsPresent(size_t row) const { return present == nullptr || present[row] != 0; }

  // The rows from `begin` to before `end`.
  Gradient Slice(size_t begin, size_t end) const {
    return {values + begin * columns, present == nullptr ? nullptr : present + begin, end - begin, columns};
  }
};

// Writes the rows that are not present as zeros.
void CompleteGradient(const Gradient& gradient, float* values);

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TRAINING_GRADIENT_H_
