// The multi-label margin loss and its gradient, for rows of scores in memory.
//
// For a row x of C scores and targets y, let Y be the entries of y before its first negative one:
//
//   loss(x, y) = 1/D * sum over k in Y, over j not in Y, of max(0, margin - x[k] + x[j])
//
// where D is C (Normalization::kClasses) or the length of Y (kTargets). TargetOrder::kRanked adds, over i < j,
// max(0, margin - x[Y[i]] + x[Y[j]]) to the sum. A class listed twice in Y counts twice. Pairs of an unknown class are
// left out, and a row with a weight has its loss and gradient multiplied by it. Formula: PyTorch,
// torch.nn.MultiLabelMarginLoss. The conditions are evaluated in the type of the scores as (margin - x[k]) + x[j] > 0.
#ifndef MULTILABEL_MARGIN_LOSS_LOSS_MULTILABEL_MARGIN_LOSS_H_
#define MULTILABEL_MARGIN_LOSS_LOSS_MULTILABEL_MARGIN_LOSS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "loss/kernel_choice.h"

namespace mlml {

enum class Reduction : int32_t { kNone, kMean, kSum };
enum class Normalization : int32_t { kClasses, kTargets };
enum class TargetOrder : int32_t { kIgnored, kRanked };

// What a NaN score does, also that of an unknown class. kIgnore: its pairs add 0. kPropagate: the loss and the whole
// gradient of its row are NaN. kError: nothing is computed, and Status::kNanScore says where the first one is. Pairs of
// equal infinities, whose difference is NaN though no score is, add 0 under every policy.
enum class NanPolicy : int32_t { kIgnore, kPropagate, kError };

struct Options {
  double margin = 1.0;  // rounded to the type of the scores
  Reduction reduction = Reduction::kMean;
  Normalization normalization = Normalization::kClasses;
  TargetOrder target_order = TargetOrder::kIgnored;
  NanPolicy nan_policy = NanPolicy::kIgnore;
  // No gradient is wanted. The memory for it, if there is any, is room for the copy of a row that is computed on.
  bool loss_only = false;
};

// `count` consecutive rows of a batch of `batch_rows`. All arrays are row-major.
template <typename Score>  // float or double
struct Rows {
  const Score* scores = nullptr;     // [count, classes]
  const int32_t* targets = nullptr;  // [count, width]; each entry in [-1, classes)
  size_t count = 0;
  size_t classes = 0;  // 1 <= classes < 2^31
  size_t width = 0;
  size_t batch_rows = 0;  // N, by which Reduction::kMean divides

  // [count], or null for 1. Each is in [0, largest number of type Score]. Weight 0 makes the loss and the gradient of a
  // row 0, whatever its scores.
  const double* sample_weights = nullptr;
  // [count, unknown_width], or null for none. Each entry is in [-1, classes), and none before a row's first -1 is among
  // its targets. The pairs of these classes add 0.
  const int32_t* unknown = nullptr;
  size_t unknown_width = 0;

  // The number of targets of a row: the entries before the first negative one.
  size_t CountTargets(size_t row) const { return CountListed(targets, width, row); }
  size_t CountUnknown(size_t row) const { return unknown == nullptr ? 0 : CountListed(unknown, unknown_width, row); }

  // The rows from `begin` to before `end`.
  Rows Slice(size_t begin, size_t end) const {
    Rows slice = *this;
    slice.scores += begin * classes;
    slice.targets += begin * width;
    slice.count = end - begin;
    if (sample_weights != nullptr) slice.sample_weights += begin;
    if (unknown != nullptr) slice.unknown += begin * unknown_width;
    return slice;
  }

 private:
  static size_t CountListed(const int32_t* lists, size_t list_width, size_t row) {
    const int32_t* begin = lists + row * list_width;
    return static_cast<size_t>(std::find_if(begin, begin + list_width, [](int32_t t) { return t < 0; }) - begin);
  }
};

enum class Status : int32_t {
  kOk,
  kTargetOutOfRange,
  kNanScore,
  kOutOfMemory,
  kUnknownOutOfRange,
  kUnknownTarget,  // a class is both unknown and a target
};

// The place of the first invalid value in row-major order: in `targets`, in `scores` for kNanScore, or in `unknown`.
// `row` counts from the first of `Rows`.
struct Outcome {
  Status status = Status::kOk;
  size_t row = 0;
  size_t column = 0;
};

// Scratch memory for one row. It is kept between calls, so that only the first ones allocate.
class Workspace {
 public:
  Workspace();
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  struct Buffers;
  Buffers& buffers() { return *buffers_; }

 private:
  std::unique_ptr<Buffers> buffers_;
};

// Checks every target and every unknown class, also those after a row's first -1, and under NanPolicy::kError every
// score.
template <typename Score>
Outcome Validate(const Rows<Score>& rows, NanPolicy nan_policy, Workspace& workspace);

// Makes room for the computation of any of the rows. False when memory is exhausted. Scores of double have the bucketed
// kernel alone.
template <typename Score>
[[nodiscard]] bool Reserve(const Rows<Score>& rows, const Options& options, KernelChoice kernel, bool with_gradient,
                           Workspace& workspace);

// Computes rows for which Validate and Reserve succeeded.
//
// Writes the loss of each row to losses[row], unreduced and in double. Their sum in row order, divided by N for
// Reduction::kMean, has the same bits whatever the parts of a batch are.
//
// If `grad` is not null, writes the gradient of the reduced loss with respect to the scores there: [count, classes]. It
// may be the same memory as `rows.scores`, which is faster than elsewhere or null, since the computation needs a copy
// of each row. Under Options::loss_only the memory is written to all the same.
//
// A loss in float without its gradient is a sum of other roundings than one with it: the two may differ in the last
// bits of a float.
template <typename Score>
void Compute(const Rows<Score>& rows, const Options& options, KernelChoice kernel, double* losses, Score* grad,
             Workspace& workspace);

// Validates, reserves and computes. Writes nothing unless the rows are valid.
template <typename Score>
Outcome MultilabelMarginLoss(const Rows<Score>& rows, const Options& options, double* losses, Score* grad,
                             Workspace& workspace, KernelChoice kernel = KernelChoice::kMeasured) {
  const Outcome outcome = Validate(rows, options.nan_policy, workspace);
  if (outcome.status != Status::kOk) return outcome;
  if (!Reserve(rows, options, kernel, grad != nullptr, workspace)) return {.status = Status::kOutOfMemory};
  Compute(rows, options, kernel, losses, grad, workspace);
  return outcome;
}

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_LOSS_MULTILABEL_MARGIN_LOSS_H_
