// A PKCS#11 library in this process (PKCS#11 v2.40 §5.4): loaded once, initialised with OS locking,
// never unloaded.
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>

#include "platform/error.h"

namespace signet::hsm {

// Calls go through operator-> from any thread; Initialize and Finalize are called while nobody is
// inside.
class Module {
 public:
  // Loads and initialises. kUnavailable MODULE_UNUSABLE when the file is no PKCS#11 library.
  static Result<std::unique_ptr<Module>> Load(const std::string& path);
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

 private:
  Module(std::string path, CK_FUNCTION_LIST* functions)
      : path_(std::move(path)), functions_(functions) {}

  std::string path_;
  CK_FUNCTION_LIST* functions_;
  bool abandoned_ = false;
};

}  // namespace signet::hsm
