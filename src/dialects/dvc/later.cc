#include "dialects/dvc/later.h"

#include <map>

namespace slipway::dvc {
namespace {

/// Most of DVC can be used beside: files, cache and locks are the same.
constexpr char kOnProject[] = "` of DVC 3 works on this project as it is";

/// What to do instead; an empty text: DVC itself does it.
const std::map<std::string, std::string, std::less<>>& later() {
  static const std::string page = "the page of `slipway up` shows and compares runs";
  static const std::map<std::string, std::string, std::less<>> table = {
      {"artifacts", "register model versions through the tracking server (`slipway up`)"},
      {"cache", "write [cache] into .dvc/config"},
      {"check-ignore", ""},
      {"completion", ""},
      {"config", "write into .dvc/config"},
      {"daemon", ""},
      {"dag", ""},
      {"data", "`slipway status` says what differs"},
      {"dataset", ""},
      {"destroy", "remove .dvc, *.dvc, dvc.yaml and dvc.lock"},
      {"diff", "`slipway status` says what differs from what is recorded"},
      {"doctor", "`slipway --version` says the version"},
      {"du", ""},
      {"exp", "git branches and `slipway repro`; " + page},
      {"experiments", "git branches and `slipway repro`; " + page},
      {"fetch", ""},
      {"freeze", "write `frozen: true` into the stage"},
      {"gc", ""},
      {"get", ""},
      {"get-url", ""},
      {"git-hook", ""},
      {"import", ""},
      {"import-db", ""},
      {"import-url", ""},
      {"install", "run `slipway checkout` after `git checkout`"},
      {"list", ""},
      {"list-url", ""},
      {"ls", ""},
      {"ls-url", ""},
      {"metrics", "log them with the mlflow client: " + page},
      {"move", "move the file, then `slipway add` it under its new name"},
      {"mv", "move the file, then `slipway add` it under its new name"},
      {"params", "`slipway status` says which parameters changed"},
      {"plots", "log metrics with the mlflow client: " + page},
      {"pull", ""},
      {"push", ""},
      {"queue", "git branches and `slipway repro`; " + page},
      {"remote", "write [remote] into .dvc/config"},
      {"remove", "take the stage out of dvc.yaml, or remove the .dvc file"},
      {"rm", "take the stage out of dvc.yaml, or remove the .dvc file"},
      {"root", "the project is the folder that has .dvc in it"},
      {"stage", "write the stage into dvc.yaml"},
      {"studio", page},
      {"unfreeze", "take `frozen: true` out of the stage"},
      {"unprotect", ""},
      {"update", ""},
      {"version", "`slipway --version` says the version"},
  };
  return table;
}

}  // namespace

std::optional<std::string> not_yet(std::string_view command) {
  auto found = later().find(command);
  if (found == later().end()) return std::nullopt;
  std::string text = "not supported yet: " + found->first + "; ";
  if (!found->second.empty()) text += found->second + ", or ";
  return text + "`dvc " + found->first + kOnProject;
}

std::vector<std::string> commands_not_yet() {
  std::vector<std::string> names;
  for (const auto& [name, instead] : later()) names.push_back(name);
  return names;
}

}  // namespace slipway::dvc
