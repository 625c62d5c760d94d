#include "services/connections/ike_certificates.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <limits>
#include <memory>

namespace signet::services {
namespace {

using keystore::x509::Certificate;

constexpr std::size_t kChain = 16;
// In the place of a certificate's number: another one that nobody knows has that identity, too.
constexpr std::size_t kUnknown = std::numeric_limits<std::size_t>::max();

// strongSwan's names of attributes, of its oid.txt; it writes the octets of others.
struct Attribute {
  std::string_view oid, name;
};
constexpr Attribute kAttributes[] = {
    {"2.5.4.3", "CN"},
    {"2.5.4.4", "S"},
    {"2.5.4.5", "SN"},
    {"2.5.4.6", "C"},
    {"2.5.4.7", "L"},
    {"2.5.4.8", "ST"},
    {"2.5.4.9", "STREET"},
    {"2.5.4.10", "O"},
    {"2.5.4.11", "OU"},
    {"2.5.4.12", "T"},
    {"2.5.4.13", "D"},
    {"2.5.4.16", "postalAddress"},
    {"2.5.4.17", "postalCode"},
    {"2.5.4.41", "N"},
    {"2.5.4.42", "G"},
    {"2.5.4.43", "I"},
    {"2.5.4.45", "ID"},
    {"2.5.4.46", "dnQualifier"},
    {"2.5.4.54", "dmdName"},
    {"2.5.4.65", "pseudonym"},
    {"2.5.4.72", "role"},
    {"1.2.840.113549.1.9.1", "E"},
    {"1.2.840.113549.1.9.2", "unstructuredName"},
    {"1.2.840.113549.1.9.8", "unstructuredAddress"},
    {"0.9.2342.19200300.100.1.1", "UID"},
    {"0.9.2342.19200300.100.1.25", "DC"},
};

std::string_view View(const unsigned char* octets, std::size_t size) {
  return {reinterpret_cast<const char*>(octets), size};
}

std::string Folded(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string AttributeName(const ASN1_OBJECT* object) {
  char dotted[128] = {};
  OBJ_obj2txt(dotted, sizeof dotted, object, 1);
  for (const Attribute& known : kAttributes) {
    if (known.oid == dotted) return std::string(known.name);
  }
  const std::string hex = HexEncode(View(OBJ_get0_data(object), OBJ_length(object)));
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) out += (i > 0 ? ":" : "") + hex.substr(i, 2);
  return out;
}

struct NameTexts {
  std::string forward, backward;
  bool ambiguous = false;  // a value has what looks like the next attribute
};

NameTexts TextsOf(const X509_NAME* name) {
  NameTexts texts;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const ASN1_STRING* data = X509_NAME_ENTRY_get_data(entry);
    // Its octets, whatever its type of string.
    std::string value(
        View(ASN1_STRING_get0_data(data), static_cast<std::size_t>(ASN1_STRING_length(data))));
    for (char& c : value) c = c < ' ' || c > '~' ? '?' : c;
    const std::size_t comma = value.find(", ");
    if (comma != std::string::npos && value.find('=', comma) != std::string::npos)
      texts.ambiguous = true;
    const std::string one = AttributeName(X509_NAME_ENTRY_get_object(entry)) + "=" + value;
    texts.forward += (i > 0 ? ", " : "") + one;
    texts.backward = one + (i > 0 ? ", " : "") + texts.backward;
  }
  return texts;
}

std::vector<NameTexts> DirectoryNames(const Certificate& certificate) {
  const auto free = [](GENERAL_NAMES* names) { GENERAL_NAMES_free(names); };
  const std::unique_ptr<GENERAL_NAMES, decltype(free)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate.handle(), NID_subject_alt_name, nullptr, nullptr)),
      free);
  std::vector<NameTexts> out;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* one = sk_GENERAL_NAME_value(names.get(), i);
    if (one->type == GEN_DIRNAME) out.push_back(TextsOf(one->d.directoryName));
  }
  return out;
}

}  // namespace

IkeCertificates::IkeCertificates(const std::vector<Certificate>& known) {
  std::set<std::string> seen;
  for (const Certificate& certificate : known) {
    if (!seen.insert(certificate.fingerprint()).second) continue;
    const std::size_t number = known_.size();
    known_.push_back(certificate);
    const Certificate::Fields& fields = certificate.fields();
    by_subject_.emplace(fields.subject_der, number);
    std::vector<NameTexts> names = DirectoryNames(certificate);
    names.push_back(TextsOf(X509_get_subject_name(certificate.handle())));
    for (const NameTexts& name : names) {
      for (const std::string& text : {name.forward, name.backward}) {
        Add(text, number);
        if (name.ambiguous) Add(text, kUnknown);
      }
    }
    for (const std::string& san : fields.sans) {
      for (const std::string_view kind : {"DNS:", "IP:", "email:", "URI:"}) {
        // A backslash: it was escaped for people.
        if (san.starts_with(kind) && san.find('\\') == std::string::npos)
          Add(san.substr(kind.size()), number);
      }
    }
  }
}

void IkeCertificates::Add(const std::string& identity, std::size_t number) {
  if (!identity.empty()) by_identity_[Folded(identity)].insert(number);
}

std::vector<Certificate> IkeCertificates::ChainOf(std::string_view identity) const {
  const auto found = by_identity_.find(Folded(identity));
  if (found == by_identity_.end() || found->second.size() != 1) return {};
  std::vector<std::size_t> chain{*found->second.begin()};
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const Certificate& issued = known_.at(chain[i]);
    const auto [begin, end] = by_subject_.equal_range(issued.fields().issuer_der);
    for (auto issuer = begin; issuer != end && chain.size() < kChain; ++issuer) {
      const Certificate& candidate = known_.at(issuer->second);
      if (std::find(chain.begin(), chain.end(), issuer->second) == chain.end() &&
          candidate.fields().ca && issued.IsSignedBy(candidate)) {
        chain.push_back(issuer->second);
      }
    }
  }
  std::vector<Certificate> out;
  for (const std::size_t number : chain) out.push_back(known_.at(number));
  return out;
}

}  // namespace signet::services
