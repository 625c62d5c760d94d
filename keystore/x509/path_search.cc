#include "keystore/x509/path_search.h"

#include <algorithm>

namespace signet::keystore::x509 {
namespace {

std::vector<Certificate> LookUp(const TrustView::LookUp& view, const std::string& name,
                                const std::string& key_id) {
  return view ? view(name, key_id) : std::vector<Certificate>();
}

bool SameEntity(const Certificate& a, const Certificate& b) {
  return a.fields().subject_der == b.fields().subject_der &&
         a.fields().key.spki_sha256 == b.fields().key.spki_sha256;
}

}  // namespace

bool PathSearch::IsAnchor(const Certificate& certificate) const {
  const auto& fields = certificate.fields();
  const auto anchors =
      LookUp(trust_.anchors, fields.subject_der, fields.ski.empty() ? fields.key.ski : fields.ski);
  return std::find(anchors.begin(), anchors.end(), certificate) != anchors.end();
}

bool PathSearch::Signed(const Certificate& issued, const Certificate& issuer) {
  const auto key = std::make_pair(issued.fingerprint(), issuer.fields().key.spki_sha256);
  if (const auto known = checked_.find(key); known != checked_.end()) return known->second;
  if (budget_.signature_checks <= 0) {
    exhausted_ = true;
    return false;
  }
  --budget_.signature_checks;
  return checked_[key] = issued.IsSignedBy(issuer);
}

std::vector<PathSearch::Candidate> PathSearch::CandidatesFor(const Certificate& issued) const {
  std::vector<Candidate> named;
  const auto add = [&](const Certificate& candidate, bool anchor) {
    const auto same = [&](const Candidate& c) { return c.certificate == candidate; };
    if (std::none_of(named.begin(), named.end(), same)) named.push_back({candidate, anchor});
  };
  const std::string& name = issued.fields().issuer_der;
  const std::string& key_id = issued.fields().aki;
  for (const Certificate& c : LookUp(trust_.anchors, name, key_id)) add(c, true);
  for (const Certificate& c : extra_) {
    if (c.fields().subject_der == name) add(c, false);
  }
  for (const Certificate& c : LookUp(trust_.intermediates, name, key_id)) add(c, false);
  // Who trusts a CA for some usages only does not trust it for all when the peer brings its
  // certificate again without that limit.
  std::erase_if(named, [&](const Candidate& c) {
    return !c.anchor && std::any_of(named.begin(), named.end(), [&](const Candidate& trusted) {
      return trusted.anchor && trusted.certificate.fields().extended &&
             SameEntity(trusted.certificate, c.certificate);
    });
  });
  // Anchors before others, then those whose key id fits: the first path is then nearly always the
  // one.
  std::stable_sort(named.begin(), named.end(), [&](const Candidate& a, const Candidate& b) {
    if (a.anchor != b.anchor) return a.anchor;
    return HasKeyId(a.certificate, key_id) && !HasKeyId(b.certificate, key_id);
  });
  return named;
}

std::vector<PathSearch::Candidate> PathSearch::IssuersOf(const Certificate& issued) {
  const auto known = issuers_.find(issued.fingerprint());
  if (known != issuers_.end()) return known->second;
  std::vector<Candidate> named = CandidatesFor(issued);
  std::vector<Candidate> out;
  for (Candidate& candidate : named) {
    if (candidate.certificate == issued) continue;
    if (Signed(issued, candidate.certificate)) out.push_back(std::move(candidate));
  }
  if (out.empty()) {
    auto& why = named.empty() || exhausted_ ? missing_ : unsigned_by_;
    if (!issued.fields().self_signed) why[issued.fingerprint()] = issued.fields().issuer;
  }
  return issuers_[issued.fingerprint()] = std::move(out);
}

bool PathSearch::Extend(std::vector<Certificate>& path, const Visitor& visit) {
  if (--budget_.steps < 0) {
    exhausted_ = true;
    return true;
  }
  for (const Candidate& candidate : IssuersOf(path.back())) {
    const Certificate& issuer = candidate.certificate;
    const auto same = [&](const Certificate& c) { return SameEntity(c, issuer); };
    if (std::any_of(path.begin(), path.end(), same)) continue;  // a loop
    if (path.size() >= kMaxDepth) {
      exhausted_ = true;
      continue;
    }
    path.push_back(issuer);
    const bool done = candidate.anchor ? visit(path) : Extend(path, visit);
    path.pop_back();
    if (done) return true;
  }
  return false;
}

std::vector<Certificate> PathSearch::FirstGuess(const Certificate& leaf) {
  std::vector<Certificate> path{leaf};
  if (IsAnchor(leaf)) return path;
  while (path.size() < kMaxDepth && --budget_.steps >= 0) {
    std::vector<Candidate> candidates = CandidatesFor(path.back());
    const auto next =
        std::find_if(candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
          return std::none_of(path.begin(), path.end(), [&](const Certificate& c) {
            return SameEntity(c, candidate.certificate);
          });
        });
    if (next == candidates.end()) return {};
    path.push_back(std::move(next->certificate));
    if (next->anchor) return path;
  }
  return {};
}

void PathSearch::Run(const Certificate& leaf, const Visitor& visit) {
  std::vector<Certificate> path{leaf};
  if (IsAnchor(leaf) && visit(path)) return;
  Extend(path, visit);
}

}  // namespace signet::keystore::x509
