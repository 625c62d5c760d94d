// The token's self-test (SPEC A6): the mechanisms Signet needs, randomness, and a signature that
// verifies.
#pragma once

#include <cstdint>
#include <vector>

#include "hsm/token_control.h"
#include "hsm/token_link.h"

namespace signet::hsm {

// Making an RSA key takes most of the test's time, up to a second: at boot an RSA key that is there
// signs instead, if one can.
enum class SelfTestKind : std::uint8_t { kBoot, kFull };

// Never fails itself: what goes wrong is a step that did not pass. Keys it makes are session
// objects and die with it.
std::vector<SelfTestStep> RunSelfTest(TokenLink& link, SelfTestKind kind);

bool AllPassed(const std::vector<SelfTestStep>& steps);
// "sign-verify rsa: …" of the first step that failed.
std::string FirstFailure(const std::vector<SelfTestStep>& steps);

}  // namespace signet::hsm
