#include "services/metrics/certificate_figures.h"

#include <algorithm>

#include "platform/encoding.h"

namespace signet::services {
namespace {

using keystore::StoredCertificate;

constexpr std::size_t kPrintDigits = 32;
constexpr std::size_t kMostNamed = 4;  // a store may hold thousands of one name

std::string Label(std::string_view text) { return EscapeLine(text, kLabelOctets); }

// The store knows issuers' names as whole texts. Where the issuer is in it, its CN is known; else
// the certificate is read.
std::string IssuerOf(const keystore::Snapshot& snapshot, const StoredCertificate& row) {
  std::optional<std::string> found;
  std::size_t looked = 0;
  snapshot.certificates->EachNamed(row.issuer_id(), "", [&](const StoredCertificate& issuer) {
    if (issuer.subject() == row.issuer()) found = issuer.common_name();
    return !found && ++looked < kMostNamed;
  });
  if (found) return *found;
  const auto parsed = row.Parse();
  return parsed ? parsed->IssuerCommonName() : std::string();
}

CertificateEnd EndOf(const keystore::Snapshot& snapshot, const StoredCertificate& row,
                     std::string place, std::string kind) {
  return {Label(place),
          Label(kind),
          std::string(row.fingerprint().substr(0, kPrintDigits)),
          Label(row.serial()),
          Label(row.common_name()),
          Label(IssuerOf(snapshot, row)),
          row.not_before(),
          row.not_after()};
}

// Of a look at an endpoint, or of a client.
template <class Seen>
CertificateEnd EndOf(const Seen& seen, std::string place, std::string kind, WallTime not_before,
                     WallTime not_after) {
  return {Label(place),
          std::move(kind),
          seen.fingerprint.substr(0, kPrintDigits),
          Label(seen.serial),
          Label(seen.common_name),
          Label(seen.issuer_common_name),
          not_before,
          not_after};
}

void AddIdentities(const keystore::Snapshot& snapshot, std::vector<CertificateEnd>& out) {
  const auto add = [&](const std::string& fingerprint, std::string place, std::string kind) {
    if (const StoredCertificate* row = snapshot.certificates->Find(fingerprint))
      out.push_back(EndOf(snapshot, *row, std::move(place), std::move(kind)));
  };
  for (const auto& [purpose, row] : snapshot.identities) {
    if (!row.value.current) continue;
    add(row.value.current->certificate, purpose, "identity");
    for (const std::string& issuer : row.value.current->chain)
      add(issuer, "chain of " + purpose, "chain");
  }
}

struct Entry {
  const std::string* store;
  const std::string* kind;
  const StoredCertificate* row;
};

std::vector<Entry> EntriesOf(const keystore::Snapshot& snapshot, CertificateFigures& figures) {
  std::vector<Entry> entries;
  for (const auto& [store, shards] : snapshot.trust) {
    TrustStoreFigures& one = figures.stores[store];
    const std::string* name = &store;  // clang 14 has no lambdas that capture a binding
    snapshot.EachTrustEntry(store, "", [&](const keystore::TrustEntryRecord& entry) {
      ++one.entries;
      const StoredCertificate* row = snapshot.certificates->Find(entry.certificate);
      if (row == nullptr) return true;
      if (!one.earliest || row->not_after() < *one.earliest) one.earliest = row->not_after();
      const keystore::IdentityVersion* owner = snapshot.Current(entry.purpose);
      if (owner == nullptr || owner->certificate != entry.certificate)
        entries.push_back({name, &entry.kind, row});
      return true;
    });
  }
  return entries;
}

void AddTrust(const keystore::Snapshot& snapshot, WallTime now, CertificateFigures& figures) {
  std::vector<Entry> entries = EntriesOf(snapshot, figures);
  const auto distance = [&](const Entry& entry) {
    return std::chrono::abs(entry.row->not_after() - now);
  };
  if (entries.size() > kTrustEnds) {
    const auto last = entries.begin() + static_cast<std::ptrdiff_t>(kTrustEnds);
    std::ranges::nth_element(entries, last, {}, distance);
    entries.erase(last, entries.end());
  }
  std::ranges::stable_sort(entries, {}, [](const Entry& entry) { return entry.row->not_after(); });
  for (const Entry& entry : entries)
    figures.ends.push_back(EndOf(snapshot, *entry.row, *entry.store, *entry.kind));
}

void AddServed(const keystore::Snapshot& snapshot, const ControlFigures& control,
               std::vector<CertificateEnd>& out) {
  for (const auto& [service, figures] : control) {
    for (const WireLook& look : figures.looks) {
      if (!look.not_before || !look.not_after) continue;
      const keystore::IdentityVersion* current = snapshot.Current(look.purpose);
      if (current != nullptr && current->certificate == look.fingerprint) continue;
      out.push_back(
          EndOf(look, "served at " + look.endpoint, "served", *look.not_before, *look.not_after));
    }
  }
}

}  // namespace

CertificateFigures CertificateFiguresOf(const keystore::Snapshot& snapshot,
                                        const ControlFigures& control,
                                        const std::vector<SeenClient>& clients, WallTime now) {
  CertificateFigures figures;
  AddIdentities(snapshot, figures.ends);
  AddTrust(snapshot, now, figures);
  AddServed(snapshot, control, figures.ends);
  for (const SeenClient& client : clients) {
    const std::string name = client.name.empty() ? client.fingerprint.substr(0, 16) : client.name;
    figures.ends.push_back(EndOf(client, "client certificate of " + name, "client",
                                 client.not_before, client.not_after));
  }
  figures.pending_csrs = snapshot.csrs.size();
  for (const auto& [id, row] : snapshot.csrs) {
    if (!figures.oldest_csr || row.value.created < *figures.oldest_csr)
      figures.oldest_csr = row.value.created;
  }
  return figures;
}

}  // namespace signet::services
