#ifndef MULTILABEL_MARGIN_LOSS_BUCKETED_COUNTS_H_
#define MULTILABEL_MARGIN_LOSS_BUCKETED_COUNTS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "buffer.h"
#include "simd.h"
#include "thresholds.h"

namespace mlml {

// The bucketed row kernel: O(C + K log K), whatever K.
//
// The number of thresholds below a score is its rank among the sorted thresholds. Scores are mapped linearly to at
// least four times as many buckets as there are thresholds. A bucket that holds no threshold or one settles the rank by
// one compare; both kinds of count then follow from the ranks. The map is monotone in floating point, so a score in
// another bucket than a threshold compares as the buckets do, and the rank is exact.
//
// A bucket that holds more (an outlier among the thresholds leaves most of the others in one) points to a table of its
// own, over the bits of the numbers, which order as the numbers do. Each such table takes at least 3 of the 32 or 64
// bits, so the steps per score are bounded by the type and not by K. Buckets of up to 8 thresholds are searched.
template <typename T>
class BucketedCounts {
  using Count = CountOf<T>;
  using Bits = std::make_unsigned_t<Count>;

 public:
  // For up to as many targets. What a smaller number needs more of is counted in.
  [[nodiscard]] bool Reserve(size_t num_targets) {
    const size_t k = std::max<size_t>(num_targets, 1);
    const size_t depth = MaxDepth((k + 1) / 2);
    const size_t counters = std::max(k + 1, HistogramCopies(1) * (std::min(k, kMostCopied) + 1));
    return sorted_.Reserve(k) && distinct_.Reserve(Padded(k)) && bucket_of_.Reserve(Padded(k)) &&
           counts_below_.Reserve(k + 1) && histogram_.Reserve(counters) &&
           entries_.Reserve(NumBuckets(k) + 2 + depth * NumBuckets(k)) && nodes_.Reserve(k + k * depth / 8 + 1);
  }

  void Begin(const T* thresholds, size_t num_targets) {
    num_targets_ = num_targets;
    FindDistinct(thresholds);
    BuildRoot();
    copies_ = HistogramCopies(num_distinct_);
    std::fill_n(histogram_.data(), copies_ * (num_distinct_ + 1), Count{0});
  }

  // counts[j] = number of thresholds below scores[j]. `size` is a multiple of kLanes<T>. NaN scores become -Inf.
  void CountBlock(T* scores, size_t size, Count* counts) {
    if (num_distinct_ == 0) {
      std::fill_n(counts, size, Count{0});
      return;
    }
    MapToBuckets(scores, size, counts);
    // Neighbouring scores often share a rank: separate histograms keep their increments independent.
    const size_t stride = copies_ > 1 ? num_distinct_ + 1 : 0;
    const Entry* entries = entries_.data();
    Count* histogram = histogram_.data();
    const auto rank = [&](size_t j, Count* copy) {
      const T score = scores[j];
      const Entry entry = entries[static_cast<size_t>(counts[j])];
      const Count r = entry.base >= 0 ? entry.base + (score > entry.first) : Search(score, ~entry.base);
      ++copy[r];
      counts[j] = r;
    };
    size_t j = 0;
    for (; j + 4 <= size; j += 4) {
      rank(j, histogram);
      rank(j + 1, histogram + stride);
      rank(j + 2, histogram + 2 * stride);
      rank(j + 3, histogram + 3 * stride);
    }
    if constexpr (kLanes<T> < 4) {
      for (; j < size; ++j) rank(j, histogram);
    }
    if (num_distinct_ != num_sorted_) {
      for (j = 0; j < size; ++j) counts[j] = counts_below_[static_cast<size_t>(counts[j])];
    }
  }

  // above[k] = number of scores above threshold k, over all blocks since Begin.
  void End(int64_t* above) {
    std::fill_n(above, num_targets_, int64_t{0});
    int64_t sum = 0;
    size_t i = num_sorted_;
    for (size_t rank = num_distinct_; rank > 0; --rank) {
      for (size_t copy = 0; copy < copies_; ++copy) sum += histogram_[copy * (num_distinct_ + 1) + rank];
      while (i > static_cast<size_t>(counts_below_[rank - 1])) above[sorted_[--i].target] = sum;
    }
  }

  // For the tests of the cost bound: a score meets at most depth() tables after the first, and then searches at most
  // longest_search() thresholds.
  size_t depth() const { return depth_; }
  size_t longest_search() const { return longest_search_; }

 private:
  static constexpr size_t kSearched = 8;
  static constexpr int kBits = sizeof(T) * 8;

  struct Entry {
    T first;     // the bucket's threshold, or +Inf
    Count base;  // number of distinct thresholds in the buckets before, or ~node
  };
  // The distinct thresholds [begin, end) of a bucket that holds several.
  struct Node {
    uint32_t begin;
    uint32_t end;
    uint32_t depth;  // number of tables on the way to it
    uint32_t last_bucket;
    int32_t shift;
    int32_t table;  // index of its first entry, or -1: small enough to be searched
    Bits lowest;
  };

  static size_t Padded(size_t n) { return n + kLanes<T>; }
  // At most 2^21, so that a bucket's number and a fraction fit in the 23 bits of a float.
  static size_t NumBuckets(size_t n) { return std::bit_ceil(std::clamp<size_t>(4 * n, 8, size_t{1} << 21)); }
  // A large histogram has few collisions, and four of it would not stay in the cache.
  static constexpr size_t kMostCopied = 4096;
  static size_t HistogramCopies(size_t n) { return n <= kMostCopied ? 4 : 1; }
  // Enough for thresholds that crowd into one bucket again and again; a table that would not fit is searched instead.
  static size_t MaxDepth(size_t n) { return kBits / std::bit_width(n) + 1; }

  // The bits of a number as an unsigned integer that orders as the number does.
  static Bits Ordered(T value) {
    const Bits bits = std::bit_cast<Bits>(value + T{0});  // -0 + 0 = +0: the zeros are equal
    constexpr Bits sign = Bits{1} << (kBits - 1);
    return bits & sign ? ~bits : bits | sign;
  }

  void FindDistinct(const T* thresholds) {
    num_sorted_ = SortThresholds(thresholds, num_targets_, sorted_.data());
    num_distinct_ = 0;
    for (size_t i = 0; i < num_sorted_; ++i) {
      if (i > 0 && sorted_[i].value == sorted_[i - 1].value) continue;
      counts_below_[num_distinct_] = static_cast<Count>(i);
      distinct_[num_distinct_++] = sorted_[i].value;
    }
    counts_below_[num_distinct_] = static_cast<Count>(num_sorted_);
  }

  void BuildRoot() {
    if (num_distinct_ == 0) return;
    const size_t buckets = NumBuckets(num_distinct_);
    T lowest = distinct_[0];
    if (lowest == -kInfinity<T> && num_distinct_ > 1) lowest = distinct_[1];
    const T range = distinct_[num_distinct_ - 1] - lowest;
    scale_ = static_cast<T>(buckets) / range;
    offset_ = lowest;
    if (!(range < kInfinity<T> && scale_ > T{0} && scale_ < kInfinity<T>)) {
      // All equal, infinitely close or infinitely far: one bucket, and the table over the bits does the rest.
      scale_ = 0;
      offset_ = 0;
    }
    last_bucket_ = static_cast<T>(buckets);

    // The thresholds go through the very code that the scores go through.
    std::fill_n(distinct_.data() + num_distinct_, kLanes<T>, T{0});
    MapToBuckets(distinct_.data(), (num_distinct_ + kLanes<T> - 1) / kLanes<T> * kLanes<T>, bucket_of_.data());
    num_entries_ = 0;
    num_nodes_ = 0;
    FillTable(0, num_distinct_, buckets + 2, 1, [this](size_t i) { return static_cast<size_t>(bucket_of_[i]); });
    depth_ = 0;
    longest_search_ = 0;
    for (size_t i = 0; i < num_nodes_; ++i) BuildTable(nodes_[i]);  // appends nodes
  }

  void BuildTable(Node& node) {
    node.table = -1;
    const size_t size = node.end - node.begin;
    const size_t buckets = NumBuckets(size);
    if (size <= kSearched || num_entries_ + buckets > entries_.capacity() ||
        num_nodes_ + size / 2 > nodes_.capacity()) {
      longest_search_ = std::max(longest_search_, size);
      return;
    }
    depth_ = std::max<size_t>(depth_, node.depth);
    node.table = static_cast<int32_t>(num_entries_);
    node.lowest = Ordered(distinct_[node.begin]);
    const Bits range = Ordered(distinct_[node.end - 1]) - node.lowest;
    node.shift = std::max(0, static_cast<int>(std::bit_width(range)) - std::countr_zero(buckets));
    node.last_bucket = static_cast<uint32_t>(buckets - 1);
    FillTable(node.begin, node.end, buckets, node.depth + 1, [&](size_t i) { return BucketIn(node, distinct_[i]); });
  }

  static size_t BucketIn(const Node& node, T value) {
    const Bits bits = Ordered(value);
    if (bits <= node.lowest) return 0;
    return static_cast<size_t>(std::min<Bits>((bits - node.lowest) >> node.shift, node.last_bucket));
  }

  // Appends the entries of a table over the distinct thresholds [begin, end), whose buckets ascend.
  template <typename BucketOf>
  void FillTable(size_t begin, size_t end, size_t buckets, uint32_t depth, BucketOf bucket_of) {
    size_t i = begin;
    for (size_t bucket = 0; bucket < buckets; ++bucket) {
      const size_t first = i;
      while (i < end && bucket_of(i) == bucket) ++i;
      Entry entry{i > first ? distinct_[first] : kInfinity<T>, static_cast<Count>(first)};
      if (i > first + 1) {
        entry.base = ~static_cast<Count>(num_nodes_);
        nodes_[num_nodes_++] = {static_cast<uint32_t>(first), static_cast<uint32_t>(i), depth, 0, 0, -1, 0};
      }
      entries_[num_entries_++] = entry;
    }
  }

  Count Search(T score, Count index) const {
    for (;;) {
      const Node& node = nodes_[static_cast<size_t>(index)];
      if (node.table < 0) {
        size_t begin = node.begin;
        for (size_t size = node.end - node.begin; size > 0;) {
          const size_t half = (size + 1) / 2;
          if (distinct_[begin + half - 1] < score) begin += half;
          size -= half;
        }
        return static_cast<Count>(begin);
      }
      const Entry& entry = entries_[static_cast<size_t>(node.table) + BucketIn(node, score)];
      if (entry.base >= 0) return entry.base + (score > entry.first);
      index = ~entry.base;
    }
  }

  void MapToBuckets(T* scores, size_t size, Count* buckets) const {
    const hn::ScalableTag<T> d;
    const hn::ScalableTag<Count> di;
    // Adding 2^23 (2^52) leaves the rounded integer in the low bits, in one instruction where a conversion takes many.
    const T magic = sizeof(T) == 4 ? T(8388608) : T(4503599627370496);
    const auto v_magic = hn::Set(d, magic);
    const auto magic_bits = hn::BitCast(di, v_magic);
    const auto lowest = hn::Set(d, std::numeric_limits<T>::lowest());
    const auto highest = hn::Set(d, std::numeric_limits<T>::max());
    const auto offset = hn::Set(d, offset_);
    const auto scale = hn::Set(d, scale_);
    const auto one = hn::Set(d, T{1});
    const auto zero = hn::Zero(d);
    const auto last = hn::Set(d, last_bucket_ + 1);
    const auto negative_infinity = hn::Set(d, -kInfinity<T>);
    for (size_t j = 0; j < size; j += kLanes<T>) {
      auto x = hn::LoadU(d, scores + j);
      x = hn::IfThenElse(hn::Eq(x, x), x, negative_infinity);
      hn::StoreU(x, d, scores + j);
      const auto finite = hn::Min(hn::Max(x, lowest), highest);
      const auto bucket = hn::Min(hn::Max(hn::Add(hn::Mul(hn::Sub(finite, offset), scale), one), zero), last);
      hn::StoreU(hn::Sub(hn::BitCast(di, hn::Add(bucket, v_magic)), magic_bits), di, buckets + j);
    }
  }

  size_t num_targets_ = 0;
  size_t num_sorted_ = 0;    // thresholds below +Inf
  size_t num_distinct_ = 0;  // of these
  size_t num_entries_ = 0;
  size_t num_nodes_ = 0;
  size_t copies_ = 0;
  size_t depth_ = 0;
  size_t longest_search_ = 0;
  T offset_ = 0;
  T scale_ = 0;
  T last_bucket_ = 0;
  Buffer<Threshold<T>> sorted_;
  Buffer<T> distinct_;
  Buffer<Count> bucket_of_;
  Buffer<Count> counts_below_;  // [i]: thresholds below distinct threshold i; its last entry is num_sorted_
  Buffer<Count> histogram_;     // [copies_, num_distinct_ + 1]
  Buffer<Entry> entries_;
  Buffer<Node> nodes_;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_BUCKETED_COUNTS_H_
