// The one owner of the loaded PKCS#11 module: PIN, throttle, login, self-test, durability,
// recovery.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "hsm/token.h"
#include "hsm/token_control.h"
#include "hsm/token_owner_types.h"
#include "platform/clock.h"
#include "platform/files.h"

namespace signet::hsm {

struct TokenConfig {
  std::string module;  // path of the PKCS#11 library
  std::string uri;  // RFC 7512: token, serial, manufacturer, model; never module-path or pin-value
  std::string pin_source;  // "file:/path", "credential:NAME" ($CREDENTIALS_DIRECTORY/NAME), "fd:N",
                           // "prompt"; empty: wait for unlock
  std::string softhsm_config;  // SOFTHSM2_CONF for a SoftHSM module; empty otherwise
  std::string softhsm_tokens;  // SoftHSM's token directory: its files are synced after each change;
                               // empty otherwise
};

class TokenOwner final : public TokenControl {
 public:
  // Loads the module, finds the token, takes the PIN from its source, logs in and tests itself. A
  // missing token, a missing or wrong PIN and a failed self-test are states, not errors; an
  // unusable module or configuration is an error.
  static Result<std::unique_ptr<TokenOwner>> Open(TokenConfig config, FileSystem& files,
                                                  Clock& clock, ThrottleStore& throttle);
  ~TokenOwner() override;

  Token& token();

  TokenInfo Info() const override;
  TokenState State() const;  // Info().state, for who asks at every request
  Status Unlock(Secret pin) override;
  Result<std::vector<SelfTestStep>> SelfTest() override;

  // A cheap look at the token (C_GetSessionInfo on a pooled session, login state); recovers what it
  // can and updates the state. Blocks; call it now and then on a lane of its own.
  Status Probe() override;
  // The state becomes Failed because a call did not come back within its time; the next call that
  // comes back mends it.
  void ReportHang() override;

  // Called after sessions and keys were rebuilt: whoever holds an EVP_PKEY takes it up anew. Called
  // on the thread that rebuilt, with no lock held.
  void OnRebuild(std::function<void()> callback);
  // Runs its argument while no other thread signs through an EVP_PKEY (the TLS listener stops its
  // thread for that). Needed around a full reload of the module; default: just runs it. Returns
  // false when it could not.
  void SetExclusive(std::function<bool(std::function<void()>)> exclusive);

 private:
  struct Impl;
  explicit TokenOwner(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A new SoftHSM token for development: initialises the first free slot with this label and user PIN
// (random SO PIN, forgotten). kConflict TOKEN_EXISTS when one with the label is there.
Status CreateSoftHsmToken(const TokenConfig& config, const std::string& label, const Secret& pin,
                          FileSystem& files);

}  // namespace signet::hsm
