// What is asked and told about the status of certificates (SPEC R1, R2).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "keystore/x509/certificate.h"
#include "keystore/x509/status_judgement.h"
#include "platform/clock.h"

namespace signet::services {

struct StatusQuestion {
  keystore::x509::Certificate certificate;
  keystore::x509::Certificate issuer;  // that issued it, found and verified by the caller's path
};

struct StatusRules {
  std::string responder = {};  // configured URL; empty: those of the certificate
  std::vector<keystore::x509::Certificate> designated = {};  // responders of SPEC R2
  // How long an answer is taken from the cache, and how old one without nextUpdate may be.
  std::chrono::seconds max_age = std::chrono::hours(24);
  // 32 random octets go with each question. A responder that answers without them is believed (RFC
  // 5019 §4: its answers are prepared), one that returns others never. false: for responders that
  // refuse nonces; a short question is then a GET, which caches on the way may answer.
  bool nonce = true;
  bool anew = false;  // not from the cache; back-off is kept to all the same
};

struct StatusAnswer {
  keystore::x509::OcspStatus status = keystore::x509::OcspStatus::kUnknown;
  // Those of JudgeOcsp and JudgeCrl, and of what is unknown
  //   NO_STATUS_SOURCE        the certificate names nobody, and no responder is configured
  //   RESPONDER_UNREACHABLE, RESPONDER_TIMED_OUT, RESPONDER_FAILED (HTTP, TLS, sizes),
  //   RESPONDER_NOT_ALLOWED (its URL, or its address by the address policy)
  //   RESPONDER_BACKS_OFF     it failed before and is not asked now
  //   OCSP_DELEGATE_UNCHECKED, OCSP_DELEGATE_REVOKED   the signer's own status is not good
  //   STATUS_OUTDATED         good, but said before the revocation that is known
  //   STATUS_NOT_ASKED        the lane is full or stops
  std::string word;
  std::string detail;  // of what is unknown: all that was tried
  std::string remedy;
  std::string reason;  // of a revocation
  std::string source;  // "OCSP http://…", "CRL http://…"; empty when nobody was asked
  std::optional<WallTime> this_update, next_update, revoked_at;
  // Of what is unknown since nobody could be asked: a *good* of before holds until then.
  std::optional<WallTime> good_until;
  WallTime asked{};
  // Until then the cache may answer the same; of what is unknown: when it is worth asking again.
  WallTime fresh_until{};
};

// For metrics.
struct StatusFigures {
  struct Outcome {
    std::string kind;  // "ocsp", "crl"
    std::string word;
    std::int64_t count = 0;
  };
  struct BackingOff {
    std::string responder;  // host:port
    std::int64_t failures = 0;
    WallTime next_try{};
    std::string failure;  // the last one
  };
  std::vector<Outcome> outcomes;  // of each source that was looked at, the cache aside
  std::int64_t cache_hits = 0;    // questions that the cache answered
  std::size_t answers = 0;        // in the cache
  std::size_t lists = 0, list_octets = 0;
  std::vector<BackingOff> backing_off;  // by name
};

}  // namespace signet::services
