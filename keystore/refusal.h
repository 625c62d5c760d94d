// The one error that a list of findings becomes.
#pragma once

#include <string>

#include "platform/error.h"

namespace signet::keystore {

// kRefused; the word is the first error's id, the remedy says what to do about it. `findings` holds
// an error.
Error Refusal(std::string what, Findings findings);

// Adds findings of another check, which may see the same fault again; one check may see it several
// times (two names missing).
void Merge(Findings& to, Findings from);

}  // namespace signet::keystore
