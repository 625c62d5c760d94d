// Types that the token's owner shares with other rooms. Types only.
#pragma once

#include "platform/clock.h"
#include "platform/error.h"

namespace signet::hsm {

// Where the count of wrong PINs lives, so that it survives a restart.
class ThrottleStore {
 public:
  struct Entry {
    std::uint64_t failures = 0;
    WallTime last{};
  };
  virtual ~ThrottleStore() = default;
  virtual Result<Entry> Load() = 0;
  virtual Status Save(const Entry& entry) = 0;  // durable when it returns
};

}  // namespace signet::hsm
