#include "tools/dev_directory.h"

#include <filesystem>

#include "hsm/token_owner.h"
#include "platform/encoding.h"
#include "platform/secret.h"
#include "tools/config.h"

namespace signet::tools {

namespace {

constexpr char kModule[] = "/usr/lib/softhsm/libsofthsm2.so";
constexpr char kLabel[] = "signet";

// *.localhost leads to this machine (RFC 6761), so that browsers and the CLI reach the appliance by
// its certificate's name.
std::string ConfigText(const DevOptions& options) {
  return "# An appliance for development. Delete the folder to begin anew.\n"
         "product = \"" +
         options.product +
         "\"\n\n"
         "[cluster]\nname = \"dev\"\nhosted-domains = [\"signet.localhost\"]\n\n"
         "[node]\nname = \"node1.signet.localhost\"\ndomain = \"signet.localhost\"\n\n"
         "[state]\ndirectory = \"state\"\n\n"
         "[token]\nmodule = \"" +
         kModule + "\"\nuri = \"pkcs11:token=" + kLabel +
         "\"\n"
         "pin-source = \"file:pin\"\nsofthsm-config = \"softhsm2.conf\"\nsofthsm-tokens = "
         "\"token\"\n\n"
         "[rpc]\nsocket = \"signetd.sock\"\nlisten = \"" +
         options.listen +
         "\"\n\n"
         "[keyd]\nsocket = \"keys.sock\"\n\n"
         "[publish]\ndirectory = \"published\"\n\n"
         "[outgoing]\nallow = [\"127.0.0.0/8\", \"::1\"]\n";
}

// `made`: the folder was complete once. Then a PIN file that is gone means a locked token: the PIN
// is given by hand.
Status PrepareToken(const std::filesystem::path& folder, bool made, FileSystem& files) {
  hsm::TokenConfig token;
  token.module = kModule;
  token.uri = std::string("pkcs11:token=") + kLabel;
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
  if (made || files.Info(pin_file)) return Ok();
  // The PIN file is written last: without it a new token is made, with a PIN that is known.
  SIGNET_TRY(std::vector<std::string> tokens, files.List(token.softhsm_tokens));
  if (!tokens.empty()) {
    return MakeError(Kind::kConflict, "PIN_FILE_MISSING",
                     folder.string() + " has a token but no file 'pin'",
                     "Put the token's PIN into " + pin_file +
                         " (mode 0600), or delete the folder to begin anew.");
  }
  Secret pin(RandomHex(16));
  SIGNET_TRY(hsm::CreateSoftHsmToken(token, kLabel, pin, files));
  return files.WriteAtomic(pin_file, pin.Reveal(), 0600);
}

}  // namespace

Result<std::string> PrepareDevDirectory(const DevOptions& options, FileSystem& files) {
  const std::filesystem::path folder =
      std::filesystem::absolute(options.directory).lexically_normal();
  SIGNET_TRY(files.MakeDirectory(folder, 0700));
  const std::string config_file = folder / "signet.toml";
  const bool made = static_cast<bool>(files.Info(config_file));
  SIGNET_TRY(PrepareToken(folder, made, files));
  if (!made) {
    SIGNET_TRY(files.WriteAtomic(config_file, ConfigText(options), 0600));
  }
  return config_file;
}

}  // namespace signet::tools
