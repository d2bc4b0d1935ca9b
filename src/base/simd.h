// Includes Highway. It is built with HWY_COMPILE_ONLY_STATIC: the compiler flags alone choose the instruction set
// (SIMD128 in WebAssembly, SSE2 to AVX-512 natively), because WebAssembly cannot choose at run time.
#ifndef MULTILABEL_MARGIN_LOSS_BASE_SIMD_H_
#define MULTILABEL_MARGIN_LOSS_BASE_SIMD_H_

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace mlml {

namespace hn = hwy::HWY_NAMESPACE;

// The type of counts. It is as wide as the scores, since counts are sums of lane masks.
template <typename T>
using CountOf = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

template <typename T>
constexpr size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());

template <typename T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_BASE_SIMD_H_
