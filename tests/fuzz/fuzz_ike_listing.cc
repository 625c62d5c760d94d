// What swanctl says, in which peers have a say by their identities.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/encoding.h"
#include "services/connections/ike_listing.h"
#include "tests/fuzz/players.h"

using signet::fuzz::Require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto read = signet::services::ReadIkeSas(text);
  if (!read) {
    Require(read.error().word == "IKE_LISTING_ODD");
    return 0;
  }
  for (const signet::services::IkeSa& sa : read.value()) {
    // They become arguments of a command, and lines of a log.
    Require(!sa.id.empty() && sa.id.size() <= 10 &&
            std::all_of(sa.id.begin(), sa.id.end(), [](char c) { return c >= '0' && c <= '9'; }));
    for (const std::string* word : {&sa.connection, &sa.state, &sa.host, &sa.identity})
      Require(signet::EscapeLine(*word, word->size() + 1) == *word);
  }
  return 0;
}
