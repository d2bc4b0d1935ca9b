// Operators on each element, and those of a row with a matrix. Matrices are row-major and all arrays are float32.
// A result may take the place of an operand of its size.
#ifndef MULTILABEL_MARGIN_LOSS_TRAINING_ELEMENTWISE_H_
#define MULTILABEL_MARGIN_LOSS_TRAINING_ELEMENTWISE_H_

#include <cstddef>

namespace mlml {

// Returns the number of elements that are not 0. A NaN counts.
size_t CountNonzero(const float* x, size_t size);

void Fill(float* x, size_t size, float value);

// y = max(x, 0); NaN stays NaN.
void Relu(const float* x, size_t size, float* y);

// dx = dy where y = Relu(x) is above 0 or NaN, and 0 elsewhere.
void ReluBackward(const float* dy, const float* y, size_t size, float* dx);

// y = a + b
void Add(const float* a, const float* b, size_t size, float* y);

// y[n, j] = x[n, j] + row[j]
void AddRow(const float* x, const float* row, size_t rows, size_t columns, float* y);

// sums[j] = sum over n of x[n, j], in the order of the rows.
void ColumnSums(const float* x, size_t rows, size_t columns, float* sums);

// y = factor x
void Scale(const float* x, size_t size, float factor, float* y);

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TRAINING_ELEMENTWISE_H_
