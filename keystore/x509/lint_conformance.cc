#include "keystore/x509/lint_conformance.h"

#include <openssl/x509v3.h>

#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {
namespace {

using AkiPtr = std::unique_ptr<AUTHORITY_KEYID, Deleter<AUTHORITY_KEYID_free>>;

enum class Found : std::uint8_t { kNo, kNotCritical, kCritical };

Found Find(const X509* x509, int nid) {
  const int at = X509_get_ext_by_NID(x509, nid, -1);
  if (at < 0) return Found::kNo;
  return X509_EXTENSION_get_critical(X509_get_ext(x509, at)) != 0 ? Found::kCritical
                                                                  : Found::kNotCritical;
}

bool HasLeadingDot(const STACK_OF(GENERAL_SUBTREE) * subtrees) {
  for (int i = 0; i < sk_GENERAL_SUBTREE_num(subtrees); ++i) {
    const GENERAL_NAME* base = sk_GENERAL_SUBTREE_value(subtrees, i)->base;
    if (base->type == GEN_DNS && View(base->d.dNSName).starts_with('.')) return true;
  }
  return false;
}

class Rules {
 public:
  Rules(const Certificate& certificate, LintRole role)
      : fields_(certificate.fields()), x509_(certificate.handle()), role_(role) {}

  std::vector<NameProblem> Run() {
    CheckKeyIds();
    CheckBasicConstraints();
    CheckNameConstraints();
    CheckNames();
    if (Find(x509_, NID_policy_constraints) == Found::kNotCritical) {
      Warn("POLICY_CONSTRAINTS_NOT_CRITICAL", "policyConstraints is not critical (§4.2.1.11)");
    }
    if (role_ == LintRole::kEndEntity && Find(x509_, NID_ext_key_usage) == Found::kCritical) {
      Warn("EKU_CRITICAL", "extendedKeyUsage is critical, which public CAs may not write");
    }
    if (role_ == LintRole::kAnchor && fields_.extended) {
      Warn("EKU_IN_ANCHOR", "extendedKeyUsage in a root, which public CAs may not write");
    }
    return std::move(out_);
  }

 private:
  void Warn(std::string id, std::string text) {
    out_.push_back({Severity::kWarning, std::move(id), std::move(text)});
  }

  // RFC 5280 §4.2.1.1 and §4.2.1.2; only self-signed ones may leave the issuer's out.
  void CheckKeyIds() {
    const bool authority = role_ == LintRole::kAnchor || role_ == LintRole::kIntermediate;
    if ((authority && fields_.ski.empty()) || (!fields_.self_signed && fields_.aki.empty())) {
      Warn("KEY_ID_MISSING",
           "a subject or authority key identifier is missing: issuers are found by name only");
    }
    if (!fields_.self_signed) return;
    const AkiPtr aki(static_cast<AUTHORITY_KEYID*>(
        X509_get_ext_d2i(x509_, NID_authority_key_identifier, nullptr, nullptr)));
    if (!aki) return;
    if (fields_.aki.empty() || aki->issuer != nullptr || aki->serial != nullptr) {
      Warn("KEY_ID_ODD",
           "the authority key identifier of a self-signed certificate holds other than its key id");
    } else if (!fields_.ski.empty() && fields_.aki != fields_.ski) {
      Warn("KEY_ID_ODD", "the key identifiers of a self-signed certificate differ");
    }
  }

  void CheckBasicConstraints() {
    if (fields_.ca && Find(x509_, NID_basic_constraints) == Found::kNotCritical) {
      Warn("BASIC_CONSTRAINTS_NOT_CRITICAL", "basicConstraints is not critical");
    }
    if (!fields_.ca && fields_.path_length) {
      Warn("PATH_LENGTH_WITHOUT_CA", "a path length without CA:TRUE, which says nothing");
    }
  }

  // §4.2.1.10
  void CheckNameConstraints() {
    const Found found = Find(x509_, NID_name_constraints);
    if (found == Found::kNo) return;
    if (found == Found::kNotCritical) {
      Warn("NAME_CONSTRAINTS_NOT_CRITICAL", "nameConstraints is not critical");
    }
    if (!fields_.ca) {
      Warn("NAME_CONSTRAINTS_WITHOUT_CA", "nameConstraints in a certificate that is no CA");
    }
    const NameConstraintsPtr constraints(static_cast<NAME_CONSTRAINTS*>(
        X509_get_ext_d2i(x509_, NID_name_constraints, nullptr, nullptr)));
    if (constraints && sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees) <= 0 &&
        sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees) <= 0) {
      Warn("NAME_CONSTRAINTS_EMPTY", "nameConstraints says nothing");
    }
    if (!constraints) return;
    for (const auto* subtrees : {constraints->permittedSubtrees, constraints->excludedSubtrees}) {
      if (!HasLeadingDot(subtrees)) continue;
      Warn("NAME_CONSTRAINTS_ODD", "a constraint for DNS names begins with a dot");
    }
  }

  // §4.1.2.6 and §4.2.1.6
  void CheckNames() {
    const bool nameless = X509_NAME_entry_count(X509_get_subject_name(x509_)) == 0;
    const Found sans = Find(x509_, NID_subject_alt_name);
    if (nameless && fields_.ca) Warn("SUBJECT_MISSING", "a CA without a subject");
    if (nameless && sans == Found::kNotCritical) {
      Warn("SAN_CRITICALITY", "the alternative names are all it has, and are not critical");
    } else if (!nameless && sans == Found::kCritical && role_ == LintRole::kEndEntity) {
      Warn("SAN_CRITICALITY", "the alternative names are critical beside a subject");
    }
  }

  const Certificate::Fields& fields_;
  X509* x509_;
  LintRole role_;
  std::vector<NameProblem> out_;
};

}  // namespace

std::vector<NameProblem> ConformanceProblems(const Certificate& certificate, LintRole role) {
  return Rules(certificate, role).Run();
}

}  // namespace signet::keystore::x509
