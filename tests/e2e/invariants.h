// What holds whenever the appliance is at rest, whatever happened before (SPEC A5, DESIGN "The
// house").
#pragma once

#include <string>

#include "tests/support/appliance.h"

namespace signet::testing {

inline std::string Text(const json::value& value) {
  return value.is_string() ? std::string(value.get_string().c_str()) : std::string();
}

// No identity without its key, no key without its owner, the token agrees, the journal is empty and
// the audit chain verifies. Failures say after what.
void CheckInvariants(const Appliance& appliance, const std::string& after);

// Fingerprint of a purpose's current certificate.
std::string Current(const Appliance& appliance, const std::string& purpose);
bool HasCsr(const Appliance& appliance, const std::string& id);

}  // namespace signet::testing
