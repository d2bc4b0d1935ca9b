#include "training/embedding_bag.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/buffer.h"
#include "training/adagrad.h"
#include "training/vectors.h"

namespace mlml {

int32_t FindBadIndex(const int32_t* input, size_t entries, size_t table_rows) {
  for (size_t i = 0; i < entries; ++i) {
    if (input[i] < 0 || static_cast<size_t>(input[i]) >= table_rows) return static_cast<int32_t>(i);
  }
  return -1;
}

int32_t FindBadOffset(const int32_t* offsets, size_t bags, size_t entries) {
  for (size_t n = 0; n < bags; ++n) {
    const bool is_good = n == 0 ? offsets[0] == 0 : offsets[n] >= offsets[n - 1];
    if (!is_good || static_cast<size_t>(offsets[n]) > entries) return static_cast<int32_t>(n);
  }
  return -1;
}

namespace {

float WeightOf(const Bags& bags, size_t entry) { return bags.weights == nullptr ? 1.0F : bags.weights[entry]; }

// Number of table rows that are read at once. At each page of memory, the hardware has to find out anew what is read
// next, and it does so for all streams together. Rows of 9 kB in random order, of a table larger than the caches, are
// read at 5 GB/s one by one, at 9.5 GB/s by four, at 11.4 GB/s by eight, and no faster by sixteen.
constexpr size_t kStreams = 8;

// y = (y +) the sum of weighted rows of the table, of the entries from `entry` on.
template <bool kAdds, size_t... kEntry>
void SumEntries(std::index_sequence<kEntry...> /*count*/, const Bags& bags, size_t entry, const float* table,
                size_t columns, float* y) {
  const float* const rows[] = {table + static_cast<size_t>(bags.input[entry + kEntry]) * columns...};
  const float weights[] = {WeightOf(bags, entry + kEntry)...};
  ForVectors(columns, [&](auto d, size_t j) {
    auto sum = kAdds ? hn::LoadU(d, y + j) : hn::Zero(d);
    ((sum = hn::MulAdd(hn::Set(d, weights[kEntry]), hn::LoadU(d, rows[kEntry] + j), sum)), ...);
    hn::StoreU(sum, d, y + j);
  });
}

// Calls SumEntries with the `count` entries from `entry` on.
template <bool kAdds, size_t kCount = kStreams>
void SumUpTo(size_t count, const Bags& bags, size_t entry, const float* table, size_t columns, float* y) {
  if constexpr (kCount > 1) {
    if (count < kCount) return SumUpTo<kAdds, kCount - 1>(count, bags, entry, table, columns, y);
  }
  SumEntries<kAdds>(std::make_index_sequence<kCount>(), bags, entry, table, columns, y);
}

}  // namespace

void BagForward(const Bags& bags, const float* table, size_t columns, float* y) {
  for (size_t n = 0; n < bags.bags; ++n, y += columns) {
    const auto begin = static_cast<size_t>(bags.offsets[n]);
    const size_t entries = bags.End(n) - begin;
    if (entries == 0) std::fill_n(y, columns, 0.0F);
    // Parts of equal size: nine entries are not read by eight and one.
    const size_t parts = (entries + kStreams - 1) / kStreams;
    for (size_t part = 0; part < parts; ++part) {
      const size_t from = entries * part / parts;
      const size_t count = entries * (part + 1) / parts - from;
      if (part == 0) {
        SumUpTo<false>(count, bags, begin + from, table, columns, y);
      } else {
        SumUpTo<true>(count, bags, begin + from, table, columns, y);
      }
    }
  }
}

namespace {

constexpr int32_t kNone = -1;

// Calls operate(j, v) for each vector v that is not zero of `size` elements, a multiple of the lanes. Most are zero, so
// four are tested at once: a scan of 2342 zeros takes half as long.
template <typename Operate>
HWY_INLINE void ForNonZero(const float* x, size_t size, const Operate& operate) {
  const hn::ScalableTag<float> d;
  constexpr size_t L = kLanes<float>;
  const auto test = [&](size_t j) {
    const auto v = hn::LoadU(d, x + j);
    if (!hn::AllTrue(d, hn::Eq(v, hn::Zero(d)))) operate(j, v);
  };
  size_t j = 0;
  for (; j + 4 * L <= size; j += 4 * L) {
    const auto or01 = hn::Or(hn::LoadU(d, x + j), hn::LoadU(d, x + j + L));
    const auto or23 = hn::Or(hn::LoadU(d, x + j + 2 * L), hn::LoadU(d, x + j + 3 * L));
    const hn::RebindToUnsigned<decltype(d)> bits;
    if (hn::AllTrue(bits, hn::Eq(hn::BitCast(bits, hn::Or(or01, or23)), hn::Zero(bits)))) continue;
    for (size_t i = j; i < j + 4 * L; i += L) test(i);
  }
  for (; j < size; j += L) test(j);
}

// What is made of the entries of a batch for its gradient. Kept between batches.
struct Scratch {
  // The entries of each row of the table, as lists in ascending order.
  Buffer<int32_t> first;   // [table_rows], kNone between calls
  Buffer<int32_t> next;    // [entries]
  Buffer<int32_t> bag_of;  // [entries]
  Buffer<int32_t> named;   // the rows of the table that have entries
  size_t num_named = 0;
  // The vectors of the gradient of each bag that are not zero. Without the columns beyond the last whole vector.
  Buffer<uint32_t> starts;   // [bags + 1]: where those of a bag begin in the next two
  Buffer<uint32_t> columns;  // [vectors], of the first lanes
  Buffer<float> values;      // [vectors, lanes]
  Buffer<float> row;         // [columns], zeros between calls

  [[nodiscard]] bool Reserve(size_t entries, size_t bags, size_t table_rows, size_t width) {
    if (first.capacity() < table_rows) {
      if (!first.Reserve(table_rows)) return false;
      std::fill_n(first.data(), table_rows, kNone);
    }
    if (row.capacity() < width) {
      if (!row.Reserve(width)) return false;
      std::fill_n(row.data(), width, 0.0F);
    }
    return next.Reserve(entries) && bag_of.Reserve(entries) && named.Reserve(entries) && starts.Reserve(bags + 1) &&
           columns.Reserve(bags * width / kLanes<float> + 1) && values.Reserve(bags * width + kLanes<float>);
  }

  // Lists the entries of each row of the table that they name.
  void ListEntries(const Bags& bags) {
    num_named = 0;
    for (size_t n = bags.bags; n-- > 0;) {
      const auto begin = static_cast<size_t>(bags.offsets[n]);
      for (size_t entry = bags.End(n); entry-- > begin;) {
        int32_t& head = first[static_cast<size_t>(bags.input[entry])];
        if (head == kNone) named[num_named++] = bags.input[entry];
        next[entry] = head;
        bag_of[entry] = static_cast<int32_t>(n);
        head = static_cast<int32_t>(entry);
      }
    }
  }

  // Takes the first entry of a row of the table off its list, which is then as it was between calls.
  size_t Take(int32_t table_row) {
    const int32_t entry = first[static_cast<size_t>(table_row)];
    first[static_cast<size_t>(table_row)] = kNone;
    return static_cast<size_t>(entry);
  }

  // Lists the vectors of each bag in which dy is not zero. The product of a zero and a weight that is not finite is
  // NaN: with such a weight all vectors are listed.
  void ListVectors(const Bags& bags, const float* dy, size_t width) {
    const hn::ScalableTag<float> d;
    constexpr size_t L = kLanes<float>;
    bool all = false;
    for (size_t entry = 0; bags.weights != nullptr && entry < bags.entries; ++entry) {
      all = all || !std::isfinite(bags.weights[entry]);
    }
    uint32_t size = 0;
    const auto list = [&](size_t j, auto v) {
      hn::StoreU(v, d, values.data() + size * L);
      columns[size++] = static_cast<uint32_t>(j);
    };
    for (size_t n = 0; n < bags.bags; ++n, dy += width) {
      starts[n] = size;
      if (all) {
        for (size_t j = 0; j + L <= width; j += L) list(j, hn::LoadU(d, dy + j));
      } else {
        ForNonZero(dy, width / L * L, list);
      }
    }
    starts[bags.bags] = size;
  }
};

Scratch& TheScratch() {
  static Scratch scratch;
  return scratch;
}

// Calls step(d, g, at) with the gradient g of each vector of the table, from that element on, that is not zero.
//
// Most terms occur once in a batch: their gradient is a multiple of that of one bag, whose vectors are listed once.
// Where labels violate margins, some lanes of a vector are zero, and are stepped as well: the gradient of four labels
// is then loaded and stored at once, which takes a third less time than to gather single labels where half of them
// violate (early in the first epoch) and as long where one in a hundred does.
template <typename Step>
void StepRows(const Bags& bags, const float* dy, size_t width, const Step& step) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  constexpr size_t L = kLanes<float>;
  const size_t whole = width / L * L;
  Scratch& scratch = TheScratch();
  scratch.ListEntries(bags);
  scratch.ListVectors(bags, dy, width);
  const uint32_t* starts = scratch.starts.data();
  const uint32_t* columns = scratch.columns.data();
  const float* values = scratch.values.data();
  const int32_t* next = scratch.next.data();
  const int32_t* bag_of = scratch.bag_of.data();
  float* sum = scratch.row.data();
  const auto step_one = [&](float g, size_t at) {
    if (g != 0) step(d1, hn::Set(d1, g), at);
  };
  for (size_t i = 0; i < scratch.num_named; ++i) {
    const int32_t table_row = scratch.named[i];
    const size_t at = static_cast<size_t>(table_row) * width;
    const size_t head = scratch.Take(table_row);
    if (next[head] == kNone) {
      const auto bag = static_cast<size_t>(bag_of[head]);
      const float weight = WeightOf(bags, head);
      const auto factor = hn::Set(d, weight);
      for (size_t k = starts[bag]; k < starts[bag + 1]; ++k) {
        step(d, hn::Mul(factor, hn::LoadU(d, values + k * L)), at + columns[k]);
      }
      for (size_t j = whole; j < width; ++j) step_one(weight * dy[bag * width + j], at + j);
      continue;
    }
    for (auto entry = static_cast<int32_t>(head); entry != kNone; entry = next[entry]) {
      const auto bag = static_cast<size_t>(bag_of[entry]);
      const float weight = WeightOf(bags, static_cast<size_t>(entry));
      const auto add = [&](auto tag, const float* from, float* to) {
        hn::StoreU(hn::MulAdd(hn::Set(tag, weight), hn::LoadU(tag, from), hn::LoadU(tag, to)), tag, to);
      };
      for (size_t k = starts[bag]; k < starts[bag + 1]; ++k) add(d, values + k * L, sum + columns[k]);
      for (size_t j = whole; j < width; ++j) add(d1, dy + bag * width + j, sum + j);
    }
    ForNonZero(sum, whole, [&](size_t j, auto g) {
      step(d, g, at + j);
      hn::StoreU(hn::Zero(d), d, sum + j);
    });
    for (size_t j = whole; j < width; ++j) {
      step_one(sum[j], at + j);
      sum[j] = 0;
    }
  }
}

}  // namespace

bool ReserveBagBackward(size_t entries, size_t bags, size_t table_rows, size_t columns) {
  return TheScratch().Reserve(entries, bags, table_rows, columns);
}

void BagBackward(const Bags& bags, const float* dy, size_t table_rows, size_t columns, float* dtable,
                 uint8_t* present) {
  Scratch& scratch = TheScratch();
  scratch.ListEntries(bags);
  std::fill_n(present, table_rows, uint8_t{0});
  for (size_t i = 0; i < scratch.num_named; ++i) {
    const int32_t table_row = scratch.named[i];
    float* sum = dtable + static_cast<size_t>(table_row) * columns;
    present[table_row] = 1;
    std::fill_n(sum, columns, 0.0F);
    auto entry = static_cast<int32_t>(scratch.Take(table_row));
    for (; entry != kNone; entry = scratch.next[static_cast<size_t>(entry)]) {
      const float weight = WeightOf(bags, static_cast<size_t>(entry));
      const float* g = dy + static_cast<size_t>(scratch.bag_of[static_cast<size_t>(entry)]) * columns;
      ForVectors(columns, [=](auto d, size_t j) {
        hn::StoreU(hn::MulAdd(hn::Set(d, weight), hn::LoadU(d, g + j), hn::LoadU(d, sum + j)), d, sum + j);
      });
    }
  }
}

void BagSgdStep(const Bags& bags, const float* dy, size_t columns, double lr, float* table) {
  const auto rate = static_cast<float>(-lr);
  StepRows(bags, dy, columns, [=](auto d, auto g, size_t at) {
    hn::StoreU(hn::MulAdd(g, hn::Set(d, rate), hn::LoadU(d, table + at)), d, table + at);
  });
}

void BagAdagradStep(const Bags& bags, const float* dy, size_t columns, double lr, double eps, float* table,
                    float* sum) {
  const auto rate = static_cast<float>(-lr);
  const auto epsilon = static_cast<float>(eps);
  StepRows(bags, dy, columns,
           [=](auto d, auto g, size_t at) HWY_ATTR { AdagradUpdate(d, g, rate, epsilon, table + at, sum + at); });
}

}  // namespace mlml
