// The watchdog: calls that hang, clients that let others wait, sockets that wait for descriptors.
#include <sys/epoll.h>

#include <algorithm>

#include "hsm/keyd/server_impl.h"
#include "platform/process.h"

namespace signet::hsm {
namespace {

constexpr std::size_t kWorthTrimming = 4u << 20;

}  // namespace

void AgentServer::Impl::Watch() {
  std::size_t peak = 0;
  std::unique_lock lock(mutex);
  while (!stopping) {
    tick.wait_for(lock, kTick);
    lock.unlock();
    CheckWorkers();
    CheckDeadlines();
    CheckDoors();
    backend.Tick();
    // What a burst took goes back to the system.
    const std::size_t now = held;
    peak = std::max(peak, now);
    if (peak > now + kWorthTrimming) {
      ReturnFreedMemory();
      peak = now;
    }
    lock.lock();
  }
}

// Keys are made one at a time, and searches wait for that: who waits so does not hang.
bool AgentServer::Impl::ChangeUnderWay() {
  const auto now = std::chrono::steady_clock::now();
  for (const auto& worker : workers) {
    const std::lock_guard lock(worker->mutex);
    if (worker->client != nullptr && worker->is_long && now - worker->since < worker->limit)
      return true;
  }
  return false;
}

// A call that hangs: its client is answered, its thread is left behind and another takes its place.
void AgentServer::Impl::CheckWorkers() {
  const auto now = std::chrono::steady_clock::now();
  std::vector<Worker*> late;
  bool busy = false;
  {
    const std::lock_guard lock(mutex);
    std::erase_if(workers, [](const std::unique_ptr<Worker>& worker) {
      if (!worker->left_behind || !worker->ended) return false;
      worker->thread.join();
      return true;
    });
    std::size_t behind = 0;
    for (const auto& worker : workers) {
      behind += worker->left_behind ? 1 : 0;
      const std::lock_guard own(worker->mutex);
      if (worker->client != nullptr && now - worker->since >= worker->limit)
        late.push_back(worker.get());
    }
    left_behind = behind;
    busy = !late.empty() && ChangeUnderWay();
  }
  for (Worker* worker : late) {
    if (!busy) backend.ReportHang();
    AnswerFor(*worker);
  }
}

void AgentServer::Impl::AnswerFor(Worker& worker) {
  Client* client = nullptr;
  {
    const std::lock_guard lock(worker.mutex);
    client = std::exchange(worker.client, nullptr);
    if (client == nullptr) return;  // it came back
    worker.left_behind = true;
  }
  ++left_behind;
  client->out = client->connection.Finish({}, true);
  const Flushed flushed = Flush(*client);
  if (flushed == Flushed::kGone) {
    Close(*client);
  } else if (flushed == Flushed::kBlocked) {
    PutDown(*client, Rest::kBlocked);
  } else {
    PutDown(*client, client->in.empty() ? Rest::kIdle : Rest::kAgain);
  }
  const std::lock_guard lock(mutex);
  StartWorker();
}

void AgentServer::Impl::CheckDeadlines() {
  const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  const std::lock_guard lock(mutex);
  for (const auto& [raw, client] : clients) {
    const std::int64_t deadline = client->deadline;
    if (deadline == 0 || deadline > now) continue;
    client->deadline = 0;
    shutdown(client->fd, SHUT_RDWR);  // its event closes it
  }
}

void AgentServer::Impl::CheckDoors() {
  for (const auto& door : doors) {
    if (door->paused.exchange(false)) OpenDoor(*door, EPOLL_CTL_MOD);
  }
}

}  // namespace signet::hsm
