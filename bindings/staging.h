#ifndef MULTILABEL_MARGIN_LOSS_BINDINGS_STAGING_H_
#define MULTILABEL_MARGIN_LOSS_BINDINGS_STAGING_H_

#include <cstddef>
#include <cstdint>

#include "base/buffer.h"

namespace mlml {

// Returns the address of at least `bytes` bytes, or 0 when memory is exhausted. JavaScript copies a batch there part by
// part, so that linear memory stays small for a batch of any size. The next call may move and overwrite it.
inline uintptr_t Stage(size_t bytes) {
  static Buffer<uint8_t> staging;
  return staging.Reserve(bytes) ? reinterpret_cast<uintptr_t>(staging.data()) : 0;
}

// Bytes to which the linear memory of this module can grow. CMakeLists.txt gives the number to the linker and to this.
inline size_t MaximumMemory() { return MLML_MAXIMUM_MEMORY; }

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_BINDINGS_STAGING_H_
