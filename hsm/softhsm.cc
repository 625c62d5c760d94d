#include "hsm/softhsm.h"

#include <p11-kit/pkcs11.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "hsm/module.h"
#include "hsm/pkcs11_error.h"
#include "hsm/session.h"
#include "hsm/token_owner.h"
#include "hsm/token_uri.h"
#include "platform/encoding.h"

namespace signet::hsm {
namespace {

constexpr int kDepth = 3;  // tokens/<uuid>/*.object

Error WithRemedy(Error error) {
  if (error.remedy.empty()) {
    error.remedy = "Free or repair the disk that holds the token's directory, then try again.";
  }
  return error;
}

Status WriteConfiguration(const TokenConfig& config, FileSystem& files) {
  if (config.softhsm_config.empty() || config.softhsm_tokens.empty()) return Ok();
  SIGNET_TRY(files.MakeDirectory(config.softhsm_tokens, 0700));
  if (files.Info(config.softhsm_config)) return Ok();
  return files.WriteAtomic(config.softhsm_config,
                           "directories.tokendir = " + config.softhsm_tokens +
                               "\nobjectstore.backend = file\nlog.level = ERROR\n"
                               "slots.removable = false\n",
                           0600);
}

// The slot without a token yet; refuses when a token has the label.
Result<CK_SLOT_ID> FreeSlot(Module& module, const std::string& label) {
  CK_ULONG count = 0;
  SIGNET_CK("C_GetSlotList", module->C_GetSlotList(CK_TRUE, nullptr, &count));
  std::vector<CK_SLOT_ID> slots(std::min<CK_ULONG>(count, 4096));
  count = slots.size();
  SIGNET_CK("C_GetSlotList", module->C_GetSlotList(CK_TRUE, slots.data(), &count));
  slots.resize(std::min<std::size_t>(slots.size(), count));
  std::optional<CK_SLOT_ID> free;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info{};
    if (module->C_GetTokenInfo(slot, &info) != CKR_OK) continue;
    if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) {
      if (!free) free = slot;
    } else if (PaddedText(info.label, sizeof info.label) == label) {
      return MakeError(Kind::kConflict, "TOKEN_EXISTS",
                       "a token with the label " + label + " exists",
                       "Use that token, or choose another label.");
    }
  }
  if (!free) {
    return MakeError(Kind::kTokenFailed, "TOKEN_ERROR", "the module has no slot for another token",
                     "Check SoftHSM's configuration.");
  }
  return *free;
}

CK_UTF8CHAR* Utf8(std::string_view text) {
  return const_cast<CK_UTF8CHAR*>(reinterpret_cast<const CK_UTF8CHAR*>(text.data()));
}

Status Initialise(Module& module, CK_SLOT_ID slot, const std::string& label, const Secret& pin) {
  std::string random = RandomHex(16);
  const Secret so_pin(random);
  Wipe(random.data(), random.size());
  std::string padded = label;
  padded.resize(32, ' ');
  SIGNET_CK("C_InitToken",
            module->C_InitToken(slot, Utf8(so_pin.Reveal()), so_pin.Reveal().size(), Utf8(padded)));
  SessionPool sessions(module);
  SIGNET_TRY(sessions.Open(slot));
  SIGNET_CK("C_Login", module->C_Login(sessions.anchor(), CKU_SO, Utf8(so_pin.Reveal()),
                                       so_pin.Reveal().size()));
  SIGNET_CK("C_InitPIN",
            module->C_InitPIN(sessions.anchor(), Utf8(pin.Reveal()), pin.Reveal().size()));
  SIGNET_CK("C_Logout", module->C_Logout(sessions.anchor()));
  return Ok();
}

}  // namespace

Durability::FileTime Durability::Mark() {
  // File times come from a coarser clock that may lag by a tick; some file systems keep whole
  // seconds.
  return std::chrono::system_clock::now() - std::chrono::seconds(2);
}

Status Durability::Sync(FileTime since) const {
  if (directory_.empty()) return Ok();
  auto status = SyncTree(directory_, since, kDepth);
  if (!status) return WithRemedy(std::move(status.error()));
  return Ok();
}

Status Durability::SyncTree(const std::string& directory, FileTime since, int depth) const {
  SIGNET_TRY(auto names, files_.List(directory));
  SIGNET_TRY(auto own, files_.Info(directory));
  for (const std::string& name : names) {
    const std::string path = directory + "/" + name;
    auto info = files_.Info(path);
    if (!info) {
      if (info.error().word == "FILE_NOT_FOUND") continue;  // deleted meanwhile
      return info.error();
    }
    if (info.value().type == FileInfo::Type::kDirectory) {
      if (depth > 1) {
        SIGNET_TRY(SyncTree(path, since, depth - 1));
      }
    } else if (info.value().type == FileInfo::Type::kRegular && info.value().size > 0 &&
               info.value().modified >= since) {  // of an empty lock file only the name counts
      auto synced = files_.SyncFile(path);
      if (!synced && synced.error().word != "FILE_NOT_FOUND") return synced;
    }
  }
  if (own.modified >= since) {
    SIGNET_TRY(files_.SyncDirectory(directory));
  }
  return Ok();
}

Status CreateSoftHsmToken(const TokenConfig& config, const std::string& label, const Secret& pin,
                          FileSystem& files) {
  if (label.empty() || label.size() > 32 ||
      label.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
          std::string::npos) {
    return MakeError(Kind::kUsage, "TOKEN_LABEL_INVALID",
                     "a token's label has 1 to 32 letters, digits, dots, dashes and underscores",
                     "Choose such a label.");
  }
  if (pin.Reveal().size() < 4 || pin.Reveal().size() > 255) {
    return MakeError(Kind::kUsage, "PIN_LENGTH", "a PIN has 4 to 255 octets",
                     "Choose a longer PIN; at least eight characters are wise.");
  }
  SIGNET_TRY(WriteConfiguration(config, files));
  if (!config.softhsm_config.empty()) {
    ::setenv("SOFTHSM2_CONF", config.softhsm_config.c_str(), 1);
  }
  const auto start = Durability::Mark();
  SIGNET_TRY(auto module, Module::Load(config.module));
  SIGNET_TRY(module->Initialize());
  SIGNET_TRY(auto slot, FreeSlot(*module, label));
  SIGNET_TRY(Initialise(*module, slot, label, pin));
  return Durability(config.softhsm_tokens, files).Sync(start);
}

}  // namespace signet::hsm
