// A state made by hand, over a real store, and a folder for what is published from it. Certificates
// are the openssl CLI's.
#pragma once

#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "keystore/catalogue.h"
#include "keystore/x509/pem.h"
#include "services/publisher.h"
#include "tests/keystore/open_store.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/faulty_files.h"

namespace signet::services {

inline std::string OwnName() {
  const passwd* user = ::getpwuid(::geteuid());
  return user == nullptr ? "root" : user->pw_name;
}

struct PublishWorld {
  PublishWorld() {
    std::filesystem::create_directory(Path("pub"));
    std::filesystem::permissions(Path("pub"), std::filesystem::perms(0755));
    OpenState();
  }
  void OpenState() {
    state.reset();
    state = keystore::State::Open(*store.sqlite, store.layout).value();
  }
  std::string Path(const std::string& name) const { return scratch.File(name); }

  // A certificate of the CA for a key that openssl makes and nobody keeps.
  std::string Leaf(const std::string& name, const std::string& issuer = "int2",
                   const std::vector<std::string>& extensions = {"extendedKeyUsage=serverAuth"}) {
    const std::string csr = testing::MustRun({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                                              "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                                              Path("key.pem"), "-subj", "/CN=" + name});
    testing::CertificateAuthority::SignOptions options;
    options.issuer = issuer;
    options.copy_extensions = false;
    options.extensions = extensions;
    return testing::MustRun({"openssl", "x509"}, {ca.Sign(csr, options), "", {}});
  }
  std::string SelfSigned(const std::string& name, bool is_ca = false) {
    return testing::MustRun(
        {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", Path("key.pem"), "-subj", "/CN=" + name, "-addext",
         std::string("basicConstraints=critical,CA:") + (is_ca ? "TRUE" : "FALSE")});
  }

  std::string Keep(const std::string& pem) {
    const auto certificate = keystore::x509::ReadCertificates(pem, 1).value().front();
    store.Put(store.layout.Certificate(certificate.fingerprint()),
              json::serialize(ToJson(keystore::RecordOf(certificate))));
    return certificate.fingerprint();
  }
  // As if it had been uploaded: leaf, then its issuers up to the anchor.
  void Install(const std::string& purpose, const std::vector<std::string>& chain,
               const std::string& key_id, const std::string& previous_key = "") {
    keystore::IdentityRecord record;
    record.purpose = purpose;
    record.current = keystore::IdentityVersion();
    record.current->certificate = Keep(chain.front());
    for (std::size_t i = 1; i < chain.size(); ++i) record.current->chain.push_back(Keep(chain[i]));
    record.current->key.id = key_id;
    record.current->key.label = purpose + "-" + key_id;  // on the token
    record.current->key.spec = purpose.ends_with("-ECDSA") ? "ec:P-256" : "rsa:2048";
    if (!previous_key.empty()) {
      record.previous = record.current;
      record.previous->key.id = previous_key;
    }
    store.Put(store.layout.Identity(purpose), json::serialize(ToJson(record)));
  }
  void InstallSigned(const std::string& purpose, const std::string& key_id,
                     const std::string& previous_key = "") {
    Install(purpose, {Leaf("imp1.example.com"), ca.Pem("int2"), ca.Pem("int1"), ca.Pem("root")},
            key_id, previous_key);
  }
  std::string Trust(const std::string& trust_store, const std::string& pem, const std::string& kind,
                    const std::string& operation = "") {
    keystore::TrustEntryRecord entry;
    entry.certificate = Keep(pem);
    entry.kind = kind;
    entry.operation = operation;
    const auto snapshot = state->Now();
    keystore::TrustShardRecord shard;
    if (const auto* present = snapshot->FindTrustShard(trust_store, entry.certificate))
      shard.entries = present->entries;
    shard.entries.push_back(entry);
    store.Put(store.layout.TrustShard(trust_store, entry.certificate),
              json::serialize(ToJson(shard)));
    return entry.certificate;
  }
  // As if it had been found revoked.
  void Distrust(const std::string& fingerprint) {
    keystore::DistrustRecord record;
    record.certificate = fingerprint;
    record.cause = keystore::kRevoked;
    record.reason = "keyCompromise";
    record.source = "OCSP http://ocsp.example.com";
    store.Put(store.layout.Distrusted(fingerprint), json::serialize(ToJson(record)));
  }
  void TrustAgain(const std::string& fingerprint) {
    keystore::Transaction transaction;
    transaction.Delete(store.layout.Distrusted(fingerprint));
    EXPECT_TRUE(store.sqlite->Commit(transaction, std::chrono::seconds(10)));
  }
  void DropTrust(const std::string& trust_store, const std::string& fingerprint) {
    keystore::TrustShardRecord shard;
    shard.entries = state->Now()->FindTrustShard(trust_store, fingerprint)->entries;
    std::erase_if(shard.entries, [&](const auto& e) { return e.certificate == fingerprint; });
    store.Put(store.layout.TrustShard(trust_store, fingerprint), json::serialize(ToJson(shard)));
  }
  void TrustChain(const std::string& trust_store = "tomcat-trust") {
    Trust(trust_store, ca.Pem("root"), "anchor");
    Trust(trust_store, ca.Pem("int1"), "intermediate");
    Trust(trust_store, ca.Pem("int2"), "intermediate");
  }

  PublishedService Service(const std::string& name = "web", const std::string& server = "nginx") {
    PublishedService service;
    service.name = name;
    service.user = OwnName();
    service.purposes = {"tomcat", "tomcat-ECDSA"};
    service.server = server;
    service.folder = Path("pub/" + name);
    return service;
  }
  std::unique_ptr<Publisher> Start(std::vector<PublishedService> services) {
    return std::make_unique<Publisher>(
        catalogue, *state, files, std::move(services),
        PublishOptions{"pkcs11:token=signet", "/run/signet/keys.sock", "/usr/lib/client.so"});
  }
  std::string Current(const std::string& file, const std::string& service = "web") const {
    return Path("pub/" + service + "/current/" + file);
  }
  std::string Read(const std::string& file, const std::string& service = "web") const {
    return testing::ReadWhole(Current(file, service));
  }
  std::vector<std::string> Generations(const std::string& service = "web") const {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(Path("pub/" + service + "/generations")))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string CurrentNumber(const std::string& service = "web") const {
    return std::filesystem::read_symlink(Path("pub/" + service + "/current")).filename();
  }

  keystore::Scratch scratch;
  keystore::OpenStore store;
  std::unique_ptr<keystore::State> state;
  keystore::Catalogue catalogue = keystore::LoadCatalogue("imp").value();
  const testing::CertificateAuthority ca;
  std::unique_ptr<FileSystem> real = MakeFileSystem();
  testing::FaultyFileSystem files{*real};
};

}  // namespace signet::services
