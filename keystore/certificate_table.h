// The certificates of the store in memory: found by fingerprint and by subject, none parsed before it
// is needed. Immutable; an edited copy shares what it did not change.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "keystore/records.h"
#include "keystore/x509/certificate.h"

namespace signet::keystore {

// A name as look-ups see it: the beginning of SHA-256 over its canonical bytes. Equal names have
// equal ones; who finds by it compares the names themselves.
using NameId = std::uint64_t;
NameId NameIdOf(const std::string& name_der);

CertificateRecord RecordOf(const x509::Certificate& certificate);

class StoredCertificate {
 public:
  // None (logged) when the record holds no certificate: the state was damaged.
  static std::shared_ptr<const StoredCertificate> FromRecord(const std::string& fingerprint,
                                                             CertificateRecord record);

  // What lists and filters ask for; the members that stand below are empty in it.
  const CertificateRecord& columns() const { return columns_; }
  const std::string& fingerprint() const { return fingerprint_; }
  const std::string& der() const { return der_; }
  NameId subject_id() const { return subject_id_; }
  NameId issuer_id() const { return issuer_id_; }
  std::uint64_t key_id() const { return key_id_; }  // the beginning of the subjectKeyIdentifier

  // Parsed once, and kept: for what is used again. Null when it cannot be read.
  const x509::Certificate* Parsed() const;
  // Parsed for the caller alone: for visits to whole stores, which would fill the memory.
  std::optional<x509::Certificate> Parse() const;

 private:
  StoredCertificate() = default;
  std::string fingerprint_, der_;
  CertificateRecord columns_;
  NameId subject_id_ = 0, issuer_id_ = 0;
  std::uint64_t key_id_ = 0;
  mutable std::once_flag once_;
  mutable std::optional<x509::Certificate> parsed_;
};

class CertificateTable {
  // Sorted by (subject, key id): all of one subject lie together. A row lives in `rows_` as long as
  // the table.
  struct Named {
    NameId subject;
    std::uint64_t key;
    const StoredCertificate* row;
    auto operator<=>(const Named&) const = default;
  };
  static constexpr std::size_t kShards = 256;
  template <class T>
  using Shards = std::array<std::shared_ptr<const std::vector<T>>, kShards>;  // null: empty

 public:
  using Row = std::shared_ptr<const StoredCertificate>;

  const StoredCertificate* Find(const std::string& fingerprint) const;
  // Those of a subject, the ones with the subjectKeyIdentifier `key_id` (hex) first; ends when
  // `visit` says false.
  void EachNamed(NameId subject, const std::string& key_id,
                 const std::function<bool(const StoredCertificate&)>& visit) const;
  std::size_t size() const;

  class Editor;

 private:
  static Named NamedOf(const StoredCertificate& row);
  static std::size_t ShardOf(const std::string& fingerprint);
  static std::size_t ShardOf(NameId subject) { return subject >> 56; }

  Shards<Row> rows_;  // sorted by fingerprint
  Shards<Named> names_;
};

// Makes an edited copy. Not thread-safe.
class CertificateTable::Editor {
 public:
  explicit Editor(const CertificateTable& from) : table_(from) {}
  void Put(Row row);
  void Erase(const std::string& fingerprint);
  CertificateTable Take() { return std::move(table_); }

 private:
  template <class T>
  using OwnShards = std::array<std::shared_ptr<std::vector<T>>, kShards>;

  CertificateTable table_;
  OwnShards<Row> rows_;  // that this edit copied
  OwnShards<Named> names_;
};

}  // namespace signet::keystore
