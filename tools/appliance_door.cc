// The listeners, and what the daemon says of itself.
#include "rpc/methods/methods.h"
#include "tools/appliance_parts.h"

namespace signet::tools {

namespace {

constexpr Duration kScrapeLimit = std::chrono::seconds(5);

}  // namespace

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
                         *lscs,         *revocation,
                         *connections,  *import,
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
                               certificate_monitor->Warnings(), lscs->Warnings(),
                               revocation->Warnings(), connections->Warnings()})
    answer.warnings.insert(answer.warnings.end(), more.begin(), more.end());
  return answer;
}

// All of it lies in memory: what the monitor found at its last look, and what the token last said.
services::MetricsInput Appliance::Parts::Figures(Result<hsm::UseReport> use) {
  services::MetricsInput in{.version = SIGNET_VERSION,
                            .node = config.names.node,
                            .started = started,
                            .token = token->Info(),
                            .use = std::move(use),
                            .control = control->Figures()};
  in.certificates =
      services::CertificateFiguresOf(*state->Now(), in.control, clients->All(), clock->Now());
  in.monitor = monitor->Look();
  in.mails_on = mails != nullptr && services::MonitorSettingsOf(trust->Input()).email;
  if (mails) in.mails = mails->Look();
  in.revocation = revocation->Look();
  in.sources = status_source->Look();
  in.connections = connections->Figures();
  for (const Lane* lane : Lanes())
    in.lanes.push_back({lane->name(), lane->Waiting(), lane->threads(), lane->capacity()});
  return in;
}

// A large trust store takes tens of milliseconds: not on the event loop.
asio::awaitable<std::string> Appliance::Parts::Metrics() {
  auto ask = [this] { return token->Use(); };
  Result<hsm::UseReport> use = co_await RunOn(probe_lane, std::move(ask), kScrapeLimit);
  auto write = [this, use = std::move(use)]() -> Result<std::string> {
    return services::MetricsText(Figures(use));
  };
  const Result<std::string> text = co_await RunOn(scrape_lane, std::move(write), kScrapeLimit);
  if (text) co_return text.value();
  Log(LogLevel::kWarning, "a scrape is answered with nothing: " + text.error().ToString());
  co_return std::string();
}

}  // namespace signet::tools
