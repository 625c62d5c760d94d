#include "services/connections/ike_certificates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "keystore/x509/pem.h"
#include "tests/support/certificate_authority.h"

namespace signet::services {
namespace {

using keystore::x509::Certificate;
using signet::testing::CertificateAuthority;
using signet::testing::MustRun;
using signet::testing::ScratchFolder;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Certificate Read(const std::string& pem) {
  auto read = keystore::x509::ReadCertificates(pem, 1);
  EXPECT_TRUE(read) << read.error().ToString();
  return read.value().front();
}

// A fresh key's certificate, subject as for "openssl req -subj".
Certificate Make(const CertificateAuthority& ca, const std::string& subject,
                 const std::string& sans = "", const std::string& issuer = "int2") {
  const ScratchFolder folder;
  CertificateAuthority::SignOptions options;
  options.issuer = issuer;
  if (!sans.empty()) options.extensions = {"subjectAltName=" + sans};
  return Read(
      ca.Sign(MustRun({"openssl", "req", "-new", "-nodes", "-utf8", "-newkey", "ec", "-pkeyopt",
                       "ec_paramgen_curve:P-256", "-keyout", folder / "key", "-subj", subject}),
              options));
}

std::vector<std::string> Names(const std::vector<Certificate>& chain) {
  std::vector<std::string> names;
  for (const Certificate& certificate : chain) names.push_back(certificate.fields().subject);
  return names;
}

class IkeCertificatesTest : public ::testing::Test {
 protected:
  const CertificateAuthority ca_;
};

// The texts are those that strongSwan 5.9.8 wrote of such names.
TEST_F(IkeCertificatesTest, ASubjectIsFoundByTheTextThatStrongSwanWritesOfIt) {
  const Certificate umlaut = Make(ca_, "/C=DE/O=Ümlaut/CN=b} state=X/emailAddress=b@x.org");
  const Certificate comma = Make(ca_, "/C=DE/O=Acme, Inc/OU=a");
  const Certificate rare =
      Make(ca_, "/serialNumber=v2/title=v9/GN=v17/2.5.4.44=v19/DC=v29/UID=v28/2.5.4.97=v24");
  const IkeCertificates known({umlaut, comma, rare});
  EXPECT_THAT(known.ChainOf("C=DE, O=??mlaut, CN=b} state=X, E=b@x.org"), ElementsAre(umlaut));
  EXPECT_THAT(known.ChainOf("C=DE, O=Acme, Inc, OU=a"), ElementsAre(comma));
  EXPECT_THAT(known.ChainOf("SN=v2, T=v9, G=v17, 55:04:2c=v19, DC=v29, UID=v28, 55:04:61=v24"),
              ElementsAre(rare));
}

TEST_F(IkeCertificatesTest, TheOrderOfAttributesAndTheCaseOfLettersDoNotMatter) {
  const Certificate one = Make(ca_, "/C=DE/O=Acme/OU=Sites/CN=Gate");
  const IkeCertificates known({one});
  EXPECT_THAT(known.ChainOf("CN=Gate, OU=Sites, O=Acme, C=DE"), ElementsAre(one));
  EXPECT_THAT(known.ChainOf("c=de, o=ACME, ou=sites, cn=gate"), ElementsAre(one));
  for (const char* other : {"C=DE, OU=Sites, O=Acme, CN=Gate", "C=DE, O=Acme, OU=Sites", "Gate", "",
                            "%any", "C=DE, O=Acme, OU=Sites, CN=Gate, CN=Gate", "CN=Gate"}) {
    EXPECT_THAT(known.ChainOf(other), IsEmpty()) << other;
  }
}

TEST_F(IkeCertificatesTest, ASanOfAnyKindIsAnIdentity) {
  const Certificate one =
      Make(ca_, "/CN=x",
           "DNS:gate.example,IP:192.0.2.7,IP:2001:db8::7,email:gate@example.org,"
           "URI:https://gate.example/,dirName:dir\n[dir]\nC=DE\nO=Acme\nCN=elsewhere");
  const IkeCertificates known({one, Make(ca_, "/CN=y", "DNS:other.example")});
  for (const char* name : {"gate.example", "GATE.example", "192.0.2.7", "2001:db8::7",
                           "gate@example.org", "https://gate.example/",
                           "C=DE, O=Acme, CN=elsewhere", "CN=elsewhere, O=Acme, C=DE", "CN=x"}) {
    EXPECT_THAT(known.ChainOf(name), ElementsAre(one)) << name;
  }
  for (const char* other : {"DNS:gate.example", "ate.example", "*.example", "192.0.2.8"})
    EXPECT_THAT(known.ChainOf(other), IsEmpty()) << other;
}

TEST_F(IkeCertificatesTest, OfSeveralDifferentOnesNoneIsChosen) {
  const Certificate former = Make(ca_, "/CN=gate"), present = Make(ca_, "/CN=gate");
  EXPECT_THAT(IkeCertificates({former, present}).ChainOf("CN=gate"), IsEmpty());
  EXPECT_THAT(IkeCertificates({present, present}).ChainOf("CN=gate"), ElementsAre(present));
  // A subject and another's SAN.
  const Certificate san = Make(ca_, "/CN=x", "DNS:CN=gate");
  EXPECT_THAT(IkeCertificates({san, present}).ChainOf("CN=gate"), IsEmpty());
}

TEST_F(IkeCertificatesTest, ANameWhoseTextIsAnothersIsNeverTheAnswer) {
  const Certificate one = Make(ca_, "/CN=a, O=Acme");
  EXPECT_THAT(IkeCertificates({one}).ChainOf("CN=a, O=Acme"), IsEmpty());
  const Certificate two = Make(ca_, "/CN=a/O=Acme");
  EXPECT_THAT(IkeCertificates({two}).ChainOf("CN=a, O=Acme"), ElementsAre(two));
  EXPECT_THAT(IkeCertificates({one, two}).ChainOf("CN=a, O=Acme"), IsEmpty());
}

TEST_F(IkeCertificatesTest, TheChainIsWhatSignedOneAfterTheOther) {
  const Certificate leaf = Make(ca_, "/CN=gate");
  const Certificate root = Read(ca_.Pem("root")), int1 = Read(ca_.Pem("int1")),
                    int2 = Read(ca_.Pem("int2"));
  // One with the right names and other keys.
  const CertificateAuthority other;
  const Certificate foreign = Read(other.Pem("int2"));
  ASSERT_EQ(foreign.fields().subject, int2.fields().subject);
  const IkeCertificates known({root, foreign, int1, Make(ca_, "/CN=gone"), int2, leaf});
  EXPECT_THAT(known.ChainOf("CN=gate"), ElementsAre(leaf, int2, int1, root))
      << ::testing::PrintToString(Names(known.ChainOf("CN=gate")));
  EXPECT_THAT(IkeCertificates({root, int1, leaf}).ChainOf("CN=gate"), ElementsAre(leaf));
}

TEST_F(IkeCertificatesTest, NothingIsKnownOfNothing) {
  EXPECT_THAT(IkeCertificates({}).ChainOf("CN=gate"), IsEmpty());
}

}  // namespace
}  // namespace signet::services
