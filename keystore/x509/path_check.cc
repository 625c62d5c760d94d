#include "keystore/x509/path_check.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "keystore/x509/path_names.h"
#include "keystore/x509/path_verify.h"
#include "platform/encoding.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::string_view kAnyUsage = "2.5.29.37.0";

using Level = std::optional<Severity>;
struct Shift {
  std::string_view id;
  Level legacy, conforming;  // unset: as Lint says
};
constexpr Level kAsIs = std::nullopt;
constexpr Level kWarn = Severity::kWarning;
constexpr Level kFail = Severity::kError;
constexpr std::array<Shift, 20> kShifts{{
    {"KEY_WEAK", kWarn, kAsIs},
    {"KEY_UNSUPPORTED", kWarn, kAsIs},
    {"SIGNATURE_WEAK", kWarn, kAsIs},
    {"CRL_SIGNATURE_WEAK", kWarn, kAsIs},
    // Of names that are not on the path, and of a title: a standard allows both, an upload does
    // not.
    {"NAME_CONSTRAINT_UNCHECKED", kAsIs, kWarn},
    {"CN_BESIDE_SAN", kAsIs, kWarn},
    {"KEY_ID_MISSING", kAsIs, kFail},
    {"KEY_ID_ODD", kAsIs, kFail},
    {"BASIC_CONSTRAINTS_NOT_CRITICAL", kAsIs, kFail},
    {"NAME_CONSTRAINTS_ODD", kAsIs, kFail},
    {"NAME_CONSTRAINTS_WITHOUT_CA", kAsIs, kFail},
    {"NAME_CONSTRAINTS_EMPTY", kAsIs, kFail},
    {"POLICY_CONSTRAINTS_NOT_CRITICAL", kAsIs, kFail},
    {"SUBJECT_MISSING", kAsIs, kFail},
    {"SAN_CRITICALITY", kAsIs, kFail},
    {"EKU_CRITICAL", kAsIs, kFail},
    {"EKU_IN_ANCHOR", kAsIs, kFail},
    {"EMAIL_MALFORMED", kAsIs, kFail},
    {"CN_SPELLING", kAsIs, kFail},
    {"NAME_UNSAFE", kAsIs, kFail},  // an underscore too
}};

void AddLint(Findings lint, Rigour rigour, Findings& out) {
  for (Finding& finding : lint) {
    for (const Shift& shift : kShifts) {
      if (shift.id != finding.id || rigour == Rigour::kUpload) continue;
      const Level level = rigour == Rigour::kLegacy ? shift.legacy : shift.conforming;
      finding.severity = level.value_or(finding.severity);
    }
    out.push_back(std::move(finding));
  }
}

LintRole RoleOf(std::span<const Certificate> path, std::size_t i, const ChainPolicy& policy) {
  const auto& fields = path[i].fields();
  const bool last = i + 1 == path.size();
  if (last && fields.self_issued && (i > 0 || fields.ca)) return LintRole::kAnchor;
  if (i > 0) return LintRole::kIntermediate;
  // A trusted certificate that is no CA is trusted as itself; CheckAuthority would ask what it
  // never claims.
  const bool free = !policy.leaf_role || policy.leaf_role == LintRole::kClient;
  if (last && !fields.ca && free) return LintRole::kPinned;
  return policy.leaf_role.value_or(fields.ca ? LintRole::kIntermediate : LintRole::kEndEntity);
}

void CheckExtendedUsage(std::span<const Certificate> path, const std::string& wanted,
                        Findings& out) {
  for (const Certificate& certificate : path) {
    const auto& usages = certificate.fields().extended;
    if (!usages) continue;
    const bool allowed = std::any_of(usages->begin(), usages->end(), [&](const std::string& oid) {
      return oid == wanted || oid == kAnyUsage;
    });
    if (!allowed) {
      AddOnce(out, Broken("EKU_NOT_ALLOWED",
                          NameOf(certificate) + " is not for the extended key usage " + wanted,
                          certificate));
    }
  }
}

void CheckKeyUsage(const Certificate& leaf, const ChainPolicy& policy, Findings& out) {
  if (!leaf.fields().key_usage) return;
  for (const KeyUsage usage : policy.required_usages) {
    const auto bit = static_cast<std::size_t>(usage);
    if ((*leaf.fields().key_usage)[bit]) continue;
    AddOnce(
        out,
        Broken("KEY_USAGE_NOT_ALLOWED",
               NameOf(leaf) + " is not for the key usage " + std::string(KeyUsageName(bit)), leaf));
  }
}

bool HasName(const Certificate& leaf, const PeerName& wanted) {
  constexpr unsigned kFlags =
      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  const std::string& value = wanted.value;
  // OpenSSL takes an empty name for none at all, and a NUL for an error.
  if (value.empty() || value.find('\0') != std::string::npos) return false;
  switch (wanted.type) {
    case PeerName::Type::kDns:
      return X509_check_host(leaf.handle(), value.data(), value.size(), kFlags, nullptr) == 1;
    case PeerName::Type::kIp:
      return X509_check_ip_asc(leaf.handle(), value.c_str(), kFlags) == 1;
    case PeerName::Type::kEmail:
      return X509_check_email(leaf.handle(), value.data(), value.size(), kFlags) == 1;
  }
  return false;
}

void CheckPeerName(const Certificate& leaf, const ChainPolicy& policy, Findings& out) {
  if (!policy.peer_name || HasName(leaf, *policy.peer_name)) return;
  AddOnce(out,
          Broken("PEER_NAME_MISMATCH",
                 NameOf(leaf) + " is not for '" + EscapeLine(policy.peer_name->value, 128) + "'",
                 leaf));
}

void CheckDepth(std::span<const Certificate> path, const ChainPolicy& policy, Findings& out) {
  if (!policy.max_intermediates) return;
  int between = 0;
  for (std::size_t i = 1; i + 1 < path.size(); ++i) {
    if (!path[i].fields().self_issued) ++between;
  }
  if (between <= *policy.max_intermediates) return;
  AddOnce(out, Broken("TOO_MANY_INTERMEDIATES",
                      std::to_string(between) + " intermediate CAs, " +
                          std::to_string(*policy.max_intermediates) + " are allowed",
                      path[0]));
}

}  // namespace

std::string NameOf(const Certificate& certificate) {
  const auto& fields = certificate.fields();
  return "'" + (fields.subject.empty() ? "serial " + fields.serial : fields.subject) + "'";
}

Finding Broken(std::string id, std::string text, const Certificate& about) {
  return {Severity::kError, std::move(id), std::move(text), about.fingerprint()};
}

void AddOnce(Findings& out, Finding finding) {
  const bool known = std::any_of(out.begin(), out.end(), [&](const Finding& f) {
    return f.id == finding.id && f.certificate == finding.certificate;
  });
  if (!known) out.push_back(std::move(finding));
}

void CheckDates(const Certificate& certificate, WallTime now, Findings& out) {
  const auto& fields = certificate.fields();
  if (now > fields.not_after) {
    AddOnce(out,
            Broken("EXPIRED", NameOf(certificate) + " expired on " + FormatTime(fields.not_after),
                   certificate));
  } else if (now < fields.not_before) {
    AddOnce(out,
            Broken("NOT_YET_VALID",
                   NameOf(certificate) + " is valid from " + FormatTime(fields.not_before) + " on",
                   certificate));
  }
}

void CheckPathLengths(std::span<const Certificate> path, Findings& out) {
  int below = 0;
  for (const Certificate& c : path) {
    const auto& most = c.fields().path_length;
    if (most && below > *most) {
      AddOnce(out, {Severity::kError, "PATH_LENGTH_EXCEEDED",
                    "'" + c.fields().subject + "' allows " + std::to_string(*most) +
                        " CAs below it, there are " + std::to_string(below),
                    c.fingerprint()});
    }
    if (!c.fields().self_issued) ++below;
  }
}

Findings CheckPath(std::span<const Certificate> path, std::span<const Certificate> extra,
                   const ChainPolicy& policy, Links links) {
  Findings out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    AddLint(Lint(path[i], RoleOf(path, i, policy)), policy.rigour, out);
    CheckDates(path[i], policy.time, out);
  }
  if (IsNameWorkBounded(path)) {
    VerifyByOpenSsl(path, extra, policy, links, out);
    CheckExcludedWildcards(path, out);
  } else {
    AddOnce(out, Broken("CHAIN_TOO_COMPLEX",
                        "the name constraints above " + NameOf(path[0]) + " are too many to check",
                        path[0]));
  }
  for (const std::string& oid : policy.required_ekus) CheckExtendedUsage(path, oid, out);
  CheckKeyUsage(path[0], policy, out);
  CheckPeerName(path[0], policy, out);
  CheckDepth(path, policy, out);
  if (policy.revocation_lists) {
    for (const RevocationList& list : *policy.revocation_lists)
      AddLint(Lint(list), policy.rigour, out);
  }
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    if (path[i].fields().not_after <= path[i + 1].fields().not_after) continue;
    AddOnce(out, {Severity::kWarning, "OUTLIVES_ISSUER",
                  NameOf(path[i]) + " is valid longer than its issuer " + NameOf(path[i + 1]),
                  path[i].fingerprint()});
  }
  ERR_clear_error();
  return out;
}

}  // namespace signet::keystore::x509
