#include "keystore/x509/path_verify.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "keystore/x509/openssl_ptr.h"
#include "keystore/x509/path_check.h"
#include "keystore/x509/read.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::size_t kMaxProblems = 200;
constexpr const char* kAnyPolicy = "2.5.29.32.0";

struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
  void operator()(STACK_OF(X509_CRL) * stack) const { sk_X509_CRL_free(stack); }
};
using StackPtr = std::unique_ptr<STACK_OF(X509), FreeStack>;
using ListStackPtr = std::unique_ptr<STACK_OF(X509_CRL), FreeStack>;
using PointsPtr = std::unique_ptr<CRL_DIST_POINTS, Deleter<CRL_DIST_POINTS_free>>;

struct Problem {
  int code;
  int depth;
  bool of_list;  // met on the path to the signer of a revocation list
};

// Collects instead of stopping at the first: people get all findings at once.
int Collect(int ok, X509_STORE_CTX* context) {
  if (ok == 1) return 1;
  const int code = X509_STORE_CTX_get_error(context);
  // The signer of a revocation list is verified in a context of its own, without our data.
  X509_STORE_CTX* parent = X509_STORE_CTX_get0_parent_ctx(context);
  X509_STORE_CTX* own = parent == nullptr ? context : parent;
  auto* problems = static_cast<std::vector<Problem>*>(X509_STORE_CTX_get_app_data(own));
  problems->push_back({code, X509_STORE_CTX_get_error_depth(own), parent != nullptr});
  return code == X509_V_ERR_OUT_OF_MEM || problems->size() > kMaxProblems ? 0 : 1;
}

struct Word {
  int code;
  const char* id;
};
constexpr std::array<Word, 30> kWords{{
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
    {X509_V_ERR_CERT_REVOKED, "REVOKED"},
    {X509_V_ERR_UNABLE_TO_GET_CRL, "REVOCATION_UNKNOWN"},
    {X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, "REVOCATION_UNKNOWN"},
    {X509_V_ERR_CRL_NOT_YET_VALID, "REVOCATION_UNKNOWN"},
    {X509_V_ERR_CRL_HAS_EXPIRED, "REVOCATION_UNKNOWN"},
    {X509_V_ERR_DIFFERENT_CRL_SCOPE, "REVOCATION_UNKNOWN"},
    {X509_V_ERR_CRL_PATH_VALIDATION_ERROR, "REVOCATION_UNKNOWN"},
    {X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION, "CRL_INVALID"},
    {X509_V_ERR_CRL_SIGNATURE_FAILURE, "CRL_INVALID"},
    {X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE, "CRL_INVALID"},
    {X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, "CRL_INVALID"},
    {X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD, "CRL_INVALID"},
    {X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD, "CRL_INVALID"},
}};

std::string WordOf(const Problem& problem) {
  if (problem.of_list) return "REVOCATION_UNKNOWN";
  for (const Word& word : kWords) {
    if (word.code == problem.code) return word.id;
  }
  return "CHAIN_INVALID";
}

// What another rule of ours decides, or RFC 5280 does not ask of an anchor.
bool IsDecidedElsewhere(const Problem& problem, std::span<const Certificate> path) {
  if (problem.of_list) return false;
  const auto depth = static_cast<std::size_t>(std::max(problem.depth, 0));
  const bool anchor = depth + 1 >= path.size();
  switch (problem.code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:  // CheckDates: notAfter itself is still inside (§4.1.2.5)
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return true;
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:  // SPEC C5a: a warning, which the lint gives
      return anchor && path[path.size() - 1].fields().self_issued;
    case X509_V_ERR_UNABLE_TO_GET_CRL:  // §6.3 asks about the path below the anchor
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
      return anchor;
    default:
      return false;
  }
}

class Verification {
 public:
  Verification(std::span<const Certificate> path, const ChainPolicy& policy)
      : path_(path),
        policy_(policy),
        store_(X509_STORE_new()),
        context_(X509_STORE_CTX_new()),
        untrusted_(sk_X509_new_null()),
        lists_(sk_X509_CRL_new_null()) {}

  bool Prepare(std::span<const Certificate> extra) {
    if (!store_ || !context_ || !untrusted_ || !lists_) return false;
    for (std::size_t i = 1; i + 1 < path_.size(); ++i) {
      if (sk_X509_push(untrusted_.get(), path_[i].handle()) <= 0) return false;
    }
    if (policy_.revocation_lists) {
      // Behind the path's own, so that OpenSSL takes those first.
      for (const Certificate& certificate : extra) {
        if (sk_X509_push(untrusted_.get(), certificate.handle()) <= 0) return false;
      }
      for (const RevocationList& list : *policy_.revocation_lists) {
        if (sk_X509_CRL_push(lists_.get(), list.handle()) <= 0) return false;
      }
    }
    if (X509_STORE_add_cert(store_.get(), path_.back().handle()) != 1 ||
        X509_STORE_CTX_init(context_.get(), store_.get(), path_.front().handle(),
                            untrusted_.get()) != 1) {
      return false;
    }
    X509_STORE_CTX_set0_crls(context_.get(), lists_.get());
    return SetParameters(X509_STORE_CTX_get0_param(context_.get()));
  }

  const std::vector<Problem>& Run() {
    X509_STORE_CTX_set_app_data(context_.get(), &problems_);
    X509_STORE_CTX_set_verify_cb(context_.get(), Collect);
    if (X509_verify_cert(context_.get()) != 1 && problems_.empty()) {
      problems_.push_back({X509_STORE_CTX_get_error(context_.get()), 0, false});
    }
    ERR_clear_error();
    return problems_;
  }

  // OpenSSL puts a path together by itself; with `extra` at hand it could be another one.
  bool SamePath() const {
    const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context_.get());
    if (sk_X509_num(chain) != static_cast<int>(path_.size())) return false;
    for (std::size_t i = 0; i < path_.size(); ++i) {
      if (X509_cmp(sk_X509_value(chain, static_cast<int>(i)), path_[i].handle()) != 0) return false;
    }
    return true;
  }

 private:
  bool SetParameters(X509_VERIFY_PARAM* parameters) const {
    const PolicyInputs& inputs = policy_.policies;
    unsigned long flags =
        X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_POLICY_CHECK;
    if (inputs.require_explicit) flags |= X509_V_FLAG_EXPLICIT_POLICY;
    if (inputs.inhibit_mapping) flags |= X509_V_FLAG_INHIBIT_MAP;
    if (inputs.inhibit_any) flags |= X509_V_FLAG_INHIBIT_ANY;
    if (policy_.revocation_lists) {
      flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |
               X509_V_FLAG_EXTENDED_CRL_SUPPORT | X509_V_FLAG_USE_DELTAS;
    }
    X509_VERIFY_PARAM_set_flags(parameters, flags);
    // OpenSSL takes an empty set for no policy at all, RFC 5280 §6.1.1 (c) for any.
    std::vector<std::string> accepted = inputs.initial_set;
    if (accepted.empty()) accepted.emplace_back(kAnyPolicy);
    for (const std::string& oid : accepted) {
      ASN1_OBJECT* object = OBJ_txt2obj(oid.c_str(), 1);
      if (object == nullptr) return false;
      if (X509_VERIFY_PARAM_add0_policy(parameters, object) != 1) {
        ASN1_OBJECT_free(object);
        return false;
      }
    }
    X509_VERIFY_PARAM_set_time(parameters,
                               static_cast<time_t>(policy_.time.time_since_epoch().count()));
    X509_VERIFY_PARAM_set_depth(parameters, static_cast<int>(kMaxDepth));
    // Strength is the lint's, which spares anchors' hashes.
    X509_VERIFY_PARAM_set_auth_level(parameters, 0);
    return true;
  }

  std::span<const Certificate> path_;
  const ChainPolicy& policy_;
  const StorePtr store_;
  const StoreContextPtr context_;
  const StackPtr untrusted_;
  const ListStackPtr lists_;
  std::vector<Problem> problems_;
};

int CountNames(const GENERAL_NAMES* names) {
  return names == nullptr ? 0 : sk_GENERAL_NAME_num(names);
}

// A lookup compares each name of each list with each of the certificate's: more than a CA ever
// writes is not looked up.
bool TooManyPoints(const Certificate& certificate) {
  int names = 0;
  for (const int nid : {NID_crl_distribution_points, NID_freshest_crl}) {
    const PointsPtr points(static_cast<CRL_DIST_POINTS*>(
        X509_get_ext_d2i(certificate.handle(), nid, nullptr, nullptr)));
    for (int i = 0; points && i < sk_DIST_POINT_num(points.get()); ++i) {
      const DIST_POINT* point = sk_DIST_POINT_value(points.get(), i);
      names += 1 + CountNames(point->CRLissuer);
      if (point->distpoint != nullptr && point->distpoint->type == 0) {
        names += CountNames(point->distpoint->name.fullname);
      }
    }
  }
  return names > kMaxNames;
}

// What X509_V_FLAG_CHECK_SS_SIGNATURE makes OpenSSL do, without doing it again for each path: the
// parser has verified the signature of what names itself as issuer. A CA's new key that its old one
// signed is no self-signed certificate (its key ids differ).
void CheckSelfSignature(const Certificate& anchor, Findings& out) {
  const bool claimed = (X509_get_extension_flags(anchor.handle()) & EXFLAG_SS) != 0;
  if (!claimed || anchor.fields().self_signed) return;
  AddOnce(out, Broken("SIGNATURE_INVALID",
                      NameOf(anchor) + ": the certificate's own key did not sign it", anchor));
}

}  // namespace

void VerifyByOpenSsl(std::span<const Certificate> path, std::span<const Certificate> extra,
                     const ChainPolicy& policy, Links links, Findings& out) {
  if (policy.revocation_lists) {
    const auto odd = std::find_if(path.begin(), path.end(), TooManyPoints);
    if (odd != path.end()) {
      AddOnce(out, Broken("CHAIN_TOO_COMPLEX",
                          NameOf(*odd) + " names too many distribution points of revocation lists",
                          *odd));
      return;
    }
  }
  Verification verification(path, policy);
  if (!verification.Prepare(extra)) {
    ERR_clear_error();
    out.push_back(Broken("CHAIN_INVALID",
                         "the chain could not be checked: out of memory, or a policy is no OID",
                         path[0]));
    return;
  }
  bool refused = false;
  for (const Problem& problem : verification.Run()) {
    if (IsDecidedElsewhere(problem, path)) continue;
    refused = true;
    const auto depth = static_cast<std::size_t>(std::max(problem.depth, 0));
    const Certificate& about = path[std::min(depth, path.size() - 1)];
    AddOnce(out, Broken(WordOf(problem),
                        NameOf(about) + ": " + X509_verify_cert_error_string(problem.code), about));
  }
  CheckSelfSignature(path.back(), out);
  if (refused || (links == Links::kVerified && !policy.revocation_lists) ||
      verification.SamePath()) {
    return;
  }
  if (links == Links::kGuessed) {
    AddOnce(out, Broken("SIGNATURE_INVALID",
                        "another path than " + NameOf(path[0]) + "'s was verified", path[0]));
  } else {
    AddOnce(out, Broken("REVOCATION_UNKNOWN",
                        "revocation was looked up for another path than " + NameOf(path[0]) + "'s",
                        path[0]));
  }
}

}  // namespace signet::keystore::x509
