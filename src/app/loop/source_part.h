#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "app/circle.h"
#include "app/loop/errand.h"
#include "base/guarded.h"
#include "domain/flows/trigger_store.h"
#include "domain/project/applied.h"
#include "io/git/git.h"

namespace slipway::app {

/// What the triggers on code and data watch in the project's own repository: tips of branches, data
/// versions, files. Looking costs a few stats; git and digests are asked when those changed.
class SourcePart final : public Part {
 public:
  /// All must outlive it. `wake`: Circle::wake().
  SourcePart(db::Pool& pool, std::filesystem::path project, std::function<void()> wake);
  /// A fetch under way is ended.
  ~SourcePart() override { stop_.request_stop(); }

  std::string name() const override { return "sources"; }
  Result<bool> turn(UnixMs now) override;
  bool is_pending() const override { return errand_.is_under_way(); }

  /// A host says that a branch moved there: what a trigger watches of it is fetched. Any thread.
  void pushed(const std::string& branch);

 private:
  /// What is known of one trigger's source, in memory.
  struct Seen {
    std::string mark;  // of the last look that led to an answer
    flows::Settling settling;
  };
  struct Change {
    std::string trigger, before, after;  // what was watched
    std::optional<flows::Occasion> occasion;
  };

  Result<bool> look(const project::Applied& applied, const project::TriggerSpec& trigger,
                    UnixMs now);
  Result<bool> look_at_branch(const project::Applied& applied, const project::TriggerSpec& trigger,
                              const project::GitSource& source, UnixMs now);
  Result<bool> look_at_data(const project::Applied& applied, const project::TriggerSpec& trigger,
                            const project::DataSource& source, UnixMs now);
  Result<std::optional<std::string>> digest_of(const std::string& trigger,
                                               const std::filesystem::path& file,
                                               const std::string& mark);
  Result<> keep(const project::Applied& applied, const Change& change, UnixMs now);
  Result<bool> fetch(const project::ProjectFile& file);

  db::Pool& pool_;
  const std::filesystem::path project_;
  const std::function<void()> wake_;
  project::CurrentProject current_;
  std::map<std::string, Seen> seen_;
  Guarded<std::set<std::string>> pushed_;
  StopToken stop_;
  Errand errand_;  // a digest, or a fetch
  struct Digest {
    std::string trigger, mark, md5;
  };
  Guarded<std::optional<Digest>> digest_;
};

}  // namespace slipway::app
