#include "tests/support/prosody.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace signet::testing {
namespace {

constexpr char kProgram[] = "/usr/bin/prosody";

}  // namespace

std::string Prosody::WhyNot() {
  return std::filesystem::exists(kProgram) ? "" : std::string(kProgram) + " is not installed";
}

Prosody::Prosody(const std::string& certificate, const std::string& key)
    : program_(Write(certificate, key)) {
  EXPECT_TRUE(
      Eventually([this] { return ListensOn(servers_) && ListensOn(clients_); }, Seconds(20)))
      << program_.Output();
}

// Clients may come without TLS, too: a front that has it may stand before this one.
std::vector<std::string> Prosody::Write(const std::string& certificate,
                                        const std::string& key) const {
  const bool tls = !certificate.empty();
  std::filesystem::create_directories(folder_ / "data");
  WriteWhole(
      folder_ / "prosody.cfg.lua",
      "daemonize = false\nrun_as_root = true\nlog = { warn = '*console' }\n"
      "pidfile = '" +
          folder_ / "prosody.pid" + "'\ndata_path = '" + folder_ / "data" +
          "'\nmodules_enabled = { 'saslauth'" + (tls ? ", 'tls'" : "") +
          " }\nc2s_require_encryption = false\ninterfaces = { '127.0.0.1' }\n"
          "c2s_ports = { " +
          std::to_string(clients_) + " }\ns2s_ports = { " + std::to_string(servers_) +
          " }\ncertificates = '" + folder_.path() + "'\n" +
          (tls ? "ssl = { certificate = '" + certificate + "', key = '" + key + "' }\n" : "") +
          "VirtualHost 'localhost'\n");
  return {kProgram, "--config", folder_ / "prosody.cfg.lua", "-F"};
}

}  // namespace signet::testing
