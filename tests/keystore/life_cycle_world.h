// Identities and trust stores over a real token and store, with a CA and a clock of their own.
#pragma once

#include "keystore/plan_deletion.h"
#include "tests/keystore/identities_world.h"

namespace signet::keystore {

// The machine's clock, moved.
class MovedClock final : public Clock {
 public:
  WallTime Now() const override { return real_->Now() + moved; }
  SteadyTime Steady() const override { return real_->Steady(); }
  std::unique_ptr<Timer> After(Duration delay, std::function<void()> callback) override {
    return real_->After(delay, std::move(callback));
  }
  std::chrono::seconds moved{};

 private:
  std::unique_ptr<Clock> real_ = MakeSystemClock();
};

class LifeCycleWorld : public IdentitiesWorld {
 protected:
  LifeCycleWorld() {
    identities =
        std::make_unique<Identities>(catalogue, names, *state, *committer, token.token(), clock);
    trust = std::make_unique<Trust>(catalogue, names, *state, *committer, clock);
  }
  PlanInput In() { return {catalogue, names, state->Now(), clock.Now()}; }

  Result<ChangeResult> TrustUpload(const std::string& pem, bool undelete = false) {
    Operation operation = Next();
    return trust->Upload(operation, {"cup-trust", {{pem, "", ""}}, {}, undelete}, {});
  }
  void TrustChain() { Done(TrustUpload(ca.Issuer("root") + ca.Issuer("intermediate"))); }
  // A CSR of the purpose, signed.
  std::string Signed(json::object how = {}, const std::string& purpose = "cup-ECDSA") {
    return ca.Sign(*Csr(purpose).pem, std::move(how));
  }
  Result<ChangeResult> Upload(const std::string& pem, std::optional<std::string> wanted = {},
                              Overrides overrides = {}) {
    Operation operation = Next();
    auto result = identities->Upload(operation, {{{"cup-ECDSA", pem}}, false, overrides}, wanted);
    detail = operation.detail;
    return result;
  }
  Result<ChangeResult> Rollback(Overrides overrides = {}) {
    Operation operation = Next();
    return identities->Rollback(operation, "cup-ECDSA", overrides, {});
  }
  Result<ChangeResult> Delete(const std::string& fingerprint, Overrides overrides = {}) {
    Operation operation = Next();
    operation.actor = "uid:1000 (ada)";
    return trust->Delete(operation, {"cup-trust", fingerprint, "no longer ours", overrides}, {});
  }
  std::string Current(const std::string& purpose = "cup-ECDSA") {
    const auto snapshot = state->Now();
    const IdentityVersion* current = snapshot->Current(purpose);
    return current == nullptr ? "" : current->certificate;
  }
  bool Trusts(const std::string& fingerprint) {
    return state->Now()->TrustEntry("cup-trust", fingerprint) != nullptr;
  }
  static std::string Fingerprint(const std::string& pem) {
    return x509::ReadCertificates(pem, 16).value().front().fingerprint();
  }
  static std::string Word(const Result<ChangeResult>& result) {
    if (result) return result.value().changed ? "changed" : "unchanged";
    EXPECT_FALSE(result.error().remedy.empty()) << result.error().ToString();
    return result.error().word;
  }
  static const Finding* FindingOf(const Findings& findings, const std::string& id) {
    for (const Finding& finding : findings) {
      if (finding.id == id) return &finding;
    }
    return nullptr;
  }

  signet::testing::TestCa ca;
  MovedClock clock;
  std::unique_ptr<Trust> trust;
  std::string detail;  // of the last upload, for the audit
};

}  // namespace signet::keystore
