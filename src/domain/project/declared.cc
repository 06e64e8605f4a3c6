#include "domain/project/declared.h"

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "domain/project/reader.h"
#include "domain/project/sections.h"
#include "io/wire/codec.h"

namespace slipway::project {
namespace {

Result<> check_document(const std::string& path, const std::string& text) {
  if (text.size() > kDocumentBytesMax) {
    return invalid(path + " is longer than " + std::to_string(kDocumentBytesMax) + " bytes");
  }
  if (!is_valid_utf8(text) || text.find('\0') != std::string::npos) {
    return invalid(path + " is no text (UTF-8)");
  }
  return {};
}

/// A document that is named and not there, at each place that names it.
void add_absent(const ProjectFile& file, const std::string& path, Faults& faults) {
  for (const ContractBinding& contract : file.contracts) {
    if (contract.file != path) continue;
    faults.add(contract.file_at, "found no file " + in_quotes(path) +
                                     ", expected the contract of " + in_quotes(contract.path) +
                                     "; `slipway infer` drafts one");
  }
  for (std::size_t i = 0; i < file.feature_views.size(); ++i) {
    if (file.feature_views[i] != path) continue;
    faults.add(file.feature_views_at[i],
               "found no file " + in_quotes(path) + ", expected a feature view");
  }
}

/// A link may not lead what is read, and kept, out of the repository.
bool is_inside(const std::filesystem::path& root, const std::string& path) {
  std::error_code error;
  std::filesystem::path real = std::filesystem::canonical(root / path, error);
  if (error) return true;  // not there: said by whoever reads it
  std::filesystem::path from_root =
      real.lexically_relative(std::filesystem::canonical(root, error));
  return !error && !from_root.empty() && *from_root.begin() != "..";
}

}  // namespace

std::vector<std::string> document_paths(const ProjectFile& file) {
  std::vector<std::string> paths;
  auto add = [&](const std::string& path) {
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
  };
  for (const ContractBinding& contract : file.contracts) add(contract.file);
  for (const std::string& view : file.feature_views) add(view);
  return paths;
}

namespace {

Draft draft(std::string text, std::map<std::string, std::string> documents) {
  Draft draft;
  Declared& declared = draft.declared;
  draft.faults = read_sections(text, declared.file);
  draft.is_whole = draft.faults.empty();
  declared.text = std::move(text);
  Faults absent(kProjectFile);
  std::size_t bytes = 0;
  for (const std::string& path : document_paths(declared.file)) {
    auto found = documents.find(path);
    if (found == documents.end()) {
      add_absent(declared.file, path, absent);
      continue;
    }
    if (const Result<> checked = check_document(path, found->second); !checked.ok()) {
      draft.faults.push_back(checked.error().message);
      continue;
    }
    bytes += found->second.size();
    declared.documents.insert(*found);
  }
  for (std::string& line : absent.lines()) draft.faults.push_back(std::move(line));
  draft.faults = in_order(kProjectFile, std::move(draft.faults));
  if (bytes > kDocumentsBytesMax) {
    draft.faults.push_back("contracts and feature views are longer than " +
                           std::to_string(kDocumentsBytesMax) + " bytes together");
  }
  return draft;
}

Result<Declared> whole(Draft draft) {
  if (!draft.faults.empty()) return invalid(join(draft.faults, "\n"));
  return std::move(draft.declared);
}

}  // namespace

Result<Declared> declare(std::string text, std::map<std::string, std::string> documents) {
  return whole(draft(std::move(text), std::move(documents)));
}

Result<Draft> read_draft(const std::filesystem::path& root) {
  std::string text = TRY(read_project_text(root));
  ProjectFile file;
  read_sections(text, file);
  std::map<std::string, std::string> documents;
  for (const std::string& path : document_paths(file)) {
    if (!is_inside(root, path)) return invalid(path + " is a link that leaves the repository");
    Result<std::string> document = read_file(root / path, kDocumentBytesMax);
    if (!document.ok() && document.error().code == Code::kMissing) continue;  // draft() tells all
    if (!document.ok()) return with_context("reading " + path, document.error());
    documents[path] = std::move(*document);
  }
  return draft(std::move(text), std::move(documents));
}

Result<Declared> read_declared(const std::filesystem::path& root) {
  return whole(TRY(read_draft(root)));
}

std::string digest_of(const Declared& declared) {
  wire::Json all;
  all.set("text", declared.text);
  wire::Json::Object documents;
  for (const auto& [path, text] : declared.documents) documents.emplace_back(path, text);
  all.set("documents", std::move(documents));
  return sha256_hex(wire::dump(all));
}

}  // namespace slipway::project
