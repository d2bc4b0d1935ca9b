#ifndef MULTILABEL_MARGIN_LOSS_BASE_BUFFER_H_
#define MULTILABEL_MARGIN_LOSS_BASE_BUFFER_H_

#include <cstddef>
#include <cstdlib>
#include <limits>
#include <type_traits>

namespace mlml {

// Uninitialised memory that grows and never shrinks. Unlike std::vector it reports exhaustion instead of ending a
// program built without exceptions, as the WebAssembly module is.
template <typename T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  Buffer() = default;
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // Room for `size` elements; what was in it may be lost. False when there is no memory for it.
  [[nodiscard]] bool Reserve(size_t size) { return size <= capacity_ || Grow(size); }

  void Free() {
    std::free(data_);
    data_ = nullptr;
    capacity_ = 0;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t capacity() const { return capacity_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  [[gnu::noinline]] bool Grow(size_t size) {
    std::free(data_);
    capacity_ = 0;
    data_ = size > std::numeric_limits<size_t>::max() / sizeof(T) ? nullptr
                                                                  : static_cast<T*>(std::malloc(size * sizeof(T)));
    if (data_ == nullptr) return false;
    capacity_ = size;
    return true;
  }

  T* data_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_BASE_BUFFER_H_
