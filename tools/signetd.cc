// signetd: the daemon. signetd --config FILE | signetd --dev DIR [--product imp|cucm] [--listen
// ADDR:PORT]
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "platform/logging.h"
#include "platform/process.h"
#include "platform/secret.h"
#include "tools/appliance.h"
#include "tools/dev_directory.h"

namespace {

using signet::Error;
using signet::Log;
using signet::LogLevel;

int Fail(const Error& error) {
  std::cerr << "signetd: " << error.detail << "\n";
  if (!error.remedy.empty()) std::cerr << "  remedy: " << error.remedy << "\n";
  return signet::ExitCode(error.kind);
}

void PrintReady(const signet::tools::ReadyReport& report) {
  const boost::json::object line = {
      {"ready", true}, {"socket", report.socket}, {"keys", report.keys}, {"url", report.url}};
  std::cout << boost::json::serialize(line) << std::endl;
}

struct Options {
  std::string config;
  signet::tools::DevOptions dev;
  bool listen_given = false;
};

int Serve(const Options& options) {
  auto files = signet::MakeFileSystem();
  std::string path = options.config;
  if (!options.dev.directory.empty()) {
    auto prepared = signet::tools::PrepareDevDirectory(options.dev, *files);
    if (!prepared) return Fail(prepared.error());
    path = prepared.value();
  }
  auto config = signet::tools::LoadConfig(path, *files);
  if (!config) return Fail(config.error());
  if (!options.dev.directory.empty())
    config.value().dev_folder = std::filesystem::path(path).parent_path();
  if (options.listen_given) {
    auto listen = signet::tools::ParseListen(options.dev.listen);
    if (!listen) return Fail(listen.error());
    config.value().listen = listen.value();
  }
  signet::InitialiseLogging(config.value().log_level);
  auto appliance = signet::tools::Appliance::Open(std::move(config).value());
  if (!appliance) {
    signet::ShutDownLogging();
    return Fail(appliance.error());
  }
  const bool stopped = appliance.value()->Run(PrintReady);
  if (!stopped) {
    Log(LogLevel::kError, "work of the token does not end; ending without waiting for it");
    signet::ShutDownLogging();
    _exit(1);
  }
  appliance.value().reset();
  signet::ShutDownLogging();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  signet::ClearDangerousEnvironment();
  signal(SIGPIPE, SIG_IGN);
  if (auto hardened = signet::HardenProcess(); !hardened) return Fail(hardened.error());
  signet::InitialiseSecretMemory();

  Options options;
  CLI::App app("signetd: hardware-backed certificates and keys for a cluster of appliances");
  app.set_version_flag("--version", SIGNET_VERSION);
  auto* config = app.add_option("--config", options.config, "configuration file")
                     ->default_str("/etc/signet/signet.toml");
  auto* dev = app.add_option("--dev", options.dev.directory,
                             "a whole appliance in this folder, made when absent")
                  ->excludes(config);
  app.add_option("--product", options.dev.product, "product of a new --dev folder: imp or cucm")
      ->needs(dev)
      ->check(CLI::IsMember({"imp", "cucm"}));
  auto* listen = app.add_option("--listen", options.dev.listen,
                                "ADDRESS:PORT of the TLS side, port 0 for any");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (options.config.empty() && options.dev.directory.empty())
    options.config = "/etc/signet/signet.toml";
  options.listen_given = listen->count() > 0;
  return Serve(options);
}
