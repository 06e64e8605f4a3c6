#pragma once

#include <map>
#include <string>
#include <vector>

#include "domain/project/project_file.h"

// All that a person declared: slipway.yaml and the files it names, as texts and as objects that can
// be compared. Values only, any thread.
namespace slipway::project {

struct Declared {
  std::string text;                              // of slipway.yaml
  std::map<std::string, std::string> documents;  // path to text: the contracts and feature views
  std::string commit;                            // that HEAD was at; "" without git
  bool dirty = false;                            // the texts are not those of the commit
  ProjectFile file;                              // parsed from `text`
};

inline constexpr std::size_t kDocumentBytesMax = 1u << 20;
inline constexpr std::size_t kDocumentsBytesMax = 16u << 20;  // all of them

/// The files that `file` names, each once, in order.
std::vector<std::string> document_paths(const ProjectFile& file);

/// Parses and checks: kInvalid with every fault of the text, or naming the documents that are
/// missing, too long, or no text. Documents that nothing names are left out.
Result<Declared> declare(std::string text, std::map<std::string, std::string> documents);

/// The same from the files of a repository.
Result<Declared> read_declared(const std::filesystem::path& root);

/// As much of it as is right, for whoever goes on to say what else is wrong.
struct Draft {
  Declared declared;  // without the documents that are not there
  bool is_whole = true;             // slipway.yaml itself is right
  std::vector<std::string> faults;  // as declare() has them, in the order of the text
};
/// Of the files of a repository. kMissing when there is no slipway.yaml; what cannot be read at all
/// is an error too.
Result<Draft> read_draft(const std::filesystem::path& root);

/// SHA-256 over text and documents: equal exactly where both are.
std::string digest_of(const Declared& declared);

/// One thing that was declared, as it is after all defaults. Spans and rates are texts.
struct Object {
  std::string kind;  // "project", "use_case", "requirement", "contract", "feature_view",
                     // "pipeline", "trigger", "deployment", "monitor", "notification"
  std::string name;  // unique within its kind; of a monitor "DEPLOYMENT/NAME"
  wire::Json value;  // an object
};
/// In the order of the file.
std::vector<Object> objects(const Declared& declared);

enum class ChangeKind { kAdded, kChanged, kRemoved };
/// "added", "changed", "removed".
const char* to_string(ChangeKind kind);

struct FieldChange {
  std::string field;         // "rollout[1].canary.percent"
  wire::Json before, after;  // null where it was not there
};
struct Change {
  ChangeKind kind = ChangeKind::kAdded;
  Object object;                    // as it will be; as it was when removed
  wire::Json before;                // as it was; null when added
  std::vector<FieldChange> fields;  // when changed
};
/// What is added and changed in the order of `after`, then what is removed. `before` null: nothing
/// was declared yet.
std::vector<Change> changes_between(const Declared* before, const Declared& after);

}  // namespace slipway::project
