// The one owner of the loaded PKCS#11 module: PIN, throttle, login, self-test, durability,
// recovery.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hsm/token.h"
#include "hsm/token_control.h"
#include "hsm/token_owner_types.h"
#include "platform/clock.h"
#include "platform/files.h"

namespace signet::hsm {

class TokenObjects;
struct SignatureCount;
namespace wire {
struct Mechanism;
}

struct TokenConfig {
  std::string module;  // path of the PKCS#11 library
  std::string uri;  // RFC 7512: token, serial, manufacturer, model; never module-path or pin-value
  std::string pin_source;  // "file:/path", "credential:NAME" ($CREDENTIALS_DIRECTORY/NAME), "fd:N",
                           // "prompt"; empty: wait for unlock
  std::string softhsm_config;  // SOFTHSM2_CONF for a SoftHSM module; empty otherwise
  std::string softhsm_tokens;  // SoftHSM's token directory: its files are synced after each change;
                               // empty otherwise
};

// Thread-safe. Info never touches the token; the others block for as long as the module does.
class TokenOwner {
 public:
  // Reads configuration and throttle and loads the module's file, but calls nothing of it: the
  // state is Failed until Start.
  static Result<std::unique_ptr<TokenOwner>> Open(TokenConfig config, FileSystem& files,
                                                  Clock& clock, ThrottleStore& throttle);
  // Initialises the module, finds the token, takes the PIN from its source, logs in and tests
  // itself; blocks. A missing token, a missing or wrong PIN and a failed self-test are states, not
  // errors; an unusable module or an ambiguous URI is an error. Once.
  Status Start();
  ~TokenOwner();

  Token& token();
  // For signet-keyd: the objects as they are, and signatures with a mechanism as a client names it.
  TokenObjects& objects();
  Result<std::string> SignRaw(const KeyId& id, const wire::Mechanism& mechanism,
                              std::string_view data);
  Result<KeySpec> Spec(const KeyId& id);
  std::vector<unsigned long> TokenMechanisms() const;  // CK_MECHANISM_TYPE
  SignatureCount& count();
  // Changes whenever handles of before are void.
  std::uint64_t Generation() const;
  void Lock();  // forgets the PIN and logs out: Locked
  bool LockedByHand() const;
  // The kept PIN, for a successor of this process; empty when there is none, or when somebody hangs
  // in the module who holds it.
  Secret KeptPin();

  TokenInfo Info() const;
  TokenState State() const;  // Info().state, for who asks at every request
  // Logs in with this PIN and runs the self-test. A wrong PIN is kTokenLocked PIN_INCORRECT and
  // never retried; while the throttle waits kTokenLocked PIN_THROTTLED; kConflict
  // TOKEN_ALREADY_UNLOCKED when operational.
  Status Unlock(Secret pin);
  Result<std::vector<SelfTestStep>> SelfTest();

  // A cheap look at the token (C_GetSessionInfo on a pooled session, login state); recovers what it
  // can and updates the state. Blocks; call it now and then on a lane of its own.
  Status Probe();
  // The state becomes Failed because a call did not come back within its time; the next call that
  // comes back mends it.
  void ReportHang();

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
