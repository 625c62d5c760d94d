// What `swanctl --list-sas --pretty` writes, read strictly. Pure. `--raw` puts an IKE_SA on one
// line without quotes, so a peer whose certificate names it "x state=…" would write fields of its
// own; `--pretty` has one a line, and a text with control characters comes as hexadecimal digits.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/error.h"

namespace signet::services {

struct IkeSa {
  std::string id;          // unique id, digits
  std::string connection;  // its name in strongSwan's configuration, escaped for one line
  std::string state;       // "ESTABLISHED", "CONNECTING", "REKEYING", …
  std::string host;        // remote address
  std::string identity;    // remote IKE identity: printable ASCII, as strongSwan writes it

  // The peer is authenticated and the IKE_SA in use. REKEYED and DELETING are on their way out.
  bool IsUp() const { return state == "ESTABLISHED" || state == "REKEYING"; }
};

// All IKE_SAs in their order. Lines before and after are others' messages. kUnavailable
// IKE_LISTING_ODD for anything else, so also for a listing that was cut off.
Result<std::vector<IkeSa>> ReadIkeSas(std::string_view listing);

}  // namespace signet::services
