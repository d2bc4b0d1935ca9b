#ifndef MULTILABEL_MARGIN_LOSS_LOSS_BUCKETED_COUNTS_H_
#define MULTILABEL_MARGIN_LOSS_LOSS_BUCKETED_COUNTS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/buffer.h"
#include "base/simd.h"
#include "loss/thresholds.h"

namespace mlml {

// The bucketed row kernel takes O(C + K log K) time for any number K of thresholds. row_counts.h has the contract of
// its functions.
//
// The number of thresholds below a score is its rank among the sorted thresholds. The kernel maps scores linearly to at
// least eight times as many buckets as there are thresholds. A table has, for each bucket, the number of thresholds in
// the buckets before it and the threshold in it. The map is monotone in floating point: a score and a threshold in
// different buckets compare as their buckets do. One comparison with the threshold in its own bucket therefore gives
// the exact rank of a score, and both kinds of count follow from the ranks.
//
// A bucket with several thresholds points to a table of its own. (With one outlier, most thresholds share a bucket.)
// That table divides the bits of the numbers, which order as the numbers do. Each such table takes at least 3 of the 32
// or 64 bits, so the type bounds the steps per score, whatever K is. Up to 8 thresholds of a bucket are searched.
template <typename T>
class BucketedCounts {
  using Count = CountOf<T>;
  using Bits = std::make_unsigned_t<Count>;

 public:
  // Some buffers are largest for a smaller number of thresholds than `num_thresholds`: they are made large enough for
  // it.
  [[nodiscard]] bool Reserve(size_t num_thresholds) {
    const size_t k = std::max<size_t>(num_thresholds, 1);
    const size_t depth = MaxDepth((k + 1) / 2);
    const size_t counters = std::max(k + 1, HistogramCopies(1) * (std::min(k, kMostCopied) + 1));
    return unsorted_.Reserve(k) && sorted_.Reserve(k) && distinct_.Reserve(k + kLanes<T>) &&
           bucket_of_.Reserve(k + kLanes<T>) && crowded_.Reserve(k / 2) && counts_below_.Reserve(k + 1) &&
           histogram_.Reserve(counters) && ends_.Reserve(NumBuckets(k) + 1) &&
           tables_.Reserve(NumBuckets(k) + 1 + depth * NumBuckets(k)) && nodes_.Reserve(k + k * depth / 8 + 1);
  }

  void Begin(const T* thresholds, size_t num_thresholds) {
    num_thresholds_ = num_thresholds;
    Sort(thresholds);
    FindDistinct();
    BuildTables();
    copies_ = HistogramCopies(num_distinct_);
    std::fill_n(histogram_.data(), copies_ * (num_distinct_ + 1), Count{0});
  }

  template <typename At, typename Consume>
  void CountScores(At* scores, size_t size, Consume& consume) {
    for (size_t j = 0; j < size; j += kChunk) CountChunk(scores + j, std::min(kChunk, size - j), consume);
  }

  void End(int64_t* above) {
    std::fill_n(above, num_thresholds_, int64_t{0});
    int64_t sum = 0;
    size_t i = num_sorted_;
    for (size_t rank = num_distinct_; rank > 0; --rank) {
      for (size_t copy = 0; copy < copies_; ++copy) sum += histogram_[copy * (num_distinct_ + 1) + rank];
      while (i > static_cast<size_t>(counts_below_[rank - 1])) above[sorted_[--i].target] = sum;
    }
  }

  // For tests of the cost bound: a score is looked up in at most depth() tables after the first, and then among at most
  // longest_search() thresholds.
  size_t depth() const { return depth_; }
  size_t longest_search() const { return longest_search_; }

 private:
  static constexpr size_t kChunk = 256;
  static constexpr size_t kSearched = 8;
  static constexpr int kBits = sizeof(T) * 8;

  // One bucket. Both fields are equally wide, so that one load of vectors gets both.
  struct Entry {
    // The threshold in the bucket. +Inf, which no score is above, if it holds none or several.
    T threshold;
    // The number of distinct thresholds in the buckets before. For several thresholds, num_distinct_ + 1 + the index of
    // the bucket's node.
    Count rank;
  };
  static_assert(sizeof(Entry) == 2 * sizeof(T));

  // The distinct thresholds [begin, end) of a bucket that holds several.
  struct Node {
    uint32_t begin;
    uint32_t end;
    uint32_t depth;  // number of tables before its own
    uint32_t last_bucket;
    int32_t shift;
    int32_t table;  // index of its first entry, or -1: small enough to be searched
    Bits lowest;
  };

  // With twice as many buckets a quarter as many scores must be searched, but a large table leaves the first-level
  // cache. The number of a bucket fits in the fraction bits of a float: at most 2^21.
  static size_t NumBuckets(size_t n) {
    return std::bit_ceil(std::clamp<size_t>((n <= 256 ? 16 : 8) * n, 8, size_t{1} << 21));
  }
  // Copies of the histogram avoid collisions. A large one has few, and four copies of it would not stay in the cache.
  static constexpr size_t kMostCopied = 512;
  static size_t HistogramCopies(size_t n) { return n <= kMostCopied ? 4 : 1; }
  // The depth for which there is room: thresholds may share a bucket again and again. A node whose table does not fit
  // is searched instead.
  static size_t MaxDepth(size_t n) { return kBits / std::bit_width(n | 1) + 1; }

  // Maps a number to an unsigned integer that orders as the number does.
  static Bits Ordered(T value) {
    const Bits bits = std::bit_cast<Bits>(value + T{0});  // -0 + 0 = +0: the zeros are equal
    constexpr Bits sign = Bits{1} << (kBits - 1);
    return bits & sign ? ~bits : bits | sign;
  }

  // The thresholds that a score can be above (nothing is above +Inf or NaN), in ascending order.
  void Sort(const T* thresholds) {
    num_sorted_ = 0;
    lowest_ = kInfinity<T>;
    highest_ = -kInfinity<T>;
    for (size_t k = 0; k < num_thresholds_; ++k) {
      const T value = thresholds[k];
      if (!(value < kInfinity<T>)) continue;
      unsorted_[num_sorted_] = {value, static_cast<int32_t>(k)};
      distinct_[num_sorted_++] = value;
      lowest_ = std::min(lowest_, value);
      highest_ = std::max(highest_, value);
    }
    num_buckets_ = NumBuckets(num_sorted_);
    scale_ = static_cast<T>(num_buckets_) / (highest_ - lowest_);
    // Thresholds that are all equal, or too close or too far apart for a finite scale, share one bucket, and the table
    // over their bits tells them apart.
    one_bucket_ = !(scale_ > T{0} && scale_ < kInfinity<T>);
    MapThresholds(num_sorted_);

    // A bucket sort, with an insertion sort in each bucket: 1000 thresholds take a tenth of the time of std::sort.
    uint32_t* ends = ends_.data();
    const size_t num_entries = num_buckets_ + 1;
    std::fill_n(ends, num_entries, 0u);
    num_crowded_ = 0;
    fullest_ = 0;
    for (size_t i = 0; i < num_sorted_; ++i) {
      const auto bucket = static_cast<uint32_t>(bucket_of_[i]);
      const uint32_t size = ++ends[bucket];
      if (size == 2) crowded_[num_crowded_++] = bucket;
      fullest_ = std::max(fullest_, size);
    }
    if (fullest_ > kSearched) {
      std::copy_n(unsorted_.data(), num_sorted_, sorted_.data());
      mlml::Sort(sorted_.data(), num_sorted_);
      return;
    }
    Entry* entries = tables_.data();
    uint32_t end = 0;
    for (size_t bucket = 0; bucket < num_entries; ++bucket) {
      entries[bucket] = {kInfinity<T>, static_cast<Count>(end)};
      const uint32_t size = ends[bucket];
      ends[bucket] = end;
      end += size;
    }
    for (size_t i = 0; i < num_sorted_; ++i) {
      const auto bucket = static_cast<size_t>(bucket_of_[i]);
      sorted_[ends[bucket]++] = unsorted_[i];
      entries[bucket].threshold = unsorted_[i].value;
    }
    for (size_t i = 0; i < num_crowded_; ++i) {
      Threshold<T>* begin = sorted_.data() + entries[crowded_[i]].rank;
      for (Threshold<T>* at = begin + 1; at < sorted_.data() + ends[crowded_[i]]; ++at) {
        const Threshold<T> threshold = *at;
        Threshold<T>* to = at;
        for (; to > begin && threshold.value < to[-1].value; --to) *to = to[-1];
        *to = threshold;
      }
    }
  }

  void FindDistinct() {
    num_distinct_ = 0;
    for (size_t i = 0; i < num_sorted_; ++i) {
      if (i > 0 && sorted_[i].value == sorted_[i - 1].value) continue;
      counts_below_[num_distinct_] = static_cast<Count>(i);
      distinct_[num_distinct_++] = sorted_[i].value;
    }
    counts_below_[num_distinct_] = static_cast<Count>(num_sorted_);
  }

  void BuildTables() {
    num_entries_ = 0;
    num_nodes_ = 0;
    depth_ = 0;
    longest_search_ = 0;
    const size_t num_entries = num_buckets_ + 1;
    if (fullest_ <= kSearched && num_distinct_ == num_sorted_) {
      // Sort() filled the table, except for the buckets that hold several thresholds.
      num_entries_ = num_entries;
      for (size_t i = 0; i < num_crowded_; ++i) {
        Entry& entry = tables_[crowded_[i]];
        entry = NodeEntry(static_cast<uint32_t>(entry.rank), ends_[crowded_[i]], 1);
      }
    } else {
      MapThresholds(num_distinct_);
      FillTable(0, num_distinct_, num_entries, 1, [this](size_t i) { return static_cast<size_t>(bucket_of_[i]); });
    }
    for (size_t i = 0; i < num_nodes_; ++i) BuildTable(nodes_[i]);  // appends nodes
  }

  // The entry of a bucket that holds the distinct thresholds [begin, end).
  Entry NodeEntry(uint32_t begin, uint32_t end, uint32_t depth) {
    nodes_[num_nodes_++] = {begin, end, depth, 0, 0, -1, 0};
    return {kInfinity<T>, static_cast<Count>(num_distinct_ + num_nodes_)};
  }

  void BuildTable(Node& node) {
    node.table = -1;
    const size_t size = node.end - node.begin;
    const size_t buckets = NumBuckets(size);
    if (size <= kSearched || num_entries_ + buckets > tables_.capacity() || num_nodes_ + size / 2 > nodes_.capacity()) {
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

  // Appends a table over the distinct thresholds [begin, end), whose buckets ascend.
  template <typename BucketOf>
  void FillTable(size_t begin, size_t end, size_t buckets, uint32_t depth, BucketOf bucket_of) {
    Entry* table = tables_.data() + num_entries_;
    size_t filled = 0;
    for (size_t i = begin; i < end;) {
      const size_t first = i;
      const size_t bucket = bucket_of(first);
      do ++i;
      while (i < end && bucket_of(i) == bucket);
      std::fill(table + filled, table + bucket, Entry{kInfinity<T>, static_cast<Count>(first)});
      table[bucket] = i - first == 1 ? Entry{distinct_[first], static_cast<Count>(first)}
                                     : NodeEntry(static_cast<uint32_t>(first), static_cast<uint32_t>(i), depth);
      filled = bucket + 1;
    }
    std::fill(table + filled, table + buckets, Entry{kInfinity<T>, static_cast<Count>(end)});
    num_entries_ += buckets;
  }

  // Rank of a score in a bucket that points to a node.
  Count Search(T score, Count rank) const {
    if (score != score) return 0;  // its bits are above all others
    Entry entry{kInfinity<T>, rank};
    do {
      const Node& node = nodes_[static_cast<size_t>(entry.rank) - num_distinct_ - 1];
      if (node.table < 0) {
        const T* begin = distinct_.data() + node.begin;
        return static_cast<Count>(std::lower_bound(begin, distinct_.data() + node.end, score) - distinct_.data());
      }
      entry = tables_[static_cast<size_t>(node.table) + BucketIn(node, score)];
    } while (static_cast<size_t>(entry.rank) > num_distinct_);
    return entry.rank + (score > entry.threshold);
  }

  // Separate passes, so that each is either a loop over vectors or a short loop.
  template <typename At, typename Consume>
  void CountChunk(At* scores, size_t size, Consume& consume) {
    Count ranks[kChunk];
    T entries[2 * kChunk];
    MapToBuckets(scores, size, ranks);
    LookUp(tables_.data(), ranks, size, entries);
    Compare(entries, scores, size, ranks, consume);
    Histogram(ranks, size, histogram_.data(), copies_ > 1 ? num_distinct_ + 1 : 0);
  }

  // Copies the entries of the scores' buckets.
  static void LookUp(const Entry* HWY_RESTRICT table, const Count* HWY_RESTRICT buckets, size_t size,
                     T* HWY_RESTRICT entries) {
    const auto one = [&](size_t j) {
      std::memcpy(entries + 2 * j, table + static_cast<size_t>(buckets[j]), sizeof(Entry));
    };
    size_t j = 0;
    for (; j + 4 <= size; j += 4) {
      one(j);
      one(j + 1);
      one(j + 2);
      one(j + 3);
    }
    for (; j < size; ++j) one(j);
  }

  // Computes ranks from entries, and passes the counts that follow to `consume`.
  template <typename At, typename Consume>
  void Compare(const T* HWY_RESTRICT entries, At* HWY_RESTRICT scores, size_t size, Count* HWY_RESTRICT ranks,
               Consume& consume) const {
    const hn::ScalableTag<T> d;
    const hn::ScalableTag<Count> di;
    const auto most = hn::Set(di, static_cast<Count>(num_distinct_));
    const bool has_duplicates = num_distinct_ != num_sorted_;
    Consume local = consume;  // in registers
    for (size_t j = 0; j < size; j += kLanes<T>) {
      hn::Vec<decltype(d)> threshold, rank_bits;
      hn::LoadInterleaved2(d, entries + 2 * j, threshold, rank_bits);
      const auto score = hn::LoadU(d, scores + j);
      const auto above = hn::BitCast(di, hn::VecFromMask(d, hn::Gt(score, threshold)));  // a true lane is -1
      auto rank = hn::Sub(hn::BitCast(di, rank_bits), above);
      hn::StoreU(rank, di, ranks + j);
      if (HWY_UNLIKELY(!hn::AllFalse(di, hn::Gt(rank, most)))) {
        for (size_t i = j; i < j + kLanes<T>; ++i) {
          if (static_cast<size_t>(ranks[i]) > num_distinct_) ranks[i] = Search(scores[i], ranks[i]);
        }
        rank = hn::LoadU(di, ranks + j);
      }
      if (has_duplicates) {
        Count counts[kLanes<T>];
        for (size_t i = 0; i < kLanes<T>; ++i) counts[i] = counts_below_[static_cast<size_t>(ranks[j + i])];
        rank = hn::LoadU(di, counts);
      }
      local(score, hn::Neg(rank), scores + j);
    }
    consume = local;
  }

  static void Histogram(const Count* HWY_RESTRICT ranks, size_t size, Count* HWY_RESTRICT histogram, size_t stride) {
    // Neighbouring scores often share a rank: separate copies keep their increments independent.
    Count* HWY_RESTRICT copy1 = histogram + stride;
    Count* HWY_RESTRICT copy2 = copy1 + stride;
    Count* HWY_RESTRICT copy3 = copy2 + stride;
    size_t j = 0;
    for (; j + 4 <= size; j += 4) {
      ++histogram[ranks[j]];
      ++copy1[ranks[j + 1]];
      ++copy2[ranks[j + 2]];
      ++copy3[ranks[j + 3]];
    }
    for (; j < size; ++j) ++histogram[ranks[j]];
  }

  // bucket_of_[i] = bucket of distinct_[i]. Thresholds and scores are mapped by the same code, so that they round
  // alike.
  void MapThresholds(size_t size) {
    std::fill_n(distinct_.data() + size, kLanes<T>, T{0});
    MapToBuckets(distinct_.data(), (size + kLanes<T> - 1) / kLanes<T> * kLanes<T>, bucket_of_.data());
  }

  // Buckets 0 to num_buckets_ lie between the lowest and the highest threshold. Lower scores, and NaN, go to the first
  // bucket and higher ones to the last.
  void MapToBuckets(const T* values, size_t size, Count* buckets) const {
    const hn::ScalableTag<T> d;
    const hn::ScalableTag<Count> di;
    if (one_bucket_) {
      std::fill_n(buckets, size, Count{0});
      return;
    }
    // Adding 1.5 * 2^23 (2^52) leaves the rounded integer in the low bits.
    const auto magic = hn::Set(d, sizeof(T) == 4 ? T(12582912) : T(6755399441055744));
    const auto lowest = hn::Set(d, lowest_);
    const auto highest = hn::Set(d, highest_);
    const auto scale = hn::Set(d, scale_);
    for (size_t j = 0; j < size; j += kLanes<T>) {
      const auto x = hn::Min(hn::Max(hn::LoadU(d, values + j), lowest), highest);  // NaN becomes the lowest
      const auto bits = hn::BitCast(di, hn::Add(hn::Mul(hn::Sub(x, lowest), scale), magic));
      hn::StoreU(hn::Sub(bits, hn::BitCast(di, magic)), di, buckets + j);
    }
  }

  size_t num_thresholds_ = 0;
  size_t num_sorted_ = 0;    // thresholds below +Inf
  size_t num_distinct_ = 0;  // distinct ones among these
  size_t num_buckets_ = 0;
  size_t num_entries_ = 0;
  size_t num_nodes_ = 0;
  size_t num_crowded_ = 0;
  uint32_t fullest_ = 0;  // most thresholds in a bucket of the first table, equal ones included
  size_t copies_ = 0;
  size_t depth_ = 0;
  size_t longest_search_ = 0;
  T lowest_ = 0;   // the lowest threshold
  T highest_ = 0;  // the highest threshold
  T scale_ = 0;
  bool one_bucket_ = false;
  Buffer<Threshold<T>> unsorted_;
  Buffer<Threshold<T>> sorted_;
  Buffer<T> distinct_;
  Buffer<Count> bucket_of_;
  Buffer<Count> counts_below_;  // [i]: thresholds below distinct threshold i; its last entry is num_sorted_
  Buffer<Count> histogram_;     // [copies_, num_distinct_ + 1]
  Buffer<uint32_t> crowded_;    // buckets of the first table that hold several thresholds, equal ones included
  Buffer<uint32_t> ends_;       // [bucket of the first table]: the end of its thresholds in sorted_
  Buffer<Entry> tables_;
  Buffer<Node> nodes_;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_LOSS_BUCKETED_COUNTS_H_
