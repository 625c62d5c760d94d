// A SoftHSM token of a test's own: a fresh directory, its own softhsm2.conf, made by softhsm2-util.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "hsm/token_owner.h"
#include "platform/clock.h"
#include "platform/files.h"

namespace signet::testing {

// Runs a shell command; what it wrote to both outputs, and whether it succeeded.
struct Ran {
  bool ok = false;
  std::string out;
};
inline Ran Shell(const std::string& command) {
  Ran ran;
  FILE* pipe = ::popen(("{ " + command + " ; } 2>&1").c_str(), "r");
  if (pipe == nullptr) return ran;
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) {
    ran.out.append(buffer, got);
  }
  ran.ok = ::pclose(pipe) == 0;
  return ran;
}

class TempDirectory {
 public:
  TempDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "signet-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void WriteFile(const std::string& path, const std::string& content,
                      std::filesystem::perms mode = std::filesystem::perms(0600)) {
  std::ofstream(path, std::ios::binary) << content;
  std::filesystem::permissions(path, mode);
}

inline constexpr char kSoftHsm[] = "/usr/lib/softhsm/libsofthsm2.so";
inline constexpr char kPin[] = "test-pin-1234";

class MemoryThrottle final : public hsm::ThrottleStore {
 public:
  Result<Entry> Load() override { return entry; }
  Status Save(const Entry& next) override {
    entry = next;
    ++saves;
    return Ok();
  }
  Entry entry;
  int saves = 0;
};

// Sets SOFTHSM2_CONF of this process, so one at a time.
class SoftToken {
 public:
  explicit SoftToken(const std::string& label = "signet-test") : label_(label) {
    std::filesystem::create_directory(tokens());
    WriteFile(conf(), "directories.tokendir = " + tokens() +
                          "\nobjectstore.backend = file\nlog.level = ERROR\n");
    WriteFile(dir_ / "pin", std::string(kPin) + "\n");
    ::setenv("SOFTHSM2_CONF", conf().c_str(), 1);
    Initialise();
  }

  void Initialise(const std::string& pin = kPin) {
    const Ran ran = Shell("softhsm2-util --init-token --free --label " + label_ +
                          " --so-pin 12345678 --pin " + pin);
    if (!ran.ok) ADD_FAILURE() << ran.out;
  }
  // The same token, all objects gone.
  void Reinitialise(const std::string& pin = kPin) {
    const Ran ran = Shell("softhsm2-util --init-token --token " + label_ + " --label " + label_ +
                          " --so-pin 12345678 --pin " + pin);
    if (!ran.ok) ADD_FAILURE() << ran.out;
  }
  Ran Pkcs11Tool(const std::string& arguments) const {
    return Shell("pkcs11-tool --module " + std::string(kSoftHsm) + " --token-label " + label_ +
                 " --login --pin " + kPin + " " + arguments);
  }

  std::string tokens() const { return dir_ / "tokens"; }
  std::string conf() const { return dir_ / "softhsm2.conf"; }
  const TempDirectory& dir() const { return dir_; }

  hsm::TokenConfig Config() const {
    hsm::TokenConfig config;
    config.module = kSoftHsm;
    config.uri = "pkcs11:token=" + label_;
    config.pin_source = "file:" + (dir_ / "pin");
    config.softhsm_config = conf();
    config.softhsm_tokens = tokens();
    return config;
  }

 private:
  std::string label_;
  TempDirectory dir_;
};

// A token with its owner, opened and (unless told otherwise) operational.
struct OpenToken {
  explicit OpenToken(const std::string& module = kSoftHsm) : clock(MakeSystemClock()) {
    config = soft.Config();
    config.module = module;
  }
  void Open() {
    auto opened = hsm::TokenOwner::Open(config, *files, *clock, throttle);
    if (!opened) {
      ADD_FAILURE() << opened.error().ToString();
      std::abort();
    }
    owner = std::move(opened.value());
    const Status started = owner->Start();
    if (!started) ADD_FAILURE() << started.error().ToString();
  }
  hsm::Token& token() { return owner->token(); }

  SoftToken soft;
  std::unique_ptr<FileSystem> files = MakeFileSystem();
  std::unique_ptr<Clock> clock;
  MemoryThrottle throttle;
  hsm::TokenConfig config;
  std::unique_ptr<hsm::TokenOwner> owner;
};

}  // namespace signet::testing
