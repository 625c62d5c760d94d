// The records of the Store: JSON documents and the keys under which they lie. Members that are
// absent keep their default, so that a field can be added without a migration.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "platform/clock.h"
#include "platform/json.h"

namespace signet::keystore {

// The format that this version of Signet writes (SPEC A6).
inline constexpr std::int64_t kFormatVersion = 1;

struct FormatRecord : LenientRecord {
  std::int64_t version = 0;
  std::string product, cluster;  // whose state this is
  std::string written_by;        // version of Signet
};
BOOST_DESCRIBE_STRUCT(FormatRecord, (LenientRecord), (version, product, cluster, written_by))

// A key pair on the token. Who refers to it (an identity, a CSR) is its owner.
struct KeyRecord : LenientRecord {
  std::string id;      // CKA_ID, hex
  std::string label;   // CKA_LABEL
  std::string spec;    // "rsa:2048"
  std::string policy;  // fixed | movable | backup
  std::string spki;    // DER, base64
};
BOOST_DESCRIBE_STRUCT(KeyRecord, (LenientRecord), (id, label, spec, policy, spki))

// Immutable: its key is its fingerprint. Beside the certificate lies what lists, filters and
// look-ups ask for, so that nothing is parsed at start; a record without it (`subject_id` empty) is
// read from its certificate.
struct CertificateRecord : LenientRecord {
  std::string der;  // base64
  std::string subject, issuer, common_name, serial, key;
  WallTime not_before{}, not_after{};
  bool self_signed = false;
  std::string subject_id, issuer_id;  // of the names (NameId, certificate_table.h), hex
  std::string key_id;                 // subjectKeyIdentifier, hex
};
BOOST_DESCRIBE_STRUCT(CertificateRecord, (LenientRecord),
                      (der, subject, issuer, common_name, serial, key, not_before, not_after,
                       self_signed, subject_id, issuer_id, key_id))

// One certificate with its key and chain, as a purpose holds it.
struct IdentityVersion : LenientRecord {
  std::string certificate;  // fingerprint
  std::vector<std::string>
      chain;  // fingerprints from the leaf's issuer to the anchor; empty for a self-signed one
  KeyRecord key;
  std::string distribution;  // a node's name or "multi-server"
  WallTime since{};
  std::string operation;  // that put it in place
  bool restored = false;  // by a rollback
};
BOOST_DESCRIBE_STRUCT(IdentityVersion, (LenientRecord),
                      (certificate, chain, key, distribution, since, operation, restored))

struct IdentityRecord : LenientRecord {
  std::string purpose;
  std::optional<IdentityVersion> current;
  std::optional<IdentityVersion> previous;  // kept for a rollback
};
BOOST_DESCRIBE_STRUCT(IdentityRecord, (LenientRecord), (purpose, current, previous))

struct CsrRecord : LenientRecord {
  std::string id, purpose, distribution;
  WallTime created{};
  std::string hash;
  KeyRecord key;
  std::string der;  // base64
};
BOOST_DESCRIBE_STRUCT(CsrRecord, (LenientRecord),
                      (id, purpose, distribution, created, hash, key, der))

struct TrustEntryRecord : LenientRecord {
  std::string certificate;  // fingerprint
  std::string kind;         // anchor | intermediate | pinned | ocsp-responder
  std::string origin;       // "uploaded" | "made here" | "imported" | "synced from X"
  std::string description;
  std::string purpose;  // whose self-signed certificate it is; empty for all others
  WallTime added{};
  std::string operation;  // that added it
};
BOOST_DESCRIBE_STRUCT(TrustEntryRecord, (LenientRecord),
                      (certificate, kind, origin, description, purpose, added, operation))

// A trust store is a manifest in shards by the fingerprint's first byte.
struct TrustShardRecord : LenientRecord {
  std::vector<TrustEntryRecord> entries;
};
BOOST_DESCRIBE_STRUCT(TrustShardRecord, (LenientRecord), (entries))

// A change of trust stores that is too large for one transaction is under way: what it added so far
// is not seen until its last transaction, which takes this record away.
struct PendingRecord : LenientRecord {
  std::string store;
};
BOOST_DESCRIBE_STRUCT(PendingRecord, (LenientRecord), (store))

// A deleted trust entry: nothing but an explicit wish brings it back (SPEC B5).
struct TombstoneRecord : LenientRecord {
  TrustEntryRecord entry;  // as it was
  std::string by, reason;
  WallTime deleted{};
  std::string operation;
};
BOOST_DESCRIBE_STRUCT(TombstoneRecord, (LenientRecord), (entry, by, reason, deleted, operation))

// A certificate that is out of trust in every store that has it, though its entries stay (SPEC R3).
struct DistrustRecord : LenientRecord {
  std::string certificate;  // fingerprint
  std::string cause;        // kRevoked | kOnHold | kExpired | kUnproved
  std::string reason;       // of a revocation, RFC 5280 §5.3.1: "keyCompromise"; may be empty
  std::string source;       // who says so: "OCSP http://…", "CRL http://…", "the clock"
  WallTime since{};         // of the revocation, or the end of the certificate
  WallTime found{};
  std::string operation;
};
BOOST_DESCRIBE_STRUCT(DistrustRecord, (LenientRecord),
                      (certificate, cause, reason, source, since, found, operation))
inline constexpr char kRevoked[] = "revoked";
inline constexpr char kOnHold[] = "on-hold";  // RFC 5280 §5.3.1 certificateHold
inline constexpr char kExpired[] = "expired";
inline constexpr char kUnproved[] = "unproved";  // its status is unknown, and must be known

// A setting of the cluster, in its canonical text (settings.h).
struct SettingRecord : LenientRecord {
  std::string value;
};
BOOST_DESCRIBE_STRUCT(SettingRecord, (LenientRecord), (value))

// A restart that a change asked for (SPEC S3), of this node. It goes when what it is for was seen.
struct OwedRecord : LenientRecord {
  std::string service;  // of the catalogue
  std::string cause;    // the purpose or the trust store that changed, or kCaChain
  WallTime since{};     // of the latest such change
  std::string operation;
};
BOOST_DESCRIBE_STRUCT(OwedRecord, (LenientRecord), (service, cause, since, operation))
inline constexpr char kCaChain[] = "CA chain";

// A plan of restarts that is being carried out: what a crash leaves of it goes on.
struct ApplyRecord : LenientRecord {
  std::string operation;
  std::vector<std::string> services;     // not done yet
  std::vector<std::string> rolled_back;  // purposes
};
BOOST_DESCRIBE_STRUCT(ApplyRecord, (LenientRecord), (operation, services, rolled_back))

// What was proved, signed by the appliance's own key.
struct ReceiptRecord : LenientRecord {
  std::string operation;
  std::string document;     // JSON, the octets that are signed
  std::string signature;    // base64
  std::string certificate;  // PEM, of the key
};
BOOST_DESCRIBE_STRUCT(ReceiptRecord, (LenientRecord), (operation, document, signature, certificate))

// Written by the commit of an operation: the proof, for recovery, that it happened; and what is to
// be done after it.
struct OperationRecord : LenientRecord {
  std::string method;
  std::vector<std::string> destroy;  // key ids whose time is over
  std::string detail;                // for the audit record
  json::value result;                // the answer
};
BOOST_DESCRIBE_STRUCT(OperationRecord, (LenientRecord), (method, destroy, detail, result))

// Where records lie. A key never holds text from a request unchecked: purposes and stores come from
// the catalogue, ids are hex.
class Layout {
 public:
  Layout(std::string cluster, std::string node)
      : cluster_("/signet/clusters/" + cluster), node_(cluster_ + "/nodes/" + node) {}
  static std::string Format() { return "/signet/format"; }
  static std::string Root() { return "/signet/"; }
  std::string Identity(const std::string& purpose) const { return Identities() + purpose; }
  std::string Identities() const { return node_ + "/identities/"; }
  std::string Csr(const std::string& id) const { return Csrs() + id; }
  std::string Csrs() const { return node_ + "/csrs/"; }
  std::string Operation(const std::string& id) const { return Operations() + id; }
  std::string Operations() const { return node_ + "/operations/"; }
  // `name` is OwedName's, which holds no text of anybody's.
  std::string Owed(const std::string& name) const { return AllOwed() + name; }
  std::string AllOwed() const { return node_ + "/owed/"; }
  std::string Applying() const { return node_ + "/applying"; }
  std::string Receipt(const std::string& operation) const { return Receipts() + operation; }
  std::string Receipts() const { return node_ + "/receipts/"; }
  std::string Certificate(const std::string& fingerprint) const {
    return Certificates() + fingerprint;
  }
  std::string Certificates() const { return cluster_ + "/shared/certificates/"; }
  std::string TrustShard(const std::string& store, const std::string& fingerprint) const {
    return TrustStores() + store + "/" + fingerprint.substr(0, 2);
  }
  std::string TrustStores() const { return cluster_ + "/shared/trust/"; }
  std::string Tombstone(const std::string& store, const std::string& fingerprint) const {
    return Tombstones() + store + "/" + fingerprint;
  }
  std::string Tombstones() const { return cluster_ + "/shared/tombstones/"; }
  std::string Distrusted(const std::string& fingerprint) const {
    return AllDistrusted() + fingerprint;
  }
  std::string AllDistrusted() const { return cluster_ + "/shared/distrusted/"; }
  std::string Pending(const std::string& operation) const { return AllPending() + operation; }
  std::string AllPending() const { return cluster_ + "/shared/pending/"; }
  std::string Setting(const std::string& name) const { return Settings() + name; }
  std::string Settings() const { return cluster_ + "/shared/settings/"; }

 private:
  std::string cluster_, node_;
};

}  // namespace signet::keystore
