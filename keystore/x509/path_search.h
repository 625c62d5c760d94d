// Finds paths from a certificate to anchors, with bounded work. For this folder only.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "keystore/x509/chain.h"

namespace signet::keystore::x509 {

class PathSearch {
 public:
  // Gets each path (leaf first, anchor last); true ends the search.
  using Visitor = std::function<bool(const std::vector<Certificate>&)>;

  PathSearch(std::span<const Certificate> extra, const TrustView& trust)
      : extra_(extra), trust_(trust) {}

  void Run(const Certificate& leaf, const Visitor& visit);

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
  std::vector<Candidate> IssuersOf(const Certificate& issued);
  bool Signed(const Certificate& issued, const Certificate& issuer);
  bool IsAnchor(const Certificate& certificate) const;

  std::span<const Certificate> extra_;
  const TrustView& trust_;
  std::map<std::pair<std::string, std::string>, bool>
      checked_;  // (issued, issuer): the signature verifies
  std::map<std::string, std::vector<Candidate>> issuers_;  // by fingerprint of the issued
  std::map<std::string, std::string> missing_, unsigned_by_;
  int checks_ = 0;
  int steps_ = 0;
  bool exhausted_ = false;
};

}  // namespace signet::keystore::x509
