#include "tools/dev_token.h"

#include <filesystem>

#include "hsm/token_owner.h"
#include "platform/encoding.h"
#include "platform/secret.h"

namespace signet::tools {

Status PrepareDevToken(const std::string& directory, FileSystem& files) {
  const std::filesystem::path folder = directory;
  hsm::TokenConfig token;
  token.module = kDevModule;
  token.uri = std::string("pkcs11:token=") + kDevLabel;
  token.softhsm_config = folder / "softhsm2.conf";
  token.softhsm_tokens = folder / "token";
  SIGNET_TRY(files.MakeDirectory(token.softhsm_tokens, 0700));
  // SoftHSM wants an absolute path, and the folder may have been moved: looked at at each start.
  const std::string text = "directories.tokendir = " + token.softhsm_tokens +
                           "\nobjectstore.backend = file\nlog.level = ERROR\n";
  const auto present = files.Read(token.softhsm_config, 1u << 16);
  if (!present || present.value() != text) {
    SIGNET_TRY(files.WriteAtomic(token.softhsm_config, text, 0600));
  }
  const std::string pin_file = folder / "pin";
  const bool used = files.Info(folder / "keyd").has_value();
  if (used || files.Info(pin_file)) return Ok();
  // The PIN file is written last: without it a new token is made, with a PIN that is known.
  SIGNET_TRY(std::vector<std::string> tokens, files.List(token.softhsm_tokens));
  if (!tokens.empty()) {
    return MakeError(Kind::kConflict, "PIN_FILE_MISSING",
                     folder.string() + " has a token but no file 'pin'",
                     "Put the token's PIN into " + pin_file +
                         " (mode 0600), or delete the folder to begin anew.");
  }
  Secret pin(RandomHex(16));
  SIGNET_TRY(hsm::CreateSoftHsmToken(token, kDevLabel, pin, files));
  return files.WriteAtomic(pin_file, pin.Reveal(), 0600);
}

}  // namespace signet::tools
