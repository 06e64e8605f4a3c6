#include "dialects/mlflow_store/copy_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/failpoint.h"
#include "dialects/mlflow_store/files.h"
#include "dialects/mlflow_store/words.h"
#include "domain/imports/imports.h"

namespace slipway::mlflow_store {
namespace {

constexpr char kRunFiles[] = "run_files";
constexpr char kModelFiles[] = "logged_model_files";
constexpr char kVersionFiles[] = "version_files";
constexpr char kExperimentFiles[] = "experiment_files";

/// A prompt's text is a tag, and its source no place.
bool is_prompt(const registry::Version& version) {
  return std::any_of(version.tags.begin(), version.tags.end(), [](const auto& tag) {
    return tag.key == "mlflow.prompt.is_prompt" || tag.key == "mlflow.prompt.text";
  });
}

/// Whether the client noted in its tags that it logged a model or files that pages show; of other
/// files nothing is told.
bool logged_files(const tracking::Run& run) {
  return std::any_of(run.tags.begin(), run.tags.end(), [](const tracking::Tag& tag) {
    return tag.key == "mlflow.log-model.history" || tag.key == "mlflow.loggedArtifacts";
  });
}

class Copier {
 public:
  Copier(const CopyWorld& world, Counts& made, const Tell& tell, const std::function<void()>& show)
      : world_(world), made_(made), tell_(tell), show_(show) {}

  Result<> run(const std::vector<std::int64_t>& experiments) {
    TRY(world_.pool.read([&](db::Tx& tx) -> Result<> {
      const auto known = [&](const char* kind) { return imports::items(tx, world_.import, kind); };
      of_runs_ = TRY(known("run"));
      of_models_ = TRY(known("logged_model"));
      of_names_ = TRY(known("model"));
      done_runs_ = TRY(known(kRunFiles));
      done_models_ = TRY(known(kModelFiles));
      done_versions_ = TRY(known(kVersionFiles));
      done_experiments_ = TRY(known(kExperimentFiles));
      return {};
    }));
    for (std::int64_t experiment : experiments) TRY(copy_experiment(experiment));
    TRY(copy_versions());
    return move_experiments();
  }

  std::int64_t elsewhere() const { return elsewhere_; }

 private:
  using SetPlace = std::function<Result<>(db::Tx&, const std::string& location)>;

  Result<> copy_experiment(std::int64_t experiment) {
    const std::string folder = std::to_string(experiment) + "/";
    for (const std::string& id : TRY(world_.store.run_ids(experiment))) {
      const std::string key = folder + id + "/artifacts";
      if (!of_runs_.contains(id)) continue;
      const SetPlace set = [&](db::Tx& tx, const std::string& location) {
        return tracking::move_files(tx, id, location);
      };
      if (TRY(was_copied(done_runs_, id, key, {"run", id, ""}, set))) continue;
      const auto run = TRY(world_.store.run(experiment, id, [](Trouble) {}));
      if (!run) continue;
      has_files_ = logged_files(run->run);
      TRY(copy_one(run->run.info.artifact_uri, key, {"run", id, ""}, kRunFiles, set));
    }
    for (const std::string& id : TRY(world_.store.logged_model_ids(experiment))) {
      const std::string key = folder + "models/" + id + "/artifacts";
      if (!of_models_.contains(id)) continue;
      const SetPlace set = [&](db::Tx& tx, const std::string& location) {
        return registry::move_logged_model_files(tx, id, location);
      };
      if (TRY(was_copied(done_models_, id, key, {"logged_model", id, ""}, set))) continue;
      const auto model = TRY(world_.store.logged_model(experiment, id, [](Trouble) {}));
      if (!model) continue;
      has_files_ = false;  // one may tell of a model that is elsewhere
      TRY(copy_one(model->location, key, {"logged_model", id, ""}, kModelFiles, set));
    }
    return {};
  }

  /// By an earlier call, whose moves count as well; what came to its folder since is copied now.
  Result<bool> was_copied(const imports::Items& done, const std::string& id,
                          const std::string& key, const Trouble& about, const SetPlace& set) {
    auto item = done.find(id);
    if (item == done.end()) return false;
    const std::string& old = item->second.key;
    const std::string place = new_place(old, key);
    moved_[normal_place(old)] = place;
    const auto folder = local_folder(old, world_.places);
    if (!folder) return true;
    // First whether it is here still: else nothing of it is to come again.
    bool is_here = false;
    prepare_ = [&, place]() -> Result<bool> {
      if (is_here) return true;
      const Result<> set_again =
          world_.pool.write([&](db::Tx& tx) -> Result<> { return set(tx, place); });
      if (!set_again.ok() && set_again.error().code != Code::kMissing) return set_again.error();
      is_here = set_again.ok();
      return is_here;
    };
    const Result<bool> walked = copy_folder(*folder, key_of(place).value_or(key), about);
    prepare_ = nullptr;
    if (!walked.ok()) return walked.error();
    return true;
  }
  /// What was behind the old server keeps its address.
  static std::string new_place(const std::string& old, const std::string& key) {
    return location_of(key_of(old).value_or(key));
  }

  /// A version's files are mostly those of its run or logged model; others have a place of their
  /// own.
  Result<> copy_versions() {
    for (const std::string& name : TRY(world_.store.model_names([](Trouble) {}))) {
      if (!of_names_.contains(name)) continue;
      const auto model = TRY(world_.store.model(name, [](Trouble) {}));
      if (!model) continue;
      for (const registry::AdoptedVersion& one : model->versions)
        if (!one.deleted) TRY(copy_version(model->model.name, one.version));
    }
    return {};
  }

  Result<> copy_version(const std::string& model, const registry::Version& version) {
    const std::string id = model + "/" + std::to_string(version.number);
    const SetPlace set = [&](db::Tx& tx, const std::string& location) {
      return registry::move_version_files(tx, model, version.number, location);
    };
    const std::string place = normal_place(version.location);
    for (std::size_t end = place.size(); end != std::string::npos && end > 0;
         end = place.rfind('/', end - 1)) {
      auto moved = moved_.find(place.substr(0, end));
      if (moved == moved_.end()) continue;
      if (done_versions_.contains(id)) return {};
      return settle(id, kVersionFiles, version.location, moved->second + place.substr(end), set);
    }
    const std::string key = "versions/" + std::to_string(version.number) + "/" + model;
    if (TRY(was_copied(done_versions_, id, key, {"version", id, ""}, set))) return {};
    has_files_ = !is_prompt(version);  // what else would be served
    return copy_one(version.location, key, {"version", id, ""}, kVersionFiles, set);
  }

  /// New runs of an experiment log where its files are now.
  Result<> move_experiments() {
    for (const auto& one : TRY(world_.store.experiments([](Trouble) {}))) {
      const std::string id = std::to_string(one.id);
      if (done_experiments_.contains(id) || is_behind_server(one.artifact_location)) continue;
      if (!local_folder(one.artifact_location, world_.places)) continue;
      const bool brought = TRY(world_.pool.read([&](db::Tx& tx) -> Result<bool> {
        return TRY(imports::items(tx, world_.import, "experiment")).contains(id);
      }));
      if (!brought) continue;
      TRY(settle(id, kExperimentFiles, one.artifact_location, location_of(id),
                 [&](db::Tx& tx, const std::string& location) {
                   return tracking::move_experiment_files(tx, one.id, location);
                 }));
    }
    return {};
  }

  Result<> copy_one(const std::string& location, const std::string& key, Trouble about,
                    const char* kind, const SetPlace& set) {
    const auto folder = local_folder(location, world_.places);
    if (!folder) {
      ++elsewhere_;
      if (has_files_ && is_behind_server(location)) {
        tell_({about.kind, about.id,
               "its files are behind the old server, and where that kept them is not known: import "
               "again with --artifacts-from naming its --artifacts-destination"});
      }
      return {};
    }
    const std::string to = new_place(location, key);
    const bool copied = TRY(copy_folder(*folder, key_of(to).value_or(key), about));
    if (!copied) return {};
    moved_[normal_place(location)] = to;
    show_();
    return settle(about.id, kind, location, to, set);
  }

  Result<> settle(const std::string& id, const char* kind, const std::string& old,
                  const std::string& location, const SetPlace& set) {
    const Result<> settled = world_.pool.write([&](db::Tx& tx) -> Result<> {
      TRY(set(tx, location));
      return imports::put_item(tx, world_.import, kind, id, {.whole = true, .key = old});
    });
    // It was removed here since it came: nobody looks for its files.
    if (!settled.ok() && settled.error().code != Code::kMissing) return settled.error();
    failpoint("import.files");
    return {};
  }

  /// False when a file could not be read: the place stays as it was.
  Result<bool> copy_folder(const std::filesystem::path& path, const std::string& key,
                           const Trouble& about) {
    Result<Folder> folder = Folder::open(path);
    // Most runs have no files, and then no folder; or it is on another machine.
    if (!folder.ok() && folder.error().code == Code::kMissing) {
      if (!prepare_ && has_files_) {
        tell_({about.kind, about.id,
               "its files are not on this machine (there is no folder " + shown(path.string()) +
                   "); it keeps its place"});
      }
      return false;
    }
    if (!folder.ok()) {
      tell_({about.kind, about.id, "its files: " + folder.error().message});
      return false;
    }
    bool all = true;
    TRY(each_file(
        *folder,
        [&](const Folder& in, const std::string& name, const std::string& below) -> Result<> {
          all &= TRY(copy_file(in, name, below, key + "/" + below, about));
          return {};
        },
        [&](const std::string& below, const std::string& why) {
          tell_({"file", about.id + "/" + shown(below), why + "; it was left out"});
        }));
    return all;
  }

  Result<bool> copy_file(const Folder& in, const std::string& name, const std::string& below,
                         const std::string& key, const Trouble& about) {
    if (!is_storable(below, kKeyBytesMax) || !blob::check_key(key).ok()) {
      tell_({"file", about.id + "/" + shown(below),
             "its path can't be one here (UTF-8, no backslash, at most 1024 bytes); it was left "
             "out"});
      return true;
    }
    Result<std::optional<Fd>> file = in.file(name);
    if (!file.ok() || !*file) {
      tell_({"file", about.id + "/" + shown(below),
             file.ok() ? "it went while it was read" : file.error().message});
      return false;
    }
    if (prepare_) return copy_new(**file, key, about.id + "/" + shown(below));
    // Renamed into place when it was whole, so one of that length is that file.
    const off_t length = lseek((*file)->get(), 0, SEEK_END);
    if (length < 0 || lseek((*file)->get(), 0, SEEK_SET) < 0)
      return system_error("cannot read " + shown(below), errno);
    const auto there = TRY(world_.blobs.find(key));
    if (there && !there->is_folder && there->bytes == static_cast<std::uint64_t>(length))
      return true;
    return copy_bytes(**file, key);
  }

  /// Of a folder that was copied before. What has not been touched since the import began was
  /// there then, and what became of it here is nobody's loss.
  Result<bool> copy_new(const Fd& file, const std::string& key, const std::string& id) {
    struct stat now {};
    if (fstat(file.get(), &now) != 0) return system_error("cannot read " + id, errno);
    constexpr std::int64_t kMsOfSecond = 1000, kNsOfMs = 1'000'000;
    const UnixMs touched_ms = now.st_ctim.tv_sec * kMsOfSecond + now.st_ctim.tv_nsec / kNsOfMs;
    if (touched_ms < world_.began_ms) return true;
    const auto there = TRY(world_.blobs.find(key));
    if (there && TRY(is_same(file, *there, key))) return true;
    if (!TRY(prepare_())) return true;
    if (!there) return copy_bytes(file, key);
    tell_({"file", id,
           "it is another one than that which came before, here or at the source; the one here "
           "stays"});
    return true;
  }

  Result<bool> is_same(const Fd& file, const blob::Entry& there, const std::string& key) {
    const off_t length = lseek(file.get(), 0, SEEK_END);
    if (length < 0 || lseek(file.get(), 0, SEEK_SET) < 0)
      return system_error("cannot read a file of " + shown(key), errno);
    if (there.is_folder || there.bytes != static_cast<std::uint64_t>(length)) return false;
    const std::unique_ptr<blob::Reader> reader = TRY(world_.blobs.open(key));
    std::vector<char> here(1 << 16), source(1 << 16);
    while (const std::size_t got = TRY(reader->read(here))) {
      std::size_t at = 0;
      while (at < got) {
        const ssize_t more = ::read(file.get(), source.data() + at, got - at);
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) return system_error("cannot read a file of " + shown(key), errno);
        if (more == 0) return false;
        at += static_cast<std::size_t>(more);
      }
      if (!std::equal(here.begin(), here.begin() + static_cast<std::ptrdiff_t>(got),
                      source.begin()))
        return false;
    }
    return true;
  }

  Result<bool> copy_bytes(const Fd& file, const std::string& key) {
    std::unique_ptr<blob::Writer> writer = TRY(world_.blobs.create(key));
    std::string buffer(1 << 20, '\0');
    while (true) {
      const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return system_error("cannot read a file of " + shown(key), errno);
      if (got == 0) break;
      TRY(writer->write(std::string_view(buffer.data(), static_cast<std::size_t>(got))));
    }
    const blob::Stored stored = TRY(writer->commit());
    made_.files += 1;
    made_.bytes += static_cast<std::int64_t>(stored.bytes);
    failpoint("import.file");
    return true;
  }

  const CopyWorld& world_;
  Counts& made_;
  const Tell& tell_;
  const std::function<void()>& show_;
  imports::Items of_runs_, of_models_, of_names_;
  imports::Items done_runs_, done_models_, done_versions_, done_experiments_;
  std::map<std::string, std::string> moved_;  // old place (normal_place) -> new location
  std::int64_t elsewhere_ = 0;
  bool has_files_ = false;  // what is copied at present, by what is told of it
  /// While a folder that was copied before is read again: whether something may be put there.
  std::function<Result<bool>()> prepare_;
};

}  // namespace

Result<> copy_files(const CopyWorld& world, const std::vector<std::int64_t>& experiments,
                    Counts& made, const Tell& tell, const std::function<void(std::string)>& note,
                    const std::function<void()>& show) {
  Copier copier(world, made, tell, show);
  TRY(copier.run(experiments));
  if (copier.elsewhere() > 0) {
    note(std::to_string(copier.elsewhere()) +
         " runs, logged models or versions have their files elsewhere than on this machine (an "
         "object store, or behind mlflow-artifacts:/ without --artifacts-from); they keep their "
         "places");
  }
  return {};
}

}  // namespace slipway::mlflow_store
