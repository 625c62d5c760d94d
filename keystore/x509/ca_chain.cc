#include <algorithm>
#include <set>

#include "keystore/x509/chain.h"
#include "keystore/x509/path_check.h"

namespace signet::keystore::x509 {
namespace {

// Sorts an upload: who issued whom among it, and who is issued from outside.
class Sorter {
 public:
  Sorter(std::vector<Certificate> all, const TrustView& trust, CaChain& out)
      : all_(std::move(all)), trust_(trust), out_(out) {}

  void Sort() {
    const std::size_t n = all_.size();
    issuers_.resize(n);
    known_.resize(n);
    linked_.resize(n);
    for (std::size_t i = 0; i < n; ++i) FindIssuers(i);
    const bool any = std::any_of(linked_.begin(), linked_.end(), [](bool b) { return b; });
    std::vector<std::size_t> waiting;
    for (std::size_t i = 0; i < n; ++i) {
      if (n == 1 || linked_[i] || known_[i]) {
        waiting.push_back(i);
      } else {
        out_.findings.push_back({any ? Severity::kWarning : Severity::kError, "UNRELATED",
                                 "'" + all_[i].fields().subject +
                                     "' neither issued nor was issued by another one of the upload",
                                 all_[i].fingerprint()});
      }
    }
    Place(std::move(waiting));
  }

  // Those that issued no other of the upload: their paths hold all others.
  std::vector<Certificate> Ends() const {
    std::set<std::size_t> parents;
    for (const auto& issuers : issuers_) parents.insert(issuers.begin(), issuers.end());
    std::vector<Certificate> ends;
    for (const Certificate& c : out_.ordered) {
      const auto at = std::find(all_.begin(), all_.end(), c) - all_.begin();
      if (parents.count(static_cast<std::size_t>(at)) == 0) ends.push_back(c);
    }
    // A loop has no end: each of it is looked at.
    return ends.empty() ? out_.ordered : ends;
  }

 private:
  void FindIssuers(std::size_t i) {
    const Certificate& issued = all_[i];
    for (std::size_t j = 0; j < all_.size(); ++j) {
      if (i == j || issued.fields().self_signed ||
          issued.fields().issuer_der != all_[j].fields().subject_der) {
        continue;
      }
      if (++checks_ > kMaxSignatureChecks) return;
      if (!issued.IsSignedBy(all_[j])) continue;
      issuers_[i].push_back(j);
      linked_[i] = linked_[j] = true;
    }
    known_[i] = !issued.fields().self_signed && IsIssuedFromOutside(issued);
  }

  bool IsIssuedFromOutside(const Certificate& issued) {
    for (const auto* view : {&trust_.anchors, &trust_.intermediates}) {
      if (!*view) continue;
      for (const Certificate& candidate :
           (*view)(issued.fields().issuer_der, issued.fields().aki)) {
        if (++checks_ > kMaxSignatureChecks) return false;
        if (issued.IsSignedBy(candidate)) return true;
      }
    }
    return false;
  }

  // Issuer before issued. What is left without an issuer follows in the order of the upload: its
  // path will say why.
  void Place(std::vector<std::size_t> waiting) {
    std::set<std::size_t> placed;
    const auto is_ready = [&](std::size_t i) {
      return all_[i].fields().self_signed || known_[i] ||
             std::any_of(issuers_[i].begin(), issuers_[i].end(),
                         [&](std::size_t j) { return placed.count(j) > 0; });
    };
    const auto place = [&](std::vector<std::size_t>::iterator at) {
      placed.insert(*at);
      out_.ordered.push_back(all_[*at]);
      waiting.erase(at);
    };
    while (!waiting.empty()) {
      auto ready = std::find_if(waiting.begin(), waiting.end(), is_ready);
      if (ready == waiting.end()) {
        ready = std::find_if(waiting.begin(), waiting.end(),
                             [&](std::size_t i) { return issuers_[i].empty(); });
      }
      place(ready == waiting.end() ? waiting.begin() : ready);
    }
  }

  std::vector<Certificate> all_;
  const TrustView& trust_;
  CaChain& out_;
  std::vector<std::vector<std::size_t>> issuers_;  // by place in all_
  std::vector<bool> known_, linked_;  // issued from outside; issuer or issued of another
  int checks_ = 0;
};

std::vector<Certificate> DropDuplicates(std::vector<Certificate> uploaded, Findings& findings) {
  std::vector<Certificate> out;
  std::set<std::string> seen;
  for (Certificate& c : uploaded) {
    if (seen.insert(c.fingerprint()).second) {
      out.push_back(std::move(c));
    } else {
      AddOnce(findings,
              {Severity::kInfo, "DUPLICATE",
               "'" + c.fields().subject + "' is in the upload more than once", c.fingerprint()});
    }
  }
  return out;
}

// The trust that the upload would make: its own roots are ends of paths too.
TrustView WithRootsOf(const std::vector<Certificate>& ordered, const TrustView& trust) {
  TrustView view = trust;
  view.anchors = [&ordered, &trust](const std::string& name, const std::string& key_id) {
    std::vector<Certificate> out;
    for (const Certificate& c : ordered) {
      if (c.fields().self_signed && c.fields().subject_der == name) out.push_back(c);
    }
    if (trust.anchors) {
      for (Certificate& c : trust.anchors(name, key_id)) out.push_back(std::move(c));
    }
    return BestCandidates(std::move(out), key_id);
  };
  return view;
}

}  // namespace

CaChain CheckCaChain(std::vector<Certificate> uploaded, const TrustView& trust, WallTime now) {
  CaChain chain;
  std::vector<Certificate> unique = DropDuplicates(std::move(uploaded), chain.findings);
  if (unique.size() > kMaxDepth) {
    chain.findings.push_back({Severity::kError,
                              "CHAIN_TOO_COMPLEX",
                              std::to_string(unique.size()) +
                                  " certificates, a chain has at most " +
                                  std::to_string(kMaxDepth) + " (bundle mode takes more)",
                              {}});
    return chain;
  }
  Sorter sorter(std::move(unique), trust, chain);
  sorter.Sort();
  for (const Certificate& c : chain.ordered) {
    const LintRole role = c.fields().self_issued ? LintRole::kAnchor : LintRole::kIntermediate;
    Findings own = Lint(c, role);
    chain.findings.insert(chain.findings.end(), own.begin(), own.end());
    if (c.fields().self_issued) {
      if (const auto kind = ClassifyEntry(c, std::nullopt); !kind) {
        AddOnce(chain.findings,
                {Severity::kError, kind.error().word, kind.error().detail, c.fingerprint()});
      }
    }
    CheckDates(c, now, chain.findings);
  }
  const TrustView view = WithRootsOf(chain.ordered, trust);
  ChainPolicy policy;
  policy.time = now;
  policy.leaf_role = LintRole::kIntermediate;
  for (const Certificate& end : sorter.Ends()) {
    ChainVerdict verdict = VerifyPath(end, chain.ordered, view, policy);
    for (Finding& finding : verdict.findings) AddOnce(chain.findings, std::move(finding));
    CheckPathLengths(verdict.path, chain.findings);
  }
  return chain;
}

}  // namespace signet::keystore::x509
