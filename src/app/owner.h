#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "app/state.h"
#include "base/result.h"
#include "io/http/message.h"
#include "io/wire/json.h"

// What a short command does where the state folder is owned: in this process when nobody owns it,
// else by a request to the one that does.
namespace slipway::app {

/// Whether a state began in this folder: commands that look make none, and refuse any other folder.
bool has_state(const std::filesystem::path& path);
/// kMissing, in words for people, where none did.
Result<> require_state(const std::filesystem::path& path);

/// How often, and how long apart, to ask again for an owner's address: one that has just started
/// holds the lock a moment before it can say where it answers. Ten seconds in all.
inline constexpr int kAnnounceTries = 200;
inline constexpr std::chrono::milliseconds kAnnouncePause{50};

/// A server elsewhere that commands are to ask: SLIPWAY_URL, with SLIPWAY_TOKEN, or with
/// SLIPWAY_TOKEN_FILE, a file that holds the token, where it asks who one is. Nothing when it is not
/// set; nor in a command of a stage, where it names the server of the run, which that token is not
/// for. A --state or --store that is given unsets it.
struct Remote {
  std::string url, token;
};
Result<std::optional<Remote>> remote_server();

/// kInvalid, tag "usage", for what is no http(s) URL, or holds a password; it is not repeated.
Result<> check_server_url(std::string_view url, const std::string& named_by);

/// What the remote_server() answers to a GET of /api/slipway/v1`path`, as it is; nothing where none
/// is named. An error by its status, in the server's words.
Result<std::optional<std::string>> ask_elsewhere(const std::string& path);

/// How long a server may take to say that it is there, before it is asked for anything: the answer
/// waits for nothing but a loop.
inline constexpr std::chrono::milliseconds kAnswerPatience{5000};

/// kUnavailable, tag "silent", where the owner of a state folder lives and does not answer within
/// `patience`, as a stopped process does: who it is, what was asked, what to do. Whatever else is
/// wrong with it is told by the request that follows.
Result<> require_answer(const Owner& owner, const std::filesystem::path& state,
                        std::chrono::milliseconds patience = kAnswerPatience);

/// Who is to be asked by a command that only looks, with what it lets us in by. `perhaps`: an owner,
/// which may end before it answers; then the catalogue itself can be read.
struct Peer {
  std::string url, secret;
  bool perhaps = false;
};
bool has_ended(const Peer& peer, const Error& error);
/// The owner of the state folder, if there is one that lives and answers.
Result<std::optional<Peer>> owner_to_ask(const std::filesystem::path& state);
/// The remote_server(), else that.
Result<std::optional<Peer>> peer_to_ask(const std::filesystem::path& state);

/// Calls `here` while this process owns the folder, or `there` with the owner's address and the
/// folder's secret. Waits up to ten seconds for an owner that has not said yet where it answers;
/// then kUnavailable, and at once where it says nothing (require_answer). Where there is a
/// remote_server(), that is `there`, with its token.
Result<wire::Json> at_owner(
    const std::filesystem::path& state, const std::function<Result<wire::Json>()>& here,
    const std::function<Result<wire::Json>(const std::string& url, const std::string& secret)>&
        there);

/// POSTs JSON with the folder's secret.
Result<http::Response> post_to_owner(const std::string& url, const std::string& secret,
                                     const std::string& body,
                                     std::chrono::milliseconds timeout = std::chrono::minutes(1));
/// What the server at `url` answers at /api/slipway/v1`path`, to a POST of `body` or a GET without;
/// an error by its status, in the server's words.
Result<wire::Json> ask_owner(const std::string& url, const std::string& secret,
                             const std::string& path, const std::optional<std::string>& body,
                             std::chrono::milliseconds timeout = std::chrono::minutes(1));
/// The error that an answer is which is none of 200.
Error error_of(const std::string& url, const http::Response& response);
/// The message of an error body; the beginning of anything else.
std::string message_of(const http::Response& response);

}  // namespace slipway::app
