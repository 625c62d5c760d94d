// Command lines: misspelt, incomplete, in need of a confirmation.
#include "tests/tools/cli_runner.h"

namespace signet::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(CliTest, MisspeltWordsAreAnsweredWithTheNearestOne) {
  const Ran noun = Signet({"certifcate", "list"});
  EXPECT_EQ(noun.code, 2);
  EXPECT_THAT(noun.err, HasSubstr("Did you mean 'certificate'?"));
  const Ran verb = Signet({"csr", "genrate", "tomcat"});
  EXPECT_EQ(verb.code, 2);
  EXPECT_THAT(verb.err, HasSubstr("Did you mean 'generate'?"));
  const Ran option = Signet({"csr", "generate", "tomcat", "--distribtion", "x"});
  EXPECT_EQ(option.code, 2);
  EXPECT_THAT(option.err, HasSubstr("Did you mean '--distribution'?"));
}

TEST_F(CliTest, IncompleteCommandLinesAreUsageErrors) {
  const std::vector<std::vector<std::string>> lines = {
      {},
      {"certificate"},
      {"certificate", "show"},
      {"status", "list"},
      {"csr", "generate", "tomcat", "cup"},
      {"csr", "generate", "tomcat", "--key"},
      {"csr", "generate", "tomcat", "--key", "a", "--key", "b"},
      {"certificate", "generate", "tomcat", "--validity-days", "1e3", "--yes"},
      {"--output", "xml", "status"},
      {"--url", "http://localhost", "status"},
      {"--url", "https://localhost", "--socket", "x", "status"},
      {"--idempotency-key", "a\r\nX: y", "status"},
  };
  for (const std::vector<std::string>& line : lines) {
    const Ran ran = Signet(line);
    EXPECT_EQ(ran.code, 2) << ::testing::PrintToString(line);
    EXPECT_THAT(ran.err, HasSubstr("\n  remedy: ")) << ::testing::PrintToString(line);
    EXPECT_EQ(ran.out, "");
  }
}

TEST_F(CliTest, TwoTargetsInTheEnvironmentAreRefused) {
  EXPECT_EQ(Signet({"status"}, "", "SIGNET_SOCKET=a SIGNET_URL=https://b").code, 2);
}

TEST_F(CliTest, HelpAndVersionGoToStandardOutput) {
  const Ran help = Signet({"csr", "generate", "--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("Examples:\n  signet csr generate tomcat\n"));
  EXPECT_EQ(help.err, "");
  EXPECT_THAT(Signet({"--version"}).out, HasSubstr("signet "));
}

constexpr std::string_view kChange =
    R"([{"result":{"changed":true,"operation":"op1","restarts":["Cisco Tomcat"],"findings":[
         {"severity":"warning","id":"EXTRA_SAN","text":"one more"}],"csr":"0123456789abcdef",
         "stored":[]}}])";

TEST_F(CliTest, WithoutATerminalWhatReplacesSomethingNeedsYes) {
  Play("{\"certificate.generate\":" + std::string(kChange) + ",\"certificate.upload\":" +
       std::string(kChange) + ",\"trust.upload\":" + std::string(kChange) +
       ",\"csr.discard\":" + std::string(kChange) + "}");
  const std::string pem = WriteFile("a.pem", "PEM");
  const std::vector<std::vector<std::string>> lines = {{"certificate", "generate", "tomcat"},
                                                       {"certificate", "upload", "tomcat", pem},
                                                       {"trust", "upload", "tomcat-trust", pem},
                                                       {"csr", "discard", "0123456789abcdef"}};
  for (std::vector<std::string> line : lines) {
    const Ran refused = Signet(line, "y\n");
    EXPECT_EQ(refused.code, 2);
    EXPECT_THAT(refused.err, HasSubstr("--yes"));
    EXPECT_TRUE(Received().empty());
  }
  for (std::vector<std::string> line : lines) {
    line.emplace_back("--yes");
    EXPECT_EQ(Signet(line).code, 0);
  }
  EXPECT_EQ(Received().size(), lines.size());
}

TEST_F(CliTest, OnATerminalItAsksAndNoMeansNo) {
  Play("{\"csr.discard\":" + std::string(kChange) + "}");
  const Ran no = SignetOnTerminal("csr discard 0123456789abcdef", "n\n");
  EXPECT_EQ(no.code, 1);
  EXPECT_THAT(no.out, HasSubstr("Drop the CSR 0123456789abcdef and destroy its key?"));
  EXPECT_TRUE(Received().empty());
  EXPECT_EQ(SignetOnTerminal("csr discard 0123456789abcdef", "y\n").code, 0);
  EXPECT_EQ(Received().size(), 1u);
}

TEST_F(CliTest, OptionsBecomeMembersAndTheKeyBecomesAHeader) {
  Play("{\"csr.generate\":" + std::string(kChange) + "}");
  WriteFile("names", "DNS:c.example.com\r\n# a comment\n\nIP:10.0.0.1\n");
  const Ran ran = Signet({"csr", "generate", "tomcat", "--key", "rsa:3072", "--hash", "sha384",
                          "--san", "DNS:a.example.com", "--san", "DNS:b.example.com", "--san-file",
                          "names", "--organizational-unit", "Voice", "--distribution",
                          "multi-server", "--idempotency-key", "k-1"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "changed   yes\noperation op1\ncsr       0123456789abcdef\nrestart   Cisco Tomcat\n");
  EXPECT_THAT(ran.err, HasSubstr("  warning EXTRA_SAN: one more\n"));
  EXPECT_THAT(ran.err, HasSubstr("signet csr download 0123456789abcdef"));
  const json::value received = Received().at(0);
  EXPECT_EQ(received.at("headers").at("idempotency-key").as_string(), "k-1");
  const json::value expected = json::parse(
      R"({"purpose":"tomcat","key":"rsa:3072","hash":"sha384","organizationalUnit":"Voice",
          "distribution":"multi-server","sans":["DNS:a.example.com","DNS:b.example.com",
          "DNS:c.example.com","IP:10.0.0.1"]})");
  EXPECT_EQ(received.at("request").at("params"), expected);
}

TEST_F(CliTest, ThePinComesFromADescriptorAndNeverOverTheNetwork) {
  Play(R"({"token.unlock":[{"result":{"state":"operational"}}]})");
  EXPECT_EQ(Signet({"token", "unlock", "--pin-fd", "0"}, "12 34\nnot this\n").code, 0);
  EXPECT_EQ(Received().at(0).at("request").at("params").at("pin").as_string(), "12 34");
  EXPECT_EQ(Signet({"token", "unlock"}, "1234\n").code, 2);
  EXPECT_EQ(Signet({"token", "unlock", "--pin-fd", "0"}, "").code, 2);
  EXPECT_EQ(Signet({"token", "unlock", "--pin-fd", "77"}).code, 1);
  EXPECT_EQ(
      Signet({"--url", "https://localhost:1", "token", "unlock", "--pin-fd", "0"}, "1234\n", "A=b")
          .code,
      2);
  EXPECT_EQ(Received().size(), 1u);
}

TEST_F(CliTest, ThePinIsNotEchoed) {
  Play(R"({"token.unlock":[{"result":{"state":"operational"}}]})");
  const Ran ran = SignetOnTerminal("token unlock", "");
  EXPECT_THAT(ran.out, HasSubstr("PIN"));
  EXPECT_EQ(ran.code, 2);  // nothing was typed
}

TEST_F(CliTest, CompletionKnowsNounsVerbsAndOptions) {
  const Ran script = Signet({"completion", "bash"});
  EXPECT_EQ(script.code, 0);
  WriteFile("completion", script.out);
  const auto complete = [&](const std::string& words, int at) {
    const std::string command = "cd " + Path("") + " && bash -c '. ./completion; COMP_WORDS=(" +
                                words + "); COMP_CWORD=" + std::to_string(at) +
                                "; _signet; echo \"${COMPREPLY[*]}\"' >reply";
    EXPECT_EQ(std::system(command.c_str()), 0);
    return ReadFile(Path("reply"));
  };
  EXPECT_EQ(complete("signet cert", 1), "certificate\n");
  EXPECT_EQ(complete("signet --output json csr d", 4), "download discard\n");
  EXPECT_EQ(complete("signet csr download tomcat --form", 4), "--format\n");
  EXPECT_THAT(complete("signet csr generate tomcat --key \"\"", 5), HasSubstr("ec:P-384"));
  EXPECT_THAT(complete("signet csr list --", 3), Not(HasSubstr("--san")));
}

}  // namespace
}  // namespace signet::tools
