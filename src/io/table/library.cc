#include "io/table/library.h"

#include <dlfcn.h>

#include <filesystem>
#include <string>
#include <vector>

namespace slipway::table::duck {
namespace {

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

std::vector<std::string> places() {
  std::vector<std::string> all;
  std::error_code ignored;
  std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) {
    all.push_back((program.parent_path() / "lib/libduckdb.so").string());
    all.push_back((program.parent_path().parent_path() / "lib/libduckdb.so").string());
  }
  all.emplace_back("libduckdb.so");
  return all;
}

Result<void*> open_library() {
  std::string tried;
  for (const std::string& place : places()) {
    // RTLD_NODELETE: its threads and thread-local values must outlive every use.
    if (void* library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE))
      return library;
    tried += (tried.empty() ? "" : ", ") + place;
  }
  return unavailable(
      "reading tables needs DuckDB's library, which was found at none of " + tried +
      ": run `tools/setup build` in a clone of Slipway, or put libduckdb.so (1.4 or newer) into "
      "lib/ beside the program");
}

bool find_all(void* from, Library& duck) {
  return find(from, "duckdb_library_version", duck.version) &&
         find(from, "duckdb_create_config", duck.create_config) &&
         find(from, "duckdb_set_config", duck.set_config) &&
         find(from, "duckdb_destroy_config", duck.destroy_config) &&
         find(from, "duckdb_open_ext", duck.open) && find(from, "duckdb_close", duck.close) &&
         find(from, "duckdb_connect", duck.connect) &&
         find(from, "duckdb_disconnect", duck.disconnect) && find(from, "duckdb_free", duck.free) &&
         find(from, "duckdb_query", duck.query) && find(from, "duckdb_prepare", duck.prepare) &&
         find(from, "duckdb_prepare_error", duck.prepare_error) &&
         find(from, "duckdb_destroy_prepare", duck.destroy_prepared) &&
         find(from, "duckdb_pending_prepared_streaming", duck.pending_streaming) &&
         find(from, "duckdb_pending_error", duck.pending_error) &&
         find(from, "duckdb_execute_pending", duck.execute_pending) &&
         find(from, "duckdb_destroy_pending", duck.destroy_pending) &&
         find(from, "duckdb_result_error", duck.answer_error) &&
         find(from, "duckdb_destroy_result", duck.destroy_answer) &&
         find(from, "duckdb_column_count", duck.column_count) &&
         find(from, "duckdb_column_name", duck.column_name) &&
         find(from, "duckdb_column_type", duck.column_type) &&
         find(from, "duckdb_fetch_chunk", duck.fetch_chunk) &&
         find(from, "duckdb_destroy_data_chunk", duck.destroy_chunk) &&
         find(from, "duckdb_data_chunk_get_size", duck.chunk_rows) &&
         find(from, "duckdb_data_chunk_get_vector", duck.chunk_vector) &&
         find(from, "duckdb_vector_get_data", duck.vector_data) &&
         find(from, "duckdb_vector_get_validity", duck.vector_validity);
}

Result<Library> load() {
  void* opened = TRY(open_library());
  Library duck{};
  if (!find_all(opened, duck))
    return unavailable(
        "libduckdb.so lacks a function that Slipway needs: 1.4 or newer is asked for");
  return duck;
}

}  // namespace

Result<const Library*> library() {
  static const Result<Library> loaded = load();
  if (!loaded.ok()) return loaded.error();
  return &*loaded;
}

}  // namespace slipway::table::duck
