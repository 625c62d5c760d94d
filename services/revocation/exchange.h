// One exchange with one place: a responder asked, a list fetched, and what that proves. For this
// folder only.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "keystore/x509/ocsp.h"
#include "platform/address_policy.h"
#include "services/revocation/responders.h"
#include "services/revocation/status_cache.h"

namespace signet::services {

// What all inquiries of one source share. Thread-safe.
struct StatusDesk {
  StatusDesk(const Clock& clock_in, std::function<AddressPolicy()> policy_in)
      : clock(clock_in), policy(std::move(policy_in)), responders(clock_in) {}

  void Count(const std::string& kind, const std::string& word);

  const Clock& clock;
  const std::function<AddressPolicy()> policy;
  Responders responders;
  AnswerCache answers;
  ListShelf lists;
  std::atomic<RoundNumber> rounds = 0;
  std::atomic<std::int64_t> cache_hits = 0;
  mutable std::mutex mutex;
  std::map<std::pair<std::string, std::string>, std::int64_t> counts;  // kind, word
};

struct StatusPlace {
  enum class Kind : std::uint8_t { kOcsp, kCrl } kind = Kind::kOcsp;
  std::string url;
  std::string host;  // "host:port"; empty when the URL leads nowhere

  std::string Label() const;  // "OCSP http://…", escaped
  // What is left alone when it fails: a responder by its host and port, a list alone, since
  // anybody's certificate may name one where a CA's responder is.
  const std::string& Patient() const;
};

struct StatusFinding {
  keystore::x509::StatusJudgement judgement = {};
  std::string label = {};  // of the place
  bool asked = false;      // a connection was made, or a list that was fetched before has told it
  std::optional<std::chrono::seconds> max_age = {};  // what the server allows a cache
  // The server failed, or backs off: when it is asked again. Nothing about the certificate.
  std::optional<WallTime> next_try = {};
  // Whose own status must be good first.
  std::optional<keystore::x509::Certificate> delegate = {};
};

// Block for 5 s at most.
StatusFinding AskResponder(StatusDesk& desk, const StatusPlace& place,
                           const StatusQuestion& question, const StatusRules& rules);
StatusFinding ReadList(StatusDesk& desk, const StatusPlace& place, const StatusQuestion& question,
                       const StatusRules& rules, RoundNumber round);

keystore::x509::StatusJudgement UnknownStatus(std::string word, std::string detail,
                                              std::string remedy);

}  // namespace signet::services
