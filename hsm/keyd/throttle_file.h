// The count of wrong PINs in a file of signet-keyd's folder.
#pragma once

#include <string>

#include "hsm/token_owner_types.h"
#include "platform/files.h"

namespace signet::hsm {

class ThrottleFile final : public ThrottleStore {
 public:
  ThrottleFile(std::string path, FileSystem& files) : path_(std::move(path)), files_(files) {}

  // A file that is not there means none; one that cannot be read or decoded is an error, since
  // without it PINs could be guessed: kUnavailable THROTTLE_UNREADABLE.
  Result<Entry> Load() override;
  Status Save(const Entry& entry) override;

 private:
  const std::string path_;
  FileSystem& files_;
};

}  // namespace signet::hsm
