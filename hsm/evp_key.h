// EVP_PKEYs of token keys: the one place that knows libp11, so that another provider can replace
// it.
//
// libp11 keeps its own sessions and object handles, and closing its last reference to a slot closes
// every session of that slot, ours too. So a context, once opened, lives until the module is done
// with.
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>
#include <string_view>

#include "hsm/token.h"
#include "platform/error.h"

namespace signet::hsm {

// Thread-safe. All EVP_PKEYs must be freed before their context.
class EvpKeys {
 public:
  // The module is loaded and initialised, and somebody is logged in.
  // `credential` goes with C_Initialize, where it is not empty.
  static Result<std::unique_ptr<EvpKeys>> Open(const std::string& module, CK_SLOT_ID slot,
                                               const std::string& credential);
  // Finalises the module for everybody: the owner of the module sees to the order.
  ~EvpKeys();
  EvpKeys(const EvpKeys&) = delete;
  EvpKeys& operator=(const EvpKeys&) = delete;

  // The private key with this CKA_ID (raw octets). kNotFound KEY_NOT_FOUND.
  Result<EvpPkeyPtr> Get(std::string_view id);
  // Of a remote module whose process has gone: its client closes a connection only when it is asked
  // for something.
  void NoticeEnd();
  // Gives back slots and sessions, ahead of the destructor: all contexts of a module do so before
  // any is unloaded.
  void Release();

 private:
  struct Impl;
  explicit EvpKeys(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet::hsm
