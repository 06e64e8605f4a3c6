#pragma once

#include <cstddef>

// Memory for big tables that are looked up at random places: in huge pages where the system has
// them, so that most look-ups find their page's address at hand and few pages have to be made.
namespace slipway {

/// Memory of so many bytes; large blocks in huge pages. Throws std::bad_alloc.
void* allocate_huge(std::size_t bytes);
void free_huge(void* memory);

/// For containers: std::vector<T, HugePages<T>>.
template <class T>
struct HugePages {
  using value_type = T;
  HugePages() = default;
  template <class Other>
  HugePages(const HugePages<Other>&) {}  // NOLINT: as containers ask for it
  T* allocate(std::size_t n) { return static_cast<T*>(allocate_huge(n * sizeof(T))); }
  void deallocate(T* memory, std::size_t) { free_huge(memory); }
  template <class Other>
  bool operator==(const HugePages<Other>&) const {
    return true;
  }
};

}  // namespace slipway
