#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "platform/dialer.h"
#include "tools/appliance_parts.h"

namespace signet::tools {

namespace {

constexpr Duration kStopGrace = std::chrono::seconds(5);
constexpr Duration kNap = std::chrono::milliseconds(100);

}  // namespace

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

asio::awaitable<void> Appliance::Parts::StopAll() {
  caretaker->Stop();
  control->Stop();
  revocation->Stop();
  connections->Stop();
  plan->Stop();
  stopping = true;
  monitor->Stop();
  if (mails) mails->Stop();
  EndOutgoing();
  co_await server->Stop();
}

// In the order in which they stop: who asks responders waits for those that are asked.
std::vector<Lane*> Appliance::Parts::Lanes() {
  return {&scrape_lane, &control_lane, &responder_lane, &revocation_lane, &status_lane,
          &peer_lane,   &lsc_lane,     &look_lane,      &mail_lane,       &connection_lane,
          &probe_lane,  &sign_lane,    &change_lane,    &trust_lane,      &store_lane};
}

bool Appliance::Parts::StopLanes() {
  bool stopped = true;
  for (Lane* lane : Lanes()) stopped = lane->Stop(kStopGrace) && stopped;
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
  asio::co_spawn(parts.loop, parts.revocation->Watch(), asio::detached);
  asio::co_spawn(parts.loop, parts.connections->Watch(), asio::detached);
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
