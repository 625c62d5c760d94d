#include "keystore/certificate_table.h"

#include <algorithm>
#include <charconv>
#include <compare>

#include "platform/encoding.h"
#include "platform/logging.h"

namespace signet::keystore {

namespace {

constexpr std::size_t kIdDigits = 2 * sizeof(NameId);

// The number that up to 16 leading hex digits make.
std::uint64_t LeadingDigits(std::string_view hex) {
  std::uint64_t id = 0;
  std::from_chars(hex.data(), hex.data() + std::min(hex.size(), kIdDigits), id, 16);
  return id;
}

std::string IdText(const std::string& name_der) { return Sha256Hex(name_der).substr(0, kIdDigits); }

std::optional<x509::Certificate> Read(std::string_view der) {
  auto parsed = x509::Certificate::FromDer(der);
  if (parsed) return std::move(parsed).value();
  Log(LogLevel::kError, "a stored certificate cannot be read: " + parsed.error().ToString());
  return std::nullopt;
}

bool Before(const CertificateTable::Row& row, std::string_view fingerprint) {
  return row->fingerprint() < fingerprint;
}

}  // namespace

NameId NameIdOf(const std::string& name_der) { return LeadingDigits(IdText(name_der)); }

CertificateRecord RecordOf(const x509::Certificate& certificate) {
  const auto& fields = certificate.fields();
  CertificateRecord record;
  record.der = Base64Encode(certificate.der());
  record.subject = fields.subject;
  record.issuer = fields.issuer;
  record.common_name = fields.common_name;
  record.serial = fields.serial;
  record.key = fields.key.text;
  record.not_before = fields.not_before;
  record.not_after = fields.not_after;
  record.self_signed = fields.self_signed;
  record.subject_id = IdText(fields.subject_der);
  record.issuer_id = IdText(fields.issuer_der);
  record.key_id = fields.ski.empty() ? fields.key.ski : fields.ski;
  return record;
}

std::shared_ptr<const StoredCertificate> StoredCertificate::FromRecord(
    const std::string& fingerprint, CertificateRecord record) {
  auto der = Base64Decode(record.der);
  if (!der) {
    Log(LogLevel::kError, "certificate " + fingerprint + " of the state is damaged");
    return nullptr;
  }
  if (record.subject_id.empty()) {
    const auto parsed = Read(der.value());
    if (!parsed) return nullptr;
    record = RecordOf(*parsed);
  }
  auto row = std::make_shared<StoredCertificate>(Private());
  const std::array<std::string_view, kDer + 1> parts{
      fingerprint,   record.subject, record.issuer, record.common_name,
      record.serial, record.key,     der.value()};
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  row->block_.reserve(size);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    row->block_.append(parts[i]);
    row->ends_[i] = static_cast<std::uint32_t>(row->block_.size());
  }
  row->not_before_ = record.not_before;
  row->not_after_ = record.not_after;
  row->self_signed_ = record.self_signed;
  row->subject_id_ = LeadingDigits(record.subject_id);
  row->issuer_id_ = LeadingDigits(record.issuer_id);
  row->key_id_ = LeadingDigits(record.key_id);
  return row;
}

std::string_view StoredCertificate::Text(Part part) const {
  const std::size_t begin = part == 0 ? 0 : ends_[part - 1];
  return std::string_view(block_).substr(begin, ends_[part] - begin);
}

const x509::Certificate* StoredCertificate::Parsed() const {
  std::call_once(once_, [this] { parsed_ = Read(der()); });
  return parsed_ ? &*parsed_ : nullptr;
}

std::optional<x509::Certificate> StoredCertificate::Parse() const { return Read(der()); }

std::size_t CertificateTable::ShardOf(std::string_view fingerprint) {
  std::size_t shard = 0;
  std::from_chars(fingerprint.data(),
                  fingerprint.data() + std::min<std::size_t>(fingerprint.size(), 2), shard, 16);
  return shard;
}

CertificateTable::Named CertificateTable::NamedOf(const StoredCertificate& row) {
  return {row.subject_id(), row.key_id(), &row};
}

const StoredCertificate* CertificateTable::Find(std::string_view fingerprint) const {
  const auto& shard = rows_[ShardOf(fingerprint)];
  if (!shard) return nullptr;
  const auto at = std::lower_bound(shard->begin(), shard->end(), fingerprint, Before);
  return at != shard->end() && (*at)->fingerprint() == fingerprint ? at->get() : nullptr;
}

void CertificateTable::EachNamed(NameId subject, const std::string& key_id,
                                 const std::function<bool(const StoredCertificate&)>& visit) const {
  const auto& shard = names_[ShardOf(subject)];
  if (!shard) return;
  const std::uint64_t key = LeadingDigits(key_id);
  const auto from = [&](std::uint64_t first) {
    return std::lower_bound(shard->begin(), shard->end(), Named{subject, first, nullptr});
  };
  const auto is_named = [&](auto at) { return at != shard->end() && at->subject == subject; };
  for (auto at = from(key); is_named(at) && at->key == key; ++at) {
    if (!visit(*at->row)) return;
  }
  for (auto at = from(0); is_named(at); ++at) {
    if (at->key != key && !visit(*at->row)) return;
  }
}

namespace {

// The shard that an edit may change.
template <class T, class Shared, class Own>
std::vector<T>& Writable(Shared& shared, Own& own) {
  if (!own) {
    own = shared ? std::make_shared<std::vector<T>>(*shared) : std::make_shared<std::vector<T>>();
    shared = own;
  }
  return *own;
}

}  // namespace

void CertificateTable::Editor::Put(Row row) {
  const StoredCertificate* old = table_.Find(row->fingerprint());
  if (old != nullptr && old->der() == row->der()) return;  // what was parsed stays
  if (old != nullptr) Erase(row->fingerprint());
  const std::size_t shard = ShardOf(row->fingerprint());
  auto& rows = Writable<Row>(table_.rows_[shard], rows_[shard]);
  const Named named = NamedOf(*row);
  const std::size_t name_shard = ShardOf(named.subject);
  auto& names = Writable<Named>(table_.names_[name_shard], names_[name_shard]);
  names.insert(std::lower_bound(names.begin(), names.end(), named), named);
  const auto at = std::lower_bound(rows.begin(), rows.end(), row->fingerprint(), Before);
  rows.insert(at, std::move(row));
}

void CertificateTable::Editor::Erase(std::string_view fingerprint) {
  const StoredCertificate* old = table_.Find(fingerprint);
  if (old == nullptr) return;
  const Named named = NamedOf(*old);
  const std::size_t name_shard = ShardOf(named.subject);
  auto& names = Writable<Named>(table_.names_[name_shard], names_[name_shard]);
  names.erase(std::lower_bound(names.begin(), names.end(), named));
  const std::size_t shard = ShardOf(fingerprint);
  auto& rows = Writable<Row>(table_.rows_[shard], rows_[shard]);
  rows.erase(std::lower_bound(rows.begin(), rows.end(), fingerprint, Before));
}

}  // namespace signet::keystore
