#include "keystore/x509/path_names.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "keystore/x509/openssl_ptr.h"
#include "keystore/x509/path_check.h"
#include "platform/encoding.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::size_t kMaxComparisons = 1u << 18;
constexpr std::string_view kWildcard = "DNS:*.";

NameConstraintsPtr ConstraintsOf(const Certificate& certificate) {
  return NameConstraintsPtr(static_cast<NAME_CONSTRAINTS*>(
      X509_get_ext_d2i(certificate.handle(), NID_name_constraints, nullptr, nullptr)));
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// The domains one label above the excluded names: below these a wildcard reaches an excluded one.
std::set<std::string> ReachableDomains(const Certificate& authority) {
  std::set<std::string> domains;
  const NameConstraintsPtr constraints = ConstraintsOf(authority);
  if (!constraints) return domains;
  for (int i = 0; i < sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees); ++i) {
    const GENERAL_NAME* base = sk_GENERAL_SUBTREE_value(constraints->excludedSubtrees, i)->base;
    if (base->type != GEN_DNS) continue;
    const std::string_view name = View(base->d.dNSName);
    const std::size_t dot = name.find('.');
    if (dot != std::string_view::npos && dot > 0) domains.insert(Lower(name.substr(dot + 1)));
  }
  return domains;
}

std::size_t CountConstraints(const Certificate& authority) {
  const NameConstraintsPtr constraints = ConstraintsOf(authority);
  if (!constraints) return 0;
  const int count = std::max(0, sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees)) +
                    std::max(0, sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees));
  return static_cast<std::size_t>(count);
}

}  // namespace

void CheckExcludedWildcards(std::span<const Certificate> path, Findings& out) {
  for (std::size_t i = 1; i < path.size(); ++i) {
    const std::set<std::string> domains = ReachableDomains(path[i]);
    if (domains.empty()) continue;
    for (const Certificate& below : path.first(i)) {
      for (const std::string& san : below.fields().sans) {
        if (!san.starts_with(kWildcard)) continue;
        if (!domains.contains(Lower(std::string_view(san).substr(kWildcard.size())))) continue;
        AddOnce(out, Broken("NAME_CONSTRAINT_VIOLATED",
                            NameOf(below) + ": '" + EscapeLine(san, 128) +
                                "' stands for a name that " + NameOf(path[i]) + " excludes",
                            below));
      }
    }
  }
}

bool IsNameWorkBounded(std::span<const Certificate> path) {
  std::size_t names = 0;
  std::size_t comparisons = 0;
  for (const Certificate& certificate : path) {
    comparisons += names * CountConstraints(certificate);
    // The subject is a name too, and its e-mail addresses are (at most kMaxNames attributes).
    names += certificate.fields().sans.size() +
             static_cast<std::size_t>(
                 X509_NAME_entry_count(X509_get_subject_name(certificate.handle()))) +
             1;
  }
  return comparisons <= kMaxComparisons;
}

}  // namespace signet::keystore::x509
