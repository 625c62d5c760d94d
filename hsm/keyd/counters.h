// How often which key signed for whom.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "hsm/key_view.h"
#include "hsm/raw_signing.h"

namespace signet::hsm {

// Thread-safe.
class UseCounters {
 public:
  void Count(const std::string& purpose, const KeyId& key, uid_t uid, CK_MECHANISM_TYPE mechanism);
  void CountUndelivered();
  // With what the module itself counted.
  UseReport Report(const SignatureCount& module) const;

  // For a successor of this process: its module begins anew, the sums do not.
  void Adopt(const UseReport& report);

 private:
  struct Key {
    std::string purpose, key;
    uid_t uid = 0;
    CK_MECHANISM_TYPE mechanism = 0;
    auto operator<=>(const Key&) const = default;
  };
  mutable std::mutex mutex_;
  std::map<Key, std::int64_t> rows_;
  std::int64_t undelivered_ = 0;
  std::int64_t former_made_ = 0, former_proofs_ = 0;
};

}  // namespace signet::hsm
