#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <system_error>

#include "app/app.h"
#include "app/catalogue.h"
#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/owner.h"
#include "app/people_api.h"
#include "app/project.h"
#include "base/file.h"
#include "base/text.h"

namespace slipway::app {
namespace {

using wire::Json;

/// On the catalogue itself, where no server has it.
Result<Json> act_here(const std::filesystem::path& state, const std::string& named,
                      const std::string& verb, const PeopleRequest& request) {
  const std::string store = TRY(catalogue_of(state, named));
  Metrics metrics;
  SystemClock clock;
  std::unique_ptr<db::Pool> pool = TRY(db::Pool::open(store, all_migrations(), metrics));
  std::unique_ptr<access::People> people = TRY(access::People::open(*pool, clock, clock, metrics));
  return act_on_people(*people, {user_name(), true, true}, verb, request);
}

Result<Json> act(const Arguments& arguments, const Surroundings& surroundings,
                 const std::string& verb, const PeopleRequest& request) {
  const std::filesystem::path state = state_folder(arguments, surroundings);
  // Whoever makes the first user may do so before the first server; else there is nobody yet.
  if (verb != "create-user") TRY(require_state(state));
  const std::string store = flag(arguments, "store");
  return at_owner(
      state, [&] { return act_here(state, store, verb, request); },
      [&](const std::string& url, const std::string& secret) -> Result<Json> {
        http::Response response = TRY(
            post_to_owner(url + "/api/slipway/v1/people/" + verb, secret, wire::encode(request)));
        if (response.status != 200) return error_of(url, response);
        return wire::parse(response.body);
      });
}

/// What is typed is not shown.
class Unseen {
 public:
  Unseen() : known_(tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!known_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~Unseen() {
    if (known_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  Unseen(const Unseen&) = delete;

 private:
  termios before_{};
  const bool known_;
};

std::string without_line_end(std::string text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return text;
}

Result<std::string> ask(const std::string& what, const Surroundings& surroundings) {
  surroundings.err << what << ": " << std::flush;
  std::string line;
  {
    const Unseen unseen;
    if (!std::getline(std::cin, line)) return invalid("no password was given");
  }
  surroundings.err << std::endl;
  return without_line_end(std::move(line));
}

Result<std::string> first_line(std::istream& from, const std::string& name) {
  std::string line;
  if (!std::getline(from, line)) return invalid("no password came from " + name);
  return without_line_end(std::move(line));
}

/// Never from the command line, which every process of this machine can read.
Result<std::string> read_password(const Arguments& arguments, const Surroundings& surroundings,
                                  const std::string& what) {
  const std::string file = flag(arguments, "password-file");
  if (!file.empty() && file != "-") {
    const std::filesystem::path path = surroundings.folder / file;
    std::error_code unseen;  // read_file() says why
    if (!std::filesystem::is_fifo(path, unseen)) return without_line_end(TRY(read_file(path)));
    std::ifstream pipe(path);  // <(pass show slipway)
    return first_line(pipe, file);
  }
  if (isatty(STDIN_FILENO) == 0 || file == "-") return first_line(std::cin, "standard input");
  const std::string first = TRY(ask(what, surroundings));
  if (TRY(ask(what + ", once more", surroundings)) == first) return first;
  return invalid("the two passwords differ");
}

int show(const Result<Json>& answer, const Surroundings& surroundings,
         const std::function<void(const Json&, std::ostream&)>& as_text) {
  if (!answer.ok()) return report(answer.error(), surroundings);
  if (surroundings.json) {
    surroundings.out << wire::dump(*answer) << std::endl;
  } else {
    as_text(*answer, surroundings.out);
  }
  return kDone;
}

std::string time_of(const Json& json, std::string_view key) {
  const std::int64_t ms = number_at(json, key);
  return ms == 0 ? "never" : to_iso8601(ms);
}

bool flag_at(const Json& json, std::string_view key) {
  const Json* found = json.find(key);
  return found != nullptr && found->is_bool() && found->as_bool();
}

Result<std::string> name_given(const Arguments& arguments, const char* what) {
  if (arguments.positional.size() == 2) return arguments.positional[1];
  return usage("`" + arguments.positional.front() + "` takes " + what);
}

Result<> no_more(const Arguments& arguments) {
  if (arguments.positional.size() == 1) return {};
  return usage("`" + arguments.positional.front() + "` takes nothing more, found '" +
               arguments.positional[1] + "'");
}

// ---- users

Result<Json> on_users(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string& verb = arguments.positional.front();
  PeopleRequest request;
  if (verb == "list") {
    TRY(no_more(arguments));
    return act(arguments, surroundings, "list-users", request);
  }
  request.user = TRY(name_given(arguments, "the name of a user"));
  request.admin = arguments.on("admin");
  if (verb == "create") {
    request.password = TRY(read_password(arguments, surroundings, "password of " + request.user));
    return act(arguments, surroundings, "create-user", request);
  }
  if (verb == "password") {
    request.password =
        TRY(read_password(arguments, surroundings, "new password of " + request.user));
    return act(arguments, surroundings, "set-password", request);
  }
  if (verb == "admin" || verb == "no-admin") {
    request.admin = verb == "admin";
    return act(arguments, surroundings, "set-admin", request);
  }
  if (verb == "delete") return act(arguments, surroundings, "delete-user", request);
  return usage("`slipway users` knows create, list, password, admin, no-admin and delete, not '" +
               verb + "'");
}

int run_users(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string verb = arguments.positional.front();
  return show(on_users(arguments, surroundings), surroundings,
              [&](const Json& json, std::ostream& out) {
                for (const Json& user : list_at(json, "users")) {
                  out << text_at(user, "user") << (flag_at(user, "admin") ? "  admin" : "") << "\n";
                }
                if (verb == "create") {
                  out << "user " << text_at(json, "user") << " made"
                      << (flag_at(json, "admin") ? ", an administrator" : "") << "\n";
                }
              });
}

// ---- tokens

Result<Json> on_tokens(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string& verb = arguments.positional.front();
  PeopleRequest request;
  request.user = flag(arguments, "user");
  if (verb == "list") {
    TRY(no_more(arguments));
    return act(arguments, surroundings, "list-tokens", request);
  }
  if (verb == "create") {
    request.name = TRY(name_given(arguments, "a name for the token"));
    request.scope = flag(arguments, "scope");
    if (const std::string days = flag(arguments, "days"); !days.empty()) {
      request.days = to_int64(days);
      if (!request.days) return usage("--days takes a whole number, found '" + days + "'");
    }
    return act(arguments, surroundings, "create-token", request);
  }
  if (verb == "revoke") {
    request.id = TRY(name_given(arguments, "the id of a token, which `list` shows"));
    return act(arguments, surroundings, "revoke-token", request);
  }
  return usage("`slipway tokens` knows create, list and revoke, not '" + verb + "'");
}

int run_tokens(const Arguments& arguments, const Surroundings& surroundings) {
  return show(on_tokens(arguments, surroundings), surroundings,
              [&](const Json& json, std::ostream& out) {
                for (const Json& token : list_at(json, "tokens")) {
                  out << text_at(token, "id") << "  " << text_at(token, "user") << "  "
                      << text_at(token, "name") << "  " << text_at(token, "scope") << "  expires "
                      << time_of(token, "expires_ms") << "\n";
                }
                const std::string secret = text_at(json, "token");
                if (secret.empty()) return;
                surroundings.err << "slipway: this is shown once; it expires "
                                 << time_of(json, "expires_ms") << std::endl;
                out << secret << "\n";
              });
}

// ---- permissions

Result<Json> on_permissions(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string& verb = arguments.positional.front();
  PeopleRequest request;
  if (verb == "default") {
    request.level = TRY(name_given(arguments, "a level: none, read, use, edit or manage"));
    return act(arguments, surroundings, "set-default", request);
  }
  request.user = TRY(name_given(arguments, "the name of a user"));
  request.experiment = flag(arguments, "experiment");
  request.model = flag(arguments, "model");
  request.level = flag(arguments, "level");
  if (verb == "list") return act(arguments, surroundings, "list-permissions", request);
  if (verb == "revoke") return act(arguments, surroundings, "revoke", request);
  if (verb == "create" || verb == "grant") return act(arguments, surroundings, "grant", request);
  return usage("`slipway permissions` knows create, list, revoke and default, not '" + verb + "'");
}

int run_permissions(const Arguments& arguments, const Surroundings& surroundings) {
  return show(on_permissions(arguments, surroundings), surroundings,
              [&](const Json& json, std::ostream& out) {
                if (flag_at(json, "admin")) out << "an administrator: everything\n";
                for (const Json& one : list_at(json, "permissions")) {
                  out << text_at(one, "on") << " " << text_at(one, "of") << "  "
                      << text_at(one, "level");
                  const std::string role = text_at(one, "role");
                  out << (role.empty() ? "" : "  by role " + role) << "\n";
                }
                const std::string on = text_at(json, "on"), level = text_at(json, "level");
                if (!on.empty()) {
                  out << text_at(json, "user") << ": " << on << " " << text_at(json, "of") << "  "
                      << (level.empty() ? "no permission of its own" : level) << "\n";
                }
                const std::string fallback = text_at(json, "default");
                if (!fallback.empty()) out << "anything else  " << fallback << "\n";
              });
}

std::vector<Flag> with_place(std::vector<Flag> flags) {
  flags.push_back({"--state", "DIR", "the state folder (.slipway of this project)"});
  flags.push_back({"--store", "URI", "the catalogue, when it is not where this state had it last"});
  return flags;
}

}  // namespace

std::vector<Command> people_commands() {
  return {
      {.name = "users",
       .summary = "who may use the server",
       .positional = "VERB [NAME]",
       .positional_min = 1,
       .positional_max = 2,
       .positional_help = "create, list, password, admin, no-admin or delete",
       .flags = with_place({{"--admin", "", "create: may do everything, and lets others in"},
                            {"--password-file", "FILE",
                             "the password's file, or - for standard input; else it is asked for, "
                             "or read where standard input is no terminal"}}),
       .examples = {"slipway users create ann --admin", "slipway users list"},
       .run = run_users},
      {.name = "tokens",
       .summary = "what programs show instead of a password",
       .positional = "VERB [NAME|ID]",
       .positional_min = 1,
       .positional_max = 2,
       .positional_help = "create NAME, list, or revoke ID",
       .flags = with_place({{"--user", "USER", "whose token"},
                            {"--scope", "SCOPE", "all, read or predict [all]"},
                            {"--days", "N", "until it expires; 0: never [90]"}}),
       .examples = {"slipway tokens create nightly --user ann --scope read",
                    "slipway tokens revoke 4f1e0b6a9c2d"},
       .run = run_tokens},
      {.name = "permissions",
       .summary = "what users may do with experiments and models",
       .positional = "VERB USER|LEVEL",
       .positional_min = 1,
       .positional_max = 2,
       .positional_help = "create USER, list USER, revoke USER, or default LEVEL",
       .flags = with_place({{"--experiment", "ID", "of an experiment, by id or name; * for every one"},
                            {"--model", "NAME", "of a registered model; * for every one"},
                            {"--level", "LEVEL", "deny, none, read, use, edit or manage"}}),
       .examples = {"slipway permissions create ben --experiment 3 --level edit",
                    "slipway permissions default none"},
       .run = run_permissions},
  };
}

}  // namespace slipway::app
