#include "services/revocation/status_cache.h"

#include <algorithm>

namespace signet::services {

std::optional<AnswerCache::Held> AnswerCache::Find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  rows_.splice(rows_.begin(), rows_, found->second);
  return found->second->second;
}

void AnswerCache::Put(const std::string& key, Held held) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    found->second->second = std::move(held);
    rows_.splice(rows_.begin(), rows_, found->second);
    return;
  }
  rows_.emplace_front(key, std::move(held));
  by_key_.emplace(key, rows_.begin());
  if (rows_.size() <= kMostAnswers) return;
  by_key_.erase(rows_.back().first);
  rows_.pop_back();
}

std::size_t AnswerCache::size() const {
  const std::lock_guard lock(mutex_);
  return rows_.size();
}

// With the lock.
const ListShelf::Fetched* ListShelf::Usable(const Wish& wish) {
  const auto row = std::ranges::find(rows_, wish.url, &Row::url);
  if (row == rows_.end()) return nullptr;
  const WallTime fetched = row->fetched.fetched;
  // One that is from a future is from a clock that was set back since.
  const bool fresh = row->until && fetched <= wish.now && wish.now < *row->until &&
                     wish.now < fetched + wish.max_age;
  if (row->round < wish.round && (wish.anew || !fresh)) return nullptr;
  rows_.splice(rows_.begin(), rows_, row);
  return &row->fetched;
}

// With the lock.
void ListShelf::Shelve(const Wish& wish, const Fetched& fetched) {
  const auto former = std::ranges::find(rows_, wish.url, &Row::url);
  if (former != rows_.end()) {
    octets_ -= former->fetched.octets;
    rows_.erase(former);
  }
  rows_.push_front({wish.url, fetched, wish.round});
  octets_ += fetched.octets;
  while (octets_ > kMostListOctets && rows_.size() > 1) {
    octets_ -= rows_.back().fetched.octets;
    rows_.pop_back();
  }
}

Result<ListShelf::Fetched> ListShelf::Get(const Wish& wish, const Fetch& fetch) {
  std::unique_lock lock(mutex_);
  if (const Fetched* usable = Usable(wish)) return *usable;
  if (const auto flying = flights_.find(wish.url); flying != flights_.end()) {
    const std::shared_ptr<Flight> flight = flying->second;
    landed_.wait(lock, [&] { return flight->landed; });
    return *flight->result;
  }
  const auto flight = std::make_shared<Flight>();
  flights_.emplace(wish.url, flight);
  lock.unlock();
  Result<Fetched> result = fetch();
  lock.lock();
  flight->landed = true;
  flight->result.emplace(result);
  flights_.erase(wish.url);
  if (result) Shelve(wish, result.value());
  landed_.notify_all();
  return result;
}

void ListShelf::Trust(const std::string& url, const std::string& fingerprint, WallTime until) {
  const std::lock_guard lock(mutex_);
  const auto row = std::ranges::find(rows_, url, &Row::url);
  if (row != rows_.end() && row->fetched.list.fingerprint() == fingerprint) row->until = until;
}

std::size_t ListShelf::size() const {
  const std::lock_guard lock(mutex_);
  return rows_.size();
}

std::size_t ListShelf::octets() const {
  const std::lock_guard lock(mutex_);
  return octets_;
}

}  // namespace signet::services
