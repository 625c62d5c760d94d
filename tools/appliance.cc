#include "tools/appliance.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>

#include "hsm/token_client.h"
#include "keystore/catalogue.h"
#include "keystore/format.h"
#include "keystore/identities.h"
#include "keystore/node_log.h"
#include "keystore/store/sqlite_store.h"
#include "keystore/trust.h"
#include "platform/host_port.h"
#include "platform/logging.h"
#include "rpc/methods/methods.h"
#include "rpc/server.h"
#include "services/audit.h"
#include "services/caretaker.h"
#include "services/certificates.h"
#include "services/clients_seen.h"
#include "services/control/change_plan.h"
#include "services/control/control_center.h"
#include "services/events.h"
#include "services/import.h"
#include "services/key_view.h"
#include "services/keys.h"
#include "services/lscs.h"
#include "services/metrics.h"
#include "services/monitor/builtin_monitor.h"
#include "services/monitor/certificate_monitor.h"
#include "services/monitor/expiry_monitor.h"
#include "services/monitor/places.h"
#include "services/publisher.h"
#include "services/server_setup.h"
#include "services/settings.h"
#include "services/trust_stores.h"
#include "tools/dev_keyd.h"

namespace signet::tools {

namespace asio = boost::asio;

namespace {

constexpr char kLockFile[] = "lock";
constexpr Duration kScrapeLimit = std::chrono::seconds(5);
constexpr Duration kStopGrace = std::chrono::seconds(5);
constexpr Duration kNap = std::chrono::milliseconds(100);

}  // namespace

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
  Lane control_lane{"control", 16, 64};  // each service under control may hold one for its limit

  Status OpenState();
  Status OpenToken();
  Status CheckNewState();
  void StartPublishing();
  void MakePlaces();
  void MakeMonitor();
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
  asio::awaitable<void> StopAll();
  bool StopLanes();
};

Status Appliance::Parts::OpenState() {
  SIGNET_TRY(files->MakeDirectory(config.state_directory, 0700));
  const std::string folder = config.state_directory + "/";
  // Before anything is opened: a second daemon must not even log in to the token.
  SIGNET_TRY(state_lock, FileLock::Take(folder + kLockFile));
  // Made one after the other, so a first start that was cut off leaves an empty log alone; a store
  // that is missing beside a log with records was lost, and is not replaced.
  const auto absent = [&](const char* name) { return !files->Info(folder + name); };
  const bool no_store = absent("store.db");
  SIGNET_TRY(log,
             keystore::NodeLog::Open(folder + "node.db", no_store && absent("node.db"), *clock));
  if (no_store) {
    SIGNET_TRY(std::vector<keystore::AuditRecord> records, log->Audit(0, 1));
    SIGNET_TRY(std::vector<keystore::JournalEntry> pending, log->Pending());
    create = records.empty() && pending.empty();
  }
  SIGNET_TRY(store, keystore::OpenSqliteStore(folder + "store.db", create));
  SIGNET_TRY(keystore::OpenFormat(*store, catalogue.product, config.names.cluster,
                                  keystore::Migrations()));
  SIGNET_TRY(state, keystore::State::Open(
                        *store, keystore::Layout(config.names.cluster, config.names.node)));
  return Ok();
}

Status Appliance::Parts::OpenToken() {
  const hsm::AgentConfig& keyd = config.keyd.agent;
  if (!config.dev_folder.empty()) {
    SIGNET_TRY(DevKeyd begun, DevKeyd::Start(config.dev_folder, keyd.management_socket));
    dev_keyd.emplace(std::move(begun));
  }
  SIGNET_TRY(token, hsm::TokenClient::Open({config.keyd.client_module, keyd.management_socket,
                                            keyd.credential, keyd.token.uri},
                                           *files));
  committer = std::make_unique<keystore::Committer>(*state, *clock);
  identities = std::make_unique<keystore::Identities>(catalogue, config.names, *state, *committer,
                                                      token->token(), *clock);
  trust = std::make_unique<keystore::Trust>(catalogue, config.names, *state, *committer, *clock);
  // Whatever changes the listener's certificate or its key's handle leads here, on the thread that
  // changed it.
  identities->OnInstalled([this](const keystore::Purpose& purpose) {
    if (purpose.tls_listener) RefreshTls();
  });
  token->OnRebuild([this] { return RefreshTls(); });
  if (dev_keyd) {
    token->OnUnreachable([this] {
      const Status revived = dev_keyd->Revive();
      if (!revived) Log(LogLevel::kError, revived.error().ToString());
    });
  }
  return Ok();
}

Status Appliance::Parts::CheckNewState() {
  if (!create || token->Info().state != hsm::TokenState::kOperational) return Ok();
  SIGNET_TRY(std::vector<hsm::TokenKey> found, token->token().List());
  if (found.empty()) return Ok();
  state.reset();
  store.reset();
  for (const char* file :
       {"store.db", "store.db-wal", "store.db-shm", "node.db", "node.db-wal", "node.db-shm"}) {
    SIGNET_TRY(files->Remove(config.state_directory + "/" + file));
  }
  return MakeError(Kind::kConflict, "STATE_LOST",
                   "the token holds " + std::to_string(found.size()) +
                       " private keys, but there is no state in " + config.state_directory,
                   "Is the right directory configured and mounted? Restore the state from a "
                   "backup, or use an empty token.");
}

// Each change is published by the thread that committed it, before its answer leaves. A failure is
// a warning of the status, and tried again.
void Appliance::Parts::StartPublishing() {
  publisher = std::make_unique<services::Publisher>(
      catalogue, *state, *files, config.services,
      services::PublishOptions{config.keyd.agent.token.uri, config.keyd.agent.socket,
                               config.keyd.client_module});
  // A chain is published once services see its key: when they do not, Caretaker tries again.
  state->OnChange([this](const keystore::Snapshot& now) {
    if (ShowKeys(now)) std::ignore = publisher->Publish(now);
  });
  if (ShowKeys(*state->Now())) std::ignore = publisher->PublishNow();
}

// What the monitor looks at beside the state. Without its register the daemon serves all the same.
void Appliance::Parts::MakePlaces() {
  auto opened = keystore::LscRegister::Open(config.state_directory + "/lsc.db");
  if (!opened) Log(LogLevel::kError, "no LSC is watched: " + opened.error().ToString());
  lscs = std::make_unique<services::Lscs>(
      services::Lscs::Parts{catalogue, *state, *clock, lsc_lane}, std::move(opened));
  std::map<std::string, std::string> listed;
  for (const rpc::ClientCertificate& client : config.clients)
    listed[client.fingerprint] = client.name;
  clients = std::make_unique<services::ClientsSeen>(*log, store_lane, std::move(listed));
  places = std::make_unique<services::Places>(services::Places::Parts{
      *trust, *lscs, *clients,
      [this] { return control == nullptr ? services::ControlFigures() : control->Figures(); }});
}

void Appliance::Parts::MakeMonitor() {
  MakePlaces();
  const auto others = [this](WallTime now) { return places->At(now); };
  if (config.mail) {
    mails = std::make_unique<services::MailQueue>(services::MailQueue::Parts{
        *log, *clock, mail_lane, *events, config.mail->from,
        MakeSender(*config.mail, config.names.node, *files, *state, [this] { return Outgoing(); }),
        [this] { return certificate_monitor->Recipients(); }});
  }
  certificate_monitor =
      std::make_unique<services::CertificateMonitor>(services::CertificateMonitor::Parts{
          catalogue, config.names, *clock, *trust, mails.get(),
          config.mail ? config.mail->server.ToString() : std::string(),
          config.mail ? config.mail->heartbeat : std::chrono::days(30), store_lane, mail_lane,
          look_lane, others, [this] { return places->Registered(clock->Now()); }});
  monitor = std::make_unique<services::ExpiryMonitor>(
      services::ExpiryMonitor::Parts{catalogue, config.names, *log, *state, *events, *clock,
                                     store_lane, [this] { return certificate_monitor->start(); },
                                     [this](const services::ExpiryLook& look, WallTime now) {
                                       return certificate_monitor->AfterRun(look, now);
                                     },
                                     others});
  certificate_monitor->Watch(*monitor);
}

void Appliance::Parts::MakeServices(std::set<std::string> leftovers) {
  events = std::make_unique<services::Events>(*log, store_lane, *clock);
  MakeMonitor();
  changes = std::make_unique<services::Changes>(
      *log, store_lane, *clock,
      [this](const std::string& operation) { committer->Forget(operation); },
      [this](const services::EndedChange& change) { services::TellEnd(*events, change); });
  caretaker = std::make_unique<services::Caretaker>(
      services::Caretaker::Parts{catalogue, config.names, *clock, *state, *identities, *trust,
                                 *committer, *log, *changes, *publisher, *events, *token,
                                 change_lane, store_lane, trust_lane, probe_lane},
      std::move(leftovers));
  certificates = std::make_unique<services::Certificates>(
      catalogue, config.names, *state, *identities, change_lane, config.keyd.agent.token.uri);
  trust_stores = std::make_unique<services::TrustStores>(catalogue, *state, *trust, trust_lane);
  keys = std::make_unique<services::Keys>(*token, *identities, sign_lane, change_lane);
  audit = std::make_unique<services::Audit>(*log, store_lane);
  settings = std::make_unique<services::Settings>(*trust, store_lane);
  servers =
      std::make_unique<services::ServerSetup>(catalogue, *state, *publisher, config.names.node);
  import = std::make_unique<services::Import>(*trust, connection_lane, [this] { return Outgoing();
});
}  // namespace signet::tools

Status Appliance::Parts::OpenServer() {
  rpc::ServerOptions options;
  options.local.path = config.socket;
  options.local.group = config.socket_group;
  options.local.http.access_log = config.log_level == "debug";
  options.roles = config.roles;
  options.clients = config.clients;
  if (config.listen) {
    rpc::TlsOptions tls;
    tls.address = config.listen->first;
    tls.port = config.listen->second;
    tls.hosts = {config.names.node};
    tls.http.access_log = options.local.http.access_log;
    options.tls = std::move(tls);
  }
  rpc::ApplianceView view;
  view.token_state = [this] { return token->State(); };
  view.ready = [this] {
    return caretaker->Ready() && token->State() == hsm::TokenState::kOperational;
  };
  view.metrics = [this] { return Metrics(); };
  view.events = events.get();
  view.client_seen = [this](std::string_view der) { clients->See(der); };
  rpc::Services services{*certificates, *trust_stores,
                         *keys,         *audit,
                         *settings,     *certificate_monitor,
                         *lscs,         *import,
                         *servers,      *control,
                         *plan,         *receipts,
                         *events,       [this] { return Describe(); }};
  SIGNET_TRY(std::unique_ptr<rpc::Server> opened,
             rpc::Server::Open(loop, std::move(options), rpc::AllMethods(services), *changes,
                               std::move(view), *clock));
  std::lock_guard lock(listener_mutex);
  server = std::move(opened);
  return Ok();
}

Status Appliance::Parts::MakeControl() {
  services::ControlCenter::Teller tell = [this](const std::string& kind, std::string text,
                                                json::object details) {
    Log(LogLevel::kInfo, text);
    events->Tell(kind, std::move(text), std::move(details));
  };
  services::DriverTools tools;
  builtin_monitor = std::make_unique<services::BuiltinMonitor>(*monitor);
  tools.builtins = {builtin_monitor.get()};
  tools.bus = config.bus;
  std::error_code ignored;
  tools.helper =
      std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / "signet-run";
  SIGNET_TRY(control, services::ControlCenter::Open({catalogue, config.names, *clock, *state,
                                                     control_lane, [this] { return Endpoints(); }},
                                                    config.controlled, tools, tell));
  state->OnChange([this](const keystore::Snapshot& now) { control->TellOwed(now); });
  receipts = std::make_unique<services::Receipts>(config.names, *clock, *state, *identities);
  plan = std::make_unique<services::ChangePlan>(
      services::ChangePlan::Parts{config.names, *clock, *state, *identities, *token, *changes,
                                  *control, *receipts, change_lane, control_lane},
      tell);
  return Ok();
}

// A plan that a former process had begun, once the token can prove and sign.
asio::awaitable<void> Appliance::Parts::GoOn() {
  asio::steady_timer timer(loop);
  while (!stopping && !(caretaker->Ready() && control->looked())) {
    timer.expires_after(kNap);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (!stopping) co_await plan->GoOn();
}

// Of the configuration: this machine's own services are among them.
AddressPolicy Appliance::Parts::Endpoints() {
  auto local = AddressPolicy::Make({"127.0.0.0/8", "::1"}, {});
  return WithoutOwnDoor(local ? std::move(local).value() : AddressPolicy());
}

AddressPolicy Appliance::Parts::Outgoing() { return WithoutOwnDoor(config.outgoing); }

// Never to the appliance's own door.
AddressPolicy Appliance::Parts::WithoutOwnDoor(AddressPolicy policy) {
  std::lock_guard lock(listener_mutex);
  if (server == nullptr || !server->url().starts_with("https://")) return policy;
  const auto own = ParseHostPort(server->url().substr(8), 443);
  if (own && own.value().address) policy.AddOwn({*own.value().address, own.value().port});
  return policy;
}

bool Appliance::Parts::RefreshTls() {
  Result<keystore::TlsMaterial> material = identities->Tls();
  std::lock_guard lock(listener_mutex);
  if (server == nullptr || server->tls() == nullptr) return true;
  if (material) {
    server->tls()->UseIdentity(
        {std::move(material.value().chain), std::move(material.value().key)});
    return true;
  }
  // Before the first boot has made it there is none, and whoever makes it calls again.
  if (material.error().word == "NO_IDENTITY") return true;
  Log(LogLevel::kWarning, "the TLS listener has no identity: " + material.error().ToString());
  return false;
}

// Services see a key before anybody is told of its certificate.
bool Appliance::Parts::ShowKeys(const keystore::Snapshot& snapshot) {
  std::vector<keystore::Revision> revisions;
  for (const auto& [purpose, row] : snapshot.identities) revisions.push_back(row.modified);
  {
    std::lock_guard lock(shown_mutex);
    if (revisions == shown) return true;
    shown = std::move(revisions);
  }
  const Status given = token->Show(services::MakeKeyView(catalogue, snapshot));
  // The token's client gives it again.
  if (!given) Log(LogLevel::kWarning, "services do not see new keys yet: " + given.error().detail);
  return given.has_value();
}

services::api::StatusAnswer Appliance::Parts::Describe() const {
  const hsm::TokenInfo info = token->Info();
  const services::Caretaker::Report report = caretaker->Progress();
  const auto snapshot = state->Now();
  services::api::StatusAnswer answer;
  answer.state = std::string(services::TokenStateName(info.state));
  answer.reason = info.reason;
  answer.product = catalogue.product;
  answer.cluster = config.names.cluster;
  answer.node = config.names.node;
  answer.version = SIGNET_VERSION;
  answer.format = keystore::kFormatVersion;
  answer.started = started;
  answer.identities = report.made;
  answer.identities_wanted = report.wanted;
  answer.progress = report.progress;
  answer.applying = plan->Progress();
  answer.pending_csrs = static_cast<std::int64_t>(snapshot->csrs.size());
  answer.trust_entries = static_cast<std::int64_t>(snapshot->TrustEntryCount());
  answer.socket = config.socket;
  answer.url = server->url();
  answer.recovered = report.recovered;
  answer.warnings = report.warnings;
  for (const Findings& more : {control->Warnings(), publisher->Warnings(), monitor->Look().warnings,
                               certificate_monitor->Warnings(), lscs->Warnings()})
    answer.warnings.insert(answer.warnings.end(), more.begin(), more.end());
  return answer;
}

asio::awaitable<std::string> Appliance::Parts::Metrics() {
  auto ask = [this] { return token->Use(); };
  const Result<hsm::UseReport> use = co_await RunOn(probe_lane, std::move(ask), kScrapeLimit);
  co_return services::MetricsText(token->Info(), use, control->Figures());
}

asio::awaitable<void> Appliance::Parts::StopAll() {
  caretaker->Stop();
  control->Stop();
  plan->Stop();
  stopping = true;
  monitor->Stop();
  if (mails) mails->Stop();
  co_await server->Stop();
}

bool Appliance::Parts::StopLanes() {
  bool stopped = true;
  for (Lane* lane : {&control_lane, &lsc_lane, &look_lane, &mail_lane, &connection_lane,
                     &probe_lane, &sign_lane, &change_lane, &trust_lane, &store_lane})
    stopped = lane->Stop(kStopGrace) && stopped;
  return stopped;
}

Appliance::Appliance(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Appliance::~Appliance() = default;

Result<std::unique_ptr<Appliance>> Appliance::Open(Config config) {
  auto parts = std::make_unique<Parts>();
  parts->config = std::move(config);
  SIGNET_TRY(parts->OpenState());
  SIGNET_TRY(std::vector<keystore::JournalEntry> pending, parts->log->Pending());
  std::set<std::string> leftovers;
  for (const keystore::JournalEntry& entry : pending) leftovers.insert(entry.id);
  SIGNET_TRY(parts->OpenToken());
  SIGNET_TRY(parts->CheckNewState());
  parts->StartPublishing();
  parts->MakeServices(std::move(leftovers));
  SIGNET_TRY(parts->MakeControl());
  SIGNET_TRY(parts->OpenServer());
  return std::unique_ptr<Appliance>(new Appliance(std::move(parts)));
}

bool Appliance::Run(const std::function<void(const ReadyReport&)>& ready) {
  Parts& parts = *parts_;
  asio::signal_set signals(parts.loop, SIGTERM, SIGINT);
  signals.async_wait([&parts](const boost::system::error_code& error, int) {
    if (!error) asio::co_spawn(parts.loop, parts.StopAll(), asio::detached);
  });
  if (parts.token->Info().state == hsm::TokenState::kOperational) parts.RefreshTls();
  parts.server->Start();
  asio::co_spawn(parts.loop, parts.caretaker->Run(), asio::detached);
  asio::co_spawn(parts.loop, parts.control->Watch(parts.config.look_interval), asio::detached);
  asio::co_spawn(parts.loop, parts.GoOn(), asio::detached);
  parts.monitor->Start();
  if (parts.mails) parts.mails->Start();
  ready({parts.config.socket, parts.config.keyd.agent.socket, parts.server->url()});
  parts.loop.run();
  const bool stopped = parts.StopLanes();
  parts.monitor->Stop();  // once more: a job that waited may have started it
  std::lock_guard lock(parts.listener_mutex);
  if (stopped) parts.server.reset();
  if (!stopped) parts.dev_keyd.reset();
  return stopped;
}

}  // namespace signet::tools
