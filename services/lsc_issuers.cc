#include "services/lsc_issuers.h"

#include <algorithm>

namespace signet::services {

using keystore::x509::Certificate;

namespace {

// A bundle with ever new issuers fills no memory.
constexpr std::size_t kMostNames = 1000;

}  // namespace

const std::vector<Certificate>& LscIssuers::Named(const Certificate& issued) {
  const std::string& name = issued.fields().issuer_der;
  const std::string& key_id = issued.fields().aki;
  if (named_.size() >= kMostNames) named_.clear();
  const auto [at, is_new] = named_.try_emplace({name, key_id});
  if (!is_new) return at->second;
  std::vector<Certificate>& found = at->second;
  const auto add = [&](const Certificate* one) {
    if (one != nullptr && one->fields().ca && one->fields().subject_der == name)
      found.push_back(*one);
  };
  for (const keystore::Purpose& purpose : catalogue_.purposes) {
    const auto row = snapshot_->identities.find(purpose.name);
    if (!purpose.profile.ca || row == snapshot_->identities.end()) continue;
    for (const auto* version : {&row->second.value.current, &row->second.value.previous}) {
      if (*version) add(snapshot_->Certificate((*version)->certificate));
    }
  }
  for (const auto& [store, entries] : snapshot_->trust) {
    const keystore::x509::TrustView view = keystore::Snapshot::View(snapshot_, store);
    for (const auto& look_up : {view.anchors, view.intermediates}) {
      for (const Certificate& one : look_up(name, key_id)) add(&one);
    }
  }
  return found;
}

bool LscIssuers::Vouch(const Certificate& issued) {
  return std::ranges::any_of(Named(issued),
                             [&](const Certificate& ca) { return issued.IsSignedBy(ca); });
}

}  // namespace signet::services
