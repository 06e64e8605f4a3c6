# Compiler options shared by every target, as one interface library.
set(SLIPWAY_SANITIZE "" CACHE STRING "value of -fsanitize=, empty for none")
option(SLIPWAY_FUZZ "build the libFuzzer targets" OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# One cache for all checkouts: what lies below the source folder is named relative to the build folder.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")

add_library(slipway_options INTERFACE)
target_include_directories(slipway_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(slipway_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Werror -fno-plt)
target_compile_definitions(slipway_options INTERFACE SLIPWAY_VERSION="${PROJECT_VERSION}")
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(slipway_options INTERFACE -Wno-gnu-statement-expression
    -Wno-gnu-zero-variadic-macro-arguments)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Once std::string and std::variant are inlined, GCC 12 sees overlapping copies (GCC bug 105329) and
  # uninitialized alternatives in their own code; clang looks for both as well, and doesn't.
  target_compile_options(slipway_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(slipway_options INTERFACE _GLIBCXX_ASSERTIONS)
endif()
if(SLIPWAY_SANITIZE)
  target_compile_options(slipway_options INTERFACE -fsanitize=${SLIPWAY_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(slipway_options INTERFACE -fsanitize=${SLIPWAY_SANITIZE})
endif()
if(SLIPWAY_FUZZ)
  target_compile_options(slipway_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_program(MOLD mold)
if(MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_link_options(slipway_options INTERFACE -fuse-ld=mold)
endif()
set_property(GLOBAL PROPERTY JOB_POOLS link=2)

# What nearly every file includes of the standard library, compiled once; with GoogleTest, for tests. Only where clang
# builds (asan, tsan, fuzz): the release build has none, and so shows that each file names what it needs.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(SLIPWAY_PRECOMPILED ON)
endif()
