#ifndef MULTILABEL_MARGIN_LOSS_LOSS_KERNEL_CHOICE_H_
#define MULTILABEL_MARGIN_LOSS_LOSS_KERNEL_CHOICE_H_

#include <cstdint>

namespace mlml {

// Which row kernel counts. kMeasured takes the faster one for the numbers of thresholds and scores. The kernels agree
// in every count. row_counts.h says which scores have both.
enum class KernelChoice : int32_t { kMeasured, kDirect, kBucketed };

// All of them, for tests.
constexpr KernelChoice kKernelChoices[] = {KernelChoice::kMeasured, KernelChoice::kDirect, KernelChoice::kBucketed};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_LOSS_KERNEL_CHOICE_H_
