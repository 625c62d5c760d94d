// Asks responders and distribution points for the status of certificates. In memory alone: what is
// to be remembered over restarts, and what a revocation means, is decided above.
//
// OCSP is asked wherever there is a responder: the configured one, else those of the certificate's
// AIA in order, each when the one before gave *unknown*. The revocation lists of its distribution
// points are the second source: where no responder is named, and where all of them gave *unknown*.
// A configured responder replaces the AIA, not the lists.
//
// A delegate without id-pkix-ocsp-nocheck must be *good* itself by its CA's lists or responder,
// where no other delegate of that kind is believed; otherwise what it signed is unknown.
//
// Whoever fails as a server (no connection, no HTTP, 5xx, no OCSP, tryLater) is left alone from a
// minute to an hour, with jitter, by host and port; Retry-After is respected up to an hour. Other
// unknown answers are asked for again by the same steps, each certificate for itself. A fresh
// *revoked* is not replaced by *unknown*, also when asked anew.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "platform/address_policy.h"
#include "platform/clock.h"
#include "platform/lanes.h"
#include "services/revocation/status_api.h"

namespace signet::services {

// Thread-safe. Outlives whoever asks; the clock and the lane outlive it.
class StatusSource {
 public:
  struct Parts {
    const Clock& clock;
    Lane& lane;  // its threads are the concurrency of AskAll, of all callers together
    std::function<AddressPolicy()> policy;  // before each connection; thread-safe
  };
  explicit StatusSource(Parts parts);
  ~StatusSource();
  StatusSource(const StatusSource&) = delete;
  StatusSource& operator=(const StatusSource&) = delete;

  // On this thread. Blocks for the places that are asked, 5 s each at most.
  StatusAnswer Ask(const StatusQuestion& question, const StatusRules& rules);
  // On the lane, the answers in the questions' order; blocks until all are there: not from a job of
  // that lane. While others are to be asked, no place has more than half of the threads.
  std::vector<StatusAnswer> AskAll(std::span<const StatusQuestion> questions,
                                   const StatusRules& rules);
  // Who failed is left alone no longer: asked again with the next question.
  void ForgetFailures();
  StatusFigures Look() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet::services
