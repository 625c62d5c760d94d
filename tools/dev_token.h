// The token of an appliance for development: SoftHSM in the folder.
#pragma once

#include <string>

#include "platform/files.h"

namespace signet::tools {

inline constexpr char kDevModule[] = "/usr/lib/softhsm/libsofthsm2.so";
inline constexpr char kDevLabel[] = "signet";

// Makes what is missing of `folder`/softhsm2.conf, token/ and pin. A PIN file that is gone from a
// folder that was used already means a locked token: the PIN is given by hand. kConflict
// PIN_FILE_MISSING for a token whose PIN nobody knows.
Status PrepareDevToken(const std::string& folder, FileSystem& files);

}  // namespace signet::tools
