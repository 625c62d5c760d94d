#include "keystore/x509/lint.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "keystore/x509/key_strength.h"
#include "keystore/x509/lint_conformance.h"
#include "keystore/x509/lint_names.h"
#include "keystore/x509/names.h"
#include "keystore/x509/openssl_ptr.h"
#include "keystore/x509/read.h"

namespace signet::keystore::x509 {
namespace {

constexpr int kMaxSerialOctets = 20;  // RFC 5280 §4.1.2.2
constexpr std::string_view kAnyUsage = "2.5.29.37.0";
constexpr std::size_t kKeyEncipherment = static_cast<std::size_t>(KeyUsage::kKeyEncipherment);
constexpr std::size_t kDataEncipherment = static_cast<std::size_t>(KeyUsage::kDataEncipherment);
constexpr std::size_t kKeyCertSign = static_cast<std::size_t>(KeyUsage::kKeyCertSign);
constexpr std::array<std::string_view, kKeyUsageBits> kUsageNames{
    "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement",
    "keyCertSign",      "cRLSign",        "encipherOnly",    "decipherOnly"};

bool IsEc(const PublicKeyInfo& key) { return key.text.starts_with("ec:"); }

// The rules about keys, from what certificates and requests both show.
void LintKeyText(const PublicKeyInfo& key, const std::string& about, Findings& out) {
  const bool rsa = key.text.starts_with("rsa:");
  if (IsEc(key) && !key.spec) {
    out.push_back({Severity::kError, "KEY_WEAK",
                   "the curve of " + EscapeLine(key.text) + " is not P-256, P-384 or P-521",
                   about});
  } else if (!rsa && !IsEc(key)) {
    out.push_back({Severity::kError, "KEY_UNSUPPORTED",
                   "a key of the kind " + EscapeLine(key.text) + " is not supported", about});
  }
}

void LintEcUsage(const PublicKeyInfo& key, const std::vector<bool>& usage, const std::string& about,
                 Findings& out) {
  if (!IsEc(key) || (!usage[kKeyEncipherment] && !usage[kDataEncipherment])) return;
  out.push_back({Severity::kInfo, "EC_KEY_ENCIPHERMENT",
                 "keyEncipherment or dataEncipherment on an EC key, which RFC 8813 forbids",
                 about});
}

class Linter {
 public:
  Linter(const Certificate& certificate, LintRole role)
      : certificate_(certificate),
        fields_(certificate.fields()),
        x509_(certificate.handle()),
        role_(role) {}

  Findings Run() {
    CheckSerial();
    CheckVersion();
    CheckKey();
    CheckSignature();
    CheckCritical();
    if (role_ == LintRole::kAnchor || role_ == LintRole::kIntermediate) {
      CheckAuthority();
    } else {
      CheckEndEntity();
    }
    CheckNames();
    AddAll(ConformanceProblems(certificate_, role_));
    if (fields_.key_usage) LintEcUsage(fields_.key, *fields_.key_usage, fields_.fingerprint, out_);
    ERR_clear_error();
    return std::move(out_);
  }

 private:
  void Add(Severity severity, std::string id, std::string text) {
    out_.push_back({severity, std::move(id), std::move(text), fields_.fingerprint});
  }
  // SPEC C5a: what is no reason to distrust a root.
  Severity MildForAnchors() const {
    return role_ == LintRole::kAnchor ? Severity::kWarning : Severity::kError;
  }

  void CheckSerial() {
    const ASN1_INTEGER* serial = X509_get0_serialNumber(x509_);
    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER) {
      Add(MildForAnchors(), "SERIAL_INVALID", "the serial number is negative");
    } else if (fields_.serial == "0") {
      Add(MildForAnchors(), "SERIAL_INVALID", "the serial number is zero");
    }
    // The content's octets: one more where the first bit is set, which DER pads.
    if (ToDer(serial, i2d_ASN1_INTEGER).size() > kMaxSerialOctets + 2) {
      Add(MildForAnchors(), "SERIAL_INVALID", "the serial number has more than 20 octets");
    }
  }

  void CheckVersion() {
    const long version = X509_get_version(x509_) + 1;
    if (version == 3) return;
    Add(MildForAnchors(), "VERSION_INVALID",
        "a version " + std::to_string(version) + " certificate, which can say nothing of its use");
  }

  void CheckKey() {
    LintKeyText(fields_.key, fields_.fingerprint, out_);
    if (!fields_.key.text.starts_with("rsa")) return;
    for (const std::string& weakness : certificate_.RsaKeyWeaknesses()) {
      Add(Severity::kError, "KEY_WEAK", weakness);
    }
  }

  void CheckSignature() {
    const Severity severity = role_ == LintRole::kPinned ? Severity::kWarning : MildForAnchors();
    int digest = NID_undef;
    int key = NID_undef;
    uint32_t flags = 0;
    if (X509_get_signature_info(x509_, &digest, &key, nullptr, &flags) != 1) {
      Add(severity, "SIGNATURE_WEAK",
          "the signature algorithm " + fields_.signature_algorithm + " is unknown or malformed");
    } else if (IsBrokenHash(digest)) {
      Add(severity, "SIGNATURE_WEAK",
          "signed with " + fields_.signature_algorithm + ", whose hash is broken");
    } else if (key == EVP_PKEY_RSA_PSS && (flags & X509_SIG_INFO_TLS) == 0) {
      // OpenSSL sets the flag for SHA-256/384/512, the same in MGF1, and a salt as long as the
      // hash.
      Add(severity, "SIGNATURE_WEAK", "an RSA-PSS signature with odd parameters");
    }
  }

  void CheckCritical() {
    for (int i = 0; i < X509_get_ext_count(x509_); ++i) {
      X509_EXTENSION* extension = X509_get_ext(x509_, i);
      const ASN1_OBJECT* object = X509_EXTENSION_get_object(extension);
      const bool proxy = OBJ_obj2nid(object) == NID_proxyCertInfo;
      if (!proxy && (X509_EXTENSION_get_critical(extension) == 0 ||
                     X509_supported_extension(extension) == 1)) {
        continue;
      }
      Add(Severity::kError, "EXTENSION_UNKNOWN_CRITICAL",
          "the critical extension " + ObjectName(object) + " is not understood");
    }
  }

  void CheckAuthority() {
    const int basic = X509_get_ext_by_NID(x509_, NID_basic_constraints, -1);
    if (basic < 0) {
      Add(Severity::kError, "BASIC_CONSTRAINTS_MISSING",
          "basicConstraints is missing: this is no CA certificate");
    } else if (!fields_.ca) {
      Add(Severity::kError, "NOT_A_CA", "basicConstraints says that this is no CA");
    }
    if (!fields_.key_usage) {
      Add(Severity::kWarning, "KEY_USAGE_MISSING", "a CA without a key usage");
    } else if (!(*fields_.key_usage)[kKeyCertSign]) {
      Add(MildForAnchors(), "CA_WITHOUT_KEY_CERT_SIGN",
          "the key usage does not allow to sign certificates (keyCertSign)");
    }
  }

  void CheckEndEntity() {
    if (fields_.ca) Add(Severity::kError, "CA_IN_LEAF", "an end-entity certificate with CA:TRUE");
    if (!fields_.ca && fields_.key_usage && (*fields_.key_usage)[kKeyCertSign]) {
      // What is trusted as itself only issues nothing, whatever it says.
      Add(role_ == LintRole::kPinned ? Severity::kWarning : Severity::kError,
          "KEY_CERT_SIGN_WITHOUT_CA", "keyCertSign without CA:TRUE");
    }
    if (fields_.extended && std::find(fields_.extended->begin(), fields_.extended->end(),
                                      kAnyUsage) != fields_.extended->end()) {
      Add(role_ == LintRole::kPinned ? Severity::kWarning : Severity::kError, "EKU_ANY",
          "anyExtendedKeyUsage: the certificate limits its use to nothing");
    }
    if (role_ == LintRole::kEndEntity) CheckCommonName();
  }

  // Clients look at SANs only (RFC 9525 §2); a CN that reads like a host must be among them.
  void CheckCommonName() {
    if (fields_.sans.empty()) {
      Add(Severity::kError, "SAN_MISSING", "no subject alternative name: TLS clients refuse it");
      return;
    }
    const std::string name = FirstCommonName(X509_get_subject_name(x509_));
    for (NameProblem& problem : CommonNameProblems(name, fields_.sans)) {
      Add(problem.severity, std::move(problem.id), std::move(problem.text));
    }
  }

  void CheckNames() {
    for (auto* problems :
         {&SubjectProblemsOf, &AlternativeNameProblemsOf, &NameConstraintProblemsOf}) {
      AddAll(problems(x509_));
    }
  }
  void AddAll(std::vector<NameProblem> problems) {
    for (NameProblem& problem : problems) {
      Add(problem.severity, std::move(problem.id), std::move(problem.text));
    }
  }
  static std::vector<NameProblem> SubjectProblemsOf(const X509* x) {
    return SubjectProblems(X509_get_subject_name(x));
  }
  static std::vector<NameProblem> AlternativeNameProblemsOf(const X509* x) {
    return AlternativeNameProblems(x);
  }
  static std::vector<NameProblem> NameConstraintProblemsOf(const X509* x) {
    return NameConstraintProblems(x);
  }

  const Certificate& certificate_;
  const Certificate::Fields& fields_;
  X509* x509_;
  LintRole role_;
  Findings out_;
};

struct Usages {
  std::vector<bool> key_usage;
  std::vector<std::string> extended;
  bool ca = false;
  std::optional<int> path_length;
};

Findings CheckProfile(const Usages& usages, const Profile& profile, const std::string& about) {
  Findings out;
  const auto add = [&](std::string id, std::string text) {
    out.push_back({Severity::kError, std::move(id), std::move(text), about});
  };
  for (std::size_t i = 0; i < kKeyUsageBits; ++i) {
    const Ask ask = profile.key_usage[i].ask;
    const std::string name(kUsageNames[i]);
    if (ask == Ask::kMust && !usages.key_usage[i]) {
      add("KEY_USAGE_LACKS_" + name, "the purpose needs the key usage " + name);
    } else if (ask == Ask::kMustNot && usages.key_usage[i]) {
      add("KEY_USAGE_FORBIDDEN_" + name, "the purpose forbids the key usage " + name);
    }
  }
  for (const ExtendedUsageRule& rule : profile.extended) {
    const bool has = std::find(usages.extended.begin(), usages.extended.end(), rule.oid) !=
                     usages.extended.end();
    if (rule.rule.ask == Ask::kMust && !has) {
      add("EKU_LACKS_" + rule.name, "the purpose needs the extended key usage " + rule.name);
    } else if (rule.rule.ask == Ask::kMustNot && has) {
      add("EKU_FORBIDDEN_" + rule.name, "the purpose forbids the extended key usage " + rule.name);
    }
  }
  if (usages.ca != profile.ca) {
    add("CA_MISMATCH", profile.ca ? "the purpose is a CA, this is none" : "the purpose is no CA");
  } else if (profile.ca && usages.path_length != profile.path_length) {
    add("PATH_LENGTH_MISMATCH", "the path length is not the purpose's");
  }
  return out;
}

}  // namespace

std::string_view KeyUsageName(std::size_t bit) { return kUsageNames.at(bit); }

Findings Lint(const Certificate& certificate, LintRole role) {
  return Linter(certificate, role).Run();
}

Findings LintProfile(const Certificate& certificate, const Profile& profile) {
  const Certificate::Fields& fields = certificate.fields();
  return CheckProfile(
      {fields.key_usage.value_or(std::vector<bool>(kKeyUsageBits)),
       fields.extended.value_or(std::vector<std::string>()), fields.ca, fields.path_length},
      profile, fields.fingerprint);
}

Findings LintRequest(const RequestFields& request, const Profile& profile) {
  Findings out = CheckProfile(
      {request.key_usage, request.extended, request.ca, request.path_length}, profile, {});
  LintKeyText(request.key, {}, out);
  for (const std::string& weakness : request.key_weaknesses) {
    out.push_back({Severity::kError, "KEY_WEAK", weakness, {}});
  }
  LintEcUsage(request.key, request.key_usage, {}, out);
  if (request.sans.empty() && !profile.ca) {
    out.push_back(
        {Severity::kError, "SAN_MISSING", "the request asks for no alternative name", {}});
  }
  return out;
}

}  // namespace signet::keystore::x509
