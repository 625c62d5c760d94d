#include "keystore/x509/path_check.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>

#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::string_view kAnyUsage = "2.5.29.37.0";

struct Problem {
  int code;
  int depth;
};

// Collects instead of stopping at the first: people get all findings at once.
int Collect(int ok, X509_STORE_CTX* context) {
  if (ok == 1) return 1;
  auto* problems = static_cast<std::vector<Problem>*>(X509_STORE_CTX_get_app_data(context));
  const int code = X509_STORE_CTX_get_error(context);
  problems->push_back({code, X509_STORE_CTX_get_error_depth(context)});
  return code == X509_V_ERR_OUT_OF_MEM || problems->size() > 200 ? 0 : 1;
}

struct Word {
  int code;
  const char* id;
};
constexpr std::array<Word, 19> kWords{{
    {X509_V_ERR_CERT_HAS_EXPIRED, "EXPIRED"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "NOT_YET_VALID"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, "SIGNATURE_INVALID"},
    {X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, "SIGNATURE_INVALID"},
    {X509_V_ERR_INVALID_CA, "NOT_A_CA"},
    {X509_V_ERR_INVALID_NON_CA, "NOT_A_CA"},
    {X509_V_ERR_KEYUSAGE_NO_CERTSIGN, "NOT_A_CA"},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED, "PATH_LENGTH_EXCEEDED"},
    {X509_V_ERR_PERMITTED_VIOLATION, "NAME_CONSTRAINT_VIOLATED"},
    {X509_V_ERR_EXCLUDED_VIOLATION, "NAME_CONSTRAINT_VIOLATED"},
    {X509_V_ERR_SUBTREE_MINMAX, "NAME_CONSTRAINT_VIOLATED"},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, "NAME_CONSTRAINT_VIOLATED"},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, "NAME_CONSTRAINT_VIOLATED"},
    {X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, "NAME_CONSTRAINT_VIOLATED"},
    {X509_V_ERR_INVALID_POLICY_EXTENSION, "POLICY_INVALID"},
    {X509_V_ERR_NO_EXPLICIT_POLICY, "POLICY_INVALID"},
    {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, "EXTENSION_UNKNOWN_CRITICAL"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "CHAIN_INCOMPLETE"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "CHAIN_INCOMPLETE"},
}};

std::string WordOf(int code) {
  for (const Word& word : kWords) {
    if (word.code == code) return word.id;
  }
  return "CHAIN_INVALID";
}

std::string NameOf(const Certificate& certificate) {
  const auto& fields = certificate.fields();
  return "'" + (fields.subject.empty() ? "serial " + fields.serial : fields.subject) + "'";
}

Finding Broken(std::string id, std::string text, const Certificate& about) {
  return {Severity::kError, std::move(id), std::move(text), about.fingerprint()};
}

void Verify(std::span<const Certificate> path, WallTime time, Findings& out) {
  const StorePtr store(X509_STORE_new());
  const StoreContextPtr context(X509_STORE_CTX_new());
  STACK_OF(X509)* raw = sk_X509_new_null();
  const auto release = [](STACK_OF(X509) * stack) { sk_X509_free(stack); };
  const std::unique_ptr<STACK_OF(X509), decltype(release)> middle(raw, release);
  bool ready = store && context && middle;
  for (std::size_t i = 1; ready && i + 1 < path.size(); ++i) {
    ready = sk_X509_push(middle.get(), path[i].handle()) > 0;
  }
  ready = ready && X509_STORE_add_cert(store.get(), path.back().handle()) == 1 &&
          X509_STORE_CTX_init(context.get(), store.get(), path.front().handle(), middle.get()) == 1;
  if (!ready) {
    out.push_back(
        Broken("CHAIN_INVALID", "the chain could not be checked: out of memory", path[0]));
    return;
  }
  std::vector<Problem> problems;
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN |
                                              X509_V_FLAG_CHECK_SS_SIGNATURE |
                                              X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_POLICY_CHECK);
  X509_VERIFY_PARAM_set_time(parameters, static_cast<time_t>(time.time_since_epoch().count()));
  X509_VERIFY_PARAM_set_depth(parameters, static_cast<int>(kMaxDepth));
  X509_VERIFY_PARAM_set_auth_level(parameters,
                                   0);  // strength is the lint's, which spares anchors' hashes
  X509_STORE_CTX_set_app_data(context.get(), &problems);
  X509_STORE_CTX_set_verify_cb(context.get(), Collect);
  if (X509_verify_cert(context.get()) != 1 && problems.empty()) {
    problems.push_back({X509_STORE_CTX_get_error(context.get()), 0});
  }
  ERR_clear_error();
  for (const Problem& problem : problems) {
    const auto depth = static_cast<std::size_t>(std::max(problem.depth, 0));
    const Certificate& about = path[std::min(depth, path.size() - 1)];
    // SPEC C5a: an anchor's key usage is a warning, which the lint gives.
    const bool anchor = depth + 1 >= path.size() && about.fields().self_issued;
    if (anchor && problem.code == X509_V_ERR_KEYUSAGE_NO_CERTSIGN) continue;
    AddOnce(out, Broken(WordOf(problem.code),
                        NameOf(about) + ": " + X509_verify_cert_error_string(problem.code), about));
  }
}

void CheckExtendedUsage(std::span<const Certificate> path, const std::string& wanted,
                        Findings& out) {
  if (wanted.empty()) return;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto& usages = path[i].fields().extended;
    if (!usages) continue;
    const bool allowed = std::any_of(usages->begin(), usages->end(), [&](const std::string& oid) {
      return oid == wanted || oid == kAnyUsage;
    });
    if (!allowed) {
      AddOnce(out,
              Broken("EKU_NOT_ALLOWED",
                     NameOf(path[i]) + " is not for the extended key usage " + wanted, path[i]));
    }
  }
}

}  // namespace

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

Findings CheckPath(std::span<const Certificate> path, const ChainPolicy& policy) {
  Findings out;
  const LintRole leaf_role = policy.leaf_role.value_or(path[0].fields().ca ? LintRole::kIntermediate
                                                                           : LintRole::kEndEntity);
  for (std::size_t i = 0; i < path.size(); ++i) {
    // A trusted certificate that is no CA is trusted as itself; CheckAuthority would ask what it
    // never claims.
    const bool last = i + 1 == path.size();
    LintRole role = i == 0 ? leaf_role : LintRole::kIntermediate;
    if (last && path[i].fields().self_issued && (i > 0 || path[i].fields().ca)) {
      role = LintRole::kAnchor;
    } else if (last && i == 0 && !path[i].fields().ca && !policy.leaf_role) {
      role = LintRole::kPinned;
    }
    Findings lint = Lint(path[i], role);
    out.insert(out.end(), std::make_move_iterator(lint.begin()),
               std::make_move_iterator(lint.end()));
    CheckDates(path[i], policy.time, out);
  }
  Verify(path, policy.time, out);
  CheckExtendedUsage(path, policy.required_eku, out);
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    if (path[i].fields().not_after <= path[i + 1].fields().not_after) continue;
    AddOnce(out, {Severity::kWarning, "OUTLIVES_ISSUER",
                  NameOf(path[i]) + " is valid longer than its issuer " + NameOf(path[i + 1]),
                  path[i].fingerprint()});
  }
  return out;
}

}  // namespace signet::keystore::x509
