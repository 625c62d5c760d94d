// A snapshot made by hand, for tests of what is planned from it: no store, no token.
#pragma once

#include <gtest/gtest.h>
#include <openssl/x509.h>

#include <algorithm>
#include <string>

#include "hsm/key_text.h"
#include "hsm/token.h"
#include "keystore/plan_key.h"
#include "keystore/plan_upload.h"
#include "keystore/x509/pem.h"
#include "platform/encoding.h"

namespace signet::keystore {

struct SoftKey {
  explicit SoftKey(const hsm::KeySpec& spec) {
    evp.reset(spec.algorithm == hsm::KeyAlgorithm::kEc
                  ? EVP_EC_gen(spec.bits == 256 ? "P-256" : "P-384")
                  : EVP_RSA_gen(static_cast<unsigned>(spec.bits)));
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(evp.get(), &der);
    spki.assign(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
  }
  hsm::EvpPkeyPtr evp;
  std::string spki;
};

class PlanWorld {
 public:
  explicit PlanWorld(const std::string& product = "imp")
      : catalogue(LoadCatalogue(product).value()) {
    names.cluster = "blue";
    names.node = "imp1.example.com";
    names.domain = "example.com";
    names.nodes = {"imp1.example.com", "imp2.example.com"};
    names.hosted_domains = {"chat.example.com"};
  }

  PlanInput In() const {
    return {catalogue, names, snapshot,
            std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())};
  }

  // Plans a CSR, signs it with a key of software and puts its record in place; the PEM.
  std::string AddCsr(const IdentityRequest& request, const std::string& id) {
    auto plan = PlanCsr(In(), request);
    EXPECT_TRUE(plan) << plan.error().ToString();
    const SoftKey key(plan.value().spec);
    auto der = x509::BuildRequest(plan.value().content, key.spki, key.evp.get());
    EXPECT_TRUE(der) << der.error().ToString();
    CsrRecord record;
    record.id = id;
    record.purpose = request.purpose;
    record.distribution = plan.value().distribution;
    record.key.id = x509::ParseRequest(der.value()).value().key.ski;
    record.key.spec = hsm::ToString(plan.value().spec);
    record.key.spki = Base64Encode(key.spki);
    record.der = Base64Encode(der.value());
    snapshot->csrs[id] = {record, 7};
    return x509::RequestToPem(der.value());
  }
  std::string AddCsr(const std::string& purpose, const std::string& id = "c1") {
    IdentityRequest request;
    request.purpose = purpose;
    return AddCsr(request, id);
  }

  x509::Certificate AddTrust(const std::string& store, const std::string& pem) {
    const auto certificate = x509::ReadCertificates(pem, 1).value().front();
    TrustEntryRecord entry;
    entry.kind = EntryKindName(x509::ClassifyEntry(certificate, {}).value());
    AddEntry(store, certificate, std::move(entry));
    return certificate;
  }

  // The self-signed certificate that `purpose` made, pinned.
  void AddPinned(const std::string& store, const x509::Certificate& certificate,
                 const std::string& purpose) {
    TrustEntryRecord entry;
    entry.kind = "pinned";
    entry.origin = "made here";
    entry.purpose = purpose;
    AddEntry(store, certificate, std::move(entry));
  }

  // As if this certificate had been uploaded for the CSR `id`.
  void Install(const std::string& id, const x509::Certificate& certificate) {
    const CsrRecord csr = snapshot->csrs.at(id).value;
    Keep(certificate);
    IdentityRecord identity;
    identity.purpose = csr.purpose;
    identity.current = IdentityVersion();
    identity.current->certificate = certificate.fingerprint();
    identity.current->key = csr.key;
    identity.current->distribution = csr.distribution;
    snapshot->identities[csr.purpose] = {identity, 8};
    snapshot->csrs.erase(id);
  }

  Catalogue catalogue;
  NodeNames names;
  std::shared_ptr<Snapshot> snapshot = std::make_shared<Snapshot>();

 private:
  void AddEntry(const std::string& store, const x509::Certificate& certificate,
                TrustEntryRecord entry) {
    Keep(certificate);
    auto shards = std::make_shared<TrustStore>();
    if (snapshot->trust.contains(store)) *shards = *snapshot->trust[store];
    entry.certificate = certificate.fingerprint();
    auto& shard = (*shards)[certificate.fingerprint().substr(0, 2)];
    auto entries = shard ? *shard : TrustShard();
    entries.entries.push_back(std::move(entry));
    std::sort(entries.entries.begin(), entries.entries.end(),
              [](const auto& a, const auto& b) { return a.certificate < b.certificate; });
    shard = std::make_shared<TrustShard>(std::move(entries));
    snapshot->trust[store] = shards;
  }

  void Keep(const x509::Certificate& certificate) {
    CertificateTable::Editor editor(*snapshot->certificates);
    editor.Put(StoredCertificate::FromRecord(certificate.fingerprint(), RecordOf(certificate)));
    snapshot->certificates = std::make_shared<CertificateTable>(editor.Take());
  }
};

inline const Finding* FindingOf(const Findings& findings, const std::string& id) {
  for (const Finding& finding : findings) {
    if (finding.id == id) return &finding;
  }
  return nullptr;
}

}  // namespace signet::keystore
