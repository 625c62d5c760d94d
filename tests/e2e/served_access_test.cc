// What an unprivileged user gets out of the key socket with the stock client: signatures of its
// own keys, and nothing else.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "tests/e2e/served_world.h"

namespace signet::testing {
namespace {

struct User {
  std::string name, group;
};
const User kNobody = {"nobody", "nogroup"}, kWeb = {"www-data", "www-data"}, kSys = {"sys", "sys"},
           kStranger = {"bin", "bin"};

class ServedAccess : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why_not = ServedWorld::WhyNot(); !why_not.empty())
      GTEST_SKIP() << why_not;
    std::filesystem::permissions(folder_.path(), std::filesystem::perms(0777));
  }
  static ServedWorld& World() { return ServedWorld::Get(); }
  static std::string Door(const std::string& service) {
    return service.empty() ? World().appliance().keys()
                           : World().appliance().Path("run/" + service + ".sock");
  }

  Outcome Tool(const User& user, const std::string& service,
               std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(),
                     {"setpriv", "--reuid", user.name, "--regid", user.group, "--clear-groups",
                      "pkcs11-tool", "--module", kP11KitClient});
    CommandOptions options;
    options.directory = folder_.path();
    options.environment = {{"P11_KIT_SERVER_ADDRESS", "unix:path=" + Door(service)}};
    return RunProgram(arguments, options);
  }
  // Labels of the objects of a class, with their ids.
  std::map<std::string, std::string> Objects(const User& user, const std::string& service,
                                             const std::string& type) const {
    const Outcome listed = Tool(user, service, {"--list-objects", "--type", type});
    EXPECT_EQ(listed.code, 0) << listed.err;
    std::map<std::string, std::string> objects;
    const std::regex object("label: +(\\S+)[^]*?ID: +([0-9a-f]+)");
    for (std::sregex_iterator at(listed.out.begin(), listed.out.end(), object), end; at != end;
         ++at)
      objects[(*at)[1]] = (*at)[2];
    return objects;
  }
  // Of the private keys, without those of former certificates.
  std::set<std::string> Keys(const User& user, const std::string& service) const {
    std::set<std::string> labels;
    for (const auto& [label, id] : Objects(user, service, "privkey")) {
      if (!label.ends_with("-previous")) labels.insert(label);
    }
    return labels;
  }

  ScratchFolder folder_;
};

// SPEC A3: the local user id and the socket decide which keys exist for it.
TEST_F(ServedAccess, AUserSeesTheKeysOfItsServicesAloneAndOnTheSocketOfOneThoseOfThatOne) {
  using Labels = std::set<std::string>;
  EXPECT_EQ(Keys(kNobody, "nginx"), (Labels{"tomcat", "tomcat-ECDSA"}));
  EXPECT_EQ(Keys(kNobody, "stunnel"), (Labels{"cup", "cup-ECDSA"}));
  EXPECT_EQ(Keys(kWeb, "apache"), (Labels{"cup-xmpp", "cup-xmpp-ECDSA"}));
  EXPECT_EQ(Keys(kSys, ""), (Labels{"cup", "ipsec"}));
  // The certificate is there under its key's label, and with its issuers; not the root.
  const auto certificates = Objects(kWeb, "apache", "cert");
  EXPECT_EQ(certificates.count("cup-xmpp"), 1u);
  EXPECT_EQ(certificates.at("cup-xmpp"), Objects(kWeb, "apache", "privkey").at("cup-xmpp"));
}

// A service that has a socket has its keys there alone.
TEST_F(ServedAccess, NobodyElseGetsIn) {
  for (const auto& [user, service] : std::vector<std::pair<User, std::string>>{
           {kWeb, "nginx"}, {kNobody, "apache"}, {kNobody, ""}, {kSys, "nginx"}, {kStranger, ""}}) {
    const Outcome refused = Tool(user, service, {"--list-objects"});
    EXPECT_NE(refused.code, 0) << user.name << " at " << service << ": " << refused.out;
    EXPECT_EQ(refused.out.find("label:"), std::string::npos) << refused.out;
  }
}

TEST_F(ServedAccess, SignaturesVerifyWithTheCertificateAndAreCounted) {
  const std::string data = folder_ / "data", signature = folder_ / "signature";
  WriteWhole(data, std::string(32, 'x'));
  WriteWhole(
      folder_ / "public.pem",
      MustRun({"openssl", "x509", "-noout", "-pubkey"},
              {World().appliance().Cli({"certificate", "download", "cup-ECDSA"}).out, "", {}}));
  const std::string id = Objects(kNobody, "stunnel", "privkey").at("cup-ECDSA");
  const long before = World().Signatures("cup-ECDSA", "nobody");
  const Outcome signing = Tool(kNobody, "stunnel",
                               {"--sign", "--mechanism", "ECDSA", "--id", id, "--input-file", data,
                                "--output-file", signature, "--signature-format", "openssl"});
  EXPECT_EQ(signing.code, 0) << signing.err;
  EXPECT_EQ(RunProgram({"openssl", "pkeyutl", "-verify", "-pubin", "-inkey", folder_ / "public.pem",
                        "-in", data, "-sigfile", signature})
                .code,
            0);
  EXPECT_EQ(World().Signatures("cup-ECDSA", "nobody"), before + 1);
}

TEST_F(ServedAccess, NothingButSigningIsDone) {
  const auto before = Objects(kNobody, "stunnel", "privkey");
  const std::string rsa = before.at("cup"), ec = before.at("cup-ECDSA");
  WriteWhole(folder_ / "data", std::string(256, 'x'));
  WriteWhole(folder_ / "certificate",
             MustRun({"openssl", "x509", "-outform", "DER"}, {World().ca().Pem("root"), "", {}}));
  const std::string data = folder_ / "data";
  using Words = std::vector<std::string>;
  const std::vector<Words> commands = {
      {"--keypairgen", "--key-type", "EC:prime256v1", "--label", "mine"},
      {"--keypairgen", "--key-type", "rsa:2048", "--label", "mine"},
      {"--keygen", "--key-type", "AES:32", "--label", "mine"},
      {"--write-object", folder_ / "certificate", "--type", "cert", "--label", "mine"},
      {"--write-object", data, "--type", "data", "--label", "mine"},
      {"--delete-object", "--type", "privkey", "--id", rsa},
      {"--delete-object", "--type", "cert", "--id", rsa},
      {"--set-id", "99", "--type", "privkey", "--id", rsa},
      {"--decrypt", "--mechanism", "RSA-PKCS", "--id", rsa, "--input-file", data},
      {"--unwrap", "--mechanism", "RSA-PKCS", "--id", rsa, "--input-file", data, "--key-type",
       "AES:32"},
      {"--derive", "--mechanism", "ECDH1-DERIVE", "--id", ec, "--input-file", data},
      {"--hash", "--mechanism", "SHA256", "--input-file", data},
      {"--generate-random", "16"},
      {"--init-token", "--slot-index", "0", "--so-pin", "12345678", "--label", "mine"},
      {"--init-pin", "--login", "--login-type", "so", "--so-pin", "12345678", "--new-pin", "1234"},
      {"--change-pin", "--login", "--pin", "1234", "--new-pin", "12345678"},
  };
  const long made = World().Metric("signet_token_signatures_total");
  for (const Words& command : commands) {
    const Outcome refused = Tool(kNobody, "stunnel", command);
    EXPECT_NE(refused.code, 0) << ::testing::PrintToString(command) << refused.out << refused.err;
    // By the socket, not by the tool.
    const std::string said = refused.out + refused.err;
    const bool by_socket = said.find("CKR_") != std::string::npos ||
                           said.find("Could not generate random") != std::string::npos;
    EXPECT_TRUE(by_socket) << ::testing::PrintToString(command) << said;
  }
  EXPECT_EQ(Objects(kNobody, "stunnel", "privkey"), before);
  EXPECT_EQ(World().Metric("signet_token_signatures_total"), made);
}

// Apache's graceful restart ends the server when a key cannot be loaded: its snippet says how that
// is tried before.
TEST_F(ServedAccess, TheCheckBeforeAReloadOfApacheTriesTheKey) {
  const Outcome printed = World().appliance().Cli({"service", "snippet", "apache", "cup-xmpp"});
  const std::string end = "</dev/null)";
  const std::size_t from = printed.out.find("(eval"), to = printed.out.find(end);
  ASSERT_TRUE(from != std::string::npos && to != std::string::npos) << printed.out;
  const std::string command =
      Replaced(printed.out.substr(from, to + end.size() - from), R"(\\\n# *)", " ");
  CommandOptions options;
  const std::string program = Appliance::CliProgram();
  options.environment = {
      {"SIGNET_SOCKET", World().appliance().socket()},
      {"PATH", program.substr(0, program.rfind('/')) + ":/usr/sbin:/usr/bin:/sbin:/bin"}};
  const Outcome tried = RunProgram({"bash", "-c", command}, options);
  EXPECT_EQ(tried.code, 0) << command << tried.err;
  // The key of a purpose that is not Apache's is not there.
  const std::string other =
      Replaced(command, "apache/current/cup-xmpp.uri", "nginx/current/tomcat.uri");
  EXPECT_NE(RunProgram({"bash", "-c", other}, options).code, 0) << other;
}

// The fronts of servers that cannot use a token: nginx reads each as printed, key and all.
TEST_F(ServedAccess, FrontsAreReadByNginxAsPrinted) {
  for (const char* front : {"sip-front", "xmpp-front", "ldap-front"}) {
    const Outcome shown = World().appliance().Cli({"service", "snippet", front, "tomcat"});
    ASSERT_EQ(shown.code, 0) << shown.err;
    const PrintedSnippet printed(shown.out);
    const std::string file = folder_ / (std::string(front) + ".conf");
    WriteWhole(file, "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\npid " +
                         folder_ / "pid" + ";\n" + printed.Under("nginx.conf, at the top") +
                         "\nevents {}\n" + printed.Under("nginx.conf, beside http"));
    CommandOptions options;
    options.environment = printed.UnitEnvironment();
    const std::vector<std::string> command = {"/usr/sbin/nginx", "-t", "-p", folder_.path(), "-e",
                                              "stderr",          "-c", file};
    const Outcome read = RunProgram(command, options);
    EXPECT_EQ(read.code, 0) << front << "\n" << read.err;
    options.environment.clear();
    EXPECT_NE(RunProgram(command, options).code, 0) << front << ": it needs no key";
  }
}

}  // namespace
}  // namespace signet::testing
