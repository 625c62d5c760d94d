// One question on its way: from the cache, or from place to place until one of them knows. For this
// folder only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "services/revocation/exchange.h"

namespace signet::services {

// Used by one thread at a time.
class Inquiry {
 public:
  // kDelegate: about who signs OCSP responses. The lists are asked first, for the responder is
  // likely to sign with that very key; and another delegate that would have to be asked for is not
  // believed.
  enum class Role : std::uint8_t { kCertificate, kDelegate };

  // `rules` and `desk` outlive it.
  Inquiry(StatusDesk& desk, StatusQuestion question, const StatusRules& rules, RoundNumber round,
          Role role = Role::kCertificate);

  // The place to be asked now, "host:port"; empty once the answer is there.
  const std::string& Next() const;
  // Asks there. Blocks for 5 s at most.
  void Step();
  const StatusAnswer& answer() const { return *answer_; }
  // Nobody could be asked: the lane is full, or stops.
  void GiveUp();

 private:
  bool Recall();
  void FindPlaces();
  void AddPlaces(StatusPlace::Kind kind, const std::vector<std::string>& urls);
  bool IsOutdated(const keystore::x509::StatusJudgement& judged) const;
  void Take(StatusFinding finding);
  void SettleDelegate();
  void Decide(const StatusFinding& finding);
  StatusAnswer UnknownAnswer(std::int64_t unknowns);
  void EndUnknown();
  StatusAnswer AnswerFrom(const StatusFinding& finding) const;

  StatusDesk& desk_;
  const StatusQuestion question_;
  const StatusRules& rules_;
  const RoundNumber round_;
  const Role role_;
  std::string key_;  // of the cache
  std::vector<StatusPlace> places_;
  std::size_t at_ = 0;  // the next place
  std::vector<StatusFinding> unknown_;
  std::optional<StatusAnswer> answer_;
  // A delegate whose status is asked for, and what it signed.
  StatusRules delegate_rules_;
  std::unique_ptr<Inquiry> delegate_;
  std::optional<StatusFinding> signed_;
  std::optional<WallTime> delegate_until_;
};

}  // namespace signet::services
