#include "hsm/module.h"

#include <dlfcn.h>

#include <cstdlib>
#include <utility>

#include "hsm/pkcs11_error.h"

namespace signet::hsm {
namespace {

Error Unusable(const std::string& path, const std::string& why) {
  return MakeError(Kind::kUnavailable, "MODULE_UNUSABLE",
                   "the PKCS#11 module " + path + " cannot be used: " + why,
                   "Set the token's module to the path of an installed PKCS#11 library, for "
                   "example /usr/lib/softhsm/libsofthsm2.so.");
}

Result<CK_FUNCTION_LIST*> Open(const std::string& path) {
  if (path.empty() || path.front() != '/') return Unusable(path, "an absolute path is needed");
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return Unusable(path, why != nullptr ? why : "it does not load");
  }
  auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  if (get == nullptr) return Unusable(path, "it has no C_GetFunctionList");
  CK_FUNCTION_LIST* functions = nullptr;
  if (const CK_RV code = get(&functions); code != CKR_OK || functions == nullptr) {
    return Unusable(path, "C_GetFunctionList answered " + CkrName(code));
  }
  if (functions->version.major != 2) return Unusable(path, "it does not speak PKCS#11 version 2");
  return functions;
}

}  // namespace

Result<std::unique_ptr<Module>> Module::Load(const std::string& path) {
  SIGNET_TRY(auto functions, Open(path));
  return std::unique_ptr<Module>(new Module(path, functions));
}

Result<std::unique_ptr<Module>> Module::LoadRemote(const std::string& path, RemoteModule remote) {
  // Each C_GetFunctionList of the client makes an instance for the address of that moment.
  ::setenv("P11_KIT_SERVER_ADDRESS", remote.address.c_str(), 1);
  SIGNET_TRY(auto functions, Open(path));
  std::unique_ptr<Module> module(new Module(path, functions));
  module->remote_ = std::move(remote);
  return module;
}

Module::~Module() {
  if (initialized_ && !abandoned_) functions_->C_Finalize(nullptr);
}

Status Module::Initialize() {
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;  // without it, threads corrupt one another's sessions
  if (remote_) arguments.pReserved = remote_->credential.data();
  const CK_RV code = functions_->C_Initialize(&arguments);
  if (code != CKR_OK && code != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    return CkError(code, "C_Initialize");
  }
  initialized_ = true;
  return Ok();
}

Status Module::Finalize() {
  if (!std::exchange(initialized_, false)) return Ok();
  const CK_RV code = functions_->C_Finalize(nullptr);
  if (code != CKR_OK && code != CKR_CRYPTOKI_NOT_INITIALIZED) return CkError(code, "C_Finalize");
  return Ok();
}

}  // namespace signet::hsm
