#ifndef MULTILABEL_MARGIN_LOSS_BASE_BUFFER_H_
#define MULTILABEL_MARGIN_LOSS_BASE_BUFFER_H_

#include <cstddef>
#include <cstdlib>
#include <limits>
#include <type_traits>

namespace mlml {

// An array of uninitialised elements that grows and never shrinks. It reports exhausted memory, which std::vector
// cannot do without exceptions: the WebAssembly modules are built without them.
template <typename T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  Buffer() = default;
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // Makes room for `size` elements, and may lose the present ones. False when memory is exhausted.
  [[nodiscard]] bool Reserve(size_t size) { return size <= capacity_ || Grow(size); }

  // Takes the elements of another one, which is empty then, in place of its own.
  void Take(Buffer& other) {
    std::free(data_);
    data_ = other.data_;
    capacity_ = other.capacity_;
    other.data_ = nullptr;
    other.capacity_ = 0;
  }

  void Free() {
    std::free(data_);
    data_ = nullptr;
    capacity_ = 0;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t capacity() const { return capacity_; }
  T& operator[](size_t i) {
    // Reserve() was called: clang-tidy cannot see it in a function that only indexes.
    if (data_ == nullptr) __builtin_unreachable();
    return data_[i];
  }
  const T& operator[](size_t i) const {
    if (data_ == nullptr) __builtin_unreachable();
    return data_[i];
  }

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
