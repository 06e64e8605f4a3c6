#include "base/huge_pages.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace slipway {

void* allocate_huge(std::size_t bytes) {
  constexpr std::size_t kPage = 2u << 20;
  const bool large = bytes >= 2 * kPage;
  void* memory = large ? std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage)
                       : std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (large) ::madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: without it all works the same
#endif
  return memory;
}

void free_huge(void* memory) {
  std::free(memory);
}

}  // namespace slipway
