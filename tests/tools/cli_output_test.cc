// What the CLI prints and how it exits.
#include <cstdlib>
#include <fstream>

#include "tests/tools/cli_runner.h"

namespace signet::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string ErrorOf(const std::string& kind) {
  return R"({"certificate.show":[{"error":{"code":-32000,"message":"m","data":{"kind":")" + kind +
         R"(","code":"WORD","detail":"what happened","remedy":"what to do",)"
         R"("findings":[{"severity":"error","id":"SAN_MISSING","text":"no name",)"
         R"("certificate":""}]}}}]})";
}

struct KindCode {
  const char* kind;
  int code;
};

void PrintTo(const KindCode& row, std::ostream* out) { *out << row.kind; }

class CliExitCode : public CliTest, public ::testing::WithParamInterface<KindCode> {};

TEST_P(CliExitCode, IsThatOfTheErrorsKind) {
  Play(ErrorOf(GetParam().kind));
  const Ran ran = Signet({"certificate", "show", "tomcat"});
  EXPECT_EQ(ran.code, GetParam().code);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err,
            "signet: what happened (WORD)\n  remedy: what to do\n  error SAN_MISSING: no name\n");
}

INSTANTIATE_TEST_SUITE_P(Kinds, CliExitCode,
                         ::testing::Values(KindCode{"refused", 1}, KindCode{"usage", 2},
                                           KindCode{"not-found", 3}, KindCode{"denied", 4},
                                           KindCode{"conflict", 5}, KindCode{"token-locked", 6},
                                           KindCode{"token-failed", 6}, KindCode{"exhausted", 1},
                                           KindCode{"unheard-of", 1}),
                         [](const auto& test) {
                           std::string name = test.param.kind;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_F(CliTest, NobodyBehindTheSocketIsUnreachable) {
  const Ran ran = Signet({"status"});
  EXPECT_EQ(ran.code, 7);
  EXPECT_THAT(ran.err, HasSubstr("remedy: Is signetd running?"));
}

TEST_F(CliTest, AnAnswerThatIsNoJsonRpcIsAFailureWithARemedy) {
  Play(R"({"status.show":[{"raw":"<html>","status":200},{"raw":"","status":403},
                          {"raw":"[]","status":503},{"hang_up":true}]})");
  EXPECT_EQ(Signet({"status"}).code, 1);
  EXPECT_EQ(Signet({"status"}).code, 4);
  EXPECT_EQ(Signet({"status"}).code, 1);
  const Ran ran = Signet({"status"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("remedy: "));
}

TEST_F(CliTest, ARemedyMayShowLinesToCopy) {
  Play(R"({"service.snippet":[{"error":{"code":-32000,"message":"m","data":{"kind":"not-found",
          "code":"SERVICE_NOT_CONFIGURED","detail":"none",
          "remedy":"Add:\n[service.nginx]\nserver = \"nginx\"\u001b[31m","findings":[]}}}]})");
  const Ran ran = Signet({"service", "snippet", "nginx", "tomcat"});
  EXPECT_EQ(ran.code, 3);
  EXPECT_EQ(ran.err,
            "signet: none (SERVICE_NOT_CONFIGURED)\n  remedy: Add:\n    [service.nginx]\n"
            "    server = \"nginx\"\\x1b[31m\n");
}

TEST_F(CliTest, ASnippetIsPrintedAsItIs) {
  Play(R"({"service.snippet":[{"result":{"server":"nginx","purpose":"tomcat","service":"web",
          "folder":"/p/web/current","text":"# one\n    two {\n\n}\u001b\n"}}]})");
  const Ran ran = Signet({"service", "snippet", "nginx", "tomcat", "--service", "web"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "# one\n    two {\n\n}\\x1b\n");
  EXPECT_EQ(ran.err, "");
  EXPECT_EQ(Received().at(0).at("request").at("params"),
            json::parse(R"({"server":"nginx","purpose":"tomcat","service":"web"})"));
  EXPECT_EQ(json::parse(Signet({"service", "snippet", "nginx", "tomcat", "--output", "json"}).out)
                .at("folder")
                .as_string(),
            "/p/web/current");
}

TEST_F(CliTest, TheEnvironmentOfAKeyIsForAShell) {
  Play(R"({"key.agentEnv":[{"result":{"purpose":"tomcat","address":"unix:path=/run/k.sock",
          "module":"/m.so","uri":"pkcs11:token=a;id=%01","label":"x\ny; touch evil",
          "environment":{"P11_KIT_SERVER_ADDRESS":"unix:path=/run/k.sock",
                         "ODD":"a'b $(touch evil) `touch evil`"}}}]})");
  const Ran ran = Signet({"key", "agent-env", "tomcat"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("# uri: pkcs11:token=a;id=%01\n"));
  EXPECT_THAT(ran.out, HasSubstr("export P11_KIT_SERVER_ADDRESS='unix:path=/run/k.sock'\n"));
  WriteFile("env", ran.out);
  WriteFile("try", ". ./env; printf '%s|%s' \"$P11_KIT_SERVER_ADDRESS\" \"$ODD\" >seen");
  ASSERT_EQ(std::system(("cd '" + Path(".") + "' && sh ./try").c_str()), 0);
  EXPECT_EQ(ReadFile(Path("seen")), "unix:path=/run/k.sock|a'b $(touch evil) `touch evil`");
  EXPECT_FALSE(std::ifstream(Path("evil")).good());
}

constexpr std::string_view kTwoPages = R"({"certificate.list":[
  {"result":{"items":[{"purpose":"tomcat","state":"ok","class":"self-signed","key":"rsa:2048",
    "subject":"CN=imp1.example.com, O=An organisation with a name that is long, C=KR",
    "notAfter":"2031-11-22T20:13:39Z"}],"next":"second"}},
  {"result":{"items":[{"purpose":"cup-ECDSA","state":"generating","class":null,"key":null,
    "subject":null,"notAfter":null}],"next":null}}]})";

TEST_F(CliTest, AListIsFetchedWholeAndPrintedAsOneArray) {
  Play(kTwoPages);
  const Ran ran = Signet({"--output", "json", "certificate", "list"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.err, "");
  const json::value list = json::parse(ran.out);
  ASSERT_EQ(list.as_array().size(), 2u);
  EXPECT_EQ(list.at(0).at("purpose").as_string(), "tomcat");
  EXPECT_EQ(list.at(1).at("purpose").as_string(), "cup-ECDSA");
  const auto received = Received();
  ASSERT_EQ(received.size(), 2u);
  EXPECT_EQ(received[0].at("path").as_string(), "/rpc");
  EXPECT_FALSE(received[0].at("request").at("params").as_object().contains("cursor"));
  EXPECT_EQ(received[1].at("request").at("params").at("cursor").as_string(), "second");
}

TEST_F(CliTest, PagesThatGoInACircleEnd) {
  Play(R"({"csr.list":[{"result":{"items":[],"next":"again"}}]})");
  EXPECT_EQ(Signet({"csr", "list"}).code, 1);
}

TEST_F(CliTest, ATableIsWholeInAPipeAndFitsATerminal) {
  Play(kTwoPages);
  const Ran piped = Signet({"certificate", "list"});
  EXPECT_THAT(piped.out, HasSubstr("PURPOSE"));
  EXPECT_THAT(piped.out,
              HasSubstr("2031-11-22    - -    CN=imp1.example.com, O=An organisation with a name "
                        "that is long, C=KR\n"));
  EXPECT_THAT(piped.out, HasSubstr("cup-ECDSA generating"));
}

TEST_F(CliTest, OnATerminalNoLineIsLongerThanTheScreen) {
  Play(kTwoPages);
  const Ran ran = SignetOnTerminal("certificate list", "");
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("tomcat"));
  EXPECT_THAT(ran.out, HasSubstr("C=KR"));  // the end of the longest cell
  std::istringstream lines(ran.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 81u) << line;
}

TEST_F(CliTest, ARecordLeavesOutWhatHasNoValue) {
  Play(R"({"status.show":[{"result":{"state":"operational","reason":"","product":"imp",
           "pendingCsrs":0,"warnings":[{"severity":"warning","id":"W","text":"look"}]}}]})");
  const Ran ran = Signet({"status"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "state        operational\nproduct      imp\npending CSRs 0\n");
  EXPECT_EQ(ran.err, "  warning W: look\n");
}

TEST_F(CliTest, TheOutputFormHasATwinInTheEnvironment) {
  Play(R"({"status.show":[{"result":{"state":"locked"}}]})");
  const std::string environment = "SIGNET_OUTPUT=json SIGNET_SOCKET=" + Path("sock");
  EXPECT_EQ(Signet({"status"}, "", environment).out, "{\"state\":\"locked\"}\n");
  EXPECT_EQ(Signet({"status", "--output", "table"}, "", environment).out, "state locked\n");
}

TEST_F(CliTest, HostileTextReachesNoTerminal) {
  Play(
      "{\"trust.list\":[{\"result\":{\"items\":[{\"store\":\"a\",\"id\":\"\\u001b]0;owned\\u0007\","
      "\"kind\":\"anchor\",\"subject\":\"CN=\\u202egnp\\r\\nevil\"}],\"next\":null}}],"
      "\"trust.show\":[{\"error\":{\"code\":1,\"message\":\"\",\"data\":{\"kind\":\"refused\","
      "\"code\":\"X\",\"detail\":\"a\\u001b[2Jb\\nsignet: forged\",\"remedy\":\"\\u009b1m\"}}}]}");
  for (const Ran& ran : {Signet({"trust", "list"}), Signet({"trust", "show", "s", "i"})}) {
    const std::string all = ran.out + ran.err;
    for (const char c : {'\x1b', '\x07', '\r'}) EXPECT_EQ(all.find(c), std::string::npos) << all;
    EXPECT_THAT(all, Not(HasSubstr("\xe2\x80\xae")));
    EXPECT_THAT(all, Not(HasSubstr("\nsignet: forged")));
    EXPECT_THAT(all, Not(HasSubstr("\xc2\x9b")));
  }
}

TEST_F(CliTest, AVerdictThatIsFalseIsExitCodeOne) {
  Play(R"({"audit.verify":[{"result":{"verified":true,"records":3}},
                           {"result":{"verified":false,"records":3,"firstBad":2}}],
           "token.selfTest":[{"result":{"passed":false,
             "steps":[{"name":"sign","passed":false,"detail":"0x30"}]}}]})");
  EXPECT_EQ(Signet({"audit", "verify"}).code, 0);
  EXPECT_EQ(Signet({"audit", "verify"}).code, 1);
  const Ran ran = Signet({"token", "self-test"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("sign no     0x30"));
}

TEST_F(CliTest, AFullDiskBehindStandardOutputIsAFailure) {
  Play(R"({"status.show":[{"result":{"state":"locked"}}]})");
  const std::string command =
      "SIGNET_SOCKET=" + Path("sock") + " " SIGNET_CLI " status >/dev/full 2>/dev/null";
  EXPECT_NE(std::system(command.c_str()), 0);
}

TEST_F(CliTest, RpcPrintsTheResultAsItIs) {
  Play(R"({"rpc.discover":[{"result":{"openrpc":"1.2.6","items":[]}}]})");
  EXPECT_EQ(Signet({"rpc", "rpc.discover"}).out, "{\"openrpc\":\"1.2.6\",\"items\":[]}\n");
  EXPECT_EQ(Signet({"rpc", "rpc.discover", "{}"}).code, 0);
  EXPECT_EQ(Signet({"rpc", "rpc.discover", "-"}, R"({"a":1})").code, 0);
  EXPECT_EQ(Received().back().at("request").at("params").at("a").as_int64(), 1);
  EXPECT_EQ(Signet({"rpc", "rpc.discover", "[1]"}).code, 2);
  EXPECT_EQ(Signet({"rpc", "rpc.discover", "{\"a\":1,\"a\":2}"}).code, 2);
  EXPECT_EQ(Signet({"rpc", "no.such"}).code, 2);
}

}  // namespace
}  // namespace signet::tools
