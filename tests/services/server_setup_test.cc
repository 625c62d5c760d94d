// What programs and administrators are told about the use of keys, and the servers as data.
#include "services/server_setup.h"

#include <gmock/gmock.h>

#include "services/key_uri.h"
#include "services/servers.h"
#include "tests/services/publish_world.h"

namespace signet::services {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class ServerSetupTest : public ::testing::Test, protected PublishWorld {
 protected:
  ServerSetupTest() {
    Install("tomcat", {SelfSigned("imp1.example.com")}, "a1b2");
    Configure({Service("web"), Service("front", "stunnel")});
  }
  void Configure(std::vector<PublishedService> services) {
    setup.reset();
    publisher = Start(std::move(services));
    setup = std::make_unique<ServerSetup>(catalogue, *state, *publisher, "imp1.example.com");
  }
  static RequestContext From(Role role, std::vector<std::string> purposes = {}) {
    RequestContext context;
    context.actor = "uid:33 (www-data)";
    context.role = role;
    context.purposes = std::move(purposes);
    return context;
  }
  Result<api::Snippet> Snippet(const std::string& server, const std::string& purpose = "tomcat") {
    api::SnippetRequest request;
    request.server = server;
    request.purpose = purpose;
    return setup->Snippet(request);
  }

  std::unique_ptr<Publisher> publisher;
  std::unique_ptr<ServerSetup> setup;
};

TEST_F(ServerSetupTest, AProgramLearnsAddressModuleAndUri) {
  const auto answer = setup->AgentEnv(From(Role::kAuditor), {"tomcat", {}});
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer.value().address, "unix:path=/run/signet/keys.sock");
  EXPECT_EQ(answer.value().uri, "pkcs11:token=signet;id=%a1%b2;type=private");
  EXPECT_EQ(answer.value().label, "tomcat");
  EXPECT_EQ(answer.value().environment,
            json::value({{"P11_KIT_SERVER_ADDRESS", "unix:path=/run/signet/keys.sock"},
                         {"PKCS11_MODULE_PATH", "/usr/lib/client.so"}}));
}

TEST_F(ServerSetupTest, AServiceLearnsOfItsOwnPurposesOnly) {
  EXPECT_TRUE(setup->AgentEnv(From(Role::kService, {"tomcat"}), {"tomcat", {}}));
  const auto refused = setup->AgentEnv(From(Role::kService, {"cup"}), {"tomcat", {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().word, "PURPOSE_DENIED");
  EXPECT_EQ(refused.error().kind, Kind::kDenied);
}

TEST_F(ServerSetupTest, ASocketOfItsOwnIsTheServicesAddress) {
  PublishedService own = Service("own");
  own.socket = "/run/signet/own keys.sock";
  Configure({own, Service("web")});
  const RequestContext anybody = From(Role::kAdministrator);
  EXPECT_EQ(setup->AgentEnv(anybody, {"tomcat", {}}).value().address,
            "unix:path=/run/signet/own%20keys.sock");
  EXPECT_EQ(setup->AgentEnv(anybody, {"tomcat", "web"}).value().address,
            "unix:path=/run/signet/keys.sock");
  const auto unknown = setup->AgentEnv(anybody, {"tomcat", "wep"});
  EXPECT_EQ(unknown.error().word, "SERVICE_UNKNOWN");
  EXPECT_THAT(unknown.error().remedy, HasSubstr("Did you mean 'web'?"));
  EXPECT_THAT(Snippet("nginx").value().text,
              HasSubstr("P11_KIT_SERVER_ADDRESS=unix:path=/run/signet/own%%20keys.sock"));
}

TEST_F(ServerSetupTest, APurposeWithoutAKeyIsNotFound) {
  EXPECT_EQ(setup->AgentEnv(From(Role::kAdministrator), {"cup", {}}).error().word, "NO_IDENTITY");
  EXPECT_EQ(setup->AgentEnv(From(Role::kAdministrator), {"none", {}}).error().word,
            "PURPOSE_UNKNOWN");
}

TEST_F(ServerSetupTest, ASnippetIncludesWhatThePublisherWritesAndNamesNoKey) {
  ASSERT_TRUE(publisher->PublishNow());
  std::vector<PublishedService> services;
  for (const Server& server : ServerTable::Embedded().all()) {
    if (server.kind == server.name) services.push_back(Service(server.name, server.name));
  }
  Configure(services);
  ASSERT_TRUE(publisher->PublishNow());
  for (const Server& server : ServerTable::Embedded().all()) {
    SCOPED_TRACE(server.name);
    const auto snippet = Snippet(server.name);
    ASSERT_TRUE(snippet) << snippet.error().ToString();
    const std::string folder = Path("pub/" + server.kind + "/current");
    EXPECT_EQ(snippet.value().folder, folder);
    EXPECT_EQ(snippet.value().service, server.kind);
    EXPECT_THAT(snippet.value().text, Not(HasSubstr("a1b2")));
    EXPECT_THAT(snippet.value().text, Not(HasSubstr("%a1")));
    EXPECT_THAT(snippet.value().text, Not(HasSubstr("generations")));
    EXPECT_THAT(snippet.value().text, Not(HasSubstr("{{")));
    EXPECT_THAT(snippet.value().text, HasSubstr("unix:path=/run/signet/keys.sock"));
    // All of it, and its two parts: each line of theirs is in it.
    EXPECT_FALSE(snippet.value().inner.empty());
    for (const std::string& part : {snippet.value().outer, snippet.value().inner})
      EXPECT_THAT(snippet.value().text, HasSubstr(part));
    // The include that it names is there.
    const ServerFile& file = ServerTable::Embedded().Find(server.kind)->files.front();
    const std::string name = RenderTemplate(file.name, {{{"stem", "tomcat"}}, {}}).value();
    // stunnel's names a folder.
    const std::string include =
        folder + "/" + (server.name == "stunnel" ? name.substr(0, name.rfind('/')) : name);
    EXPECT_THAT(snippet.value().outer + snippet.value().inner, HasSubstr(include));
    EXPECT_TRUE(std::filesystem::exists(folder + "/" + name)) << name;
  }
}

// Else it could not read its certificate.
TEST_F(ServerSetupTest, AServerRunsWithTheGroupOfItsFiles) {
  const auto group = [&](const std::string& user, const std::string& own,
                         const std::string& of_files) {
    PublishedService service = Service("front", "stunnel");
    service.user = user;
    service.group = own;
    service.file_group = of_files;
    Configure({service});
    const std::string text = Snippet("stunnel").value().text;
    const std::size_t begin = text.find("\nGroup=") + 7;
    return text.substr(begin, text.find('\n', begin) - begin);
  };
  EXPECT_EQ(group("nobody", "", ""), "nogroup");
  EXPECT_EQ(group("nobody", "", "www-data"), "www-data");
  EXPECT_EQ(group("", "www-data", ""), "www-data");
  EXPECT_EQ(group("stunnel-of-tomorrow", "", ""), "stunnel-of-tomorrow");
}

TEST_F(ServerSetupTest, WithoutAServiceOfThatKindTheLinesToAddAreShown) {
  const auto none = Snippet("apache", "cup");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().word, "SERVICE_NOT_CONFIGURED");
  EXPECT_THAT(none.error().remedy,
              HasSubstr("\n[service.apache]\nserver = \"apache\"\nuser = \"www-data\"\n"
                        "purposes = [\"cup\"]"));
  const auto other = Snippet("nginx", "cup");
  EXPECT_THAT(other.error().remedy, HasSubstr("[service.\"web\"] have the purpose, too"));
  EXPECT_THAT(other.error().remedy,
              HasSubstr("\npurposes = [\"tomcat\", \"tomcat-ECDSA\", \"cup\"]"));
  EXPECT_EQ(Snippet("sip-front").value().service, "web");
}

TEST_F(ServerSetupTest, AnUnknownServerIsAnsweredWithTheKnownOnes) {
  const auto unknown = Snippet("ngnix");
  EXPECT_EQ(unknown.error().word, "SERVER_UNKNOWN");
  EXPECT_THAT(unknown.error().remedy, HasSubstr("Did you mean 'nginx'?"));
  for (const char* name : {"apache", "haproxy", "stunnel", "strongswan", "tomcat", "sip-front",
                           "xmpp-front", "ldap-front"}) {
    EXPECT_THAT(unknown.error().remedy, HasSubstr(name));
  }
}

TEST(Servers, FrontsHaveTheFilesOfAKind) {
  const ServerTable& table = ServerTable::Embedded();
  for (const Server& server : table.all()) {
    const Server* kind = table.Find(server.kind);
    ASSERT_NE(kind, nullptr) << server.name;
    EXPECT_EQ(kind->kind, kind->name);
    EXPECT_FALSE(kind->files.empty()) << server.name;
    EXPECT_FALSE(kind->worker.empty()) << server.name;
    EXPECT_EQ(server.files.empty(), kind != &server) << server.name;
    EXPECT_FALSE(server.title.empty());
  }
  EXPECT_THAT(table.Names(true), Not(Contains("sip-front")));
  EXPECT_THAT(table.Names(false), Contains("sip-front"));
}

TEST(Servers, ATemplateThatNamesNoValueIsADefect) {
  const TemplateValues values{{{"a", "<1>"}, {"empty", ""}},
                              {{"list", {{{"x", "y"}}, {{"x", "z"}}}}}};
  EXPECT_EQ(RenderTemplate("{{{a}}} {{a}}", values).value(), "<1> &lt;1&gt;");
  EXPECT_EQ(RenderTemplate("{{#a}}yes{{/a}}{{^a}}no{{/a}}", values).value(), "yes");
  EXPECT_EQ(RenderTemplate("{{#empty}}yes{{/empty}}{{^empty}}no{{/empty}}", values).value(), "no");
  EXPECT_EQ(RenderTemplate("{{#list}}({{{x}}}){{/list}}", values).value(), "(y)(z)");
  EXPECT_EQ(RenderTemplate("{{{b}}}", values).error().kind, Kind::kInternal);
  EXPECT_EQ(RenderTemplate("{{#b}}x{{/b}}", values).error().kind, Kind::kInternal);
  EXPECT_EQ(RenderTemplate("{{#a}}", values).error().kind, Kind::kInternal);
}

TEST(KeyUri, EveryOctetOfTheIdIsEncoded) {
  EXPECT_EQ(KeyUri("pkcs11:token=a%20b", "00ff"), "pkcs11:token=a%20b;id=%00%ff;type=private");
  EXPECT_EQ(KeyAddress("/run/a b;c/k.sock"), "unix:path=/run/a%20b%3bc/k.sock");
}

}  // namespace
}  // namespace signet::services
