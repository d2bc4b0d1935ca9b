// The multi-label margin loss and its gradient, for rows of scores in memory.
//
// For a row x of C scores and targets y, let Y be the entries of y before its first negative one:
//
//   loss(x, y) = 1/D * sum over k in Y, over j not in Y, of max(0, margin - x[k] + x[j])
//
// where D is C (Normalization::kClasses) or the length of Y (kTargets). TargetOrder::kRanked adds, over i < j,
// max(0, margin - x[Y[i]] + x[Y[j]]) to the sum. A class listed twice in Y counts twice.
// Formula: PyTorch, torch.nn.MultiLabelMarginLoss; the conditions are evaluated in the type of the scores as
// (margin - x[k]) + x[j] > 0.
#ifndef MULTILABEL_MARGIN_LOSS_LOSS_MULTILABEL_MARGIN_LOSS_H_
#define MULTILABEL_MARGIN_LOSS_LOSS_MULTILABEL_MARGIN_LOSS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace mlml {

enum class Reduction : int32_t { kNone, kMean, kSum };
enum class Normalization : int32_t { kClasses, kTargets };
enum class TargetOrder : int32_t { kIgnored, kRanked };

// What a NaN score does. kIgnore: its pairs add 0. kPropagate: the loss and the whole gradient of its row are NaN.
// kError: nothing is computed, Status::kNanScore says where the first one is. Pairs of equal infinities, whose
// difference is NaN though no score is, add 0 under every policy.
enum class NanPolicy : int32_t { kIgnore, kPropagate, kError };

struct Options {
  double margin = 1.0;  // rounded to the type of the scores
  Reduction reduction = Reduction::kMean;
  Normalization normalization = Normalization::kClasses;
  TargetOrder target_order = TargetOrder::kIgnored;
  NanPolicy nan_policy = NanPolicy::kIgnore;
};

// `rows` consecutive rows of a batch of `batch_rows`; all pointers are to row-major arrays.
template <typename Score>  // float or double
struct Rows {
  const Score* scores = nullptr;     // [rows, classes]
  const int32_t* targets = nullptr;  // [rows, width]; each entry in [-1, classes)
  size_t rows = 0;
  size_t classes = 0;  // 1 <= classes < 2^31
  size_t width = 0;
  size_t batch_rows = 0;  // N, by which Reduction::kMean divides

  // The entries of a row before the first negative one.
  size_t CountTargets(size_t row) const {
    const int32_t* begin = targets + row * width;
    return static_cast<size_t>(std::find_if(begin, begin + width, [](int32_t t) { return t < 0; }) - begin);
  }
};

enum class Status : int32_t { kOk, kTargetOutOfRange, kNanScore, kOutOfMemory };

// For kTargetOutOfRange and kNanScore, the first offender in row-major order; `row` counts from the first of `Rows`.
struct Outcome {
  Status status = Status::kOk;
  size_t row = 0;
  size_t column = 0;
};

// Scratch memory for one row. Kept between calls, so that a steady stream of them allocates nothing.
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

// Checks every target, also those after a row's first -1, and under NanPolicy::kError every score.
template <typename Score>
Outcome Validate(const Rows<Score>& rows, NanPolicy nan_policy);

// The row kernels, which agree to the bit in their gradients: kDirect compares every score with every threshold,
// kBucketed looks its rank up. kMeasured takes the faster one for K targets among C classes. For double there is
// kBucketed alone.
enum class RowKernel : int32_t { kMeasured, kDirect, kBucketed };

// Makes room for the computation of any of the rows, with a gradient or without. False when there is no memory for it.
template <typename Score>
[[nodiscard]] bool Reserve(const Rows<Score>& rows, const Options& options, RowKernel kernel, bool with_gradient,
                           Workspace& workspace);

// Computes rows that are valid and that there is room for.
//
// Writes the loss of each row to losses[row], unreduced and in double: their sum in row order, divided by N for
// Reduction::kMean, has the same bits however a batch was divided.
//
// With `grad` not null, writes the gradient of the reduced loss with respect to the scores: [rows, classes]. It may be
// the same memory as `rows.scores`, which is the quicker way where the scores are a copy anyway, also where only the
// losses are wanted.
template <typename Score>
void Compute(const Rows<Score>& rows, const Options& options, RowKernel kernel, double* losses, Score* grad,
             Workspace& workspace);

// The three in turn; writes nothing unless the rows are valid.
template <typename Score>
Outcome MultilabelMarginLoss(const Rows<Score>& rows, const Options& options, double* losses, Score* grad,
                             Workspace& workspace, RowKernel kernel = RowKernel::kMeasured) {
  const Outcome outcome = Validate(rows, options.nan_policy);
  if (outcome.status != Status::kOk) return outcome;
  if (!Reserve(rows, options, kernel, grad != nullptr, workspace)) return {Status::kOutOfMemory, 0, 0};
  Compute(rows, options, kernel, losses, grad, workspace);
  return outcome;
}

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_LOSS_MULTILABEL_MARGIN_LOSS_H_
