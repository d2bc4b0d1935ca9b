#ifndef MULTILABEL_MARGIN_LOSS_LOSS_ROW_COUNTS_H_
#define MULTILABEL_MARGIN_LOSS_LOSS_ROW_COUNTS_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/simd.h"
#include "loss/bucketed_counts.h"
#include "loss/direct_counts.h"
#include "loss/kernel_choice.h"

namespace mlml {

// Takes the counts of a kernel and does nothing with them: for callers that want those of thresholds alone.
struct IgnoreCounts {
  template <typename Scores, typename Counts, typename At>
  void operator()(Scores /*scores*/, Counts /*minus_counts*/, At* /*at*/) const {}
  template <typename Scores, typename Counts, typename At>
  void OfOne(Scores /*scores*/, Counts /*minus_counts*/, At* /*at*/) const {}
};

// A row kernel counts the thresholds below each score and the scores above each threshold.
//
//   Reserve(n)       makes room for up to n thresholds; false when memory is exhausted
//   Begin(t, n)      starts a row with n thresholds, at least one
//   CountScores(x, size, consume)
//                    counts `size` more scores, a multiple of kLanes<T>. For each vector of them it calls
//                    consume(scores, minus_counts, address), which may write to the address: the scores, and minus the
//                    number of thresholds below each. For one threshold it may call consume.OfOne instead. `consume`
//                    can be copied and assigned.
//   End(above)       writes the number of scores above threshold k since Begin to above[k]
//
// A NaN score is above no threshold, and no score is above a NaN threshold.
template <typename Kernel, typename T>
concept RowKernel = requires(Kernel kernel, T* scores, const T* constants, size_t size, IgnoreCounts consume,
                             int64_t* above) {
  { kernel.Reserve(size) } -> std::same_as<bool>;
  kernel.Begin(constants, size);
  kernel.CountScores(scores, size, consume);
  kernel.CountScores(constants, size, consume);
  kernel.End(above);
};
static_assert(RowKernel<DirectCounts<float>, float> && RowKernel<DirectCounts<double>, double>);
static_assert(RowKernel<BucketedCounts<float>, float> && RowKernel<BucketedCounts<double>, double>);

// The row kernels and the choice between them. Without kHasDirect the bucketed kernel counts all rows, and the direct
// one takes no room in the module.
template <typename T, bool kHasDirect>
class RowCounts {
 public:
  // Whether the bucketed kernel counts such a row.
  static bool UsesBuckets(size_t num_thresholds, size_t size, KernelChoice choice) {
    if (!kHasDirect) return true;
    if (choice != KernelChoice::kMeasured) return choice == KernelChoice::kBucketed;
    return num_thresholds > kMostDirectThresholds && size > kMostDirectScores;
  }

  // Makes room for rows of up to so many thresholds and scores. False when memory is exhausted.
  [[nodiscard]] bool Reserve(size_t num_thresholds, size_t size, KernelChoice choice) {
    return (!kHasDirect || direct_.Reserve(num_thresholds)) &&
           (!UsesBuckets(num_thresholds, size, choice) || bucketed_.Reserve(num_thresholds));
  }

  // Counts a row of any size: `consume` and `above` as for RowKernel. `At` is T or const T.
  template <typename At, typename Consume>
  void Count(At* scores, size_t size, const T* thresholds, size_t num_thresholds, KernelChoice choice, Consume& consume,
             int64_t* above) {
    if constexpr (kHasDirect) {
      if (!UsesBuckets(num_thresholds, size, choice)) {
        CountWith(direct_, scores, size, thresholds, num_thresholds, consume, above);
        return;
      }
    }
    CountWith(bucketed_, scores, size, thresholds, num_thresholds, consume, above);
  }

 private:
  // A row of up to so many scores is padded as a whole, which takes one call instead of two.
  static constexpr size_t kMostPadded = 64;
  // Measured in WebAssembly on 64 rows of 64 to 20,000 scores: the direct kernel is faster for up to so many
  // thresholds, and for up to so many scores with any number of thresholds.
  static constexpr size_t kMostDirectThresholds = 32;
  static constexpr size_t kMostDirectScores = 256;

  // Counts whole vectors in place. The other scores, and all of a short row, are counted in a copy that is padded with
  // -Inf, which is above no threshold.
  template <RowKernel<T> Kernel, typename At, typename Consume>
  static void CountWith(Kernel& kernel, At* scores, size_t size, const T* thresholds, size_t num_thresholds,
                        Consume& consume, int64_t* above) {
    kernel.Begin(thresholds, num_thresholds);
    size_t whole = 0;
    if (size > kMostPadded) {
      whole = size - size % kLanes<T>;
      kernel.CountScores(scores, whole, consume);
    }
    if (whole < size) {
      T rest[kMostPadded];
      const size_t length = size - whole;
      const size_t padded = (length + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
      std::copy_n(scores + whole, length, rest);
      std::fill(rest + length, rest + padded, -kInfinity<T>);
      kernel.CountScores(rest, padded, consume);
      if constexpr (!std::is_const_v<At>) std::copy_n(rest, length, scores + whole);
    }
    kernel.End(above);
  }

  DirectCounts<T> direct_;
  BucketedCounts<T> bucketed_;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_LOSS_ROW_COUNTS_H_
