// The token as signetd has it: through signet-keyd, whose management socket it alone may use. Keys
// and signatures go over p11-kit's client module, the rest over a channel of its own.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "hsm/key_view.h"
#include "hsm/token.h"
#include "hsm/token_control.h"
#include "platform/files.h"

namespace signet::hsm {

struct TokenClientConfig {
  std::string module;      // p11-kit-client.so
  std::string socket;      // the management socket
  std::string credential;  // source, as of a PIN
  std::string uri;         // RFC 7512
};

// Thread-safe.
class TokenClient final : public TokenControl {
 public:
  // Reaches signet-keyd, if it is there: that it is not is a state. kUnavailable MODULE_UNUSABLE;
  // errors of the credential and of the URI.
  static Result<std::unique_ptr<TokenClient>> Open(TokenClientConfig config, FileSystem& files);
  ~TokenClient() override;

  Token& token();

  TokenInfo Info() const override;
  TokenState State() const;  // Info().state, for who asks at every request
  Status Unlock(Secret pin) override;
  Status Lock() override;
  Result<std::vector<SelfTestStep>> SelfTest() override;
  // Asks signet-keyd for its state. When it is another process than before, or its token's handles
  // are new, connections and keys are taken up and proved anew.
  Status Probe() override;
  void ReportHang() override;
  Result<UseReport> Use() override;
  Status Show(const KeyView& view) override;

  // Called by Probe after keys were taken up anew and when the token became operational: whoever
  // holds an EVP_PKEY takes it up too. Again with the next Probe when it says that it could not. No
  // lock is held.
  void OnRebuild(std::function<bool()> callback);
  // Called when a Probe finds nobody, on its thread.
  void OnUnreachable(std::function<void()> callback);
  // The process on the other side; 0 when it was never reached.
  pid_t keyd() const;

 private:
  struct Impl;
  explicit TokenClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet::hsm
