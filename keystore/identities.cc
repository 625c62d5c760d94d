#include "keystore/identities.h"

#include <set>

#include "hsm/key_text.h"
#include "hsm/token.h"
#include "keystore/trust_writer.h"
#include "keystore/x509/lint.h"
#include "keystore/x509/pem.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"

namespace signet::keystore {

namespace {

// Labels name the operation, whose journal row therefore names the key before it exists.
std::string LabelFor(const std::string& purpose, const std::string& operation) {
  return purpose + "-" + operation;
}

KeyRecord RecordOf(const hsm::GeneratedKey& key, hsm::KeyPolicy policy) {
  KeyRecord record;
  record.id = key.id;
  record.label = key.label;
  record.spec = hsm::ToString(key.spec);
  record.policy = hsm::ToString(policy);
  record.spki = Base64Encode(key.spki);
  return record;
}

std::string DigestOf(hsm::HashAlgorithm hash, std::string_view message) {
  const char* name = hash == hsm::HashAlgorithm::kSha256   ? "SHA256"
                     : hash == hsm::HashAlgorithm::kSha384 ? "SHA384"
                                                           : "SHA512";
  std::string digest(hsm::DigestSize(hash), '\0');
  std::size_t size = digest.size();
  EVP_Q_digest(nullptr, name, nullptr, message.data(), message.size(),
               reinterpret_cast<unsigned char*>(digest.data()), &size);
  return digest;
}

// `next` becomes the purpose's current version, what was current stays for a rollback; the key of
// the one before that is over and goes to `destroy`.
void InstallCurrent(const Snapshot& snapshot, const Layout& layout, const std::string& purpose,
                    IdentityVersion next, Transaction& transaction,
                    std::vector<std::string>& destroy) {
  IdentityRecord identity;
  identity.purpose = purpose;
  Revision modified = 0;
  if (const auto row = snapshot.identities.find(purpose); row != snapshot.identities.end()) {
    identity = row->second.value;
    modified = row->second.modified;
  }
  if (identity.previous &&
      (!identity.current || identity.previous->key.id != identity.current->key.id) &&
      identity.previous->key.id != next.key.id) {
    destroy.push_back(identity.previous->key.id);
  }
  identity.previous = std::move(identity.current);
  identity.current = std::move(next);
  transaction.Expect(layout.Identity(purpose), modified);
  transaction.Put(layout.Identity(purpose), json::serialize(ToJson(identity)));
}

}  // namespace

struct Identities::NewKey {
  KeyRecord record;
  std::string spki;
  hsm::EvpPkeyPtr evp;
};

Identities::Identities(const Catalogue& catalogue, const NodeNames& names, State& state,
                       Committer& committer, hsm::Token& token, const Clock& clock)
    : catalogue_(catalogue),
      names_(names),
      state_(state),
      committer_(committer),
      token_(token),
      clock_(clock) {}

PlanInput Identities::Input() const { return {catalogue_, names_, state_.Now(), clock_.Now()}; }

Error Identities::Abandon(Operation& operation, const std::string& key_id, Error error) {
  if (operation.leave_for_recovery) return error;
  if (auto destroyed = token_.Destroy(key_id); !destroyed) operation.leave_for_recovery = true;
  return error;
}

Result<Identities::NewKey> Identities::MakeKey(Operation& operation, const KeyPlan& plan) {
  SIGNET_TRY(Findings rehearsal,
             rehearsal_.Run(plan.content, plan.validity ? &*plan.validity : nullptr, plan.spec));
  const std::string label = LabelFor(plan.purpose->name, operation.id);
  auto generated = token_.Generate(label, plan.spec, plan.policy);
  if (!generated) {
    // A token that fails may keep what it half made; recovery finds it by the journal's id.
    if (generated.error().kind == Kind::kTokenFailed && !token_.DestroyLabelled(label))
      operation.leave_for_recovery = true;
    return std::move(generated).error();
  }
  const hsm::GeneratedKey key = std::move(generated).value();
  Failpoint("key.generated");
  // What it signs is verified before it leaves, which is its proof.
  auto evp = token_.Evp(key.id, hsm::Proof::kByCaller);
  if (!evp) return Abandon(operation, key.id, std::move(evp).error());
  return NewKey{RecordOf(key, plan.policy), key.spki, std::move(evp).value()};
}

void Identities::DestroyAfterCommit(Operation& operation, const std::vector<std::string>& keys,
                                    Findings& findings) {
  for (const std::string& key : keys) {
    if (auto destroyed = token_.Destroy(key); !destroyed) {
      operation.leave_for_recovery = true;
      findings.push_back({Severity::kWarning, "KEY_NOT_DESTROYED",
                          "key " + key + " could not be destroyed (" + destroyed.error().detail +
                              "); this is done as soon as the token answers",
                          ""});
    }
    Failpoint("key.destroyed");
  }
}

Result<ChangeResult> Identities::GenerateSelfSigned(Operation& operation,
                                                    const IdentityRequest& request) {
  const PlanInput in = Input();
  SIGNET_TRY(KeyPlan plan, PlanSelfSigned(in, request));
  SIGNET_TRY(NewKey key, MakeKey(operation, plan));
  auto build = [&]() -> Result<x509::Certificate> {
    SIGNET_TRY(std::string der,
               x509::BuildSelfSigned(plan.content, *plan.validity, key.spki, key.evp.get()));
    SIGNET_TRY(x509::Certificate certificate, x509::Certificate::FromDer(der));
    Findings findings = x509::LintProfile(certificate, plan.purpose->profile);
    if (HasErrors(findings)) return Refusal("the certificate that was built", std::move(findings));
    return certificate;
  };
  auto certificate = build();
  if (!certificate) return Abandon(operation, key.record.id, std::move(certificate).error());
  Failpoint("certificate.signed");
  auto result = CommitSelfSigned(operation, plan, key.record, certificate.value());
  if (!result) return Abandon(operation, key.record.id, std::move(result).error());
  return result;
}

Result<ChangeResult> Identities::CommitSelfSigned(Operation& operation, const KeyPlan& plan,
                                                  const KeyRecord& key,
                                                  const x509::Certificate& certificate) {
  const auto snapshot = state_.Now();
  const Layout& layout = state_.layout();
  const Purpose& purpose = *plan.purpose;
  Transaction transaction;
  OperationRecord record;
  record.method = "certificate.generate";

  IdentityVersion version;
  version.certificate = certificate.fingerprint();
  version.key = key;
  version.distribution = plan.distribution;
  version.since = clock_.Now();
  version.operation = operation.id;
  InstallCurrent(*snapshot, layout, purpose.name, std::move(version), transaction, record.destroy);
  if (purpose.trust_store.empty()) {
    PutCertificate(transaction, layout, certificate.fingerprint(), certificate.der());
  } else {
    TrustWriter trust(*snapshot, layout, clock_.Now());
    trust.Add(purpose.trust_store,
              {certificate, x509::EntryKind::kPinned, purpose.name + " of " + names_.node},
              "made here");
    trust.WriteTo(transaction);
  }

  ChangeResult result;
  result.changed = true;
  result.operation = operation.id;
  result.restarts = ServicesOf(purpose.on_certificate);
  result.fingerprint = certificate.fingerprint();
  result.pem = certificate.ToPem();
  record.detail = purpose.name + " self-signed " + certificate.fingerprint();
  record.result = ToJson(result);
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record));
  Failpoint("store.committed");
  operation.detail = record.detail;
  installed_(purpose);
  DestroyAfterCommit(operation, record.destroy, result.findings);
  return result;
}

Result<ChangeResult> Identities::GenerateCsr(Operation& operation, const IdentityRequest& request) {
  SIGNET_TRY(KeyPlan plan, PlanCsr(Input(), request));
  SIGNET_TRY(NewKey key, MakeKey(operation, plan));
  auto build = [&]() -> Result<std::string> {
    SIGNET_TRY(std::string der, x509::BuildRequest(plan.content, key.spki, key.evp.get()));
    SIGNET_TRY(x509::RequestFields fields, x509::ParseRequest(der));
    Findings findings = x509::LintRequest(fields, plan.purpose->profile);
    if (HasErrors(findings)) return Refusal("the CSR that was built", std::move(findings));
    return der;
  };
  auto der = build();
  if (!der) return Abandon(operation, key.record.id, std::move(der).error());
  Failpoint("csr.signed");

  CsrRecord csr;
  csr.id = operation.id;
  csr.purpose = plan.purpose->name;
  csr.distribution = plan.distribution;
  csr.created = clock_.Now();
  csr.hash = hsm::ToString(plan.content.hash);
  csr.key = key.record;
  csr.der = Base64Encode(der.value());
  ChangeResult result;
  result.changed = true;
  result.operation = operation.id;
  result.csr = csr.id;
  result.pem = x509::RequestToPem(der.value());
  OperationRecord record;
  record.method = "csr.generate";
  record.detail = csr.purpose + " CSR " + csr.id;
  record.result = ToJson(result);
  Transaction transaction;
  const std::string record_key = state_.layout().Csr(csr.id);
  transaction.Expect(record_key, 0);
  transaction.Put(record_key, json::serialize(ToJson(csr)));
  if (auto committed = committer_.Commit(operation, std::move(transaction), record); !committed) {
    return Abandon(operation, key.record.id, std::move(committed).error());
  }
  Failpoint("store.committed");
  operation.detail = record.detail;
  return result;
}

Result<ChangeResult> Identities::Upload(Operation& operation, const std::string& purpose_name,
                                        std::string_view pem, bool with_chain) {
  const PlanInput in = Input();
  SIGNET_TRY(UploadPlan plan, PlanUpload(in, purpose_name, pem, with_chain));
  const Purpose& purpose = *plan.purpose;
  ChangeResult result;
  result.operation = operation.id;
  result.fingerprint = plan.leaf->fingerprint();
  if (plan.unchanged) {
    operation.detail = purpose.name + " has this certificate already";
    result.findings.push_back(
        {Severity::kInfo, "ALREADY_THERE", operation.detail, plan.leaf->fingerprint()});
    return result;
  }
  // The identity must have its key: proved now, not believed.
  SIGNET_TRY(std::string spki, token_.PublicKey(plan.csr.key.id));
  if (Base64Encode(spki) != plan.csr.key.spki) {
    return MakeError(
        Kind::kTokenFailed, "KEY_ID_AMBIGUOUS",
        "the token shows another public key for key " + plan.csr.key.id,
        "Run 'signet token self-test'; do not use this certificate before the cause is known.");
  }
  const std::string probe = Sha256(RandomBytes(32));
  const auto scheme = purpose.algorithm == hsm::KeyAlgorithm::kEc ? hsm::SignScheme::kEcdsa
                                                                  : hsm::SignScheme::kRsaPkcs1;
  SIGNET_TRY(std::string proof,
             token_.SignDigest(plan.csr.key.id, scheme, hsm::HashAlgorithm::kSha256, probe));
  Failpoint("upload.key-proved");

  const Layout& layout = state_.layout();
  Transaction transaction;
  OperationRecord record;
  record.method = "certificate.upload";
  IdentityVersion version;
  version.certificate = plan.leaf->fingerprint();
  for (const auto& issuer : plan.chain) version.chain.push_back(issuer.fingerprint());
  version.key = plan.csr.key;
  version.distribution = plan.csr.distribution;
  version.since = in.now;
  version.operation = operation.id;
  InstallCurrent(*in.snapshot, layout, purpose.name, std::move(version), transaction,
                 record.destroy);
  transaction.Expect(layout.Csr(plan.csr.id), plan.csr_modified);
  transaction.Delete(layout.Csr(plan.csr.id));
  PutCertificate(transaction, layout, plan.leaf->fingerprint(), plan.leaf->der());
  TrustWriter trust(*in.snapshot, layout, in.now);
  for (const TrustAddition& addition : plan.additions) {
    trust.Add(purpose.trust_store, addition, "uploaded");
    result.stored.push_back(addition.certificate.fingerprint());
  }
  trust.WriteTo(transaction);
  // What the chain rests on must still be there when this is committed.
  for (const auto& issuer : plan.chain) {
    const std::string shard = layout.TrustShard(purpose.trust_store, issuer.fingerprint());
    if (const Revision read =
            in.snapshot->TrustShardRevision(purpose.trust_store, issuer.fingerprint())) {
      transaction.Expect(shard, read);
    }
  }

  result.changed = true;
  result.restarts = ServicesOf(purpose.on_certificate);
  if (!plan.additions.empty()) {
    for (std::string& service : ServicesOf(catalogue_.on_ca_chain))
      result.restarts.push_back(std::move(service));
  }
  result.findings = plan.findings;
  record.detail = purpose.name + " certificate " + plan.leaf->fingerprint();
  record.result = ToJson(result);
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record));
  Failpoint("store.committed");
  operation.detail = record.detail;
  installed_(purpose);
  DestroyAfterCommit(operation, record.destroy, result.findings);
  return result;
}

Result<ChangeResult> Identities::DiscardCsr(Operation& operation, const std::string& id) {
  const auto snapshot = state_.Now();
  const auto row = snapshot->csrs.find(id);
  if (row == snapshot->csrs.end()) {
    return MakeError(Kind::kNotFound, "CSR_UNKNOWN", "no CSR " + EscapeLine(id, 64) + " is pending",
                     "'signet csr list' shows what is.");
  }
  Transaction transaction;
  transaction.Expect(state_.layout().Csr(id), row->second.modified);
  transaction.Delete(state_.layout().Csr(id));
  ChangeResult result;
  result.changed = true;
  result.operation = operation.id;
  OperationRecord record;
  record.method = "csr.discard";
  record.destroy = {row->second.value.key.id};
  record.detail = row->second.value.purpose + " CSR " + id;
  record.result = ToJson(result);
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record));
  Failpoint("store.committed");
  operation.detail = record.detail;
  DestroyAfterCommit(operation, record.destroy, result.findings);
  return result;
}

Result<Identities::Recovered> Identities::Recover(const std::string& operation) {
  SIGNET_TRY(std::optional<OperationRecord> record, committer_.Find(operation));
  const auto owned = state_.Now()->Keys();
  Recovered recovered;
  if (record) {
    recovered.committed = true;
    recovered.detail = record->detail;
    recovered.result = json::serialize(record->result);
    for (const std::string& key : record->destroy) {
      if (owned.contains(key)) continue;
      SIGNET_TRY(token_.Destroy(key));
    }
    return recovered;
  }
  SIGNET_TRY(token_.DestroyUnfinished());
  SIGNET_TRY(std::vector<hsm::TokenKey> keys, token_.List());
  for (const hsm::TokenKey& key : keys) {
    if (key.label.ends_with("-" + operation) && !owned.contains(key.id)) {
      SIGNET_TRY(token_.DestroyLabelled(key.label));
      recovered.detail = "destroyed key " + key.label;
    }
  }
  return recovered;
}

Result<Signature> Identities::Sign(const SignRequest& request) {
  const auto snapshot = state_.Now();
  const IdentityVersion* current = snapshot->Current(request.purpose);
  if (current == nullptr) {
    SIGNET_TRY(const Purpose* purpose, FindPurpose(catalogue_, request.purpose));
    return MakeError(
        Kind::kNotFound, "NO_IDENTITY", purpose->name + " has no certificate and key yet",
        "Wait for the first boot to end, or generate it with 'signet certificate generate " +
            purpose->name + "'.");
  }
  const bool ec = current->key.spec.starts_with("ec:");
  auto scheme = ec ? hsm::SignScheme::kEcdsa : hsm::SignScheme::kRsaPkcs1;
  auto hash = hsm::HashAlgorithm::kSha256;
  if (request.algorithm) {
    SIGNET_TRY(scheme, hsm::ParseSignScheme(*request.algorithm));
  }
  if (request.hash) {
    SIGNET_TRY(hash, hsm::ParseHashAlgorithm(*request.hash));
  }
  if (ec != (scheme == hsm::SignScheme::kEcdsa)) {
    return MakeError(Kind::kRefused, "SCHEME_DOES_NOT_FIT",
                     request.purpose + " has the key " + current->key.spec +
                         ", which cannot make " + std::string(hsm::ToString(scheme)) +
                         " signatures",
                     ec ? "Use ecdsa." : "Use rsa-pkcs1 or rsa-pss.");
  }
  if (request.is_digest && request.input.size() != hsm::DigestSize(hash)) {
    return MakeError(Kind::kUsage, "DIGEST_LENGTH",
                     "a " + std::string(hsm::ToString(hash)) + " digest has " +
                         std::to_string(hsm::DigestSize(hash)) + " octets, not " +
                         std::to_string(request.input.size()),
                     "Send the digest of the message, or the message itself as 'data'.");
  }
  Signature signature{
      current->key.id, std::string(hsm::ToString(scheme)), std::string(hsm::ToString(hash)), {}};
  const std::string digest = request.is_digest ? request.input : DigestOf(hash, request.input);
  SIGNET_TRY(signature.bytes, token_.SignDigest(signature.key, scheme, hash, digest));
  std::lock_guard lock(uses_mutex_);
  ++uses_[current->key.id];
  return signature;
}

Result<std::vector<KeyRow>> Identities::Keys() {
  SIGNET_TRY(std::vector<hsm::TokenKey> on_token, token_.List());
  auto owned = state_.Now()->Keys();
  std::vector<KeyRow> rows;
  std::lock_guard lock(uses_mutex_);
  for (const hsm::TokenKey& key : on_token) {
    KeyRow row;
    row.id = key.id;
    row.label = key.label;
    row.on_token = true;
    row.spec = key.known_spec ? hsm::ToString(key.spec) : "unknown";
    const auto owner = owned.find(key.id);
    if (owner == owned.end()) {
      row.policy = key.extractable ? "unknown" : "fixed";
      row.owner = "none: no record of this appliance names it";
    } else {
      row.policy = owner->second.key.policy;
      row.owner = owner->second.owner;
      row.uses = uses_.contains(key.id) ? uses_[key.id] : 0;
      owned.erase(owner);
    }
    rows.push_back(std::move(row));
  }
  for (const auto& [id, missing] : owned) {
    rows.push_back(
        {id, missing.key.label, missing.key.spec, missing.key.policy, missing.owner, false, 0});
  }
  return rows;
}

Result<std::vector<std::string>> Identities::MissingKeys() {
  SIGNET_TRY(std::vector<hsm::TokenKey> on_token, token_.List());
  std::set<std::string> present;
  for (const hsm::TokenKey& key : on_token) present.insert(key.id);
  const auto snapshot = state_.Now();
  std::vector<std::string> missing;
  for (const auto& [purpose, row] : snapshot->identities) {
    if (row.value.current && !present.contains(row.value.current->key.id))
      missing.push_back(purpose);
  }
  return missing;
}

Result<TlsMaterial> Identities::Tls() {
  const auto snapshot = state_.Now();
  for (const Purpose& purpose : catalogue_.purposes) {
    if (!purpose.tls_listener) continue;
    const IdentityVersion* current = snapshot->Current(purpose.name);
    if (current == nullptr) break;
    TlsMaterial material;
    std::vector<std::string> fingerprints = {current->certificate};
    fingerprints.insert(fingerprints.end(), current->chain.begin(), current->chain.end());
    for (const std::string& fingerprint : fingerprints) {
      const x509::Certificate* certificate = snapshot->Certificate(fingerprint);
      if (certificate == nullptr)
        return InternalError("certificate " + fingerprint + " of " + purpose.name +
                             " is not in the store");
      const bool anchor = !material.chain.empty() && certificate->fields().self_signed;
      if (!anchor) material.chain.push_back(certificate->der());
    }
    SIGNET_TRY(hsm::EvpPkeyPtr key, token_.Evp(current->key.id));
    material.key = std::shared_ptr<evp_pkey_st>(key.release(), EVP_PKEY_free);
    return material;
  }
  return MakeError(Kind::kNotFound, "NO_IDENTITY", "the identity that TLS presents is not made yet",
                   "Wait for the first boot to end.");
}

}  // namespace signet::keystore
