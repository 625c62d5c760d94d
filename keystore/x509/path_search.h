// Finds paths from a certificate to anchors, with bounded work. For this folder only.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "keystore/x509/chain.h"

namespace signet::keystore::x509 {

// What a search may cost yet; what it did is taken off.
struct SearchBudget {
  int signature_checks = kMaxSignatureChecks;  // of its own
  int steps = 2000;                            // certificates put on a path and taken off again
  int links = 400;                             // certificates on the paths that OpenSSL verifies

  bool IsSpent() const { return signature_checks <= 0 || steps <= 0 || links <= 0; }
  // What one search may take of this, which is many's.
  SearchBudget Share() const {
    const SearchBudget most;
    return {std::min(signature_checks, most.signature_checks), std::min(steps, most.steps),
            std::min(links, most.links)};
  }
  void Charge(const SearchBudget& before, const SearchBudget& after) {
    signature_checks -= before.signature_checks - after.signature_checks;
    steps -= before.steps - after.steps;
    links -= before.links - after.links;
  }
};

// VerifyPath (chain.h) as one of many that share a budget.
ChainVerdict VerifyPathWithin(const Certificate& leaf, std::span<const Certificate> extra,
                              const TrustView& trust, const ChainPolicy& policy,
                              SearchBudget& budget);

class PathSearch {
 public:
  // Gets each path (leaf first, anchor last); true ends the search.
  using Visitor = std::function<bool(const std::vector<Certificate>&)>;

  PathSearch(std::span<const Certificate> extra, const TrustView& trust, SearchBudget& budget)
      : extra_(extra), trust_(trust), budget_(budget) {}

  void Run(const Certificate& leaf, const Visitor& visit);

  // The path that Run would visit first if each first candidate did sign: no signature is checked.
  // Empty when that leads to no anchor.
  std::vector<Certificate> FirstGuess(const Certificate& leaf);

  // What was met on the way, for the findings.
  bool exhausted() const { return exhausted_; }
  // Names without a certificate, and names whose certificates did not sign: issuer text by
  // fingerprint of the issued.
  const std::map<std::string, std::string>& missing() const { return missing_; }
  const std::map<std::string, std::string>& unsigned_by() const { return unsigned_by_; }

 private:
  struct Candidate {
    Certificate certificate;
    bool anchor = false;
  };
  // True: the visitor ended it.
  bool Extend(std::vector<Certificate>& path, const Visitor& visit);
  // By name, the likely ones first; perhaps `issued` itself.
  std::vector<Candidate> CandidatesFor(const Certificate& issued) const;
  std::vector<Candidate> IssuersOf(const Certificate& issued);
  bool Signed(const Certificate& issued, const Certificate& issuer);
  bool IsAnchor(const Certificate& certificate) const;

  std::span<const Certificate> extra_;
  const TrustView& trust_;
  SearchBudget& budget_;
  std::map<std::pair<std::string, std::string>, bool>
      checked_;  // (issued, issuer): the signature verifies
  std::map<std::string, std::vector<Candidate>> issuers_;  // by fingerprint of the issued
  std::map<std::string, std::string> missing_, unsigned_by_;
  bool exhausted_ = false;
};

}  // namespace signet::keystore::x509
