#include "services/revocation/round.h"

#include <algorithm>

namespace signet::services {

bool Traffic::MayStart(const std::string& place, std::size_t threads) const {
  if (running >= threads) return false;
  const auto load = places.find(place);
  const std::size_t there = load == places.end() ? 0 : load->second.running;
  const std::size_t most = places.size() > 1 ? std::max<std::size_t>(threads / 2, 1) : threads;
  return there < most;
}

void Traffic::Leave(const std::string& place) {
  const auto load = places.find(place);
  if (load != places.end() && load->second.waiting == 0 && load->second.running == 0) {
    places.erase(load);
  }
}

// One step of one inquiry, as a job of the lane. Its end counts, not the job's: a lane that stops
// drops what is queued without running it.
class Round::Ticket {
 public:
  Ticket(std::shared_ptr<Round> round, std::size_t index, std::string place)
      : round_(std::move(round)), index_(index), place_(std::move(place)) {}
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket() {
    Traffic& traffic = *round_->traffic_;
    const std::lock_guard lock(traffic.mutex);
    --traffic.running;
    --round_->running_;
    --traffic.places[place_].running;
    if (!ran_ && !refused_) round_->inquiries_[index_]->GiveUp();
    round_->Enter(index_);
    traffic.Leave(place_);
    traffic.changed.notify_all();
  }
  void Run() {
    round_->inquiries_[index_]->Step();
    ran_ = true;
  }
  // The lane is full: it waits on.
  void Refuse() { refused_ = true; }

 private:
  std::shared_ptr<Round> round_;
  std::size_t index_;
  std::string place_;
  bool ran_ = false;
  bool refused_ = false;
};

Round::Round(std::shared_ptr<Traffic> traffic, Lane& lane,
             std::vector<std::unique_ptr<Inquiry>> inquiries)
    : traffic_(std::move(traffic)), lane_(lane), inquiries_(std::move(inquiries)) {}

// With the traffic's mutex: it waits for its next place, or is done.
void Round::Enter(std::size_t index) {
  const std::string& place = inquiries_[index]->Next();
  if (place.empty()) {
    --open_;
    return;
  }
  waiting_[place].push_back(index);
  ++traffic_->places[place].waiting;
}

// With the mutex. One more of those that may go, at the place with the fewest; null when none may.
std::shared_ptr<Round::Ticket> Round::Start() {
  auto chosen = waiting_.end();
  std::size_t fewest = 0;
  for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
    if (!traffic_->MayStart(at->first, lane_.threads())) continue;
    const std::size_t running = traffic_->places[at->first].running;
    if (chosen != waiting_.end() && running >= fewest) continue;
    chosen = at;
    fewest = running;
  }
  if (chosen == waiting_.end()) return nullptr;
  const std::string place = chosen->first;
  const std::size_t index = chosen->second.front();
  chosen->second.pop_front();
  if (chosen->second.empty()) waiting_.erase(chosen);
  Traffic::Load& load = traffic_->places[place];
  --load.waiting;
  ++load.running;
  ++traffic_->running;
  ++running_;
  return std::make_shared<Ticket>(shared_from_this(), index, place);
}

// Without the mutex, which the ticket's end wants.
bool Round::Post(const std::shared_ptr<Ticket>& ticket) {
  if (lane_.TryPost([ticket] { ticket->Run(); })) return true;
  ticket->Refuse();
  return false;
}

// With the mutex: all that wait are given up.
void Round::Drop() {
  for (const auto& [place, indices] : waiting_) {
    for (const std::size_t index : indices) {
      inquiries_[index]->GiveUp();
      --open_;
    }
    traffic_->places[place].waiting -= indices.size();
    traffic_->Leave(place);
  }
  waiting_.clear();
  traffic_->changed.notify_all();
}

void Round::Run() {
  std::unique_lock lock(traffic_->mutex);
  open_ = inquiries_.size();
  for (std::size_t i = 0; i < inquiries_.size(); ++i) Enter(i);
  traffic_->changed.notify_all();
  while (true) {
    bool full = false;
    while (!full) {
      std::shared_ptr<Ticket> ticket = Start();
      if (!ticket) break;
      lock.unlock();
      full = !Post(ticket);
      ticket.reset();
      lock.lock();
    }
    if (open_ == 0) return;
    if (full && running_ == 0) {
      Drop();  // nobody would tell when there is room again
    } else {
      traffic_->changed.wait(lock);
    }
  }
}

}  // namespace signet::services
