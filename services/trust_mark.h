// When what certificates are judged by has changed.
#pragma once

#include <cstdint>

#include "keystore/snapshot.h"

namespace signet::services {

using TrustMark = std::uint64_t;

// Another number whenever an identity, a trust store, what is out of trust, or a setting changes.
inline TrustMark MarkOf(const keystore::Snapshot& snapshot) {
  constexpr std::uint64_t kPrime = 1'099'511'628'211;  // of FNV-1a
  TrustMark mark = 1;
  const auto add = [&](const auto& rows) {
    mark = (mark ^ rows.size()) * kPrime;
    for (const auto& [name, row] : rows)
      mark = (mark ^ static_cast<std::uint64_t>(row.modified)) * kPrime;
  };
  add(snapshot.identities);
  add(snapshot.settings);
  add(snapshot.distrusted);
  add(snapshot.pending);  // entries of a change that is under way are not seen yet
  for (const auto& [store, shards] : snapshot.trust) {
    mark = (mark ^ shards->size()) * kPrime;
    for (const auto& [name, shard] : *shards)
      mark = (mark ^ static_cast<std::uint64_t>(shard->modified)) * kPrime;
  }
  return mark;
}

}  // namespace signet::services
