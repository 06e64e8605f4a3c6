#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

// The standard layout of a project: which folders and documents it has, and a first version of
// each. `slipway init` writes it, `slipway lint` asks for it.
namespace slipway::project {

/// A folder with a purpose; any of its usual names will do.
struct Place {
  std::string rule;                // "raw-data"
  std::string what;                // "raw data"
  std::vector<std::string> names;  // the first one is what init makes
};
const std::vector<Place>& places();

/// Something that the documentation has to say, under a heading that has one of the words.
struct Topic {
  std::string rule;  // "pseudo-code"
  std::string what;  // "the model's algorithm in pseudo-code"
  std::vector<std::string> words;
};
const std::vector<Topic>& topics();

struct NewFile {
  std::string path, text;
};
/// A slipway.yaml that parses, with every section shown in comments, and the documents to be filled
/// in. Lines that begin with "## " are prose, those with "# " what may be uncommented.
std::vector<NewFile> first_files(const std::string& project);

/// "my-project" of "My project!"; "project" when nothing is left.
std::string project_name_of(const std::string& folder_name);

enum class Extent {
  kWhole,
  kMinimal,  // slipway.yaml alone, with `layout: own`: for a repository that has one
};
/// Makes what is not there yet, and returns what was made, relative to `root`, in order. What is
/// there stays as it is: a folder under any of its usual names, a slipway.yaml, a document.
Result<std::vector<std::string>> lay_out(const std::filesystem::path& root,
                                         Extent extent = Extent::kWhole);
/// The command that makes a slipway.yaml in such a repository, and no more than it may want.
std::string init_command(bool has_dvc);

}  // namespace slipway::project
