#pragma once

// SLIPWAY_WIDE before a function: it is compiled for the processors' widest vectors too, and chosen
// once by the dynamic loader. (The baseline of x86-64 has vectors of two doubles.) Every version
// gives the same numbers. SLIPWAY_INLINE: for what such a function is made of.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define SLIPWAY_WIDE \
  __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3", "fp-contract=off")))
#define SLIPWAY_INLINE inline __attribute__((always_inline))
#else
#define SLIPWAY_WIDE
#define SLIPWAY_INLINE inline
#endif
