// The Unix socket with raw bytes: framing, limits, deadlines, lifetimes.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "tests/rpc/test_server.h"

namespace signet::rpc {
namespace {

constexpr char kEcho[] = R"({"jsonrpc":"2.0","id":1,"method":"test.echo","params":{"text":"hi"}})";

std::string Once(TestServer& server, std::string_view bytes) {
  RawClient client = RawClient::Unix(server.socket());
  client.Send(bytes);
  return client.ReadResponse();
}

TEST(UnixSocket, TheDaemonsOwnUserIsAdministrator) {
  TestServer server;
  const std::string response = Once(server, Post(kEcho));
  EXPECT_EQ(StatusOf(response), 200);
  const json::value body = BodyOf(response);
  EXPECT_EQ(body.at("result").at("role").as_string(), "administrator");
  EXPECT_EQ(body.at("result").at("text").as_string(), "hi");
}

}  // namespace
}  // namespace signet::rpc
