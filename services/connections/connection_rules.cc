#include "services/connections/connection_rules.h"

#include "keystore/plan_distrust.h"
#include "keystore/x509/chain.h"

namespace signet::services {

namespace x509 = keystore::x509;

PeerVerdict JudgePeer(std::span<const x509::Certificate> chain, const std::string& store,
                      std::shared_ptr<const keystore::Snapshot> snapshot, WallTime now) {
  PeerVerdict verdict;
  const x509::Certificate& leaf = chain.front();
  keystore::TellDistrusted(*snapshot, {leaf}, verdict.findings);
  if (HasErrors(verdict.findings)) return verdict;
  const keystore::TrustEntryRecord* entry = snapshot->TrustEntry(store, leaf.fingerprint());
  if (entry != nullptr && entry->kind == "pinned") {
    x509::CheckDates(leaf, now, verdict.findings);
    return verdict;
  }
  x509::ChainPolicy policy;
  policy.time = now;
  policy.leaf_role = x509::LintRole::kClient;
  policy.rigour = x509::Rigour::kLegacy;  // peers are others' servers and telephones
  const auto path =
      x509::VerifyPath(leaf, chain.subspan(1), keystore::Snapshot::View(snapshot, store), policy);
  if (path.path.empty()) {
    keystore::TellDistrustedIssuers(*snapshot, store, {chain.begin(), chain.end()},
                                    verdict.findings);
  }
  verdict.findings.insert(verdict.findings.end(), path.findings.begin(), path.findings.end());
  keystore::TellDistrusted(*snapshot, path.path, verdict.findings);
  if (path.path.empty() && !HasErrors(verdict.findings)) {
    verdict.findings.push_back({Severity::kError, "CHAIN_INCOMPLETE",
                                "the peer's certificate leads to no anchor of " + store,
                                leaf.fingerprint()});
  }
  for (std::size_t i = 0; i + 1 < path.path.size(); ++i)
    verdict.questions.push_back({path.path[i], path.path[i + 1]});
  return verdict;
}

}  // namespace signet::services
