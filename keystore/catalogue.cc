#include "keystore/catalogue.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "hsm/key_text.h"
#include "keystore/catalogue_data.h"
#include "platform/encoding.h"
#include "platform/toml_reader.h"

namespace signet::keystore {
namespace {

// RFC 5280 §4.2.1.3, in bit order.
constexpr std::array<std::string_view, x509::kKeyUsageBits> kKeyUsageNames{
    "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement",
    "keyCertSign",      "cRLSign",        "encipherOnly",    "decipherOnly"};

struct ExtendedUsageName {
  std::string_view name, oid;
};
// RFC 5280 §4.2.1.12, and ipsecEndSystem, which RFC 4945 §5.1.3.12 advises against but the products
// ask for.
constexpr std::array<ExtendedUsageName, 7> kExtendedUsageNames{{
    {"serverAuth", "1.3.6.1.5.5.7.3.1"},
    {"clientAuth", "1.3.6.1.5.5.7.3.2"},
    {"codeSigning", "1.3.6.1.5.5.7.3.3"},
    {"emailProtection", "1.3.6.1.5.5.7.3.4"},
    {"ipsecEndSystem", "1.3.6.1.5.5.7.3.5"},
    {"timeStamping", "1.3.6.1.5.5.7.3.8"},
    {"OCSPSigning", "1.3.6.1.5.5.7.3.9"},
}};

std::string Lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// [A-Za-z0-9._-]{1,64}, beginning with a letter or digit: names become parts of record keys and of
// file names.
bool IsName(std::string_view text) {
  const auto alphanumeric = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= 64 && alphanumeric(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

// A word of a closed list, or a noted problem that names the list.
template <class Value, std::size_t N>
Value ReadWord(TomlTable& table, std::string_view key, const std::string& word,
               const std::array<std::pair<std::string_view, Value>, N>& words) {
  std::string list;
  for (const auto& [name, value] : words) {
    if (name == word) return value;
    list += (list.empty() ? "" : ", ") + std::string(name);
  }
  table.Fail(key, "must be one of " + list);
  return words.front().second;
}

constexpr std::array<std::pair<std::string_view, x509::Ask>, 3> kAskWords{
    {{"Y", x509::Ask::kMust}, {"N", x509::Ask::kMustNot}, {"", x509::Ask::kOpen}}};
constexpr std::array<std::pair<std::string_view, Severity>, 3> kSeverityWords{
    {{"info", Severity::kInfo}, {"warning", Severity::kWarning}, {"error", Severity::kError}}};
constexpr std::array<std::pair<std::string_view, ServiceGroup>, 2> kGroupWords{
    {{"feature", ServiceGroup::kFeature}, {"network", ServiceGroup::kNetwork}}};
constexpr std::array<std::pair<std::string_view, RestartScope>, 4> kScopeWords{
    {{"affected-nodes", RestartScope::kAffectedNodes},
     {"all-nodes", RestartScope::kAllNodes},
     {"federation-nodes", RestartScope::kFederationNodes},
     {"publisher", RestartScope::kPublisher}}};

x509::UsageRule RuleFor(x509::Ask ask) {
  x509::UsageRule rule;
  rule.ask = ask;
  rule.added = ask == x509::Ask::kMustNot ? Severity::kError : Severity::kInfo;
  return rule;
}

// The rule of a key usage bit, or of an extended key usage that the profile lists.
x509::UsageRule* FindRule(x509::Profile& profile, std::string_view name) {
  const auto bit = std::find(kKeyUsageNames.begin(), kKeyUsageNames.end(), name);
  if (bit != kKeyUsageNames.end()) {
    return &profile.key_usage[static_cast<std::size_t>(bit - kKeyUsageNames.begin())];
  }
  for (x509::ExtendedUsageRule& row : profile.extended) {
    if (row.name == name) return &row.rule;
  }
  return nullptr;
}

class Reader {
 public:
  explicit Reader(TomlTable root) : root_(std::move(root)) {}

  Result<Catalogue> Read() {
    result_.product = ReadName(root_, "product");
    result_.title = root_.String("title");
    result_.version = root_.Integer("version", 1, 1'000'000);
    ReadTrustStores();
    ReadServices();
    for (TomlTable& table : root_.Tables("on_ca_chain")) {
      result_.on_ca_chain.push_back(ReadRestart(table));
    }
    ReadTrustRestarts();
    for (auto& [name, table] : root_.Named("profiles")) {
      profiles_.emplace(name, ReadProfile(table));
    }
    for (TomlTable& table : root_.Tables("purpose")) ReadPurpose(table);
    if (result_.purposes.empty()) root_.Fail("purpose", "a catalogue has at least one purpose");
    SIGNET_TRY(root_.Finish());
    return std::move(result_);
  }

 private:
  std::string ReadName(TomlTable& table, std::string_view key) {
    std::string name = table.String(key);
    if (!IsName(name)) {
      table.Fail(key, "must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit");
    }
    return name;
  }

  void ReadTrustStores() {
    std::set<std::string> seen;
    for (TomlTable& table : root_.Tables("trust_store")) {
      const TrustStoreRow row{ReadName(table, "name"), table.String("title", "")};
      if (!seen.insert(Lower(row.name)).second) {
        table.Fail("name", "there is a trust store of that name already");
      }
      result_.trust_stores.push_back(row);
    }
  }

  void ReadServices() {
    for (TomlTable& table : root_.Tables("service")) {
      Service service;
      service.name = table.String("name");
      if (service.name.empty() || service.name.size() > 128 ||
          EscapeLine(service.name) != service.name) {
        table.Fail("name", "must be 1 to 128 printable characters");
      }
      if (HasService(service.name)) {
        table.Fail("name", "there is a service of that name already");
      }
      service.group = ReadWord(table, "group", table.String("group"), kGroupWords);
      service.publisher_only = table.Boolean("publisher_only", false);
      service.below = table.Strings("below");
      result_.services.push_back(service);
    }
    for (TomlTable& table : root_.Tables("service")) {
      for (const std::string& name : table.Strings("below")) {
        if (!HasService(name) || name == table.String("name"))
          table.Fail("below", "no other [[service]] has the name '" + EscapeLine(name) + "'");
      }
    }
  }

  bool HasService(std::string_view name) const {
    return std::any_of(result_.services.begin(), result_.services.end(),
                       [&](const Service& service) { return service.name == name; });
  }

  Restart ReadRestart(TomlTable& table) {
    Restart restart;
    restart.service = table.String("service");
    if (!HasService(restart.service)) table.Fail("service", "no [[service]] has that name");
    for (const Service& service : result_.services) {
      if (service.name == restart.service) restart.below = service.below;
    }
    restart.scope = ReadWord(table, "scope", table.String("scope", "affected-nodes"), kScopeWords);
    return restart;
  }

  void ReadTrustRestarts() {
    for (TomlTable& table : root_.Tables("on_trust")) {
      const TrustStoreRow* store = result_.FindTrustStore(table.String("store"));
      const Restart restart = ReadRestart(table);
      if (store == nullptr) {
        table.Fail("store", "no [[trust_store]] has that name");
      } else {
        result_.on_trust[store->name].push_back(restart);
      }
    }
  }

  void ReadSeverities(TomlTable& table, std::string_view key, x509::Profile& profile,
                      Severity x509::UsageRule::*which) {
    TomlTable words = table.Table(key);
    for (const auto& [name, word] : words.Pairs()) {
      x509::UsageRule* rule = FindRule(profile, name);
      if (rule == nullptr) {
        words.Fail(name, "is no key usage bit and no extended key usage of the profile");
        continue;
      }
      rule->*which = ReadWord(words, name, word, kSeverityWords);
    }
  }

  x509::Profile ReadProfile(TomlTable& table) {
    x509::Profile profile;
    TomlTable usage = table.Table("key_usage");
    for (const auto& [name, word] : usage.Pairs()) {
      x509::UsageRule* rule = FindRule(profile, name);  // no extended ones yet
      if (rule == nullptr) {
        usage.Fail(name, "is not a key usage bit of RFC 5280");
        continue;
      }
      *rule = RuleFor(ReadWord(usage, name, word, kAskWords));
    }
    TomlTable extended = table.Table("extended_key_usage");
    for (const auto& [name, word] : extended.Pairs()) {
      const auto known =
          std::find_if(kExtendedUsageNames.begin(), kExtendedUsageNames.end(),
                       [&name = name](const ExtendedUsageName& row) { return row.name == name; });
      if (known == kExtendedUsageNames.end()) {
        extended.Fail(name, "is not a known extended key usage");
        continue;
      }
      profile.extended.push_back(
          {std::string(known->oid), name, RuleFor(ReadWord(extended, name, word, kAskWords))});
    }
    ReadSeverities(table, "severity_if_lost", profile, &x509::UsageRule::lost);
    ReadSeverities(table, "severity_if_added", profile, &x509::UsageRule::added);
    profile.ca = table.Boolean("ca", false);
    if (table.Has("path_length")) {
      profile.path_length = static_cast<int>(table.Integer("path_length", 0, 16));
      if (!profile.ca) table.Fail("path_length", "is for profiles with ca = true");
    }
    // RFC 5280 §4.2.1.9: a CA that issues certificates asserts keyCertSign.
    if (profile.ca && FindRule(profile, "keyCertSign")->ask != x509::Ask::kMust) {
      table.Fail("ca", "needs keyCertSign = \"Y\"");
    }
    return profile;
  }

  void ReadProfileOf(TomlTable& table, Purpose& purpose) {
    const auto profile = profiles_.find(table.String("profile"));
    if (profile == profiles_.end()) {
      table.Fail("profile", "no [profiles.NAME] has that name");
    } else {
      purpose.profile = profile->second;
    }
    ReadSeverities(table, "severity_if_lost", purpose.profile, &x509::UsageRule::lost);
    ReadSeverities(table, "severity_if_added", purpose.profile, &x509::UsageRule::added);
  }

  void ReadTrustStoreOf(TomlTable& table, Purpose& purpose) {
    const std::string name = table.String("trust_store", "");
    if (name.empty()) {
      if (!purpose.internal) table.Fail("trust_store", "only an internal purpose has none");
      return;
    }
    const TrustStoreRow* store = result_.FindTrustStore(name);
    if (store == nullptr) {
      table.Fail("trust_store", "no [[trust_store]] has that name");
    } else {
      purpose.trust_store = store->name;
    }
  }

  void ReadKey(TomlTable& table, Purpose& purpose) {
    const auto spec = hsm::ParseKeySpec(table.String("key"));
    if (!spec) {
      table.Fail("key", spec.error().detail);
      return;
    }
    purpose.default_key = spec.value();
    purpose.algorithm = purpose.default_key.algorithm;
  }

  void ReadPurpose(TomlTable& table) {
    Purpose purpose;
    purpose.name = ReadName(table, "name");
    purpose.file_stem = ReadName(table, "file_stem");
    for (const Purpose& other : result_.purposes) {
      if (other.name == purpose.name) table.Fail("name", "there is such a purpose already");
      if (Lower(other.file_stem) == Lower(purpose.file_stem)) {
        table.Fail("file_stem", "another purpose's files have that name");
      }
    }
    purpose.role = table.String("role");
    purpose.multi_server = table.Boolean("multi_server", false);
    purpose.publisher_only = table.Boolean("publisher_only", false);
    purpose.internal = table.Boolean("internal", false);
    purpose.hosted_domains = table.Boolean("hosted_domains", false);
    purpose.tls_listener = table.Boolean("tls_listener", false);
    purpose.federation_link = table.Boolean("federation_link", false);
    purpose.leftover_deletable = table.Boolean("leftover_deletable", false);
    purpose.check_sync = table.Boolean("check_sync", false);
    if (purpose.multi_server && purpose.publisher_only) {
      table.Fail("multi_server", "a purpose of the publisher only is not multi-server");
    }
    ReadKey(table, purpose);
    ReadTrustStoreOf(table, purpose);
    ReadProfileOf(table, purpose);
    purpose.services = table.Strings("services");
    for (const std::string& service : purpose.services) {
      if (!HasService(service)) {
        table.Fail("services", "no [[service]] has the name '" + EscapeLine(service) + "'");
      }
    }
    for (TomlTable& row : table.Tables("restart")) {
      purpose.on_certificate.push_back(ReadRestart(row));
    }
    result_.purposes.push_back(std::move(purpose));
  }

  TomlTable root_;
  Catalogue result_;
  std::map<std::string, x509::Profile> profiles_;
};

}  // namespace

const Purpose* Catalogue::FindPurpose(std::string_view name) const {
  for (const Purpose& purpose : purposes) {
    if (purpose.name == name) return &purpose;
  }
  return nullptr;
}

const TrustStoreRow* Catalogue::FindTrustStore(std::string_view name) const {
  const std::string wanted = Lower(name);
  for (const TrustStoreRow& row : trust_stores) {
    if (Lower(row.name) == wanted) return &row;
  }
  return nullptr;
}

Result<const Purpose*> FindPurpose(const Catalogue& catalogue, const std::string& name) {
  const Purpose* purpose = catalogue.FindPurpose(name);
  if (purpose != nullptr && !purpose->internal) return purpose;
  std::string names;
  for (const Purpose& row : catalogue.purposes) {
    if (!row.internal) names += (names.empty() ? "" : ", ") + row.name;
  }
  return MakeError(Kind::kNotFound, "PURPOSE_UNKNOWN",
                   "there is no purpose '" + EscapeLine(name, 64) + "'",
                   "The purposes of this product are: " + names + ".");
}

Result<const TrustStoreRow*> FindTrustStore(const Catalogue& catalogue, const std::string& name) {
  if (const TrustStoreRow* row = catalogue.FindTrustStore(name)) return row;
  std::string names;
  for (const TrustStoreRow& row : catalogue.trust_stores)
    names += (names.empty() ? "" : ", ") + row.name;
  return MakeError(Kind::kNotFound, "TRUST_STORE_UNKNOWN",
                   "there is no trust store '" + EscapeLine(name, 64) + "'",
                   "The trust stores of this product are: " + names + ".");
}

std::vector<std::string> ServicesOf(const std::vector<Restart>& restarts) {
  std::vector<std::string> names;
  for (const Restart& restart : restarts) {
    if (std::find(names.begin(), names.end(), restart.service) == names.end())
      names.push_back(restart.service);
  }
  return names;
}

Result<Catalogue> LoadCatalogue(std::string_view product) {
  std::string known;
  for (const EmbeddedCatalogue& row : EmbeddedCatalogues()) {
    if (row.product == product) {
      return ParseCatalogue(row.toml, "catalogue/" + std::string(product) + ".toml");
    }
    known += (known.empty() ? "" : ", ") + std::string(row.product);
  }
  return MakeError(Kind::kNotFound, "PRODUCT_UNKNOWN",
                   "no catalogue for product '" + EscapeLine(product) + "' is built in",
                   "Choose one of " + known + ", or give a catalogue file of your own.");
}

Result<Catalogue> ParseCatalogue(std::string_view toml, std::string name) {
  const auto invalid = [](Error error) {
    error.word = "CATALOGUE_INVALID";
    error.remedy = "Correct the lines named; keystore/catalogue/README.md has the form.";
    return error;
  };
  Result<TomlTable> root = ParseToml(toml, std::move(name));
  if (!root) return invalid(std::move(root).error());
  Result<Catalogue> catalogue = Reader(std::move(root).value()).Read();
  if (!catalogue) return invalid(std::move(catalogue).error());
  return catalogue;
}

}  // namespace signet::keystore
