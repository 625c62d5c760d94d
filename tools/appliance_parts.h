// The parts of the daemon, and who makes and ends them. For this folder's appliance*.cc only.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hsm/token_client.h"
#include "keystore/identities.h"
#include "keystore/node_log.h"
#include "keystore/store/sqlite_store.h"
#include "keystore/trust.h"
#include "platform/host_port.h"
#include "platform/logging.h"
#include "rpc/server.h"
#include "services/audit.h"
#include "services/caretaker.h"
#include "services/certificates.h"
#include "services/clients_seen.h"
#include "services/connections/connections.h"
#include "services/control/change_plan.h"
#include "services/control/control_center.h"
#include "services/events.h"
#include "services/import.h"
#include "services/keys.h"
#include "services/lscs.h"
#include "services/metrics/metrics.h"
#include "services/monitor/builtin_monitor.h"
#include "services/monitor/certificate_monitor.h"
#include "services/monitor/expiry_monitor.h"
#include "services/monitor/places.h"
#include "services/publisher.h"
#include "services/revocation/revocation.h"
#include "services/server_setup.h"
#include "services/settings.h"
#include "services/trust_stores.h"
#include "tools/appliance.h"
#include "tools/dev_keyd.h"

namespace signet::tools {

namespace asio = boost::asio;

// In the order of construction; lanes are destroyed before what their jobs use.
struct Appliance::Parts {
  Config config;
  std::unique_ptr<FileSystem> files = MakeFileSystem();
  std::unique_ptr<Clock> clock = MakeSystemClock();
  WallTime started = clock->Now();
  const keystore::Catalogue& catalogue = config.catalogue;
  FileLock state_lock;
  bool create = false;  // the state is a new one
  std::unique_ptr<keystore::NodeLog> log;
  std::unique_ptr<keystore::Store> store;
  std::unique_ptr<keystore::State> state;
  std::optional<DevKeyd> dev_keyd;
  std::unique_ptr<hsm::TokenClient> token;
  std::unique_ptr<keystore::Committer> committer;
  std::unique_ptr<keystore::Identities> identities;
  std::unique_ptr<keystore::Trust> trust;
  std::unique_ptr<services::Publisher> publisher;
  std::unique_ptr<services::Events> events;
  std::unique_ptr<services::Lscs> lscs;
  std::unique_ptr<services::ClientsSeen> clients;
  std::unique_ptr<services::Places> places;
  std::unique_ptr<services::MailQueue> mails;
  std::unique_ptr<services::CertificateMonitor> certificate_monitor;
  std::unique_ptr<services::ExpiryMonitor> monitor;
  std::unique_ptr<services::Changes> changes;
  std::unique_ptr<services::Caretaker> caretaker;
  std::unique_ptr<services::StatusSource> status_source;
  std::unique_ptr<services::Revocation> revocation;
  std::unique_ptr<services::Connections> connections;
  std::unique_ptr<services::Certificates> certificates;
  std::unique_ptr<services::TrustStores> trust_stores;
  std::unique_ptr<services::Keys> keys;
  std::unique_ptr<services::Audit> audit;
  std::unique_ptr<services::Settings> settings;
  std::unique_ptr<services::Import> import;
  std::unique_ptr<services::ServerSetup> servers;
  std::unique_ptr<services::BuiltinMonitor> builtin_monitor;
  std::unique_ptr<services::ControlCenter> control;
  std::unique_ptr<services::Receipts> receipts;
  std::unique_ptr<services::ChangePlan> plan;
  asio::io_context loop{1};
  std::unique_ptr<rpc::Server> server;
  std::atomic<bool> stopping{false};
  std::mutex shown_mutex;
  std::vector<keystore::Revision> shown;  // of the identities that keyd was told of
  std::mutex
      listener_mutex;  // the listener is told from the lanes' threads while the server may go away
  Lane store_lane{"store", 1, 256};
  Lane trust_lane{"trust", 1, 64};
  Lane change_lane{"change", 1, 64};
  Lane sign_lane{"sign", 2, 256};
  Lane probe_lane{"probe", 1, 8};
  Lane connection_lane{"connection", 2, 16};
  Lane mail_lane{"mail", 1, 16};
  Lane lsc_lane{"lsc", 1, 16};
  Lane look_lane{"look", 1, 64};
  Lane scrape_lane{"scrape", 1, 64};           // never waits for disk, token or network
  Lane revocation_lane{"revocation", 2, 16};   // rounds
  Lane status_lane{"status", 4, 64};           // uploads whose status is asked
  Lane peer_lane{"peer", 4, 64};               // long-lived connections
  Lane responder_lane{"responder", 16, 1024};  // its threads are how many are asked at a time
  Lane control_lane{"control", 16, 64};  // each service under control may hold one for its limit

  Status OpenState();
  Status OpenToken();
  Status CheckNewState();
  void StartPublishing();
  void MakePlaces();
  void MakeMonitor();
  void MakeRevocation();
  void MakeServices(std::set<std::string> leftovers);
  AddressPolicy WithoutOwnDoor(AddressPolicy policy);
  Status OpenServer();
  bool RefreshTls();
  bool ShowKeys(const keystore::Snapshot& snapshot);
  AddressPolicy Outgoing();
  AddressPolicy Endpoints();
  Status MakeControl();
  asio::awaitable<void> GoOn();
  services::api::StatusAnswer Describe() const;
  asio::awaitable<std::string> Metrics();
  services::MetricsInput Figures(Result<hsm::UseReport> use);
  asio::awaitable<void> StopAll();
  std::vector<Lane*> Lanes();
  bool StopLanes();
};

}  // namespace signet::tools
