// What was found out before: answers by certificate, revocation lists by URL. Both bounded, the
// least recently used go first.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "keystore/x509/revocation_list.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "services/revocation/status_api.h"

namespace signet::services {

inline constexpr std::size_t kMostAnswers = 20'000;
inline constexpr std::size_t kMostListOctets = 16u << 20;

// Calls of Ask and AskAll are numbered. What was found out in a round, or in a later one, is not
// older than its questions, however long it may be kept.
using RoundNumber = std::uint64_t;

// Thread-safe.
class AnswerCache {
 public:
  struct Held {
    StatusAnswer answer;
    RoundNumber round = 0;
    std::int64_t unknowns = 0;  // one after another
  };
  // As it was put in: whether it is fresh is the caller's to judge.
  std::optional<Held> Find(const std::string& key);
  void Put(const std::string& key, Held held);
  std::size_t size() const;

 private:
  using Row = std::pair<std::string, Held>;
  mutable std::mutex mutex_;
  std::list<Row> rows_;  // the most recently used first
  std::unordered_map<std::string, std::list<Row>::iterator> by_key_;
};

// Thread-safe. A list is fetched once for all who want it at that time.
class ListShelf {
 public:
  struct Fetched {
    keystore::x509::RevocationList list;
    std::size_t octets = 0;  // of its DER; what OpenSSL makes of it takes several times that
    WallTime fetched{};
    std::optional<std::chrono::seconds> max_age = {};  // Cache-Control
  };
  using Fetch = std::function<Result<Fetched>()>;
  struct Wish {
    std::string url;
    RoundNumber round = 0;
    WallTime now{};
    std::chrono::seconds max_age{};
    bool anew = false;
  };

  // From the shelf when it was trusted and is fresh, or was fetched in this round; else fetched, or
  // waited for while somebody else fetches it. `fetch` blocks and must not throw.
  Result<Fetched> Get(const Wish& wish, const Fetch& fetch);
  // The list has been verified: it is kept until then. Others are for their round alone.
  void Trust(const std::string& url, const std::string& fingerprint, WallTime until);
  std::size_t size() const;
  std::size_t octets() const;

 private:
  struct Row {
    std::string url;
    Fetched fetched;
    RoundNumber round = 0;
    std::optional<WallTime> until = {};
  };
  struct Flight {
    bool landed = false;
    std::optional<Result<Fetched>> result = {};
  };
  const Fetched* Usable(const Wish& wish);
  void Shelve(const Wish& wish, const Fetched& fetched);

  mutable std::mutex mutex_;
  std::condition_variable landed_;
  std::list<Row> rows_;  // the most recently used first
  std::map<std::string, std::shared_ptr<Flight>> flights_;
  std::size_t octets_ = 0;
};

}  // namespace signet::services
