#include "domain/flows/environment.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "domain/flows/command_line.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using wire::Json;

constexpr std::size_t kDistributionsMax = 10'000;
constexpr std::uint64_t kMetadataBytesMax = 4u << 20;
constexpr std::uint64_t kProgramBytesMax = 512u << 20;

bool is_python_name(std::string_view name) {
  if (!name.starts_with("python")) return false;
  return name.substr(6).find_first_not_of("0123456789.") == std::string_view::npos;
}

/// Words of the first line of a script.
std::vector<std::string> words(std::string_view command) {
  std::vector<std::string> result;
  std::string word;
  auto flush = [&] {
    if (!word.empty()) result.push_back(std::move(word));
    word.clear();
  };
  for (char c : command) {
    if (std::string_view(" \t\n;&|()").find(c) != std::string_view::npos)
      flush();
    else if (c != '"' && c != '\'')
      word.push_back(c);
  }
  flush();
  return result;
}

bool is_program(const fs::path& path) {
  std::error_code failure;
  return fs::is_regular_file(path, failure) && access(path.c_str(), X_OK) == 0;
}

std::optional<fs::path> resolve(const std::string& word, const fs::path& folder,
                                std::string_view path) {
  if (word.find('/') != std::string::npos) {
    fs::path program = (folder / word).lexically_normal();
    return is_program(program) ? std::optional<fs::path>(program) : std::nullopt;
  }
  for (std::string_view part : split(path, ':')) {
    fs::path program = (folder / fs::path(part.empty() ? "." : part) / word).lexically_normal();
    if (is_program(program)) return program;
  }
  return std::nullopt;
}

/// The interpreter in a script's first line, when it is a Python.
std::optional<fs::path> from_first_line(const fs::path& script, const fs::path& folder,
                                        std::string_view path) {
  constexpr std::size_t kLineMax = 1024;
  Fd file(::open(script.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string line(kLineMax, '\0');
  ssize_t got = read(file.get(), line.data(), line.size());
  line.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  if (!line.starts_with("#!")) return std::nullopt;
  for (const std::string& word : words(std::string_view(line).substr(2, line.find('\n') - 2))) {
    if (is_python_name(fs::path(word).filename().string())) return resolve(word, folder, path);
  }
  return std::nullopt;
}

/// "3.11.7" from a venv's pyvenv.cfg, or from the header that states it; else what the name says.
std::string version_of(const fs::path& prefix, const fs::path& library) {
  Result<std::string> config = read_file(prefix / "pyvenv.cfg", kMetadataBytesMax);
  if (config.ok()) {
    for (std::string_view line : split(*config, '\n')) {
      std::size_t equals = line.find('=');
      if (equals == std::string_view::npos) continue;
      std::string_view key = trim(line.substr(0, equals));
      if (key == "version" || key == "version_info") {
        return std::string(trim(line.substr(equals + 1)));
      }
    }
  }
  std::string name = library.filename().string();
  Result<std::string> header =
      read_file(prefix / "include" / name / "patchlevel.h", kMetadataBytesMax);
  if (header.ok()) {
    std::size_t at = header->find("PY_VERSION ");
    std::size_t open = at == std::string::npos ? at : header->find('"', at);
    std::size_t close = open == std::string::npos ? open : header->find('"', open + 1);
    if (close != std::string::npos) return header->substr(open + 1, close - open - 1);
  }
  return name.starts_with("python") ? name.substr(6) : std::string();
}

/// PREFIX/lib/python3.X, the newest when there are several.
fs::path library_of(const fs::path& prefix, const fs::path& python) {
  std::string name = python.filename().string();
  std::error_code failure;
  if (fs::is_directory(prefix / "lib" / name, failure) && name.find('.') != std::string::npos) {
    return prefix / "lib" / name;
  }
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(prefix / "lib", failure)) {
    std::string folder = entry.path().filename().string();
    if (is_python_name(folder) && folder.find('.') != std::string::npos)
      found.push_back(entry.path());
  }
  auto minor = [](const fs::path& path) {
    std::string folder = path.filename().string();
    return to_int64(folder.substr(folder.find('.') + 1)).value_or(0);
  };
  std::sort(found.begin(), found.end(),
            [&](const fs::path& a, const fs::path& b) { return minor(a) < minor(b); });
  return found.empty() ? fs::path() : found.back();
}

/// A header of METADATA or PKG-INFO.
std::string header(std::string_view text, std::string_view name) {
  for (std::string_view line : split(text, '\n')) {
    if (trim(line).empty()) break;
    if (line.starts_with(name) && line.substr(name.size()).starts_with(":")) {
      return std::string(trim(line.substr(name.size() + 1)));
    }
  }
  return {};
}

std::optional<std::string> distribution(const fs::path& entry) {
  std::string name = entry.filename().string();
  fs::path file;
  std::error_code failure;
  if (name.ends_with(".dist-info"))
    file = entry / "METADATA";
  else if (!name.ends_with(".egg-info"))
    return std::nullopt;
  else
    file = fs::is_directory(entry, failure) ? entry / "PKG-INFO" : entry;
  Result<std::string> text = read_file(file, kMetadataBytesMax);
  std::string found = text.ok() ? header(*text, "Name") : "";
  std::string version = text.ok() ? header(*text, "Version") : "";
  if (found.empty() || version.empty()) return std::nullopt;
  return found + "==" + version;
}

Json describe_python(const fs::path& python) {
  Json json;
  json.set("kind", "python");
  json.set("path", python.string());
  std::error_code failure;
  fs::path real = fs::canonical(python, failure);
  // A venv's python is a link to another one; what is installed is told by where the link lies.
  fs::path prefix = python.parent_path().parent_path();
  if (!fs::exists(prefix / "pyvenv.cfg", failure) && library_of(prefix, python).empty()) {
    prefix = real.parent_path().parent_path();
  }
  fs::path library = library_of(prefix, real);
  if (library.empty()) library = library_of(prefix, python);
  json.set("version", version_of(prefix, library));
  Result<std::string> program = read_file(real, kProgramBytesMax);
  if (program.ok()) json.set("program_sha256", sha256_hex(*program));
  std::vector<std::string> packages = installed_distributions(
      {library / "site-packages", prefix / "lib" / "python3" / "dist-packages",
       prefix / "local" / "lib" / library.filename() / "dist-packages"});
  json.set("packages_sha256", sha256_hex(join(packages, "\n")));
  Json::Array list;
  for (std::string& package : packages) list.emplace_back(std::move(package));
  json.set("packages", std::move(list));
  return json;
}

std::string os_name() {
  Result<std::string> text = read_file("/etc/os-release", kMetadataBytesMax);
  if (!text.ok()) return {};
  for (std::string_view line : split(*text, '\n')) {
    if (!line.starts_with("PRETTY_NAME=")) continue;
    return replace_all(std::string(line.substr(12)), "\"", "");
  }
  return {};
}

std::string cpu_field(std::string_view text, std::string_view name) {
  for (std::string_view line : split(text, '\n')) {
    std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || trim(line.substr(0, colon)) != name) continue;
    return std::string(trim(line.substr(colon + 1)));
  }
  return {};
}

Json describe_machine() {
  Json system;
  utsname names{};
  uname(&names);
  system.set("kernel", std::string(names.sysname) + " " + names.release);
  system.set("machine", names.machine);
  system.set("distribution", os_name());
  Json processor;
  Result<std::string> text = read_file("/proc/cpuinfo", kMetadataBytesMax);
  if (text.ok()) {
    processor.set("model", cpu_field(*text, "model name"));
    processor.set("flags_sha256", sha256_hex(cpu_field(*text, "flags")));
  }
  Json machine;
  machine.set("system", std::move(system));
  machine.set("processor", std::move(processor));
  return machine;
}

bool is_seed(std::string_view key) {
  std::string_view last = key.substr(key.rfind('.') + 1);  // npos + 1 is 0: the whole
  return last == "seed" || last == "random_seed" || last == "random_state";
}

void collect_seeds(const std::string& prefix, const Json& value, Json& seeds) {
  if (!value.is_object()) return;
  for (const auto& [key, item] : value.as_object()) {
    std::string name = prefix + key;
    if (item.is_object())
      collect_seeds(name + ".", item, seeds);
    else if (is_seed(key))
      seeds.set(name, item);
  }
}

bool is_script(const fs::path& program) {
  char mark[2] = {};
  Fd file(::open(program.c_str(), O_RDONLY | O_CLOEXEC));
  return file && read(file.get(), mark, 2) == 2 && mark[0] == '#' && mark[1] == '!';
}

bool is_assignment(const std::string& word) {
  std::size_t end = word.find('=');
  if (end == std::string::npos || end == 0) return false;
  return std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(end), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  });
}

/// What a shell knows between the programs of one line.
class Shell {
 public:
  Shell(fs::path folder, std::string_view path) : folder_(std::move(folder)), path_(path) {}

  PythonFound run(const SimpleCommand& command) {
    std::optional<std::string> path = path_;
    std::size_t i = 0;
    while (i < command.words.size() && is_prefix(command.words[i])) {
      take_path(command.words[i], path);
      ++i;
    }
    if (i == command.words.size()) {  // nothing but assignments: they stay
      path_ = path;
      return {};
    }
    if (changes_shell(command, i)) return {};
    PythonFound found = start(command.words[i], path);
    if (found.python && !command.is_certain) return {std::nullopt, true};
    return found;
  }

 private:
  static bool is_prefix(const Word& word) {
    static const std::set<std::string, std::less<>> kBefore = {"exec", "command", "nohup", "time",
                                                               "env"};
    return is_assignment(word.text) || kBefore.contains(word.text);
  }

  static void take_path(const Word& word, std::optional<std::string>& path) {
    constexpr std::string_view kPath = "PATH=";
    if (!word.text.starts_with(kPath)) return;
    path =
        word.is_known ? std::optional<std::string>(word.text.substr(kPath.size())) : std::nullopt;
  }

  /// Commands of the shell itself.
  bool changes_shell(const SimpleCommand& command, std::size_t i) {
    const std::string& name = command.words[i].text;
    const Word argument = i + 1 < command.words.size() ? command.words[i + 1] : Word();
    if (name == "cd") {
      bool is_plain = argument.is_known && !argument.text.empty() && argument.text[0] != '-';
      folder_ = is_plain && folder_ && command.is_certain
                    ? std::optional<fs::path>(*folder_ / argument.text)
                    : std::nullopt;
    } else if (name == "export") {
      take_path(argument, path_);
      if (!command.is_certain) path_.reset();
    } else if (name == "." || name == "source") {
      path_ = path_ && command.is_certain ? activated(argument) : std::nullopt;
    } else if (name == "eval" || name == "alias" || name == "conda" || name == "mamba" ||
               name == "micromamba" || name == "module" || name == "workon" || name == "set") {
      path_.reset();
      folder_.reset();
    } else {
      return false;
    }
    return true;
  }

  /// PATH after a venv's own script.
  std::optional<std::string> activated(const Word& script) const {
    if (!script.is_known || !folder_) return std::nullopt;
    fs::path file = (*folder_ / script.text).lexically_normal();
    fs::path programs = file.parent_path();
    std::error_code failure;
    bool is_venv =
        file.filename() == "activate" && fs::exists(programs.parent_path() / "pyvenv.cfg", failure);
    if (!is_venv) return std::nullopt;
    return programs.string() + ":" + *path_;
  }

  PythonFound start(const Word& word, const std::optional<std::string>& path) const {
    // They start others, of which this line says little.
    static const std::set<std::string, std::less<>> kStarters = {
        "sh",     "bash",   "dash",    "zsh",     "fish",  "ksh",    "uv",   "poetry",   "pipenv",
        "pdm",    "hatch",  "tox",     "nox",     "make",  "xargs",  "find", "parallel", "sudo",
        "su",     "ssh",    "docker",  "podman",  "srun",  "mpirun", "nice", "ionice",   "timeout",
        "stdbuf", "strace", "taskset", "numactl", "pyenv", "direnv", "just", "ninja"};
    const PythonFound unknown{std::nullopt, true};
    if (!word.is_known || kStarters.contains(fs::path(word.text).filename().string()))
      return unknown;
    bool has_folder = word.text.find('/') != std::string::npos;
    bool is_absolute = word.text.starts_with('/');
    bool is_told = has_folder ? is_absolute || folder_.has_value() : path.has_value();
    bool is_python = is_python_name(fs::path(word.text).filename().string());
    if (!is_told) return {std::nullopt, is_python};
    fs::path folder = folder_.value_or("/");
    std::optional<fs::path> program = resolve(word.text, folder, path.value_or(""));
    if (!program) return {};
    if (!is_script(*program)) return is_python ? PythonFound{program, false} : PythonFound{};
    if (is_python) return unknown;  // a shim, which looks for one by rules of its own
    std::optional<fs::path> python = from_first_line(*program, folder, path.value_or(""));
    bool is_shim = python && is_script(*python);
    return python && !is_shim ? PythonFound{python, false} : unknown;
  }

  std::optional<fs::path> folder_;
  std::optional<std::string> path_;
};

}  // namespace

PythonFound python_of(std::string_view command, const fs::path& folder, std::string_view path) {
  Shell shell(folder, path);
  PythonFound found;
  for (const SimpleCommand& one : simple_commands(command, path)) {
    PythonFound next = shell.run(one);
    if (next.python) return next;
    found.is_unknown = found.is_unknown || next.is_unknown;
  }
  return found;
}

std::vector<std::string> installed_distributions(const std::vector<fs::path>& folders) {
  std::set<std::string> found;
  for (const fs::path& folder : folders) {
    std::error_code failure;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, failure)) {
      if (found.size() >= kDistributionsMax) break;
      if (auto package = distribution(entry.path())) found.insert(*package);
    }
  }
  return {found.begin(), found.end()};
}

std::string Environments::variable(const std::string& name) const {
  auto found = variables_.find(name);
  return found == variables_.end() ? std::string() : found->second;
}

const Json& Environments::interpreter(const fs::path& python) {
  auto known = interpreters_.find(python);
  if (known == interpreters_.end()) {
    known = interpreters_.emplace(python, describe_python(python)).first;
  }
  return known->second;
}

DescribedFact Environments::describe(const std::vector<std::string>& commands,
                                     const fs::path& folder, const Json& seeds) {
  if (!machine_) machine_ = describe_machine();
  Json description;
  description.set("interpreter", Json());
  Json unknown;
  unknown.set("kind", "unknown");
  for (const std::string& command : commands) {
    PythonFound found = python_of(command, folder, variable("PATH"));
    if (found.python) {
      description.set("interpreter", interpreter(*found.python));
      break;
    }
    if (found.is_unknown) description.set("interpreter", unknown);
  }
  for (const auto& [key, value] : machine_->as_object()) description.set(key, value);
  Json all = seeds.is_object() ? seeds : Json(Json::Object());
  for (const char* name : {"PYTHONHASHSEED", "SLIPWAY_SEED"}) {
    if (std::string value = variable(name); !value.empty()) all.set(name, value);
  }
  description.set("seeds", std::move(all));
  return described(std::move(description));
}

Json seeds_in(const Json& params) {
  Json seeds = Json(Json::Object());
  if (!params.is_object()) return seeds;
  for (const auto& [file, values] : params.as_object()) {
    // A key of dvc.yaml may itself be a path ("train.seed").
    if (!values.is_object()) continue;
    for (const auto& [key, value] : values.as_object()) {
      if (value.is_object())
        collect_seeds(file + ":" + key + ".", value, seeds);
      else if (is_seed(key))
        seeds.set(file + ":" + key, value);
    }
  }
  return seeds;
}

}  // namespace slipway::flows
