// Runs the real `signet` against a scripted daemon, each test with its own folder and socket.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "platform/json.h"

namespace signet::tools {

struct Ran {
  int code = -1;
  std::string out, err;
};

class CliTest : public ::testing::Test {
 protected:
  CliTest();
  ~CliTest() override;

  // Starts the daemon with answers by method: see fake_daemon.py. JSON text.
  void Play(std::string_view script);
  // Runs signet without a terminal; `input` is its standard input. The socket is given by the
  // environment, unless `environment` ("NAME=value" words) says otherwise.
  Ran Signet(const std::vector<std::string>& arguments, const std::string& input = "",
             const std::string& environment = "");
  // The same on a terminal of its own (script(1)): out and err are one.
  Ran SignetOnTerminal(const std::string& arguments, const std::string& typed);

  // What the daemon received: {path, headers, request} each.
  std::vector<json::value> Received() const;
  std::string WriteFile(const std::string& name, std::string_view content) const;
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

 private:
  std::string folder_;
  int daemon_ = 0;
};

std::string ReadFile(const std::string& path);

}  // namespace signet::tools
