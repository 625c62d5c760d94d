// A CA of a test's own (test_ca.py), which answers CSRs well or as oddly as it is told. One Python
// process for as long as the object lives. SIGNET_TEST_CA is the script's path.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "platform/json.h"

namespace signet::testing {

class TestCa {
 public:
  TestCa() {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    const char* argv[] = {"python3", "-W", "ignore", "-B", SIGNET_TEST_CA, nullptr};
    if (::posix_spawn(&child_, "/usr/bin/python3", &actions, nullptr, const_cast<char**>(argv),
                      environ) != 0) {
      std::abort();
    }
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
    chain_ = Ask({{"do", "chain"}});
  }
  ~TestCa() {
    std::fclose(to_);
    std::fclose(from_);
    ::waitpid(child_, nullptr, 0);
  }
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;

  // The certificate of an issuer: "root", "intermediate", "second", "constrained", "short",
  // "unknown", "twin".
  std::string Issuer(const std::string& name) const { return Text(chain_, name); }
  // What the CA makes of a CSR (PEM in, PEM out); `how`: see test_ca.py.
  std::string Sign(const std::string& csr, json::object how = {}) {
    how["do"] = "sign";
    how["csr"] = csr;
    return Text(Ask(std::move(how)), "pem");
  }
  // A self-signed certificate of a node elsewhere; its private key goes to `key` where asked for.
  std::string SelfSigned(const std::string& host, std::string* key = nullptr) {
    const json::object made = Ask({{"do", "self-signed"}, {"subject", host}});
    if (key != nullptr) *key = Text(made, "key");
    return Text(made, "pem");
  }
  // `size` CAs, each cross-signed by each other: the root, which is the last one's, then all of
  // them in an order in which each issuer comes before what it issued. "mesh" is an issuer from
  // then on.
  std::vector<std::string> Mesh(int size) {
    const json::object made = Ask({{"do", "mesh"}, {"size", size}});
    std::vector<std::string> all = {Text(made, "root")};
    for (std::string& pem : Texts(made)) all.push_back(std::move(pem));
    return all;
  }
  // `size` CAs below each other, the root first.
  std::vector<std::string> Deep(int size) { return Texts(Ask({{"do", "deep"}, {"size", size}})); }

 private:
  static std::vector<std::string> Texts(const json::object& object) {
    std::vector<std::string> texts;
    const json::value* list = object.if_contains("certificates");
    if (list == nullptr) return texts;
    for (const json::value& text : list->as_array()) texts.emplace_back(text.as_string());
    return texts;
  }
  static std::string Text(const json::object& object, const std::string& name) {
    const json::value* value = object.if_contains(name);
    if (value == nullptr || !value->is_string()) {
      ADD_FAILURE() << "the test CA has no '" << name << "'";
      return {};
    }
    return std::string(value->get_string());
  }

  json::object Ask(const json::object& question) {
    const std::string line = json::serialize(question) + "\n";
    if (std::fwrite(line.data(), 1, line.size(), to_) != line.size() || std::fflush(to_) != 0)
      std::abort();
    char* answer = nullptr;
    std::size_t capacity = 0;
    const ssize_t size = ::getline(&answer, &capacity, from_);
    const std::string text(answer, size > 0 ? static_cast<std::size_t>(size) : 0);
    std::free(answer);
    auto parsed = ParseJson(text, {.max_bytes = 64u << 20});
    if (!parsed || !parsed.value().is_object()) {
      ADD_FAILURE() << "the test CA failed; asked: " << line.substr(0, 200);
      return {};
    }
    return parsed.value().get_object();
  }

  pid_t child_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  json::object chain_;
};

}  // namespace signet::testing
