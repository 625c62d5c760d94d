// What an administrator asks for, and what goes on by itself.
#include <filesystem>

#include "platform/host_port.h"
#include "platform/logging.h"
#include "tools/appliance_parts.h"

namespace signet::tools {

namespace {

std::string HelperPath() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / "signet-run";
}

}  // namespace

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
      [this] { return control == nullptr ? services::ControlFigures() : control->Figures(); },
      [this] {
        return revocation == nullptr ? std::vector<std::string>() : revocation->Unproved();
      }});
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

void Appliance::Parts::MakeRevocation() {
  status_source = std::make_unique<services::StatusSource>(
      services::StatusSource::Parts{*clock, responder_lane, [this] { return Outgoing(); }});
  revocation = std::make_unique<services::Revocation>(services::Revocation::Parts{
      *clock, *state, *trust, *log, *changes, *events, *status_source, revocation_lane, status_lane,
      trust_lane, [this] {
        // Whoever is mailed hears of it now.
        if (!store_lane.TryPost([this] { std::ignore = monitor->RunNow(); }))
          Log(LogLevel::kWarning,
              "mails about it wait for the monitor's next run: too much is to be written");
      }});
  connections = std::make_unique<services::Connections>(services::Connections::Parts{
      catalogue, *clock, *state, *trust, *log, *changes, *events, *revocation, peer_lane,
      store_lane, config.connections, [this] { return Endpoints(); }, HelperPath()});
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
  MakeRevocation();
  certificates = std::make_unique<services::Certificates>(catalogue, config.names, *state,
                                                          *identities, *revocation, change_lane,
                                                          config.keyd.agent.token.uri);
  trust_stores =
      std::make_unique<services::TrustStores>(catalogue, *state, *trust, *revocation, trust_lane);
  keys = std::make_unique<services::Keys>(*token, *identities, sign_lane, change_lane);
  audit = std::make_unique<services::Audit>(*log, store_lane);
  settings = std::make_unique<services::Settings>(*trust, store_lane);
  servers =
      std::make_unique<services::ServerSetup>(catalogue, *state, *publisher, config.names.node);
  import = std::make_unique<services::Import>(*trust, *revocation, connection_lane, [this] { return Outgoing();
});
}  // namespace signet::tools

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
  tools.helper = HelperPath();
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

}  // namespace signet::tools
