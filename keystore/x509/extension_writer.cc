#include "keystore/x509/extension_writer.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <array>
#include <set>

#include "keystore/x509/read.h"

namespace signet::keystore::x509 {
namespace {

Error WriteFailed(std::string_view what) {
  return OpenSslError(Kind::kInternal, "ENCODE_FAILED", what);
}

Status Add(ExtensionsPtr& to, int nid, void* value, bool critical) {
  STACK_OF(X509_EXTENSION)* raw = to.release();
  const int added = X509V3_add1_i2d(&raw, nid, value, critical ? 1 : 0, X509V3_ADD_APPEND);
  to.reset(raw);
  if (added != 1) return WriteFailed(OBJ_nid2ln(nid));
  return Ok();
}

Status AddBasicConstraints(ExtensionsPtr& to, const Profile& profile) {
  const BasicConstraintsPtr basic(BASIC_CONSTRAINTS_new());
  if (!basic) return WriteFailed("basicConstraints");
  basic->ca = profile.ca ? 0xFF : 0;
  if (profile.ca && profile.path_length) {
    basic->pathlen = ASN1_INTEGER_new();
    if (basic->pathlen == nullptr || ASN1_INTEGER_set(basic->pathlen, *profile.path_length) != 1) {
      return WriteFailed("basicConstraints");
    }
  }
  return Add(to, NID_basic_constraints, basic.get(), true);
}

Status AddKeyUsage(ExtensionsPtr& to, const Profile& profile) {
  const BitStringPtr bits(ASN1_BIT_STRING_new());
  bool any = false;
  for (std::size_t i = 0; bits && i < kKeyUsageBits; ++i) {
    if (profile.key_usage[i].ask != Ask::kMust) continue;
    any = true;
    if (ASN1_BIT_STRING_set_bit(bits.get(), static_cast<int>(i), 1) != 1) {
      return WriteFailed("keyUsage");
    }
  }
  return any ? Add(to, NID_key_usage, bits.get(), true) : Ok();
}

Status AddExtendedUsage(ExtensionsPtr& to, const Profile& profile) {
  const ExtendedUsagePtr usage(EXTENDED_KEY_USAGE_new());
  for (const ExtendedUsageRule& rule : profile.extended) {
    if (rule.rule.ask != Ask::kMust) continue;
    ObjectPtr object(OBJ_txt2obj(rule.oid.c_str(), 1));
    if (!usage || !object || sk_ASN1_OBJECT_push(usage.get(), object.get()) == 0) {
      return WriteFailed("extendedKeyUsage");
    }
    object.release();
  }
  return usage && sk_ASN1_OBJECT_num(usage.get()) > 0
             ? Add(to, NID_ext_key_usage, usage.get(), false)
             : Ok();
}

int TypeOf(GeneralName::Type type) {
  switch (type) {
    case GeneralName::Type::kDns:
      return GEN_DNS;
    case GeneralName::Type::kIp:
      return GEN_IPADD;
    case GeneralName::Type::kEmail:
      return GEN_EMAIL;
    case GeneralName::Type::kUri:
      return GEN_URI;
  }
  return GEN_DNS;
}

// By value, never by OpenSSL's configuration text, in which "DNS:a,IP:1.2.3.4" would be two names.
Result<GeneralNamePtr> WriteName(const GeneralName& name) {
  GeneralNamePtr out(GENERAL_NAME_new());
  const bool address = name.type == GeneralName::Type::kIp;
  ASN1_STRING* value = ASN1_STRING_type_new(address ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  if (!out || value == nullptr) {
    ASN1_STRING_free(value);
    return WriteFailed("subjectAltName");
  }
  GENERAL_NAME_set0_value(out.get(), TypeOf(name.type), value);
  std::string octets = name.value;
  if (address) {
    const int family = name.value.find(':') == std::string::npos ? AF_INET : AF_INET6;
    octets.assign(family == AF_INET ? 4 : 16, '\0');
    if (inet_pton(family, name.value.c_str(), octets.data()) != 1) {
      return InternalError("an unchecked IP address reached the builder");
    }
  }
  if (ASN1_STRING_set(value, octets.data(), static_cast<int>(octets.size())) != 1) {
    return WriteFailed("subjectAltName");
  }
  return out;
}

Status AddNames(ExtensionsPtr& to, const Template& content) {
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  std::set<GeneralName> seen;
  for (const GeneralName& name : content.sans) {
    SIGNET_TRY(auto checked, ParseGeneralName(ToString(name)));
    if (!seen.insert(checked).second) continue;
    SIGNET_TRY(auto written, WriteName(checked));
    if (!names || sk_GENERAL_NAME_push(names.get(), written.get()) == 0) {
      return WriteFailed("subjectAltName");
    }
    written.release();
  }
  if (static_cast<int>(seen.size()) > kMaxNames) {
    return MakeError(Kind::kUsage, "TOO_MANY_NAMES",
                     std::to_string(seen.size()) + " subject alternative names, at most " +
                         std::to_string(kMaxNames) + " are taken",
                     "Split the names over several certificates.");
  }
  if (seen.empty()) return Ok();
  // RFC 5280 §4.2.1.6: critical when it is all that names the subject.
  return Add(to, NID_subject_alt_name, names.get(), content.subject == Subject{});
}

Status AddKeyId(ExtensionsPtr& to, const std::string& spki) {
  const unsigned char* p = Octets(spki);
  const PubkeyPtr key(d2i_X509_PUBKEY(nullptr, &p, static_cast<long>(spki.size())));
  if (!key) return WriteFailed("subjectPublicKeyInfo");
  SIGNET_TRY(auto info, ReadPublicKey(key.get(), "KEY_MALFORMED"));
  SIGNET_TRY(auto id, HexDecode(info.ski));
  const OctetStringPtr octets(ASN1_OCTET_STRING_new());
  if (!octets ||
      ASN1_OCTET_STRING_set(octets.get(), Octets(id), static_cast<int>(id.size())) != 1) {
    return WriteFailed("subjectKeyIdentifier");
  }
  return Add(to, NID_subject_key_identifier, octets.get(), false);
}

struct Attribute {
  int nid;
  std::string Subject::*field;
};
constexpr std::array<Attribute, 6> kAttributes{
    {{NID_countryName, &Subject::country},
     {NID_stateOrProvinceName, &Subject::state},
     {NID_localityName, &Subject::locality},
     {NID_organizationName, &Subject::organization},
     {NID_organizationalUnitName, &Subject::organizational_unit},
     {NID_commonName, &Subject::common_name}}};

}  // namespace

Result<ExtensionsPtr> WriteExtensions(const Template& content, const std::string& spki,
                                      bool request) {
  ExtensionsPtr extensions(sk_X509_EXTENSION_new_null());
  if (!extensions) return WriteFailed("extensions");
  if (content.profile.ca || !request) {
    SIGNET_TRY(AddBasicConstraints(extensions, content.profile));
  }
  SIGNET_TRY(AddKeyUsage(extensions, content.profile));
  SIGNET_TRY(AddExtendedUsage(extensions, content.profile));
  SIGNET_TRY(AddNames(extensions, content));
  SIGNET_TRY(AddKeyId(extensions, spki));
  return extensions;
}

Result<NamePtr> WriteSubject(const Subject& subject) {
  SIGNET_TRY(CheckSubject(subject));
  NamePtr name(X509_NAME_new());
  for (const Attribute& attribute : kAttributes) {
    const std::string& value = subject.*attribute.field;
    if (value.empty()) continue;
    if (!name || X509_NAME_add_entry_by_NID(name.get(), attribute.nid, MBSTRING_UTF8, Octets(value),
                                            static_cast<int>(value.size()), -1, 0) != 1) {
      return WriteFailed("subject");
    }
  }
  return name;
}

}  // namespace signet::keystore::x509
