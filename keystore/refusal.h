// The one error that a list of findings becomes.
#pragma once

#include <string>

#include "platform/error.h"

namespace signet::keystore {

// kRefused; the word is the first error's id, the remedy says what to do about it. `findings` holds
// an error.
Error Refusal(std::string what, Findings findings);

}  // namespace signet::keystore
