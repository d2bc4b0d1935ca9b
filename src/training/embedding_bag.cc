#include "training/embedding_bag.h"

#include <algorithm>
#include <cmath>

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

// y = (y +) sum of kEntries weighted rows of the table, from `entry` on.
template <size_t kEntries, bool kFirst>
void AddEntries(const Bags& bags, size_t entry, const float* table, size_t columns, float* y) {
  static_assert(kEntries >= 1 && kEntries <= 4);
  const auto row = [&](size_t i) { return table + static_cast<size_t>(bags.input[entry + i % kEntries]) * columns; };
  const float* r0 = row(0);
  const float* r1 = row(1);
  const float* r2 = row(2);
  const float* r3 = row(3);
  const auto weight = [&](size_t i) { return WeightOf(bags, entry + i % kEntries); };
  const float w0 = weight(0);
  const float w1 = weight(1);
  const float w2 = weight(2);
  const float w3 = weight(3);
  ForVectors(columns, [=](auto d, size_t j) {
    const auto product = [&](float w, const float* r) { return hn::Mul(hn::Set(d, w), hn::LoadU(d, r + j)); };
    auto sum = product(w0, r0);
    if constexpr (kEntries > 1) sum = hn::Add(sum, product(w1, r1));
    if constexpr (kEntries == 3) sum = hn::Add(sum, product(w2, r2));
    if constexpr (kEntries == 4) sum = hn::Add(sum, hn::Add(product(w2, r2), product(w3, r3)));
    hn::StoreU(kFirst ? sum : hn::Add(hn::LoadU(d, y + j), sum), d, y + j);
  });
}

template <bool kFirst>
void AddUpToFour(const Bags& bags, size_t entry, size_t count, const float* table, size_t columns, float* y) {
  switch (count) {
    case 1:
      return AddEntries<1, kFirst>(bags, entry, table, columns, y);
    case 2:
      return AddEntries<2, kFirst>(bags, entry, table, columns, y);
    case 3:
      return AddEntries<3, kFirst>(bags, entry, table, columns, y);
    default:
      return AddEntries<4, kFirst>(bags, entry, table, columns, y);
  }
}

}  // namespace

void BagForward(const Bags& bags, const float* table, size_t columns, float* y) {
  for (size_t n = 0; n < bags.bags; ++n, y += columns) {
    // Four rows of the table at a time: the sum is read and written a quarter as often.
    const auto begin = static_cast<size_t>(bags.offsets[n]);
    const size_t end = bags.End(n);
    if (begin == end) std::fill_n(y, columns, 0.0F);
    for (size_t entry = begin; entry < end; entry += 4) {
      const size_t count = std::min<size_t>(4, end - entry);
      if (entry == begin) {
        AddUpToFour<true>(bags, entry, count, table, columns, y);
      } else {
        AddUpToFour<false>(bags, entry, count, table, columns, y);
      }
    }
  }
}

namespace {

constexpr int32_t kNone = -1;

// What is made of the entries of a batch for its gradient. Kept between batches.
struct Scratch {
  // The entries of each row of the table, as lists in ascending order.
  Buffer<int32_t> first;   // [table_rows], kNone between calls
  Buffer<int32_t> next;    // [entries]
  Buffer<int32_t> bag_of;  // [entries]
  Buffer<int32_t> named;   // the rows of the table that have entries
  size_t num_named = 0;
  // The columns in which the gradient of a bag is not zero.
  Buffer<uint32_t> starts;  // [bags + 1]: where those of a bag begin in the next two
  Buffer<int32_t> columns;  // [bags * columns + lanes]
  Buffer<float> values;     // the same
  Buffer<float> row;        // [columns], zeros between calls

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
           columns.Reserve(bags * width) && values.Reserve(bags * width);
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

  // Lists the columns of each bag in which dy is not zero. The product of a zero and a weight that is not finite is
  // NaN: with such a weight all columns are listed.
  void ListColumns(const Bags& bags, const float* dy, size_t width) {
    bool all = false;
    for (size_t entry = 0; bags.weights != nullptr && entry < bags.entries; ++entry) {
      all = all || !std::isfinite(bags.weights[entry]);
    }
    uint32_t size = 0;
    for (size_t n = 0; n < bags.bags; ++n, dy += width) {
      starts[n] = size;
      for (size_t j = 0; j < width; ++j) {
        // Without a branch, which would be mispredicted.
        columns[size] = static_cast<int32_t>(j);
        values[size] = dy[j];
        size += static_cast<uint32_t>(all || dy[j] != 0);
      }
    }
    starts[bags.bags] = size;
  }
};

Scratch& TheScratch() {
  static Scratch scratch;
  return scratch;
}

// Calls step(tag, g, offset, columns...) for the gradient of each row of the table that has one.
//
// `Step` has Vector(d, g, at): the step of the vector at that element of the table, and Gather(d4, g, row, columns): of
// four columns of a row.
template <typename Step>
void StepRows(const Bags& bags, const float* dy, size_t width, const Step& step) {
  Scratch& scratch = TheScratch();
  scratch.ListEntries(bags);
  scratch.ListColumns(bags, dy, width);
  float* sum = scratch.row.data();
  for (size_t i = 0; i < scratch.num_named; ++i) {
    const int32_t table_row = scratch.named[i];
    const size_t at = static_cast<size_t>(table_row) * width;
    const size_t head = scratch.Take(table_row);
    if (scratch.next[head] == kNone) {
      const auto bag = static_cast<size_t>(scratch.bag_of[head]);
      const size_t begin = scratch.starts[bag];
      const size_t size = scratch.starts[bag + 1] - begin;
      step.Columns(scratch.columns.data() + begin, scratch.values.data() + begin, size, WeightOf(bags, head), at);
      continue;
    }
    for (auto entry = static_cast<int32_t>(head); entry != kNone; entry = scratch.next[static_cast<size_t>(entry)]) {
      const auto e = static_cast<size_t>(entry);
      const auto bag = static_cast<size_t>(scratch.bag_of[e]);
      const float weight = WeightOf(bags, e);
      for (size_t k = scratch.starts[bag]; k < scratch.starts[bag + 1]; ++k) {
        sum[scratch.columns[k]] += weight * scratch.values[k];
      }
    }
    ForVectors(width, [&](auto d, size_t j) {
      const auto g = hn::LoadU(d, sum + j);
      if (hn::AllTrue(d, hn::Eq(g, hn::Zero(d)))) return;
      step.Vector(d, g, at + j);
      hn::StoreU(hn::Zero(d), d, sum + j);
    });
  }
}

using D4 = hn::CappedTag<float, 4>;
constexpr size_t kGathered = hn::MaxLanes(D4());

class Adagrad {
 public:
  Adagrad(double rate, double eps, float* table, float* sum)
      : rate_(static_cast<float>(-rate)), eps_(static_cast<float>(eps)), table_(table), sum_(sum) {}

  template <typename D, typename V>
  HWY_INLINE void Vector(D d, V g, size_t at) const {
    AdagradUpdate(d, g, rate_, eps_, table_ + at, sum_ + at);
  }

  void Columns(const int32_t* columns, const float* values, size_t size, float weight, size_t at) const {
    float* table = table_ + at;
    float* sum = sum_ + at;
    const D4 d;
    const hn::CappedTag<float, 1> d1;
    size_t k = 0;
    for (; k + kGathered <= size; k += kGathered) {
      HWY_ALIGN float w[kGathered];
      HWY_ALIGN float s[kGathered];
      for (size_t i = 0; i < kGathered; ++i) {
        w[i] = table[columns[k + i]];
        s[i] = sum[columns[k + i]];
      }
      AdagradUpdate(d, hn::Mul(hn::Set(d, weight), hn::LoadU(d, values + k)), rate_, eps_, w, s);
      for (size_t i = 0; i < kGathered; ++i) {
        table[columns[k + i]] = w[i];
        sum[columns[k + i]] = s[i];
      }
    }
    for (; k < size; ++k) {
      AdagradUpdate(d1, hn::Set(d1, weight * values[k]), rate_, eps_, table + columns[k], sum + columns[k]);
    }
  }

 private:
  float rate_;
  float eps_;
  float* table_;
  float* sum_;
};

class Sgd {
 public:
  Sgd(double lr, float* table) : rate_(static_cast<float>(-lr)), table_(table) {}

  template <typename D, typename V>
  HWY_INLINE void Vector(D d, V g, size_t at) const {
    hn::StoreU(hn::MulAdd(g, hn::Set(d, rate_), hn::LoadU(d, table_ + at)), d, table_ + at);
  }

  void Columns(const int32_t* columns, const float* values, size_t size, float weight, size_t at) const {
    for (size_t k = 0; k < size; ++k) table_[at + columns[k]] += rate_ * (weight * values[k]);
  }

 private:
  float rate_;
  float* table_;
};

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
  StepRows(bags, dy, columns, Sgd(lr, table));
}

void BagAdagradStep(const Bags& bags, const float* dy, size_t columns, double lr, double eps, float* table,
                    float* sum) {
  StepRows(bags, dy, columns, Adagrad(lr, eps, table, sum));
}

}  // namespace mlml
