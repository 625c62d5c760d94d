#include "services/publication.h"

#include <algorithm>
#include <optional>

#include "keystore/x509/chain.h"
#include "keystore/x509/export.h"
#include "platform/encoding.h"
#include "services/key_uri.h"
#include "services/servers.h"

namespace signet::services {
namespace {

namespace x509 = keystore::x509;
using x509::EntryKind;

constexpr std::string_view kFormat = "1";  // of the files; another one makes all of them anew
constexpr std::size_t kAliasDigits = 16;

// Which kinds of entries go where. What a server finds in a PEM bundle it may take for the peer's
// own certificate; Java takes whatever it finds for an anchor.
bool GoesToBundle(EntryKind kind) { return kind != EntryKind::kOcspResponder; }
bool GoesToFolder(EntryKind kind) {
  return kind == EntryKind::kAnchor || kind == EntryKind::kIntermediate;
}

std::optional<EntryKind> KindOf(const keystore::TrustEntryRecord& entry) {
  const auto kind = x509::ParseEntryKind(entry.kind);
  return kind ? std::optional(kind.value()) : std::nullopt;
}

// Null when it cannot be read, or is out of trust (SPEC R3).
const keystore::StoredCertificate* Usable(const keystore::Snapshot& snapshot,
                                          const keystore::TrustEntryRecord& entry) {
  if (snapshot.Distrusted(entry.certificate) != nullptr) return nullptr;
  return snapshot.certificates->Find(entry.certificate);
}

// The anchors of a store and the intermediates that lead to one of them by name: Java would take
// an intermediate whose anchor was deleted for an anchor itself.
std::set<std::string> Anchored(const keystore::Snapshot& snapshot, const std::string& store) {
  std::set<std::string> anchored;
  std::vector<keystore::NameId> names;  // of issuers that are anchored, to be looked at
  std::multimap<keystore::NameId, const keystore::StoredCertificate*> issued;
  snapshot.EachTrustEntry(store, "", [&](const keystore::TrustEntryRecord& entry) {
    const auto* row = Usable(snapshot, entry);
    const auto kind = KindOf(entry);
    if (row == nullptr || !kind) return true;
    if (*kind == EntryKind::kIntermediate) issued.emplace(row->issuer_id(), row);
    if (*kind != EntryKind::kAnchor) return true;
    anchored.insert(entry.certificate);
    names.push_back(row->subject_id());
    return true;
  });
  while (!names.empty()) {
    const keystore::NameId name = names.back();
    names.pop_back();
    const auto [first, last] = issued.equal_range(name);
    for (auto at = first; at != last; ++at) {
      anchored.insert(std::string(at->second->fingerprint()));
      names.push_back(at->second->subject_id());
    }
    issued.erase(first, last);
  }
  return anchored;
}

bool UsesList(const ServerFile& file) { return file.text.find("{{#trust}}") != std::string::npos; }

// A line for each part; what a line says cannot run into the next.
void Add(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(" ").append(EscapeLine(value, 4096)).append("\n");
}

std::string PinnedCaText(const std::string& store) {
  return "a pinned certificate of " + store +
         " is a CA, and servers would trust whatever it issues; it is not published. Upload it "
         "to " +
         store + " as an anchor if it may vouch for others";
}

std::string TooLargeText(const std::string& store, const std::set<std::string>& anchored) {
  return store + " has " + std::to_string(anchored.size()) +
         " CA certificates; a PKCS#12 trust store is published for up to " +
         std::to_string(x509::kMaxExported);
}

}  // namespace

Publication::Publication(const keystore::Catalogue& catalogue, const PublishedService& service,
                         const PublishOptions& options, const keystore::Snapshot& snapshot,
                         TrustDigests& digests)
    : service_(service), options_(options) {
  std::string text;
  Add(text, "format", kFormat);
  Add(text, "service", service.name);
  Add(text, "owner",
      service.owner + ":" + service.file_group + ":" + service.group + ":" + service.user + ":" +
          std::to_string(service.file_mode));
  Add(text, "token", options.token_uri);
  Add(text, "module", options.module);
  Add(text, "socket", service.socket.empty() ? options.socket : service.socket);
  if (const Server* server = ServerTable::Embedded().Find(service.server)) {
    for (const ServerFile& file : server->files) Add(text, file.name, Sha256Hex(file.text));
  }
  for (const std::string& name : service.purposes) {
    const keystore::Purpose* purpose = catalogue.FindPurpose(name);
    const auto row = snapshot.identities.find(name);
    if (purpose == nullptr || row == snapshot.identities.end()) continue;
    const keystore::IdentityRecord& identity = row->second.value;
    if (identity.previous) kept_keys_.insert(identity.previous->key.id);
    if (!identity.current || keys_.contains(name)) continue;
    purposes_.push_back(purpose);
    keys_[name] = identity.current->key.id;
    Add(text, name, identity.current->certificate);
    for (const std::string& issuer : identity.current->chain) Add(text, "chain", issuer);
    Add(text, "key", identity.current->key.id);
    stores_[purpose->trust_store] = digests.Of(snapshot, purpose->trust_store);
  }
  for (const auto& [store, digest] : stores_) Add(text, store, digest);
  inputs_ = Sha256Hex(text);
}

Result<std::string> Publication::ChainOf(const keystore::Snapshot& snapshot,
                                         const keystore::Purpose& purpose) const {
  const keystore::IdentityVersion& current = *snapshot.Current(purpose.name);
  std::vector<std::string> fingerprints = {current.certificate};
  fingerprints.insert(fingerprints.end(), current.chain.begin(), current.chain.end());
  std::string pem;
  for (const std::string& fingerprint : fingerprints) {
    const x509::Certificate* certificate = snapshot.Certificate(fingerprint);
    if (certificate == nullptr) {
      return MakeError(Kind::kUnavailable, "CERTIFICATE_MISSING",
                       "a certificate of " + purpose.name + " is not in the store",
                       "The state is damaged: 'signet certificate generate " + purpose.name +
                           "', or restore the state.");
    }
    // The peer has the anchor, or it has no use for it.
    const bool anchor = !pem.empty() && certificate->fields().self_signed;
    if (!anchor) pem += certificate->ToPem();
  }
  return pem;
}

Result<PublishedStore> Publication::WriteTrust(const keystore::Snapshot& snapshot,
                                               const std::string& store,
                                               GenerationSink& sink) const {
  PublishedStore made;
  made.store = store;
  made.digest = Sha256Hex(std::string(kFormat) + " " + stores_.at(store));
  SIGNET_TRY(std::optional<PublishedStore> reused, sink.Reuse(store, made.digest));
  if (reused) return std::move(*reused);
  const std::set<std::string> anchored = Anchored(snapshot, store);
  const bool java = anchored.size() <= x509::kMaxExported;
  std::string bundle;
  std::vector<x509::NamedCertificate> for_java;
  x509::HashedNames names;
  Status status = sink.Write(store + "/", "");
  snapshot.EachTrustEntry(store, "", [&](const keystore::TrustEntryRecord& entry) {
    const auto* row = Usable(snapshot, entry);
    const auto kind = KindOf(entry);
    if (row == nullptr || !kind || !GoesToBundle(*kind)) return true;
    const auto certificate = row->Parse();
    if (!certificate) return true;
    if (*kind == EntryKind::kPinned && x509::VouchesForOthers(*certificate)) {
      made.left_out.push_back({{}, "PINNED_CA_LEFT_OUT", PinnedCaText(store), entry.certificate});
      return true;
    }
    const x509::NamedCertificate named{*certificate, entry.certificate.substr(0, kAliasDigits),
                                       entry.kind, entry.description};
    bundle += x509::ToPemBundle({named});
    if (java && anchored.contains(entry.certificate)) for_java.push_back(named);
    if (GoesToFolder(*kind)) {
      made.hashed = true;
      const std::string name = store + "/" + names.Next(*certificate);
      if (anchored.contains(entry.certificate)) made.anchored.push_back(name);
      status = sink.Write(name, certificate->ToPem());
    }
    return status.has_value();
  });
  SIGNET_TRY(std::move(status));
  made.pem = !bundle.empty();
  SIGNET_TRY(sink.Write(store + ".pem", bundle));
  if (!java) made.left_out.push_back({{}, "PKCS12_LEFT_OUT", TooLargeText(store, anchored), ""});
  made.pkcs12 = !for_java.empty();
  if (!made.pkcs12) return made;
  SIGNET_TRY(const std::string der, x509::ToPkcs12TrustStore(for_java, kTrustStorePassword));
  SIGNET_TRY(sink.Write(store + ".p12", der));
  return made;
}

Status Publication::WriteIncludes(const keystore::Snapshot& snapshot,
                                  const keystore::Purpose& purpose, const PublishedStore& trust,
                                  GenerationSink& sink) const {
  const Server* server = ServerTable::Embedded().Find(service_.server);
  if (server == nullptr) return Ok();
  const keystore::KeyRecord& key = snapshot.Current(purpose.name)->key;
  const std::string socket = service_.socket.empty() ? options_.socket : service_.socket;
  const std::string& folder = sink.folder();
  const std::string store = folder + "/" + purpose.trust_store;
  const std::string uri = KeyUri(options_.token_uri, key.id);
  SIGNET_TRY(const std::string chain, ChainOf(snapshot, purpose));
  SIGNET_TRY(const std::string reference, x509::ToKeyReference(uri));
  TemplateValues values;
  auto& list = values.lists["trust"];
  const bool listed = std::any_of(server->files.begin(), server->files.end(), UsesList);
  for (const std::string& name : listed ? trust.anchored : std::vector<std::string>()) {
    list.push_back({{"file", folder + "/" + name}, {"number", std::to_string(list.size() + 1)}});
  }
  values.texts = {
      {"purpose", purpose.name},
      {"stem", purpose.file_stem},
      {"folder", folder},
      {"certificate", folder + "/" + purpose.file_stem + ".pem"},
      {"chain_pem", chain},
      {"key_uri", uri},
      {"key_reference", reference},
      {"key_id", key.id},
      {"label", purpose.name},  // of the view (key_view.h)
      {"rsa", key.spec.starts_with("rsa:") ? "yes" : ""},
      {"ec", key.spec.starts_with("ec:") ? "yes" : ""},
      {"trust_pem", trust.pem ? store + ".pem" : ""},
      {"trust_folder", trust.hashed ? store : ""},
      {"trust_p12", trust.pkcs12 ? store + ".p12" : ""},
      {"trust_password", std::string(kTrustStorePassword)},
      {"socket", socket},
      {"address", KeyAddress(socket)},
      {"module", options_.module},
  };
  for (const ServerFile& file : server->files) {
    SIGNET_TRY(const std::string name, RenderTemplate(file.name, values));
    SIGNET_TRY(const std::string text, RenderTemplate(file.text, values));
    SIGNET_TRY(sink.Write(name, text));
  }
  return Ok();
}

Result<std::vector<PublishedStore>> Publication::Write(const keystore::Snapshot& snapshot,
                                                       GenerationSink& sink) const {
  std::vector<PublishedStore> stores;
  std::map<std::string, std::size_t> places;
  for (const auto& [store, digest] : stores_) {
    SIGNET_TRY(PublishedStore made, WriteTrust(snapshot, store, sink));
    places[store] = stores.size();
    stores.push_back(std::move(made));
  }
  for (const keystore::Purpose* purpose : purposes_) {
    SIGNET_TRY(const std::string chain, ChainOf(snapshot, *purpose));
    const std::string& key_id = snapshot.Current(purpose->name)->key.id;
    SIGNET_TRY(sink.Write(purpose->file_stem + ".pem", chain));
    SIGNET_TRY(sink.Write(purpose->file_stem + ".uri", KeyUri(options_.token_uri, key_id) + "\n"));
    SIGNET_TRY(WriteIncludes(snapshot, *purpose, stores[places[purpose->trust_store]], sink));
  }
  return stores;
}

}  // namespace signet::services
