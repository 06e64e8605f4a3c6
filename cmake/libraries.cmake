# One interface target per outside library; only the folder that owns a library links it (see ARCHITECTURE.md).
#
# What is slow to load is linked statically (OpenSSL, SQLite, libyaml, expat, RE2, xxhash, zlib) or opened on first use
# (libcurl, libpq: their targets give headers only), so that short commands start in milliseconds.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)

set(SLIPWAY_STATIC_SUFFIX ${CMAKE_STATIC_LIBRARY_SUFFIX})
function(slipway_static name header)
  cmake_parse_arguments(arg "" "" "ARCHIVES;EXTRA" ${ARGN})
  add_library(dep_${name} INTERFACE)
  find_path(${name}_INCLUDE ${header} REQUIRED)
  target_include_directories(dep_${name} SYSTEM INTERFACE ${${name}_INCLUDE})
  foreach(archive ${arg_ARCHIVES})
    find_library(${name}_${archive} NAMES lib${archive}.a REQUIRED)
    target_link_libraries(dep_${name} INTERFACE ${${name}_${archive}})
  endforeach()
  target_link_libraries(dep_${name} INTERFACE ${arg_EXTRA})
endfunction()

slipway_static(openssl openssl/evp.h ARCHIVES ssl crypto EXTRA ${CMAKE_DL_LIBS} Threads::Threads)
slipway_static(xxhash xxhash.h ARCHIVES xxhash)
slipway_static(yaml yaml.h ARCHIVES yaml)
slipway_static(expat expat.h ARCHIVES expat EXTRA m)
slipway_static(re2 re2/re2.h ARCHIVES re2 EXTRA Threads::Threads)
slipway_static(sqlite sqlite3.h ARCHIVES sqlite3 EXTRA ${CMAKE_DL_LIBS} Threads::Threads m)
slipway_static(zlib zlib.h ARCHIVES z)
slipway_static(simdjson simdjson.h EXTRA simdjson)
slipway_static(prometheus prometheus/registry.h EXTRA prometheus-cpp-core)
slipway_static(curl curl/curl.h EXTRA ${CMAKE_DL_LIBS})         # opened on first use
slipway_static(pq postgresql/libpq-fe.h EXTRA ${CMAKE_DL_LIBS}) # opened on first use
slipway_static(nats nats/nats.h EXTRA ${CMAKE_DL_LIBS})         # opened on first use
slipway_static(cli11 CLI/CLI.hpp)
slipway_static(date date/tz.h EXTRA date-tz)
# As Debian's library was built: its classes differ otherwise.
target_compile_definitions(dep_date INTERFACE USE_OS_TZDB=1 ONLY_C_LOCALE=1 HAS_STRING_VIEW=1)
slipway_static(spdlog spdlog/spdlog.h)
target_compile_definitions(dep_spdlog INTERFACE FMT_HEADER_ONLY)
slipway_static(gtest gtest/gtest.h EXTRA gtest gmock Threads::Threads)
slipway_static(gtest_main gtest/gtest.h EXTRA gtest_main)
slipway_static(benchmark benchmark/benchmark.h EXTRA benchmark Threads::Threads)

# DuckDB is opened when tables are read, and its functions are declared in io/table: nothing to link. tools/setup puts it
# into build/lib; programs in a build folder look for it in lib/ there.
add_library(dep_duckdb INTERFACE)
target_link_libraries(dep_duckdb INTERFACE ${CMAKE_DL_LIBS})
if(NOT EXISTS ${CMAKE_BINARY_DIR}/lib AND NOT IS_SYMLINK ${CMAKE_BINARY_DIR}/lib)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/build/lib ${CMAKE_BINARY_DIR}/lib SYMBOLIC)
endif()
