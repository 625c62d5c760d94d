#include "keystore/x509/lint_names.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "keystore/x509/names.h"
#include "keystore/x509/openssl_ptr.h"
#include "keystore/x509/read.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::size_t kAbsurdLength = 512;
constexpr std::size_t kMaxAttribute = 64 * 1024;

struct Bound {
  int nid;
  std::size_t most;
};
// RFC 5280 Appendix A.1, upper bounds in characters.
constexpr std::array<Bound, 7> kBounds{{{NID_commonName, 64},
                                        {NID_organizationName, 64},
                                        {NID_organizationalUnitName, 64},
                                        {NID_localityName, 128},
                                        {NID_stateOrProvinceName, 128},
                                        {NID_countryName, 2},
                                        {NID_serialNumber, 64}}};

std::size_t BoundOf(int nid) {
  for (const Bound& bound : kBounds) {
    if (bound.nid == nid) return bound.most;
  }
  return kAbsurdLength;
}

std::size_t CountCharacters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  }));
}

// Underscores are what internal CAs write; no resolver minds, so they are only said.
void CheckDnsName(std::string_view name, std::vector<NameProblem>& out) {
  if (ParseGeneralName("DNS:" + std::string(name)) &&
      std::all_of(name.begin(), name.end(), [](char c) { return (c & 0x80) == 0; })) {
    return;
  }
  std::string without(name);
  std::replace(without.begin(), without.end(), '_', 'x');
  const bool underscore = without != name && ParseGeneralName("DNS:" + without).has_value();
  out.push_back({underscore ? Severity::kWarning : Severity::kError, "NAME_UNSAFE",
                 "the DNS name '" + EscapeLine(name, 128) +
                     (underscore ? "' has an underscore" : "' is no host name")});
}

// RFC 5280 §4.2.1.6: a mailbox; quoted local parts with an @ in them are not met in practice.
void CheckEmail(std::string_view address, std::vector<NameProblem>& out) {
  const std::size_t at = address.find('@');
  if (at != std::string_view::npos && at > 0 && at + 1 < address.size() &&
      address.find('@', at + 1) == std::string_view::npos) {
    return;
  }
  out.push_back({Severity::kWarning, "EMAIL_MALFORMED",
                 "the e-mail address '" + EscapeLine(address, 128) + "' is no mailbox"});
}

void CheckIa5(std::string_view value, const char* kind, std::vector<NameProblem>& out) {
  const bool plain =
      std::all_of(value.begin(), value.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (plain && !value.empty()) return;
  out.push_back({Severity::kError, "NAME_UNSAFE",
                 std::string("the ") + kind + " '" + EscapeLine(value, 128) +
                     "' is empty or holds octets that are no printable ASCII"});
}

bool IsChecked(const GENERAL_NAME& base) {
  switch (base.type) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI:
    case GEN_DIRNAME:
      return true;
    case GEN_IPADD:
      return base.d.iPAddress->length == 8 || base.d.iPAddress->length == 32;
    default:
      return false;
  }
}

// A form that is excluded concerns only paths with names of that form, and OpenSSL refuses those.
void CheckSubtrees(const STACK_OF(GENERAL_SUBTREE) * subtrees, bool excluded,
                   std::vector<NameProblem>& out) {
  bool unchecked = false;
  for (int i = 0; i < sk_GENERAL_SUBTREE_num(subtrees); ++i) {
    const GENERAL_SUBTREE* subtree = sk_GENERAL_SUBTREE_value(subtrees, i);
    const bool bounds = subtree->maximum != nullptr ||
                        (subtree->minimum != nullptr && ASN1_INTEGER_get(subtree->minimum) != 0);
    if (!bounds && IsChecked(*subtree->base)) continue;
    const std::string text =
        "a name constraint (" + GeneralNameText(*subtree->base) + ") of a form that is not checked";
    if (!excluded || bounds || subtree->base->type == GEN_IPADD) {
      out.push_back({Severity::kError, "NAME_CONSTRAINT_UNSUPPORTED", text});
      return;
    }
    if (!unchecked) out.push_back({Severity::kError, "NAME_CONSTRAINT_UNCHECKED", text});
    unchecked = true;
  }
}

// "192.168.001.001", "0xC0A80101": no name, and an address to some programs only.
bool IsOldAddress(const std::string& name) {
  in_addr address{};
  return name.find('\0') == std::string::npos && ::inet_aton(name.c_str(), &address) == 1;
}

NameProblem Spelling(const std::string& name) {
  return {Severity::kWarning, "CN_SPELLING",
          "the common name '" + EscapeLine(name, 128) +
              "' is not spelt as the alternative name is (CA/Browser Forum BR 7.1.4.3)"};
}

// A host that is not among the names, nor the domain of one: the certificate says two things. Where
// no alternative name is a DNS name, or they lie below the common name, it is a title.
bool IsTitle(const std::string& host, const std::vector<std::string>& sans) {
  bool any = false;
  for (const std::string& san : sans) {
    if (!san.starts_with("DNS:")) continue;
    any = true;
    if (san.ends_with("." + host)) return true;
  }
  return !any && !IsOldAddress(host);
}

}  // namespace

std::vector<NameProblem> CommonNameProblems(const std::string& name,
                                            const std::vector<std::string>& sans) {
  for (const std::string type : {"DNS:", "IP:"}) {
    const auto parsed = ParseGeneralName(type + name);
    if (!parsed) continue;
    const std::string wanted = ToString(parsed.value());
    bool found = false;
    for (const std::string& san : sans) {
      const auto candidate = ParseGeneralName(san);
      if (!candidate || ToString(candidate.value()) != wanted) continue;
      // Host names letter by letter, addresses in the form of RFC 5952.
      if ((type == "DNS:" ? san : wanted) == type + name) return {};
      found = true;
    }
    if (found) return {Spelling(name)};
    const bool title = type == "DNS:" && IsTitle(parsed.value().value, sans);
    return {{Severity::kError, title ? "CN_BESIDE_SAN" : "CN_NOT_IN_SAN",
             "the common name '" + EscapeLine(name, 128) + "' is none of the alternative names"}};
  }
  if (IsOldAddress(name)) return {Spelling(name)};
  return {};
}

std::vector<NameProblem> SubjectProblems(const X509_NAME* subject) {
  std::vector<NameProblem> out;
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const ASN1_OBJECT* object = X509_NAME_ENTRY_get_object(entry);
    const ASN1_STRING* data = X509_NAME_ENTRY_get_data(entry);
    const std::string value = Utf8Value(data).value_or(std::string(View(data)));
    const std::size_t characters = CountCharacters(value);
    const std::size_t bound = BoundOf(OBJ_obj2nid(object));
    if (characters > bound) {
      out.push_back({characters > kAbsurdLength ? Severity::kError : Severity::kWarning,
                     "NAME_TOO_LONG",
                     "the subject's " + ObjectName(object) + " has " + std::to_string(characters) +
                         " characters, RFC 5280 allows " + std::to_string(bound)});
    }
    if (EscapeLine(value, kMaxAttribute * 8) != value) {
      out.push_back({Severity::kError, "NAME_UNSAFE",
                     "the subject's " + ObjectName(object) + " '" + EscapeLine(value, 128) +
                         "' holds control characters or is no valid text"});
    }
  }
  return out;
}

std::vector<NameProblem> AlternativeNameProblems(const X509* x509) {
  std::vector<NameProblem> out;
  const GeneralNamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x509, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) CheckDnsName(View(name->d.dNSName), out);
    if (name->type == GEN_EMAIL) {
      CheckIa5(View(name->d.rfc822Name), "e-mail address", out);
      CheckEmail(View(name->d.rfc822Name), out);
    }
    if (name->type == GEN_URI) CheckIa5(View(name->d.uniformResourceIdentifier), "URI", out);
    if (name->type == GEN_IPADD && name->d.iPAddress->length != 4 &&
        name->d.iPAddress->length != 16) {
      out.push_back({Severity::kError, "NAME_UNSAFE", "an IP address of neither 4 nor 16 octets"});
    }
  }
  return out;
}

std::vector<NameProblem> NameConstraintProblems(const X509* x509) {
  std::vector<NameProblem> out;
  const NameConstraintsPtr constraints(static_cast<NAME_CONSTRAINTS*>(
      X509_get_ext_d2i(x509, NID_name_constraints, nullptr, nullptr)));
  if (constraints) {
    CheckSubtrees(constraints->permittedSubtrees, false, out);
    CheckSubtrees(constraints->excludedSubtrees, true, out);
  }
  return out;
}

}  // namespace signet::keystore::x509
