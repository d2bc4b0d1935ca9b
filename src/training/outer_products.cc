#include "training/outer_products.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "training/vectors.h"

namespace mlml {
namespace {

using Tag = hn::ScalableTag<float>;
constexpr size_t kPanel = 2 * kLanes<float>;  // columns of a tile
constexpr size_t kTile = 4;                   // rows of a tile
// Blocks are copied, so that a tile reads memory in order: rows of thousands of columns would all fall in the same sets
// of the cache.
constexpr size_t kDepth = 64;  // terms
constexpr size_t kRows = 128;  // rows of c
constexpr size_t kColumns = 16 * kPanel;

// Four rows of c, and the terms of a block that any of them has.
struct RowGroup {
  uint32_t rows[kTile];
  size_t num_rows;
  size_t num_terms;
  uint8_t terms[kDepth];          // numbers in the block
  float factors[kDepth * kTile];  // [num_terms, kTile]
};

// Sets, or with kAdds adds to, a tile of c.
template <bool kAdds>
void MultiplyTile(const RowGroup& group, const float* panel, float* c, size_t stride, size_t width) {
  const Tag d;
  constexpr size_t L = kLanes<float>;
  float edge[kTile * kPanel];
  float* rows[kTile];
  const bool is_whole = group.num_rows == kTile && width == kPanel;
  for (size_t r = 0; r < kTile; ++r) {
    rows[r] = is_whole ? c + group.rows[r] * stride : edge + r * kPanel;
  }
  if (kAdds && !is_whole) {
    std::memset(edge, 0, sizeof(edge));
    for (size_t r = 0; r < group.num_rows; ++r) std::copy_n(c + group.rows[r] * stride, width, rows[r]);
  }
  const auto load = [d](const float* from) { return kAdds ? hn::LoadU(d, from) : hn::Zero(d); };
  auto s00 = load(rows[0]), s01 = load(rows[0] + L);
  auto s10 = load(rows[1]), s11 = load(rows[1] + L);
  auto s20 = load(rows[2]), s21 = load(rows[2] + L);
  auto s30 = load(rows[3]), s31 = load(rows[3] + L);
  const float* factors = group.factors;
  for (size_t t = 0; t < group.num_terms; ++t, factors += kTile) {
    const float* b = panel + group.terms[t] * kPanel;
    const auto b0 = hn::LoadU(d, b);
    const auto b1 = hn::LoadU(d, b + L);
    const auto add = [&](size_t r, auto& s0, auto& s1) {
      const auto factor = hn::Set(d, factors[r]);
      s0 = hn::MulAdd(factor, b0, s0);
      s1 = hn::MulAdd(factor, b1, s1);
    };
    add(0, s00, s01);
    add(1, s10, s11);
    add(2, s20, s21);
    add(3, s30, s31);
  }
  const auto store = [&](size_t r, auto s0, auto s1) {
    hn::StoreU(s0, d, rows[r]);
    hn::StoreU(s1, d, rows[r] + L);
  };
  store(0, s00, s01);
  store(1, s10, s11);
  store(2, s20, s21);
  store(3, s30, s31);
  if (!is_whole) {
    for (size_t r = 0; r < group.num_rows; ++r) std::copy_n(rows[r], width, c + group.rows[r] * stride);
  }
}

// The rows from `first` on, in groups of four, with their terms from term k on. Rows that are not present are left out,
// and after the first block also those without a term. Returns the number of groups.
size_t GroupRows(const Factors& factors, const uint8_t* present, size_t first, size_t rows, size_t k, size_t depth,
                 bool skips_zeros, RowGroup* groups) {
  size_t size = 0;
  const float* of_rows[kTile];
  uint32_t numbers[kTile];
  size_t waiting = 0;
  const auto group_waiting = [&] {
    RowGroup& group = groups[size++];
    group.num_rows = waiting;
    std::copy_n(numbers, waiting, group.rows);
    for (size_t r = waiting; r < kTile; ++r) of_rows[r] = of_rows[0];
    waiting = 0;
    size_t terms = 0;
    for (size_t t = 0; t < depth; ++t) {
      float* to = group.factors + terms * kTile;
      const size_t at = t * factors.step;
      to[0] = of_rows[0][at];
      to[1] = of_rows[1][at];
      to[2] = of_rows[2][at];
      to[3] = of_rows[3][at];
      group.terms[terms] = static_cast<uint8_t>(t);
      // A NaN is not zero.
      terms += !skips_zeros || to[0] != 0 || to[1] != 0 || to[2] != 0 || to[3] != 0 ? 1 : 0;
    }
    group.num_terms = terms;
  };
  for (size_t row = first; row < first + rows; ++row) {
    if (present != nullptr && present[row] == 0) continue;
    const float* values = factors.values + row * factors.stride + k * factors.step;
    bool has_terms = !skips_zeros || k == 0;
    for (size_t t = 0; t < depth && !has_terms; ++t) has_terms = values[t * factors.step] != 0;
    if (!has_terms) continue;
    of_rows[waiting] = values;
    numbers[waiting++] = static_cast<uint32_t>(row);
    if (waiting == kTile) group_waiting();
  }
  if (waiting > 0) group_waiting();
  return size;
}

// Copies a block of b as panels of kPanel columns, the last one filled up with zeros.
void CopyPanels(const float* b, size_t stride, size_t depth, size_t width, float* panels) {
  const Tag d;
  constexpr size_t L = kLanes<float>;
  for (size_t j = 0; j < width; j += kPanel, panels += depth * kPanel) {
    float* to = panels;
    if (j + kPanel <= width) {
      for (size_t t = 0; t < depth; ++t, to += kPanel) {
        const float* from = b + t * stride + j;
        hn::StoreU(hn::LoadU(d, from), d, to);
        hn::StoreU(hn::LoadU(d, from + L), d, to + L);
      }
      continue;
    }
    for (size_t t = 0; t < depth; ++t, to += kPanel) {
      std::copy_n(b + t * stride + j, width - j, to);
      std::fill_n(to + width - j, kPanel - (width - j), 0.0F);
    }
  }
}

}  // namespace

void SumOuterProducts(const Factors& factors, const uint8_t* present, size_t rows, size_t depth, bool skips_zeros,
                      const float* b, size_t stride, size_t columns, float* c) {
  RowGroup groups[kRows / kTile];
  alignas(64) float panels[kDepth * kColumns];
  // Without any term, one block of none sets zeros.
  for (size_t k = 0; k == 0 || k < depth; k += kDepth) {
    const size_t block_depth = std::min(kDepth, depth - k);
    const auto multiply = k == 0 ? MultiplyTile<false> : MultiplyTile<true>;
    for (size_t row = 0; row < rows; row += kRows) {
      const size_t num_groups =
          GroupRows(factors, present, row, std::min(kRows, rows - row), k, block_depth, skips_zeros, groups);
      if (num_groups == 0) continue;
      for (size_t j = 0; j < columns; j += kColumns) {
        const size_t width = std::min(kColumns, columns - j);
        CopyPanels(b + k * stride + j, stride, block_depth, width, panels);
        for (size_t g = 0; g < num_groups; ++g) {
          for (size_t at = 0; at < width; at += kPanel) {
            multiply(groups[g], panels + at * block_depth, c + j + at, stride, std::min(kPanel, width - at));
          }
        }
      }
    }
  }
}

}  // namespace mlml
