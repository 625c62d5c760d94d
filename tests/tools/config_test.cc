// The daemon's configuration file, the part about services.
#include "tools/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/command.h"

namespace signet::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class ConfigTest : public ::testing::Test {
 protected:
  Result<Config> Load(const std::string& more) {
    testing::WriteWhole(folder_ / "signet.toml",
                        "[node]\nname = \"imp1.example.com\"\n[token]\nmodule = \"m\"\nuri = "
                        "\"pkcs11:token=signet\"\n" +
                            more);
    std::filesystem::permissions(folder_ / "signet.toml", std::filesystem::perms(0600));
    return LoadConfig(folder_ / "signet.toml", *files_);
  }
  // The one service of a configuration that is good.
  services::PublishedService One(const std::string& more) {
    auto config = Load(more);
    EXPECT_TRUE(config) << config.error().ToString();
    if (!config || config.value().services.size() != 1) return {};
    return config.value().services.front();
  }
  // What is wrong, without the file's name.
  std::string Problem(const std::string& more) {
    const auto config = Load(more);
    if (config) return "accepted";
    EXPECT_EQ(config.error().word, "CONFIG_INVALID");
    EXPECT_THAT(config.error().detail, HasSubstr("signet.toml:"));
    return config.error().detail;
  }
  static std::string Web(const std::string& more) {
    return "[service.web]\nuser = \"www-data\"\npurposes = [\"tomcat\"]\n" + more;
  }

  testing::ScratchFolder folder_;
  std::unique_ptr<FileSystem> files_ = MakeFileSystem();
};

TEST_F(ConfigTest, AServiceHasDefaultsForAllButItsUserAndPurposes) {
  const auto service = One(Web(""));
  EXPECT_EQ(service.name, "web");
  EXPECT_EQ(service.user, "www-data");
  EXPECT_THAT(service.purposes, ElementsAre("tomcat"));
  EXPECT_EQ(service.server, "");
  EXPECT_EQ(service.socket, "");
  EXPECT_EQ(service.folder, "/var/lib/signet-published/web");
  EXPECT_EQ(service.owner, "");
  EXPECT_EQ(service.file_group, "");
  EXPECT_EQ(service.file_mode, 0640u);
  EXPECT_EQ(Load("").value().keyd.agent.socket, "/run/signet-keyd/keys.sock");
}

TEST_F(ConfigTest, EverythingOfAServiceCanBeSaid) {
  const auto service =
      One("[publish]\ndirectory = \"pub\"\n" +
          Web("group = \"web\"\nserver = \"nginx\"\nsocket = \"web.sock\"\nowner = \"root\"\n"
              "file-group = \"adm\"\nmode = \"0444\"\n"));
  EXPECT_EQ(service.group, "web");
  EXPECT_EQ(service.server, "nginx");
  EXPECT_EQ(service.socket, folder_ / "web.sock");
  EXPECT_EQ(service.folder, folder_ / "pub/web");
  EXPECT_EQ(service.owner, "root");
  EXPECT_EQ(service.file_group, "adm");
  EXPECT_EQ(service.file_mode, 0444u);
  EXPECT_EQ(One(Web("publish = \"/srv/../srv/keys/\"\n")).folder, "/srv/keys");
  EXPECT_EQ(Load("[keyd]\nsocket = \"k.sock\"\n").value().keyd.agent.socket, folder_ / "k.sock");
}

TEST_F(ConfigTest, AServiceOfTheCatalogueHasItsPurposes) {
  const auto service = One("[service.\"Cisco SIP Proxy\"]\nuser = \"sip\"\n");
  EXPECT_THAT(service.purposes, ElementsAre("cup", "cup-ECDSA"));
  EXPECT_EQ(service.folder, "/var/lib/signet-published/cisco-sip-proxy");
  EXPECT_THAT(One("[service.\"Cisco Tomcat\"]\nuser = \"t\"\npurposes = [\"tomcat\"]\n").purposes,
              ElementsAre("tomcat"));
  EXPECT_THAT(Problem("[service.\"Cisco Tomcta\"]\nuser = \"t\"\n"),
              HasSubstr("signet.toml:6:1: 'service.Cisco Tomcta.purposes': is missing; only a "
                        "service to which the catalogue gives purposes may leave it out. Did you "
                        "mean 'Cisco Tomcat'?"));
}

TEST_F(ConfigTest, ServicesSignWithTheirPurposesAsBefore) {
  const auto config = Load("[service.\"Cisco Tomcat\"]\ngroup = \"tomcat\"\n");
  ASSERT_TRUE(config);
  ASSERT_THAT(config.value().roles.services, SizeIs(1));
  EXPECT_EQ(config.value().roles.services[0].group, "tomcat");
  EXPECT_THAT(config.value().roles.services[0].purposes, ElementsAre("tomcat", "tomcat-ECDSA"));
}

TEST_F(ConfigTest, ProblemsAreNamedWithLineAndColumn) {
  EXPECT_THAT(Problem("[service.web]\npurposes = [\"tomcat\"]\n"),
              HasSubstr("signet.toml:6:1: 'service.web.user': a service needs a user or a group"));
  EXPECT_THAT(Problem("[service.web]\nuser = \"u\"\npurposes = [\"tomcta\"]\n"),
              HasSubstr("signet.toml:8:12: 'service.web.purposes': "));
  EXPECT_THAT(Problem("[service.web]\nuser = \"u\"\npurposes = []\n"), HasSubstr("no purpose"));
  EXPECT_THAT(Problem("[service.web]\nuser = \"u\"\npurposes = [\"appliance\"]\n"),
              HasSubstr("purposes"));
  EXPECT_THAT(Problem(Web("server = \"ngnix\"\n")),
              HasSubstr("signet.toml:9:10: 'service.web.server': Did you mean 'nginx'? It must be "
                        "one of apache, haproxy, nginx, strongswan, stunnel, tomcat"));
  EXPECT_THAT(Problem(Web("server = \"sip-front\"\n")), HasSubstr("must be one of"));
  EXPECT_THAT(Problem(Web("nothing = 1\n")), HasSubstr("unknown key 'nothing'"));
  EXPECT_THAT(Problem("[publish]\nfolder = \"x\"\n"), HasSubstr("unknown key 'folder'"));
  for (const char* mode : {"0666", "640x", "", "0200", "0755", "4640", "0o640"}) {
    EXPECT_THAT(Problem(Web(std::string("mode = \"") + mode + "\"\n")),
                HasSubstr("signet.toml:9:8: 'service.web.mode': must be an octal text"))
        << mode;
  }
}

// It goes into XML and TLS as it is.
TEST_F(ConfigTest, AnEndpointsNameIsThatOfAHost) {
  const std::string service = "[service.\"Cisco Tomcat\"]\nuser = \"u\"\ndriver = \"unmanaged\"\n";
  for (const char* name : {"a'/><b", "a b", "imp1.example.com:5222", "2001:db8::1"}) {
    EXPECT_THAT(
        Problem(service + "[[service.\"Cisco Tomcat\".endpoint]]\naddress = \"10.0.0.5:443\"" +
                "\nname = \"" + name + "\"\n"),
        HasSubstr("signet.toml:11:8: 'service.Cisco Tomcat.endpoint[0].name'"))
        << name;
  }
}

// What is written into servers' configurations must not be able to say more than it is.
TEST_F(ConfigTest, NamesAndPathsNeedNoQuotesAnywhere) {
  for (const char* path : {"/srv/a b", "/srv/a;b", "/srv/$x", "/srv/a\\nb", "/", "", "/srv/{}"}) {
    EXPECT_THAT(Problem(Web(std::string("publish = \"") + path + "\"\n")),
                HasSubstr("signet.toml:9:11: 'service.web.publish': "))
        << path;
    EXPECT_THAT(Problem(Web(std::string("socket = \"") + path + "\"\n")),
                HasSubstr("'service.web.socket': "))
        << path;
  }
  EXPECT_THAT(Problem(Web("socket = \"/run/" + std::string(110, 'x') + "\"\n")),
              HasSubstr("107 octets"));
  for (const char* key : {"owner", "file-group", "group"}) {
    EXPECT_THAT(Problem(Web(std::string(key) + " = \"a;b\"\n")),
                HasSubstr("must be the name of a user or group"))
        << key;
  }
  for (const char* name : {"a\\nb", "a\\\"b", "a\\\\b"}) {
    EXPECT_THAT(
        Problem(std::string("[service.\"") + name + "\"]\nuser = \"u\"\npurposes = [\"tomcat\"]\n"),
        HasSubstr("printable characters"))
        << name;
  }
}

TEST_F(ConfigTest, NoTwoServicesShareAFolder) {
  const std::string second = "[service.WEB]\nuser = \"u\"\npurposes = [\"cup\"]\n";
  EXPECT_THAT(Problem(Web("") + second), HasSubstr("is that of another service"));
  EXPECT_THAT(Problem(Web("publish = \"/srv/a\"\n") + second + "publish = \"/srv/a/b\"\n"),
              HasSubstr("'service.WEB.publish'"));
  EXPECT_THAT(Problem(Web("publish = \"/srv/a\"\n") + second + "publish = \"/srv/ab\"\n"),
              Not(HasSubstr("publish")));
}

TEST_F(ConfigTest, AConnectionSaysWhatIsLookedAtOrHowItIsClosed) {
  const auto closer = [](const std::string& name, const std::string& more) {
    return "[connection." + name + "]\nkind = \"cti\"\n" + more;
  };
  const auto good = Load(closer("a", "close = [\"/bin/true\"]\n"));
  ASSERT_TRUE(good) << good.error().ToString();
  EXPECT_THAT(good.value().connections, SizeIs(1));
  EXPECT_THAT(Problem(closer("a", "")), HasSubstr("says nothing otherwise"));
  EXPECT_THAT(Problem(closer("a", "close = [\"true\"]\n")), HasSubstr("absolute path"));
  EXPECT_THAT(Problem(closer("a", "close = [\"/bin/true\"]\nstore = \"no-trust\"\n")),
              HasSubstr("no-trust"));
  EXPECT_THAT(Problem("[connection.a]\nkind = \"fax\"\nclose = [\"/bin/true\"]\n"),
              HasSubstr("cti, ipsec or ldap"));
  // Which of the two would it be?
  EXPECT_THAT(
      Problem(closer("a", "close = [\"/bin/true\"]\n") + closer("b", "close = [\"/bin/false\"]\n")),
      HasSubstr("closed by [connection.a] already"));
}

TEST_F(ConfigTest, ACatalogueThatIsNotThereIsSaid) {
  const auto config = Load("");
  ASSERT_TRUE(config);
  EXPECT_EQ(config.value().catalogue.product, "imp");
  testing::WriteWhole(folder_ / "signet.toml", "product = \"other\"\n");
  EXPECT_EQ(LoadConfig(folder_ / "signet.toml", *files_).error().word, "PRODUCT_UNKNOWN");
  testing::WriteWhole(folder_ / "signet.toml", "catalogue = \"none.toml\"\n");
  EXPECT_EQ(LoadConfig(folder_ / "signet.toml", *files_).error().word, "FILE_NOT_FOUND");
}

}  // namespace
}  // namespace signet::tools
