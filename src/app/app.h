#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/gate.h"
#include "app/state.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "domain/flows/run_folders.h"
#include "io/blob/blobs.h"
#include "io/db/db.h"
#include "io/http/server.h"
#include "io/nats/address.h"

namespace slipway::proc {
class Spawner;
}

namespace slipway::app {

struct Address {
  std::string host = "127.0.0.1";
  int port = 0;
  int fd = -1;  // a socket that listens there already; the server takes it over
};
/// "127.0.0.1:5000", "[::1]:5000", "localhost:0". kInvalid says what is wrong.
Result<Address> parse_address(std::string_view text);
bool is_loopback(const std::string& host);
/// "http://127.0.0.1:5000"; `port` is the one that was really had.
std::string url_of(const Address& address, int port);

struct AppOptions {
  std::filesystem::path state;  // absolute
  Address listen;
  std::optional<Address> listen_serving;  // predictions move to a listener of their own
  std::string store;                // URI of the catalogue; empty: catalog.db in the state folder
  std::string artifacts;            // a folder or s3://...; empty: artifacts/ in the state folder
  std::string default_deployment;
  std::uint64_t body_memory_bytes = http::ServerOptions().body_buffers_max;
  std::uint64_t body_bytes_per_second_min = http::ServerOptions().body_bytes_per_second_min;
  bool replay = false;                 // the clock shows what POST /api/slipway/v1/clock says
  std::string command = "slipway up";  // how the owner names itself
  /// For pipeline runs: what starts their processes (forked before any thread; outlives the App),
  /// and the root of the project. Without them runs wait.
  const proc::Spawner* spawner = nullptr;
  std::filesystem::path project;
  std::string hook_secret;             // of webhooks of git hosts
  flows::RunFolderPolicy run_folders;  // what stays of runs that are over
  std::string trash_kept;              // "30d": what is deleted for longer goes; empty: nothing
  bool webhooks_private = false;       // the registry's may go to http:// and to any address
  nats::Access nats;                   // for triggers that listen to NATS
  AccessMode access = AccessMode::kAuto;
  bool open_predictions = false;  // without a token, where users exist
  /// Lets a server without users listen where others reach it.
  bool anyone_may_do_anything = false;
  std::vector<std::string> allowed_hosts, allowed_origins;  // see http::ServerOptions
  http::TrustedProxies trusted_proxies;
};

/// The server: owns every service. open() readies the state (lock, migrations), start() answers,
/// stop() drains.
class App {
 public:
  /// kConflict with the owner's address when another process has the state folder. Takes the facts
  /// that wait there.
  static Result<std::unique_ptr<App>> open(AppOptions options);
  ~App();

  /// Listens and announces the address. Once.
  Result<> start();
  /// Finishes what is in flight, then ends the threads. Harmless when not started.
  void stop();

  /// After start().
  std::string url() const;
  std::string serving_url() const;  // equal to url() without a listener of its own
  /// What can be asked for answers: deployments and registered models, by name.
  Result<std::vector<std::string>> names_to_ask() const;
  /// After start(): what the table of access lacks, by method and pattern.
  std::vector<std::string> routes_without_rule() const;
  db::Pool& pool();
  const Clock& clock() const;
  const std::string& secret() const;

 private:
  struct Services;
  explicit App(std::unique_ptr<Services> services);
  std::unique_ptr<Services> services_;
};

/// Where the prediction log and the labels of a state folder lie.
std::filesystem::path predictions_folder(const std::filesystem::path& state);
std::filesystem::path labels_folder(const std::filesystem::path& state);
/// Every module's migrations, in the order of the modules.
std::vector<db::Migration> all_migrations();

}  // namespace slipway::app
