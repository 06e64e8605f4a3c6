#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/data/repository.h"
#include "domain/flows/facts.h"
#include "domain/flows/steps.h"

// The commit that an attempt starts from, and how the work tree differs from it.
namespace slipway::flows {

/// HEAD, and what of the work tree it does not have: files that git tracks and that differ, and
/// files that it neither tracks nor ignores. Not counted is what `repro` writes itself: dvc.lock
/// files, outputs, and lines of .gitignore that name outputs. A dvc.yaml or a dependency that git
/// does not track makes it dirty. The digests are over names and contents: no setting of git's
/// changes them.
Result<CommitFact> commit_now(const data::Repository& repository, const Steps& steps);

/// The same, asked for before every attempt: looks again when HEAD, the index or a file that git
/// tracks has changed, and for new files once a second, but spends no more than a twentieth of the
/// time on it. Borrows both; one thread.
class CommitWatch {
 public:
  CommitWatch(const data::Repository& repository, const Steps& steps)
      : repository_(repository), steps_(steps) {}

  Result<CommitFact> now();

 private:
  using Time = std::chrono::steady_clock::time_point;

  Result<> look(Time begun);
  std::string mark() const;

  const data::Repository& repository_;
  const Steps& steps_;
  std::optional<CommitFact> fact_;
  std::vector<std::filesystem::path> tracked_;  // those whose changes count
  std::string mark_;
  Time look_at_, mark_at_;  // not before
};

}  // namespace slipway::flows
