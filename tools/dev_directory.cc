#include "tools/dev_directory.h"

#include <filesystem>

#include "platform/encoding.h"
#include "tools/dev_token.h"

namespace signet::tools {

namespace {

constexpr char kKeydText[] =
    "[keyd]\nsocket = \"keys.sock\"\nmanagement-socket = \"keyd.sock\"\n"
    "credential = \"file:keyd-credential\"\ndirectory = \"keyd\"\n";

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
         kDevModule + "\"\nuri = \"pkcs11:token=" + kDevLabel +
         "\"\n"
         "pin-source = \"file:pin\"\nsofthsm-config = \"softhsm2.conf\"\nsofthsm-tokens = "
         "\"token\"\n\n" +
         kKeydText + "\n[rpc]\nsocket = \"signetd.sock\"\nlisten = \"" + options.listen +
         "\"\n\n"
         "[publish]\ndirectory = \"published\"\n\n"
         "[outgoing]\nallow = [\"127.0.0.0/8\", \"::1\"]\n";
}

}  // namespace

Result<std::string> PrepareDevDirectory(const DevOptions& options, FileSystem& files) {
  const std::filesystem::path folder =
      std::filesystem::absolute(options.directory).lexically_normal();
  SIGNET_TRY(files.MakeDirectory(folder, 0700));
  const std::string config_file = folder / "signet.toml";
  if (!files.Info(config_file)) {
    SIGNET_TRY(files.WriteAtomic(config_file, ConfigText(options), 0600));
  } else {
    // A folder of before signet-keyd.
    SIGNET_TRY(std::string text, files.Read(config_file, 1u << 20));
    if (text.find("[keyd]") == std::string::npos) {
      SIGNET_TRY(files.WriteAtomic(config_file, text + "\n" + kKeydText, 0600));
    }
  }
  const std::string credential = folder / "keyd-credential";
  if (!files.Info(credential)) {
    SIGNET_TRY(files.WriteAtomic(credential, RandomHex(32), 0600));
  }
  return config_file;
}

}  // namespace signet::tools
