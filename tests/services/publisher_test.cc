// What servers find in their folders, read by the programs that it is for. SPEC A3.
#include "services/publisher.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "tests/services/publish_world.h"

namespace signet::services {
namespace {

using testing::CertificatesIn;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MustRun;
using ::testing::Not;
using testing::RunProgram;
using ::testing::SizeIs;
using ::testing::StartsWith;

class PublisherTest : public ::testing::Test, protected PublishWorld {
 protected:
  // A chain of the CA for tomcat, self-signed for tomcat-ECDSA, the CA trusted.
  void Fill() {
    InstallSigned("tomcat", "a1b2");
    Install("tomcat-ECDSA", {SelfSigned("imp1-ec.example.com")}, "c3d4");
    TrustChain();
  }
  std::vector<std::string> Written() const {
    std::vector<std::string> written;
    for (const std::string& call : files.Calls()) {
      if (call.starts_with("write_new") || call.starts_with("rename")) written.push_back(call);
    }
    return written;
  }
  static testing::Outcome Keytool(const std::string& file) {
    return RunProgram({"keytool", "-list", "-storetype", "PKCS12", "-keystore", file, "-storepass",
                       "changeit", "-J-Duser.language=en"});
  }
  static std::size_t Count(const std::string& text, const std::string& word) {
    std::size_t count = 0;
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
    return count;
  }
};

TEST_F(PublisherTest, APurposeHasItsChainWithoutTheAnchorAndTheUriOfItsKey) {
  Fill();
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  const auto chain = CertificatesIn(Read("tomcat.pem"));
  ASSERT_THAT(chain, SizeIs(3));
  EXPECT_EQ(chain[1], CertificatesIn(ca.Pem("int2"))[0]);
  EXPECT_EQ(chain[2], CertificatesIn(ca.Pem("int1"))[0]);
  EXPECT_EQ(Read("tomcat.uri"), "pkcs11:token=signet;id=%a1%b2;type=private\n");
  EXPECT_THAT(CertificatesIn(Read("tomcat_ECDSA.pem")), SizeIs(1));
  EXPECT_EQ(Read("tomcat_ECDSA.uri"), "pkcs11:token=signet;id=%c3%d4;type=private\n");
  EXPECT_THAT(publisher->Warnings(), IsEmpty());
}

TEST_F(PublisherTest, OpenSslTrustsWhatTheStoreTrusts) {
  Fill();
  ASSERT_TRUE(Start({Service()})->PublishNow());
  const std::string leaf = Current("tomcat.pem");
  MustRun({"openssl", "verify", "-no-CAfile", "-CApath", Current("tomcat-trust"), leaf});
  MustRun({"openssl", "verify", "-no-CApath", "-CAfile", Current("tomcat-trust.pem"), leaf});
  const testing::CertificateAuthority other("Other");
  const std::string csr = MustRun({"openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes",
                                   "-keyout", Path("other.key"), "-subj", "/CN=other"});
  testing::WriteWhole(Path("other.pem"), other.Sign(csr));
  for (const std::vector<std::string>& trust :
       {std::vector<std::string>{"-no-CAfile", "-CApath", Current("tomcat-trust")},
        std::vector<std::string>{"-no-CApath", "-CAfile", Current("tomcat-trust.pem")}}) {
    std::vector<std::string> command = {"openssl", "verify"};
    command.insert(command.end(), trust.begin(), trust.end());
    command.push_back(Path("other.pem"));
    EXPECT_NE(RunProgram(command).code, 0);
  }
}

TEST_F(PublisherTest, JavaListsTheStoresCasAsTrustedCertificates) {
  Fill();
  ASSERT_TRUE(Start({Service()})->PublishNow());
  const auto listed = Keytool(Current("tomcat-trust.p12"));
  EXPECT_EQ(listed.code, 0) << listed.out << listed.err;
  EXPECT_EQ(Count(listed.out, "trustedCertEntry"), 3u) << listed.out;
}

TEST_F(PublisherTest, KindsOfEntriesGoWhereTheyCountForWhatTheyAre) {
  Fill();
  const std::string peer = SelfSigned("peer.example.com");
  Trust("tomcat-trust", peer, "pinned");
  Trust("tomcat-trust", Leaf("ocsp", "root", {"extendedKeyUsage=OCSPSigning"}), "ocsp-responder");
  const std::string orphan_ca = testing::CertificateAuthority("Gone").Pem("int1");
  Trust("tomcat-trust", orphan_ca, "intermediate");
  ASSERT_TRUE(Start({Service()})->PublishNow());
  const auto bundle = CertificatesIn(Read("tomcat-trust.pem"));
  EXPECT_THAT(bundle, SizeIs(5));  // three of the CA, the peer, the intermediate without an anchor
  EXPECT_THAT(bundle, Contains(CertificatesIn(peer)[0]));
  testing::WriteWhole(Path("peer.pem"), peer);
  MustRun({"openssl", "verify", "-no-CApath", "-CAfile", Current("tomcat-trust.pem"),
           Path("peer.pem")});
  // Java would take the intermediate for an anchor.
  EXPECT_EQ(Count(Keytool(Current("tomcat-trust.p12")).out, "trustedCertEntry"), 3u);
  std::vector<std::string> hashed;
  for (const auto& entry : std::filesystem::directory_iterator(Current("tomcat-trust")))
    hashed.push_back(CertificatesIn(testing::ReadWhole(entry.path()))[0]);
  EXPECT_THAT(hashed, SizeIs(4));
  EXPECT_THAT(hashed, Not(Contains(CertificatesIn(peer)[0])));
}

TEST_F(PublisherTest, APinnedCaIsNotPublishedAndSaysSoAfterARestartToo) {
  Fill();
  const std::string pinned = Trust("tomcat-trust", SelfSigned("peer.example.com", true), "pinned");
  auto publisher = Start({Service()});
  for (int start = 0; start < 2; ++start) {
    ASSERT_TRUE(publisher->PublishNow());
    EXPECT_THAT(CertificatesIn(Read("tomcat-trust.pem")), SizeIs(3));
    ASSERT_THAT(publisher->Warnings(), SizeIs(1));
    EXPECT_EQ(publisher->Warnings()[0].id, "PINNED_CA_LEFT_OUT");
    EXPECT_EQ(publisher->Warnings()[0].certificate, pinned);
    publisher = Start({Service()});
  }
  EXPECT_EQ(CurrentNumber(), "1");
}

TEST_F(PublisherTest, IncludeFilesNameTheirOwnGenerationAndItsKey) {
  Fill();
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  const std::string first = Read("nginx/tomcat.conf");
  EXPECT_THAT(first, HasSubstr(Path("pub/web/generations/1/tomcat.pem")));
  EXPECT_THAT(first, HasSubstr("id=%a1%b2;"));
  InstallSigned("tomcat", "e5f6", "a1b2");
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_THAT(Read("nginx/tomcat.conf"), HasSubstr(Path("pub/web/generations/2/tomcat.pem")));
  EXPECT_THAT(Read("nginx/tomcat.conf"), HasSubstr("id=%e5%f6;"));
  EXPECT_EQ(testing::ReadWhole(Path("pub/web/generations/1/nginx/tomcat.conf")), first);
  EXPECT_THAT(Read("nginx/tomcat_ECDSA.conf"), HasSubstr("id=%c3%d4;"));
}

TEST_F(PublisherTest, EveryKindOfServerFindsItsFiles) {
  Fill();
  std::vector<PublishedService> services;
  for (const char* kind : {"nginx", "apache", "stunnel", "tomcat", "strongswan", "haproxy"})
    services.push_back(Service(kind, kind));
  ASSERT_TRUE(Start(services)->PublishNow());
  EXPECT_THAT(Read("apache/tomcat.conf", "apache"), HasSubstr("\"pkcs11:token=signet;id=%a1%b2;"));
  EXPECT_THAT(Read("stunnel/tomcat/pair.conf", "stunnel"),
              HasSubstr("\nkey = pkcs11:token=signet;id="));
  EXPECT_THAT(Read("tomcat/tomcat.xml", "tomcat"),
              HasSubstr("<Certificate type=\"RSA\" certificateKeystoreType=\"PKCS11\""));
  EXPECT_THAT(Read("tomcat/tomcat_ECDSA.xml", "tomcat"),
              HasSubstr("certificateKeyAlias=\"tomcat-ECDSA\""));
  const std::string charon = Read("strongswan/tomcat.conf", "strongswan");
  EXPECT_EQ(Count(charon, "cacert = "), 3u);
  EXPECT_THAT(charon, HasSubstr("handle = a1b2\n"));
  for (std::size_t at = charon.find("cacert = "); at != std::string::npos;
       at = charon.find("cacert = ", at + 1)) {
    const std::string file = charon.substr(at + 9, charon.find('\n', at) - at - 9);
    EXPECT_THAT(CertificatesIn(testing::ReadWhole(file)), SizeIs(1)) << file;
  }
  const std::string haproxy = Read("haproxy/tomcat.pem", "haproxy");
  EXPECT_THAT(haproxy, StartsWith(Read("tomcat.pem", "haproxy")));
  EXPECT_EQ(Count(haproxy, "-----BEGIN PKCS#11 PROVIDER URI-----"), 1u);
}

TEST_F(PublisherTest, NothingIsTouchedWhenNothingMoved) {
  Fill();
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  files.Plan({});
  ASSERT_TRUE(publisher->PublishNow());
  Trust("cup-trust", SelfSigned("peer.example.com"), "pinned");
  InstallSigned("cup", "0909");
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_THAT(files.Calls(), IsEmpty());
}

TEST_F(PublisherTest, ARestartFindsTheGenerationThatIsThere) {
  Fill();
  ASSERT_TRUE(Start({Service()})->PublishNow());
  OpenState();
  files.Plan({});
  ASSERT_TRUE(Start({Service()})->PublishNow());
  EXPECT_THAT(Written(), IsEmpty());
  EXPECT_EQ(CurrentNumber(), "1");
}

TEST_F(PublisherTest, ADeletedOrNewTrustEntryGivesANewGeneration) {
  Fill();
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  const std::string peer = Trust("tomcat-trust", SelfSigned("peer.example.com"), "pinned");
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_EQ(CurrentNumber(), "2");
  EXPECT_THAT(CertificatesIn(Read("tomcat-trust.pem")), SizeIs(4));
  DropTrust("tomcat-trust", peer);
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_EQ(CurrentNumber(), "3");
  EXPECT_THAT(CertificatesIn(Read("tomcat-trust.pem")), SizeIs(3));
}

// SPEC R3.
TEST_F(PublisherTest, WhatIsOutOfTrustIsNotPublishedUntilItIsBack) {
  InstallSigned("tomcat", "11");
  TrustChain();
  const std::string pinned = Trust("tomcat-trust", SelfSigned("peer"), "pinned");
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  const std::string before = Read("tomcat-trust.pem");
  const std::string revoked = testing::Fingerprint(ca.Pem("int2"));
  Distrust(revoked);
  Distrust(pinned);
  ASSERT_TRUE(publisher->PublishNow());
  const std::string after = Read("tomcat-trust.pem");
  EXPECT_EQ(keystore::x509::ReadCertificates(before, 16).value().size(), 4u);
  const auto left = keystore::x509::ReadCertificates(after, 16).value();
  ASSERT_EQ(left.size(), 2u);
  for (const auto& certificate : left) EXPECT_NE(certificate.fingerprint(), revoked);
  // The server's own chain goes on being served: nothing takes its place by itself.
  EXPECT_EQ(keystore::x509::ReadCertificates(Read("tomcat.pem"), 16).value().size(), 3u);
  TrustAgain(revoked);
  TrustAgain(pinned);
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_EQ(Read("tomcat-trust.pem"), before);
}

TEST_F(PublisherTest, AnUnchangedTrustStoreIsTakenOverAndNotWrittenAgain) {
  Fill();
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  const std::string before = std::filesystem::canonical(Current("tomcat-trust.p12"));
  InstallSigned("tomcat", "e5f6");
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_EQ(CurrentNumber(), "2");
  EXPECT_TRUE(std::filesystem::equivalent(before, Current("tomcat-trust.p12")));
  MustRun({"openssl", "verify", "-no-CAfile", "-CApath", Current("tomcat-trust"),
           Current("tomcat.pem")});
  EXPECT_THAT(CertificatesIn(Read("tomcat-trust.pem")), SizeIs(3));
  EXPECT_THAT(Read("nginx/tomcat-trust.conf"), HasSubstr("generations/2/tomcat-trust.pem"));
}

TEST_F(PublisherTest, ATrustStoreThatSomebodyChangedIsNotTakenOver) {
  Fill();
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  const std::string good = Read("tomcat-trust.pem");
  testing::WriteWhole(Current("tomcat-trust.pem"), good + SelfSigned("evil.example.com", true));
  InstallSigned("tomcat", "e5f6");
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_EQ(Read("tomcat-trust.pem"), good);
}

TEST_F(PublisherTest, WhereNoSecondNameCanBeGivenFilesAreCopied) {
  Fill();
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  files.Plan({{"link_file", 2, EPERM, false, true}});
  InstallSigned("tomcat", "e5f6");
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_THAT(CertificatesIn(Read("tomcat-trust.pem")), SizeIs(3));
  EXPECT_EQ(RunProgram({"sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"},
                       {"", Current("."), {}})
                .code,
            0);
}

TEST_F(PublisherTest, WhatAnUnfinishedBundleBroughtIsNotPublished) {
  Fill();
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  store.Put(store.layout.Pending("op1"), R"({"store":"tomcat-trust"})");
  Trust("tomcat-trust", SelfSigned("peer.example.com"), "pinned", "op1");
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_EQ(CurrentNumber(), "1");
  keystore::Transaction end;
  end.Delete(store.layout.Pending("op1"));
  ASSERT_TRUE(store.sqlite->Commit(end, std::chrono::seconds(10)).value());
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_THAT(CertificatesIn(Read("tomcat-trust.pem")), SizeIs(4));
}

TEST_F(PublisherTest, AnOlderStateThanTheLastOneIsNotPublished) {
  Fill();
  const auto old = state->Now();
  InstallSigned("tomcat", "e5f6");
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  ASSERT_TRUE(publisher->Publish(*old));
  EXPECT_THAT(Read("tomcat.uri"), HasSubstr("%e5%f6"));
}

TEST_F(PublisherTest, PurposesAppearAsTheirCertificatesAreMade) {
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_FALSE(std::filesystem::exists(Path("pub/web")));
  Install("tomcat", {SelfSigned("imp1.example.com")}, "a1b2");
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_TRUE(std::filesystem::exists(Current("tomcat.pem")));
  EXPECT_FALSE(std::filesystem::exists(Current("tomcat_ECDSA.pem")));
  // An empty trust store: nothing to trust, and includes that servers accept.
  EXPECT_EQ(Read("tomcat-trust.pem"), "");
  EXPECT_FALSE(std::filesystem::exists(Current("tomcat-trust.p12")));
  EXPECT_TRUE(std::filesystem::is_empty(Current("tomcat-trust")));
  EXPECT_THAT(Read("nginx/tomcat-trust.conf"), Not(HasSubstr("ssl_client_certificate")));
}

TEST_F(PublisherTest, NoPrivateKeyIsEverPublished) {
  Fill();
  ASSERT_TRUE(Start({Service("web", "haproxy")})->PublishNow());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(Path("pub"))) {
    if (!entry.is_regular_file()) continue;
    EXPECT_THAT(testing::ReadWhole(entry.path()), Not(HasSubstr("PRIVATE KEY"))) << entry;
  }
  const std::string file = Current("tomcat-trust.p12");
  EXPECT_EQ(
      MustRun({"openssl", "pkcs12", "-in", file, "-nocerts", "-passin", "pass:changeit", "-nodes"}),
      "");
}

TEST_F(PublisherTest, AThousandTrustEntriesAreReadByAll) {
  MustRun(
      {"/usr/bin/python3", "-B", "-W", "ignore", MANY_CERTS, "bundle", "1000", Path("many.pem")});
  const auto bundle =
      keystore::x509::ReadBundle(testing::ReadWhole(Path("many.pem")), 1000).value();
  std::map<std::string, keystore::TrustShardRecord> shards;
  for (const auto& certificate : bundle.certificates) {
    keystore::TrustEntryRecord entry;
    entry.certificate = certificate.fingerprint();
    entry.kind = certificate.fields().self_signed ? "anchor" : "intermediate";
    store.Put(store.layout.Certificate(entry.certificate),
              json::serialize(ToJson(keystore::RecordOf(certificate))));
    shards[store.layout.TrustShard("tomcat-trust", entry.certificate)].entries.push_back(entry);
  }
  for (const auto& [key, shard] : shards) store.Put(key, json::serialize(ToJson(shard)));
  Install("tomcat", {SelfSigned("imp1.example.com")}, "a1b2");
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_THAT(CertificatesIn(Read("tomcat-trust.pem")), SizeIs(1000));
  EXPECT_EQ(Count(Keytool(Current("tomcat-trust.p12")).out, "trustedCertEntry"), 1000u);
  std::size_t hashed = 0;
  for (const auto& entry : std::filesystem::directory_iterator(Current("tomcat-trust"))) {
    if (hashed++ % 100 == 0)
      MustRun(
          {"openssl", "verify", "-no-CAfile", "-CApath", Current("tomcat-trust"), entry.path()});
  }
  EXPECT_EQ(hashed, 1000u);
  files.Plan({});
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_THAT(files.Calls(), IsEmpty());
}

TEST_F(PublisherTest, OneServicesFailureIsNoOthersAndGoesAwayByItself) {
  Fill();
  testing::WriteWhole(Path("pub/bad"), "somebody's file");
  const auto publisher = Start({Service("bad"), Service()});
  const Status status = publisher->PublishNow();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().word, "PUBLISH_FOLDER_UNSAFE");
  EXPECT_FALSE(status.error().remedy.empty());
  EXPECT_EQ(CurrentNumber(), "1");
  ASSERT_THAT(publisher->Warnings(), SizeIs(1));
  EXPECT_EQ(publisher->Warnings()[0].id, "PUBLISH_FAILED");
  EXPECT_THAT(publisher->Warnings()[0].text, HasSubstr("service bad"));
  EXPECT_EQ(testing::ReadWhole(Path("pub/bad")), "somebody's file");
  std::filesystem::remove(Path("pub/bad"));
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_THAT(publisher->Warnings(), IsEmpty());
  EXPECT_EQ(CurrentNumber("bad"), "1");
}

TEST_F(PublisherTest, AnUnknownOwnerIsAWarningWithItsRemedy) {
  Fill();
  PublishedService service = Service();
  service.owner = "no-such-user";
  const auto publisher = Start({service});
  EXPECT_EQ(publisher->PublishNow().error().word, "USER_UNKNOWN");
  EXPECT_THAT(publisher->Warnings(),
              ElementsAre(Field(&Finding::text, HasSubstr("Make the user, or name another"))));
}

}  // namespace
}  // namespace signet::services
