#include <algorithm>
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "keystore/x509/chain.h"
#include "keystore/x509/lint.h"
#include "keystore/x509/path_check.h"
#include "keystore/x509/path_search.h"
#include "platform/parallel.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::size_t kBatch = 16;       // certificates that a thread takes at a time
constexpr std::size_t kMaxFindings = 8;  // told of one certificate

// What all paths of a bundle together may cost. An intermediate of a real bundle needs two or three
// steps and links, of a deep one six, and no check of a signature but these.
SearchBudget BudgetFor(std::size_t certificates) {
  const int n = static_cast<int>(certificates);
  return {.signature_checks = n / 2 + 2000, .steps = 8 * n + 2000, .links = 6 * n + 2000};
}

// The worst first, and no more than a person reads.
Findings Foremost(Findings findings) {
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return static_cast<int>(a.severity) > static_cast<int>(b.severity);
  });
  if (findings.size() > kMaxFindings) findings.resize(kMaxFindings);
  return findings;
}

// Accepted CAs by name, and by name and key id: a look-up costs the same however many there are.
class NameIndex {
 public:
  void Add(const Certificate& certificate) {
    const auto& fields = certificate.fields();
    Named& named = names_[fields.subject_der];
    named.all.push_back(certificate);
    named.by_key[fields.key.ski].push_back(certificate);
    if (!fields.ski.empty() && fields.ski != fields.key.ski)
      named.by_key[fields.ski].push_back(certificate);
  }

  // As TrustView::LookUp.
  std::vector<Certificate> Find(const std::string& subject_der, const std::string& key_id) const {
    std::vector<Certificate> out;
    const auto found = names_.find(subject_der);
    if (found == names_.end()) return out;
    const Named& named = found->second;
    if (const auto fit = named.by_key.find(key_id); fit != named.by_key.end()) {
      const std::size_t count = std::min(fit->second.size(), kMaxCandidates);
      out.assign(fit->second.begin(), fit->second.begin() + static_cast<std::ptrdiff_t>(count));
    }
    for (const Certificate& certificate : named.all) {
      if (out.size() >= kMaxCandidates) break;
      if (!HasKeyId(certificate, key_id)) out.push_back(certificate);
    }
    return out;
  }

  bool HasName(const std::string& subject_der) const { return names_.contains(subject_der); }

 private:
  struct Named {
    std::vector<Certificate> all;
    std::unordered_map<std::string, std::vector<Certificate>> by_key;
  };
  std::unordered_map<std::string, Named> names_;
};

// One certificate of the bundle on its way to one of the two lists.
struct Item {
  std::size_t index = 0;  // in the bundle
  EntryKind kind = EntryKind::kAnchor;
  Findings findings;
  bool tried = false;    // an intermediate, against the CAs known at that time
  bool queued = false;   // to be tried
  bool decided = false;  // it is in one of the lists
};

class BundleChecker {
 public:
  BundleChecker(std::span<const Certificate> bundle, std::optional<EntryKind> asked,
                const TrustView& trust, WallTime now)
      : bundle_(bundle), asked_(asked), trust_(trust), budget_(BudgetFor(bundle.size())) {
    policy_.time = now;
    policy_.leaf_role = LintRole::kIntermediate;
    view_.anchors = [this](const std::string& name, const std::string& key_id) {
      return Joined(anchors_, trust_.anchors, name, key_id);
    };
    view_.intermediates = [this](const std::string& name, const std::string& key_id) {
      return Joined(intermediates_, trust_.intermediates, name, key_id);
    };
  }

  CheckedBundle Run() {
    TakeEachOnce();
    ParallelFor(items_.size(), kBatch, [this](std::size_t i) { Examine(items_[i]); });
    for (Item& item : items_) {
      if (HasErrors(item.findings)) {
        Reject(item);
      } else if (item.kind == EntryKind::kIntermediate) {
        waiting_[Of(item).fields().issuer_der].push_back(&item);
        Queue(item);
      } else {
        Accept(item);
      }
    }
    while (!queue_.empty()) {
      Item& item = *queue_.front();
      queue_.pop_front();
      item.queued = false;
      if (HasCandidates(Of(item))) Try(item);
    }
    ExplainTheRest();
    std::sort(out_.rejected.begin(), out_.rejected.end(),
              [](const auto& a, const auto& b) { return a.index < b.index; });
    return std::move(out_);
  }

 private:
  const Certificate& Of(const Item& item) const { return bundle_[item.index]; }

  static std::vector<Certificate> Joined(const NameIndex& own, const TrustView::LookUp& trusted,
                                         const std::string& name, const std::string& key_id) {
    std::vector<Certificate> out = own.Find(name, key_id);
    if (!trusted) return out;
    for (Certificate& certificate : trusted(name, key_id)) out.push_back(std::move(certificate));
    return BestCandidates(std::move(out), key_id);
  }

  void TakeEachOnce() {
    std::unordered_set<std::string_view> seen;
    for (std::size_t i = 0; i < bundle_.size(); ++i) {
      if (seen.insert(bundle_[i].fingerprint()).second) {
        items_.emplace_back().index = i;
      } else {
        out_.duplicates.push_back(i);
      }
    }
  }

  // All that needs no other certificate. On any thread.
  void Examine(Item& item) const {
    const Certificate& certificate = Of(item);
    if (!certificate.fields().ca) {
      EntryVerdict verdict = CheckSingleEntry(certificate, asked_, policy_.time);
      item.kind = verdict.kind;
      item.findings = std::move(verdict.findings);
      return;
    }
    auto kind = ClassifyEntry(certificate, asked_);
    if (!kind) {
      item.findings.push_back(Broken(kind.error().word, kind.error().detail, certificate));
      return;
    }
    item.kind = kind.value();
    if (item.kind == EntryKind::kAnchor) {
      item.findings = CheckPath({&certificate, 1}, {}, policy_, Links::kVerified);
    } else {
      item.findings = Lint(certificate, LintRole::kIntermediate);
      CheckDates(certificate, policy_.time, item.findings);
    }
  }

  void Accept(Item& item) {
    const Certificate& certificate = Of(item);
    item.decided = true;
    out_.accepted.push_back({certificate, item.kind, Foremost(std::move(item.findings))});
    if (item.kind == EntryKind::kAnchor) {
      anchors_.Add(certificate);
    } else if (item.kind == EntryKind::kIntermediate) {
      intermediates_.Add(certificate);
    } else {
      return;
    }
    const auto below = waiting_.find(certificate.fields().subject_der);
    if (below == waiting_.end()) return;
    for (Item* issued : below->second) Queue(*issued);
  }

  void Reject(Item& item) {
    const auto& fields = Of(item).fields();
    item.decided = true;
    if (fields.ca) refused_names_.insert(fields.subject_der);
    out_.rejected.push_back({item.index, Foremost(std::move(item.findings))});
  }

  void Queue(Item& item) {
    if (item.decided || item.queued) return;
    item.queued = true;
    queue_.push_back(&item);
  }

  bool HasCandidates(const Certificate& issued) const {
    const auto& fields = issued.fields();
    return anchors_.HasName(fields.issuer_der) || intermediates_.HasName(fields.issuer_der) ||
           (trust_.anchors && !trust_.anchors(fields.issuer_der, fields.aki).empty()) ||
           (trust_.intermediates && !trust_.intermediates(fields.issuer_der, fields.aki).empty());
  }

  // A full path check, as in chain mode.
  void Try(Item& item) {
    const Certificate& certificate = Of(item);
    item.tried = true;
    if (budget_.IsSpent()) {
      item.findings = {Broken("CHAIN_TOO_COMPLEX",
                              "the certificates of the bundle cross-sign each other so much that "
                              "this one was not checked",
                              certificate)};
      return;
    }
    SearchBudget share = budget_.Share();
    const SearchBudget before = share;
    ChainVerdict verdict = VerifyPathWithin(certificate, {}, view_, policy_, share);
    budget_.Charge(before, share);
    CheckPathLengths(verdict.path, verdict.findings);
    item.findings = std::move(verdict.findings);
    if (HasErrors(item.findings)) return;
    // What is odd about its issuers is told of them.
    std::erase_if(item.findings, [&](const Finding& finding) {
      return finding.certificate != certificate.fingerprint();
    });
    Accept(item);
  }

  void ExplainTheRest() {
    for (Item& item : items_) {
      if (item.decided) continue;
      if (!item.tried) Try(item);  // in vain, without a candidate: it says who is missing
      if (!item.decided) Reject(item);
    }
    for (auto& rejected : out_.rejected) {
      const Certificate& certificate = bundle_[rejected.index];
      const bool incomplete =
          std::any_of(rejected.findings.begin(), rejected.findings.end(),
                      [](const Finding& finding) { return finding.id == "CHAIN_INCOMPLETE"; });
      if (!incomplete || !refused_names_.contains(certificate.fields().issuer_der)) continue;
      rejected.findings.push_back(
          {Severity::kInfo, "ISSUER_REFUSED",
           "'" + certificate.fields().issuer + "' is in the bundle too, and was refused itself",
           certificate.fingerprint()});
    }
  }

  const std::span<const Certificate> bundle_;
  const std::optional<EntryKind> asked_;
  const TrustView& trust_;
  TrustView view_;  // trust_, and what was accepted so far
  ChainPolicy policy_;
  SearchBudget budget_;
  NameIndex anchors_, intermediates_;
  std::vector<Item> items_;
  std::unordered_map<std::string, std::vector<Item*>> waiting_;  // intermediates by issuer_der
  std::deque<Item*> queue_;
  std::unordered_set<std::string> refused_names_;  // subject_der
  CheckedBundle out_;
};

}  // namespace

CheckedBundle CheckBundle(std::span<const Certificate> bundle, std::optional<EntryKind> asked,
                          const TrustView& trust, WallTime now) {
  return BundleChecker(bundle, asked, trust, now).Run();
}

}  // namespace signet::keystore::x509
