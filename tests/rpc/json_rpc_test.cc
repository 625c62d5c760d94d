// Requests as text: what is refused, with which code, and what is echoed. Straight at the endpoint.
#include "rpc/json_rpc.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "tests/rpc/test_server.h"

namespace signet::rpc {
namespace {

class JsonRpc : public ::testing::Test {
 protected:
  JsonRpc() {
    methods_ = TestMethods();
    view_.token_state = [this] { return state_; };
    runner_ = MakeFakeChanges(memory_);
  }

  std::string Raw(std::string_view body, Role role = Role::kAdministrator, std::string key = {}) {
    Gate gate(methods_, *runner_, view_);
    Endpoint endpoint(gate);
    RequestContext context;
    context.actor = "uid:1";
    context.role = role;
    context.local = true;
    context.request_id = "r1";
    context.idempotency_key = std::move(key);
    boost::asio::io_context loop;
    RpcReply out;
    boost::asio::co_spawn(loop, endpoint.Answer(context, WipedString(body.data(), body.size())),
                          [&](const std::exception_ptr& e, RpcReply reply) {
                            EXPECT_EQ(e, nullptr);
                            out = std::move(reply);
                          });
    loop.run();
    status_ = out.status;
    return out.buffer.substr(kHeadroom);
  }
  json::value Ask(std::string_view body, Role role = Role::kAdministrator, std::string key = {}) {
    return json::parse(Raw(body, role, std::move(key)));
  }
  int Code(std::string_view body, Role role = Role::kAdministrator) {
    const json::value answer = Ask(body, role);
    const json::value* error = answer.as_object().if_contains("error");
    return error == nullptr ? 0 : static_cast<int>(error->at("code").as_int64());
  }
  std::string Word(std::string_view body, Role role = Role::kAdministrator) {
    const json::value answer = Ask(body, role);
    const json::value* error = answer.as_object().if_contains("error");
    return error == nullptr ? "" : error->at("data").at("code").as_string().c_str();
  }

  MethodTable methods_;
  ApplianceView view_;
  hsm::TokenState state_ = hsm::TokenState::kOperational;
  std::shared_ptr<ChangeMemory> memory_ = std::make_shared<ChangeMemory>();
  std::unique_ptr<services::ChangeRunner> runner_;
  int status_ = 0;
};

std::string Call(std::string_view method, std::string_view params = "{}",
                 std::string_view id = "1") {
  return R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":")" + std::string(method) +
         R"(","params":)" + std::string(params) + "}";
}

TEST_F(JsonRpc, AnAnswerCarriesTheIdAndTheResult) {
  EXPECT_EQ(
      Raw(Call("test.echo", R"({"text":"a"})", "\"x\"")),
      R"({"jsonrpc":"2.0","id":"x","result":{"text":"a","actor":"uid:1","role":"administrator"}})");
}

TEST_F(JsonRpc, Abuse70BatchesAreOneToFiftyCallsAndNeverNested) {
  EXPECT_EQ(Code("[]"), kInvalidRequest);
  std::string many = "[";
  for (int i = 0; i < 51; ++i) many += (i == 0 ? "" : ",") + Call("test.echo");
  EXPECT_EQ(Code(many + "]"), kInvalidRequest);
  std::string fifty = "[";
  for (int i = 0; i < 50; ++i)
    fifty += (i == 0 ? "" : ",") + Call("test.echo", "{}", std::to_string(i));
  const json::value answers = Ask(fifty + "]");
  ASSERT_EQ(answers.as_array().size(), 50u);
  EXPECT_EQ(answers.at(49).at("id").as_int64(), 49);
  const json::value nested = Ask("[[" + Call("test.echo") + "]]");
  EXPECT_EQ(nested.at(0).at("error").at("code").as_int64(), kInvalidRequest);
}

TEST_F(JsonRpc, Abuse70ABatchOfCallsAndNotificationsAnswersTheCallsOnly) {
  const json::value answers =
      Ask("[" + Call("test.echo") + R"(,{"jsonrpc":"2.0","method":"test.echo"},)" +
          Call("test.echo", "{}", "2") + "]");
  ASSERT_EQ(answers.as_array().size(), 2u);
  EXPECT_EQ(answers.at(1).at("id").as_int64(), 2);
  EXPECT_EQ(Raw(R"([{"jsonrpc":"2.0","method":"test.echo"}])"), "");
  EXPECT_EQ(status_, 204);
}

TEST_F(JsonRpc, Abuse71NestingBeyond32LevelsIsRefused) {
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  EXPECT_EQ(Code(deep), kParseError);
  EXPECT_EQ(
      Code(Call("test.echo", R"({"text":)" + std::string(40, '[') + std::string(40, ']') + "}")),
      kParseError);
}

TEST_F(JsonRpc, Abuse72MembersTwiceAreRefused) {
  EXPECT_EQ(Code(R"({"jsonrpc":"2.0","id":1,"method":"test.echo","method":"test.read"})"),
            kParseError);
  EXPECT_EQ(Code(Call("test.echo", R"({"text":"a","text":"b"})")), kParseError);
  EXPECT_EQ(Code(R"({"jsonrpc":"2.0","id":1,"method":"test.echo","\u006dethod":"test.read"})"),
            kParseError);
}

TEST_F(JsonRpc, Abuse73ADocumentWithTooManyValuesIsRefused) {
  std::string bomb = R"({"jsonrpc":"2.0","id":1,"method":"test.echo","params":{"text":[)";
  for (int i = 0; i < 450000; ++i) bomb += "[],";
  EXPECT_EQ(Code(bomb + "0]}}"), kParseError);
}

TEST_F(JsonRpc, Abuse76BadTextAndNumbersAreTypedErrors) {
  EXPECT_EQ(Code(Call("test.echo", "{\"text\":\"\xff\xfe\"}")), kParseError);
  EXPECT_EQ(Code(Call("test.echo", R"({"text":"\ud800"})")), kParseError);
  EXPECT_EQ(Code(Call("test.echo", "{\"text\":\"\xc0\xaf\"}")), kParseError);
  EXPECT_EQ(Code(Call("test.slow", R"({"milliseconds":1e400})")), kParseError);
  EXPECT_EQ(Code(Call("test.slow", R"({"milliseconds":9223372036854775808})")), kInvalidParams);
  EXPECT_EQ(Code(Call("test.slow", R"({"milliseconds":0.5})")), kInvalidParams);
  EXPECT_EQ(Code(Call("test.slow", R"({"milliseconds":-0})")), 0);
  EXPECT_EQ(Code(Call(R"(test.echo\u0000)")), kMethodNotFound);
}

TEST_F(JsonRpc, Abuse76AnIdIsEchoedOnlyWhenItIsASmallScalar) {
  for (const char* id :
       {"1", "-5", "9223372036854775807", "18446744073709551615", "\"a\"", "null"}) {
    EXPECT_EQ(json::serialize(Ask(Call("test.echo", "{}", id)).at("id")), id);
  }
  const std::string longest = "\"" + std::string(127, 'x') + "\"";
  EXPECT_EQ(json::serialize(Ask(Call("test.echo", "{}", longest)).at("id")), longest);
  for (const std::string& id : {std::string("1.5"), std::string("{}"), std::string("[1]"),
                                std::string("true"), "\"" + std::string(128, 'x') + "\""}) {
    const json::value answer = Ask(Call("test.echo", "{}", id));
    EXPECT_TRUE(answer.at("id").is_null()) << id;
    EXPECT_EQ(answer.at("error").at("code").as_int64(), kInvalidRequest) << id;
  }
}

TEST_F(JsonRpc, Abuse77OnlyVersion2AndKnownMembersAreTaken) {
  EXPECT_EQ(Code(R"({"id":1,"method":"test.echo"})"), kInvalidRequest);
  EXPECT_EQ(Code(R"({"jsonrpc":"1.0","id":1,"method":"test.echo"})"), kInvalidRequest);
  EXPECT_EQ(Code(R"({"jsonrpc":2.0,"id":1,"method":"test.echo"})"), kInvalidRequest);
  EXPECT_EQ(Code(R"({"jsonrpc":"2.0","id":1,"method":"test.echo","extra":1})"), kInvalidRequest);
  EXPECT_EQ(Code(R"({"jsonrpc":"2.0","id":1,"method":5})"), kInvalidRequest);
  EXPECT_EQ(Code(R"({"jsonrpc":"2.0","id":1})"), kInvalidRequest);
  EXPECT_EQ(Code("7"), kInvalidRequest);
  EXPECT_EQ(Code("\"x\""), kInvalidRequest);
  EXPECT_EQ(Code(""), kParseError);
  EXPECT_EQ(Code("{"), kParseError);
  EXPECT_EQ(Code("{} {}"), kParseError);
  for (const std::string& name : {std::string("__proto__"), std::string(), std::string(10000, 'm'),
                                  std::string("Handle"), std::string("rpc.private")}) {
    EXPECT_EQ(Code(Call(name)), kMethodNotFound) << name.substr(0, 20);
  }
}

TEST_F(JsonRpc, Abuse77UnknownAndForbiddenLookTheSameToWhoMayCallNeither) {
  for (const Role role : {Role::kMetrics, Role::kService, Role::kAuditor, Role::kOperator}) {
    EXPECT_EQ(Raw(Call("test.administer"), role), Raw(Call("no.such"), role));
    EXPECT_EQ(Code(Call("no.such"), role), -32003);
  }
}

TEST_F(JsonRpc, Abuse78ParametersAreGivenByNameAndKnown) {
  EXPECT_EQ(Code(Call("test.echo", "[\"a\"]")), kInvalidParams);
  EXPECT_EQ(Code(Call("test.echo", "[]")), kInvalidParams);
  EXPECT_EQ(Code(Call("test.echo", "null")), kInvalidRequest);
  EXPECT_EQ(Code(Call("test.echo", "\"a\"")), kInvalidRequest);
  const json::value answer = Ask(Call("test.echo", R"({"other":1})"));
  EXPECT_EQ(answer.at("error").at("code").as_int64(), kInvalidParams);
  EXPECT_EQ(answer.at("error").at("data").at("pointer").as_string(), "/other");
  EXPECT_EQ(answer.at("error").at("data").at("code").as_string(), "PARAMETER_INVALID");
  EXPECT_EQ(Code(R"({"jsonrpc":"2.0","id":1,"method":"test.echo"})"), 0);
}

TEST_F(JsonRpc, Abuse79ANotificationThatWouldChangeSomethingIsRefused) {
  const std::string text = R"({"jsonrpc":"2.0","method":"test.change","params":{}})";
  EXPECT_EQ(Word(text), "NOTIFICATION_REFUSED");
  EXPECT_EQ(Ask("[" + text + "]").as_array().size(), 1u);
  EXPECT_TRUE(memory_->Runs().empty());
  EXPECT_EQ(Raw(R"({"jsonrpc":"2.0","method":"no.such"})"), "");
  EXPECT_EQ(status_, 204);
}

TEST_F(JsonRpc, Abuse83AReplayedKeyAnswersTheSameContentAndRefusesOther) {
  const std::string first = Raw(Call("test.change", R"({"text":"a"})"), Role::kOperator, "k1");
  EXPECT_EQ(Raw(Call("test.change", R"( { "text" : "\u0061" } )"), Role::kOperator, "k1"), first);
  EXPECT_EQ(memory_->Runs().size(), 1u);
  const json::value other = Ask(Call("test.change", R"({"text":"b"})"), Role::kOperator, "k1");
  EXPECT_EQ(other.at("error").at("data").at("code").as_string(), "IDEMPOTENCY_KEY_REUSED");
}

TEST_F(JsonRpc, AnIdempotencyKeyDoesNotFitABatchWithChanges) {
  EXPECT_EQ(Ask("[" + Call("test.change") + "]", Role::kOperator, "k")
                .at("error")
                .at("data")
                .at("code")
                .as_string(),
            "IDEMPOTENCY_KEY_IN_BATCH");
  EXPECT_TRUE(Ask("[" + Call("test.read") + "]", Role::kOperator, "k").is_array());
}

TEST_F(JsonRpc, ADefectsDetailStaysInside) {
  for (const char* method : {"test.defect", "test.throw"}) {
    const std::string text = Raw(Call(method));
    EXPECT_EQ(text.find("secret"), std::string::npos);
    EXPECT_NE(text.find("-32603"), std::string::npos);
    EXPECT_NE(text.find(R"("requestId":"r1")"), std::string::npos);
  }
}

TEST_F(JsonRpc, ARefusalSaysWordKindRemedyAndFindings) {
  const json::value error = Ask(Call("test.refuse")).at("error");
  EXPECT_EQ(error.at("code").as_int64(), -32002);
  EXPECT_EQ(error.at("data").at("code").as_string(), "KEY_MISMATCH");
  EXPECT_EQ(error.at("data").at("kind").as_string(), "refused");
  EXPECT_EQ(error.at("data").at("remedy").as_string(), "Use the other.");
  EXPECT_EQ(error.at("data").at("findings").at(0).at("id").as_string(), "SAN_MISSING");
}

TEST_F(JsonRpc, RefusedChangesAreNotedWithTheDigestOfTheirParameters) {
  Ask(Call("test.administer", R"({"text":"a"})"), Role::kOperator);
  Ask(Call("test.read"), Role::kMetrics);
  ASSERT_EQ(memory_->Refusals().size(), 1u);
  EXPECT_EQ(memory_->Refusals()[0].method, "test.administer");
  EXPECT_EQ(memory_->Refusals()[0].word, "ACCESS_DENIED");
  EXPECT_EQ(memory_->Refusals()[0].digest, DigestOfParams(json::parse(R"({"text":"a"})")));
}

TEST(Digest, OrderAndSpellingOfMembersDoNotMatter) {
  const auto digest = [](const char* text) { return DigestOfParams(json::parse(text)); };
  EXPECT_EQ(digest(R"({"a":1,"b":[{"c":null,"d":"x"}]})"),
            digest(R"({"b":[{"d":"x","c":null}],"a":1})"));
  EXPECT_NE(digest(R"({"a":1})"), digest(R"({"a":2})"));
  EXPECT_NE(digest(R"({"a":[1,2]})"), digest(R"({"a":[2,1]})"));
}

TEST_F(JsonRpc, OfParametersThatHoldAPinNotEvenTheDigestIsKept) {
  Ask(R"({"jsonrpc":"2.0","id":1,"method":"test.unlock","params":{"pin":"1234"}})");
  Ask(R"({"jsonrpc":"2.0","id":1,"method":"test.unlock","params":{"pin":"1234"}})", Role::kAuditor);
  const auto runs = memory_->Runs();
  const auto refusals = memory_->Refusals();
  ASSERT_EQ(runs.size(), 1u);
  ASSERT_EQ(refusals.size(), 1u);
  EXPECT_EQ(runs[0].digest, "");
  EXPECT_EQ(refusals[0].digest, "");
}

// Every method in every role and state of the token: the expected code follows from the row alone.
TEST_F(JsonRpc, Abuse100MatrixOfMethodsRolesAndStates) {
  struct Column {
    Role role;
    std::set<Access> may;
  };
  const Column columns[] = {
      {Role::kNone, {}},
      {Role::kMetrics, {}},
      {Role::kService, {Access::kEveryone, Access::kSign, Access::kConnect}},
      {Role::kAuditor, {Access::kEveryone, Access::kRead}},
      {Role::kOperator, {Access::kEveryone, Access::kRead, Access::kOperate, Access::kConnect}},
      {Role::kAdministrator,
       {Access::kEveryone, Access::kRead, Access::kOperate, Access::kAdminister, Access::kSign,
        Access::kConnect}},
  };
  const std::pair<hsm::TokenState, const char*> states[] = {
      {hsm::TokenState::kOperational, ""},
      {hsm::TokenState::kLocked, "TOKEN_LOCKED"},
      {hsm::TokenState::kFailed, "TOKEN_FAILED"},
      {hsm::TokenState::kUnprovisioned, "TOKEN_UNPROVISIONED"}};
  for (const Method& method : methods_.all()) {
    for (const Column& column : columns) {
      for (const auto& [state, word] : states) {
        for (const bool local : {true, false}) {
          RequestContext context;
          context.role = column.role;
          context.local = local;
          const Status status = CheckCall(&method, context, state);
          std::string expected;
          if (column.may.count(method.access) == 0) {
            expected = "ACCESS_DENIED";
          } else if (method.local_only && !local) {
            expected = "LOCAL_ONLY";
          } else if (method.token == TokenNeed::kOperational) {
            expected = word;
          }
          EXPECT_EQ(status ? "" : status.error().word, expected)
              << method.name << " role " << static_cast<int>(column.role);
        }
      }
    }
  }
}

}  // namespace
}  // namespace signet::rpc
