// What administration may ask of the owner of the token. Types only: TokenClient implements it.
#pragma once

#include <string>
#include <vector>

#include "hsm/key_view.h"
#include "platform/error.h"
#include "platform/secret.h"

namespace signet::hsm {

// SPEC A6.
enum class TokenState : std::uint8_t {
  kUnprovisioned,  // no initialised token at the configured URI
  kLocked,         // a token, but no PIN yet (or the PIN was refused)
  kOperational,    // logged in, self-test passed
  kFailed,         // self-test failed, or the token is gone or hangs
};

struct SelfTestStep {
  std::string name;  // "mechanisms", "sign-verify rsa", …
  bool passed = false;
  std::string detail;
};

struct TokenInfo {
  TokenState state = TokenState::kUnprovisioned;
  std::string reason;  // why it is not operational, with the remedy; empty when it is
  std::string label, manufacturer, model, serial, library;
  std::uint64_t failed_logins = 0;   // since the last success; survives restarts
  std::int64_t next_login_in_s = 0;  // the throttle: seconds until another PIN is tried
};

class TokenControl {
 public:
  virtual ~TokenControl() = default;
  // Never touches the token: answers at once while the token hangs. Thread-safe.
  virtual TokenInfo Info() const = 0;
  // Logs in with this PIN and runs the self-test. Blocks: call it on a lane. A wrong PIN is
  // kTokenLocked PIN_INCORRECT and never retried; while the throttle waits kTokenLocked
  // PIN_THROTTLED; kConflict TOKEN_ALREADY_UNLOCKED when operational.
  virtual Status Unlock(Secret pin) = 0;
  // Forgets the PIN: Locked. Blocks.
  virtual Status Lock() = 0;
  // Runs the self-test now. Blocks.
  virtual Result<std::vector<SelfTestStep>> SelfTest() = 0;
  // A cheap look at the token that recovers what it can and brings the state up to date. Blocks.
  virtual Status Probe() = 0;
  // A call did not come back within its time: the state becomes Failed until one does. Never
  // blocks.
  virtual void ReportHang() = 0;
  // What was signed for whom since signet-keyd began. Blocks for a moment.
  virtual Result<UseReport> Use() = 0;
  // The keys that services may see from now on. Kept and given again when the other side lost it;
  // blocks for a moment.
  virtual Status Show(const KeyView& view) = 0;
};

}  // namespace signet::hsm
