// The certificates of the store in memory: found by fingerprint and by subject, none parsed before
// it is needed. Immutable; an edited copy shares what it did not change.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
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
  struct Private {};

 public:
  // None (logged) when the record holds no certificate: the state was damaged.
  static std::shared_ptr<const StoredCertificate> FromRecord(const std::string& fingerprint,
                                                             CertificateRecord record);
  explicit StoredCertificate(Private) {}

  // What lists and filters ask for (see CertificateRecord).
  std::string_view fingerprint() const { return Text(kFingerprint); }
  std::string_view subject() const { return Text(kSubject); }
  std::string_view issuer() const { return Text(kIssuer); }
  std::string_view common_name() const { return Text(kCommonName); }
  std::string_view serial() const { return Text(kSerial); }
  std::string_view key() const { return Text(kKey); }
  std::string_view der() const { return Text(kDer); }
  WallTime not_before() const { return not_before_; }
  WallTime not_after() const { return not_after_; }
  bool self_signed() const { return self_signed_; }
  NameId subject_id() const { return subject_id_; }
  NameId issuer_id() const { return issuer_id_; }
  std::uint64_t key_id() const { return key_id_; }  // the beginning of the subjectKeyIdentifier

  // Parsed once, and kept: for what is used again. Null when it cannot be read.
  const x509::Certificate* Parsed() const;
  // Parsed for the caller alone: for visits to whole stores, which would fill the memory.
  std::optional<x509::Certificate> Parse() const;

 private:
  enum Part : std::uint8_t { kFingerprint, kSubject, kIssuer, kCommonName, kSerial, kKey, kDer };
  std::string_view Text(Part part) const;

  std::string block_;  // all parts, one behind the other: one piece of memory
  std::array<std::uint32_t, kDer + 1> ends_{};  // of the parts in it
  WallTime not_before_{}, not_after_{};
  NameId subject_id_ = 0, issuer_id_ = 0;
  std::uint64_t key_id_ = 0;
  bool self_signed_ = false;
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

  const StoredCertificate* Find(std::string_view fingerprint) const;
  // Those of a subject, the ones with the subjectKeyIdentifier `key_id` (hex) first; ends when
  // `visit` says false.
  void EachNamed(NameId subject, const std::string& key_id,
                 const std::function<bool(const StoredCertificate&)>& visit) const;

  class Editor;

 private:
  static Named NamedOf(const StoredCertificate& row);
  static std::size_t ShardOf(std::string_view fingerprint);
  static std::size_t ShardOf(NameId subject) { return subject >> 56; }

  Shards<Row> rows_;  // sorted by fingerprint
  Shards<Named> names_;
};

// Makes an edited copy. Not thread-safe.
class CertificateTable::Editor {
 public:
  explicit Editor(const CertificateTable& from) : table_(from) {}
  void Put(Row row);
  void Erase(std::string_view fingerprint);
  CertificateTable Take() { return std::move(table_); }

 private:
  template <class T>
  using OwnShards = std::array<std::shared_ptr<std::vector<T>>, kShards>;

  CertificateTable table_;
  OwnShards<Row> rows_;  // that this edit copied
  OwnShards<Named> names_;
};

}  // namespace signet::keystore
