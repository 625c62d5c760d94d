// Chain building and checking with findings. Pure: time, trust and policy are arguments. Work is
// bounded on every input (at most kMaxDepth certificates a path, kMaxSignatureChecks signature
// checks a call), loops and meshes end.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "keystore/x509/certificate.h"
#include "keystore/x509/lint.h"
#include "keystore/x509/revocation_list.h"

namespace signet::keystore::x509 {

inline constexpr std::size_t kMaxDepth = 16;
inline constexpr int kMaxSignatureChecks = 200;

// Of one name, as many certificates as a look-up gives: a store may hold thousands of a name.
inline constexpr std::size_t kMaxCandidates = 32;

// What is trusted, as a value with look-ups. Each gives the candidates whose subject_der equals the
// first argument, those that have the key id (hex, as issued certificates name their issuer's;
// empty when unknown) before all others, kMaxCandidates at most. Either may be empty.
struct TrustView {
  using LookUp = std::function<std::vector<Certificate>(const std::string& subject_der,
                                                        const std::string& key_id)>;
  LookUp anchors;        // trusted as ends of paths
  LookUp intermediates;  // known, not trusted by themselves
};

// `key_id` (not empty) is what the certificate says of its key, or what RFC 5280 §4.2.1.2 method 1
// makes of it. A hint and no more: anybody can write any (§4.2.1.1).
bool HasKeyId(const Certificate& certificate, const std::string& key_id);
// What a look-up owes, from all certificates of the name in any order. Keeps the order otherwise.
std::vector<Certificate> BestCandidates(std::vector<Certificate> named, const std::string& key_id);

// How severe the lint's findings are. The parser refuses what it refuses all the same.
enum class Rigour : std::uint8_t {
  // Chains of former times: weak hashes, short keys and kinds of keys that Signet does not make are
  // warnings.
  kLegacy,
  kUpload,  // as Lint says
  // As who examines a CA: what RFC 5280 or the CA/Browser Forum forbid is an error, though nothing
  // here depends on it and CAs in service do it.
  kConforming,
};

// What RFC 5280 §6.1.1 (c) to (f) calls the inputs about certificate policies.
struct PolicyInputs {
  std::vector<std::string> initial_set;  // user-initial-policy-set, OIDs; empty: any-policy
  bool require_explicit = false;         // initial-explicit-policy
  bool inhibit_mapping = false;          // initial-policy-mapping-inhibit
  bool inhibit_any = false;              // initial-any-policy-inhibit
};

// By whom the leaf's owner is asked for; compared with alternative names only (RFC 9525 §6).
struct PeerName {
  enum class Type : std::uint8_t { kDns, kIp, kEmail } type = Type::kDns;
  std::string value;
};

struct ChainPolicy {
  WallTime time{};
  // EKUs (OIDs) each of which every certificate with an EKU extension on the path must allow.
  std::vector<std::string> required_ekus;
  std::vector<KeyUsage> required_usages;  // that the leaf must allow, if it has a key usage
  // How the leaf is linted; unset: kIntermediate for a CA, else kEndEntity. Say kEndEntity to
  // refuse a CA as leaf (CA_IN_LEAF), kClient for a client's certificate, which needs no SAN.
  std::optional<LintRole> leaf_role;
  std::optional<PeerName> peer_name;
  std::optional<int> max_intermediates;  // that are not self-issued, between leaf and anchor
  PolicyInputs policies;
  // Set: each certificate below the anchor must be found good in one of these.
  std::optional<std::vector<RevocationList>> revocation_lists;
  Rigour rigour = Rigour::kUpload;
};

struct ChainVerdict {
  std::vector<Certificate>
      path;           // leaf first, anchor last, when one was found (perhaps with findings)
  Findings findings;  // no error in it: accepted
  bool accepted() const { return !path.empty() && !HasErrors(findings); }
};

// The best path from `leaf` to an anchor (issuers chosen by subject name, then key id, then
// signature; all candidates of one name are tried). A leaf that is an anchor itself is a path of
// one. Checks of RFC 5280 §6.1 by X509_verify_cert on the found candidates (certificate policies
// too) plus Lint on each, plus what OpenSSL does not catch. Ids: CHAIN_INCOMPLETE (names the issuer
// that is missing), SIGNATURE_INVALID, EXPIRED, NOT_YET_VALID, NOT_A_CA, PATH_LENGTH_EXCEEDED,
// NAME_CONSTRAINT_VIOLATED, POLICY_INVALID, CHAIN_INVALID (OpenSSL's other reasons),
// EKU_NOT_ALLOWED, KEY_USAGE_NOT_ALLOWED, PEER_NAME_MISMATCH, TOO_MANY_INTERMEDIATES,
// OUTLIVES_ISSUER (warning), CHAIN_TOO_COMPLEX, and Lint's. Only where the policy brings revocation
// lists: REVOKED, REVOCATION_UNKNOWN (no valid list for a certificate), CRL_INVALID, and those of
// Lint about lists; `extra` then holds the lists' signers too.
ChainVerdict VerifyPath(const Certificate& leaf, std::span<const Certificate> extra,
                        const TrustView& trust, const ChainPolicy& policy);

// Appends EXPIRED or NOT_YET_VALID (errors).
void CheckDates(const Certificate& certificate, WallTime now, Findings& out);
// Adds what `out` does not say of that certificate yet.
void AddOnce(Findings& out, Finding finding);

// A CA chain as uploaded (SPEC C5a chain mode): sorted root first; duplicates dropped (info
// DUPLICATE), a certificate that belongs to no link reported (UNRELATED: a warning, and it is not
// in `ordered`; an error when nothing is linked), each link's signature, CA flag, dates, strength
// checked against `trust` for the issuer of the top-most one. More than kMaxDepth:
// CHAIN_TOO_COMPLEX before anything is verified. Nothing may be stored when the findings hold an
// error.
struct CaChain {
  std::vector<Certificate> ordered;  // issuer before issued
  Findings findings;
};
CaChain CheckCaChain(std::vector<Certificate> uploaded, const TrustView& trust, WallTime now);

enum class EntryKind : std::uint8_t { kAnchor, kIntermediate, kPinned, kOcspResponder };
std::string_view EntryKindName(EntryKind kind);  // anchor | intermediate | pinned | ocsp-responder
Result<EntryKind> ParseEntryKind(std::string_view name);  // kUsage ENTRY_KIND_INVALID
// SPEC C5: the kind that a certificate determines by itself. kRefused TRUST_ENTRY_NOT_CA: a
// CA-issued end-entity certificate, unless `asked` says pinned or ocsp-responder (the latter needs
// the OCSPSigning EKU: RESPONDER_WITHOUT_EKU); SIGNATURE_INVALID: it names itself as issuer and its
// key did not sign it; ENTRY_KIND_MISMATCH: `asked` is another kind than it is.
Result<EntryKind> ClassifyEntry(const Certificate& certificate, std::optional<EntryKind> asked);

// A certificate that is no CA as an entry: what ClassifyEntry refuses, its lint as kPinned, its
// dates. The kind means nothing when the findings hold an error.
struct EntryVerdict {
  EntryKind kind = EntryKind::kPinned;
  Findings findings;
};
EntryVerdict CheckSingleEntry(const Certificate& certificate, std::optional<EntryKind> asked,
                              WallTime now);

// A bundle as uploaded (SPEC C5a bundle mode): takes each certificate that is good and reports each
// that is not. Good is an anchor that is a path of one; an intermediate from which a path leads to
// an anchor of `trust` or of the bundle over intermediates of either, by the rules of CheckCaChain;
// and what CheckSingleEntry lets pass. Each certificate has its worst eight findings at most.
// Besides the ids of VerifyPath and ClassifyEntry: ISSUER_REFUSED (info: why the issuer is missing)
// and CHAIN_TOO_COMPLEX for what is left when the bundle's paths together have cost a number of
// signature checks that is linear in its size. Each certificate is examined on any processor.
struct CheckedBundle {
  struct Accepted {
    Certificate certificate;
    EntryKind kind;
    Findings findings;  // no error
  };
  struct Rejected {
    std::size_t index = 0;  // in `bundle`
    Findings findings;      // an error at least
  };
  std::vector<Accepted> accepted;       // issuer before issued
  std::vector<Rejected> rejected;       // by index
  std::vector<std::size_t> duplicates;  // indices of what came before already
};
CheckedBundle CheckBundle(std::span<const Certificate> bundle, std::optional<EntryKind> asked,
                          const TrustView& trust, WallTime now);

}  // namespace signet::keystore::x509
