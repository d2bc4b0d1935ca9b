// The one place that names Highway. Built with HWY_COMPILE_ONLY_STATIC: the target is what the compiler flags allow
// (SIMD128 in WebAssembly, SSE2 to AVX-512 natively), because WebAssembly has no dispatch at run time: there, choosing
// the module is the dispatch.
#ifndef MULTILABEL_MARGIN_LOSS_BASE_SIMD_H_
#define MULTILABEL_MARGIN_LOSS_BASE_SIMD_H_

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace mlml {

namespace hn = hwy::HWY_NAMESPACE;

// Lane masks are as wide as the scores, so counts made from them are too.
template <typename T>
using CountOf = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

template <typename T>
constexpr size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());

template <typename T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_BASE_SIMD_H_
