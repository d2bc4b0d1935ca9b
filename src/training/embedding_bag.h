// Sums of rows of a table: y[n] = sum over e in bag n of weights[e] table[input[e]].
#ifndef MULTILABEL_MARGIN_LOSS_TRAINING_EMBEDDING_BAG_H_
#define MULTILABEL_MARGIN_LOSS_TRAINING_EMBEDDING_BAG_H_

#include <cstddef>
#include <cstdint>

#include "training/gradient.h"

namespace mlml {

// Bag n is the entries from offsets[n] to before offsets[n + 1], and the last one ends with `entries`.
struct Bags {
  const int32_t* input = nullptr;    // [entries], rows of the table
  const float* weights = nullptr;    // [entries], or null for ones
  const int32_t* offsets = nullptr;  // [bags]
  size_t entries = 0;
  size_t bags = 0;

  size_t End(size_t bag) const { return bag + 1 < bags ? static_cast<size_t>(offsets[bag + 1]) : entries; }
};

// The first entry that is no row of a table of so many, or -1.
int32_t FindBadIndex(const int32_t* input, size_t entries, size_t table_rows);

// The first bag whose offset is wrong, or -1: the first starts at 0, none before its predecessor or after the entries.
int32_t FindBadOffset(const int32_t* offsets, size_t bags, size_t entries);

// table is [table_rows, columns], y is [bags, columns].
void BagForward(const Bags& bags, const float* table, size_t columns, float* y);

// Makes room for any of the functions below. False when there is no memory for it.
[[nodiscard]] bool ReserveBagBackward(size_t entries, size_t bags, size_t table_rows, size_t columns);

// The gradient of the table, of dy [bags, columns]: writes the rows that entries name, and for each row of the table
// whether it is present.
void BagBackward(const Bags& bags, const float* dy, size_t table_rows, size_t columns, float* dtable, uint8_t* present);

// BagBackward and a step of an optimizer in one, without the gradient in between.
void BagSgdStep(const Bags& bags, const float* dy, size_t columns, double lr, float* table);
void BagAdagradStep(const Bags& bags, const float* dy, size_t columns, double lr, double eps, float* table, float* sum);

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TRAINING_EMBEDDING_BAG_H_
