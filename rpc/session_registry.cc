#include "rpc/session_registry.h"

#include <ctime>
#include <mutex>
#include <vector>

#include "platform/process.h"

namespace signet::rpc {

SessionRegistry::SessionRegistry(boost::asio::io_context& context, Duration sweep)
    : timer_(context.get_executor()), sweep_(sweep) {
  Refresh();
}

void SessionRegistry::Add(Session* session) {
  sessions_.insert(session);
  ++count_;
  if (running_) return;
  Refresh();
  Schedule();
}

void SessionRegistry::Refresh() {
  now_ = std::chrono::steady_clock::now();
  const std::time_t second = std::time(nullptr);
  if (second == second_) return;
  second_ = second;
  std::tm parts{};
  gmtime_r(&second, &parts);
  char text[64];
  // The process's LC_TIME is never set, so the names are English.
  const std::size_t size = std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  date_.assign(text, size);
}

void SessionRegistry::Schedule() {
  running_ = true;
  timer_.expires_after(sweep_);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
    const auto self = weak.lock();
    if (self == nullptr || ec) return;
    self->Refresh();
    const std::vector<Session*> sessions(self->sessions_.begin(), self->sessions_.end());
    for (Session* session : sessions) session->Tick(self->now_);
    self->running_ = false;
    if (!self->sessions_.empty()) self->Schedule();
  });
}

void SessionRegistry::DrainAll() {
  draining_ = true;
  const std::vector<Session*> sessions(sessions_.begin(), sessions_.end());
  for (Session* session : sessions) session->Drain();
}

void SessionRegistry::AbortAll() {
  draining_ = true;
  const std::vector<Session*> sessions(sessions_.begin(), sessions_.end());
  for (Session* session : sessions) session->Abort();
}

std::shared_ptr<void> SessionRegistry::TakeLargeBody() {
  std::shared_ptr<void> slot = large_bodies_.Take("", true);
  if (!slot) return nullptr;
  void* const place = slot.get();
  return {place, [slot = std::move(slot)](void*) { ReturnFreedMemory(); }};
}

struct ConnectionCaps::Shared {
  std::size_t total, per_peer, reserve;
  std::mutex mutex;
  std::size_t used = 0;
  std::map<std::string, std::size_t> by_peer;
};

ConnectionCaps::ConnectionCaps(std::size_t total, std::size_t per_peer, std::size_t reserve)
    : shared_(std::make_shared<Shared>()) {
  shared_->total = total;
  shared_->per_peer = per_peer;
  shared_->reserve = reserve;
}

std::shared_ptr<void> ConnectionCaps::Take(const std::string& peer, bool privileged) {
  const std::lock_guard lock(shared_->mutex);
  const std::size_t limit = privileged ? shared_->total : shared_->total - shared_->reserve;
  if (shared_->used >= limit) return nullptr;
  std::size_t& count = shared_->by_peer[peer];
  if (count >= shared_->per_peer) return nullptr;
  ++count;
  ++shared_->used;
  return std::shared_ptr<void>(shared_.get(), [shared = shared_, peer](void*) {
    const std::lock_guard inner(shared->mutex);
    --shared->used;
    const auto at = shared->by_peer.find(peer);
    if (--at->second == 0) shared->by_peer.erase(at);
  });
}

}  // namespace signet::rpc
