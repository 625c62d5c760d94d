// A PKCS#11 library in this process (PKCS#11 v2.40 §5.4): loaded once, initialised with OS locking,
// never unloaded.
#pragma once

#include <p11-kit/pkcs11.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "platform/error.h"

namespace signet::hsm {

// Signatures that the module made: for clients, or of its `own` (keys proved, self-tests), or
// `refused` because they did not verify.
struct SignatureCount {
  std::atomic<std::uint64_t> made{0}, own{0}, refused{0};
};

// A module that is the other side of a Unix socket: p11-kit's client of signet-keyd.
struct RemoteModule {
  std::string address;     // P11_KIT_SERVER_ADDRESS: "unix:path=…"
  std::string credential;  // passed on in C_Initialize
};

// Calls go through operator-> from any thread; Initialize and Finalize are called while nobody is
// inside.
class Module {
 public:
  // Loads the file and calls nothing of it yet. kUnavailable MODULE_UNUSABLE when it is no PKCS#11
  // library.
  static Result<std::unique_ptr<Module>> Load(const std::string& path);
  // p11-kit's client library, for one server; it connects when it is initialised (kTokenFailed
  // TOKEN_GONE when nobody answers), and again after Finalize.
  static Result<std::unique_ptr<Module>> LoadRemote(const std::string& path, RemoteModule remote);
  // Finalises. The library stays mapped: sanitizers need its symbols, and modules dislike being
  // unmapped.
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  Status Initialize();  // initialised already (libp11 does so too) is success
  Status Finalize();    // not initialised is success
  // Leaves the module initialised for ever: a thread hangs inside, so that finalising could hang
  // too.
  void Abandon() { abandoned_ = true; }

  CK_FUNCTION_LIST* operator->() const { return functions_; }
  const std::string& path() const { return path_; }
  const std::optional<RemoteModule>& remote() const { return remote_; }
  SignatureCount count;

 private:
  Module(std::string path, CK_FUNCTION_LIST* functions)
      : path_(std::move(path)), functions_(functions) {}

  std::string path_;
  CK_FUNCTION_LIST* functions_;
  std::optional<RemoteModule> remote_;
  bool initialized_ = false;
  bool abandoned_ = false;
};

}  // namespace signet::hsm
