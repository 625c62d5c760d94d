// CA chains and trust stores: items 41, 42, 57 and 103 of the abuse list, at the door.
#include <algorithm>
#include <filesystem>
#include <regex>

#include "tests/abuse/abuse.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/loopback.h"

namespace signet::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TrustUpload : public AbuseTest {
 protected:
  static constexpr char kStore[] = "tomcat-trust";

  static json::object Parts(const std::vector<std::string>& pems, const char* store = kStore) {
    json::array parts;
    for (const std::string& pem : pems) parts.push_back(json::object{{"pem", pem}});
    return {{"store", store}, {"certificates", std::move(parts)}};
  }
  static std::string Joined(const std::vector<std::string>& pems) {
    std::string all;
    for (const std::string& pem : pems) all += pem;
    return all;
  }
  // What the call takes is bounded whatever the certificates are.
  template <class Call>
  static auto Soon(const Call& call) {
    const auto start = std::chrono::steady_clock::now();
    auto result = call();
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(4));
    return result;
  }
};

// ABUSE 41: a chain of 200 is refused before anything of it is verified; in pieces, where the path
// gets too long.
TEST_F(TrustUpload, B41_ChainOfTwoHundredIsRefusedUnverified) {
  std::vector<std::string> chain = ca().Deep(200);
  ASSERT_EQ(chain.size(), 200u);
  for (const json::object& upload : {Parts({Joined(chain)}), Parts(chain)}) {
    const Answer answer =
        Soon([&] { return Refused("TOO_MANY_CERTIFICATES", "trust.upload", upload); });
    EXPECT_FALSE(answer.error.contains("findings") &&
                 !answer.error.at("findings").as_array().empty())
        << "something was looked at: " << answer.error;
  }
  Soon([&] { return UploadRefused("TOO_MANY_CERTIFICATES", ca().Sign(csr()) + Joined(chain)); });
  std::size_t stored = 0;
  std::string word, remedy;
  for (std::size_t at = 0; at + 8 <= chain.size() && word.empty(); at += 8) {
    const auto from = chain.begin() + static_cast<std::ptrdiff_t>(at);
    const Answer answer = Soon([&] {
      return appliance().Rpc("trust.upload", Parts(std::vector<std::string>(from, from + 8)));
    });
    word = answer.word();
    if (!word.empty()) remedy = json::value_to<std::string>(answer.error.at("remedy"));
    if (answer.ok()) stored += 8;
  }
  EXPECT_EQ(word, "CHAIN_TOO_COMPLEX");
  EXPECT_THAT(remedy, HasSubstr("one path only"));
  EXPECT_LE(stored, 16u);
}

// ABUSE 41: a bundle above the cap is refused by its number of certificates, whatever they are.
TEST_F(TrustUpload, B41_BundleOfMoreThanTwentyThousandIsRefusedUnread) {
  const std::string garbage = PemBlock("CERTIFICATE", "no certificate at all");
  std::string all = ca().Issuer("root");
  for (int i = 0; i < 20'000; ++i) all += garbage;
  json::object upload = Parts({all}, "ipsec-trust");
  upload["mode"] = "bundle";
  const Answer answer =
      Soon([&] { return Refused("TOO_MANY_CERTIFICATES", "trust.upload", upload); });
  EXPECT_THAT(json::serialize(answer.error), Not(HasSubstr("NOT_TAKEN")));
}

// ABUSE 42: nine CAs, each cross-signed by each other, are stored; a path through them is found, or
// known not to exist, with a bounded number of signature checks.
TEST_F(TrustUpload, B42_MeshOfNineEndsSoonWithAndWithoutItsRoot) {
  const std::vector<std::string> mesh = ca().Mesh(9);
  ASSERT_EQ(mesh.size(), 73u);
  int loops = 0;
  for (const std::string& pem : mesh) {
    const Answer stored = Soon([&] { return appliance().Rpc("trust.upload", Parts({pem})); });
    if (stored.ok()) continue;
    ++loops;
    EXPECT_THAT(stored.word(), ::testing::AnyOf("CHAIN_INCOMPLETE", "CHAIN_TOO_COMPLEX"));
  }
  EXPECT_EQ(loops, 8) << "the root's own key, certified by those below it: no path but in a circle";
  const OwnCsr first = MakeCsr("tomcat-ECDSA"), second = MakeCsr("tomcat-ECDSA");
  const Answer found = Soon([&] {
    return Upload(ca().Sign(first.pem, {{"issuer", "mesh"}}), "tomcat-ECDSA");
  });
  ASSERT_TRUE(found.ok()) << found.error;
  const Answer without = appliance().Rpc("trust.delete", {{"store", kStore},
                                                          {"id", Fingerprint(mesh.front())},
                                                          {"force", json::array{"TRUST_IN_USE"}},
                                                          {"reason", "the mesh without its root"}});
  ASSERT_TRUE(without.ok()) << without.error;
  Soon([&] {
    return UploadRefused("CHAIN_INCOMPLETE", ca().Sign(second.pem, {{"issuer", "mesh"}}),
                         "tomcat-ECDSA");
  });
  appliance().MustRpc("csr.discard", {{"id", second.id}});
}

// ABUSE 42: A issued by B, B issued by A.
TEST_F(TrustUpload, B42_LoopOfTwoIsNoChain) {
  const std::vector<std::string> mesh = ca().Mesh(2);
  Soon([&] {
    return Refused("CHAIN_INCOMPLETE", "trust.upload", Parts({mesh[1], mesh[2]}, "ipsec-trust"));
  });
}

// ABUSE 57: descriptions are text of one line and name no file; what is downloaded has names from
// an allow-list.
TEST_F(TrustUpload, B57_DescriptionsAreTextAndNeverANameOfAFile) {
  const auto files = [] {
    std::vector<std::string> all;
    for (const auto& file : std::filesystem::recursive_directory_iterator(appliance().folder()))
      all.push_back(file.path().filename());
    std::sort(all.begin(), all.end());
    return all;
  };
  const std::vector<std::string> before = files();
  const std::string hostile[] = {
      "../../etc/x",          "a/b",
      std::string(300, 'x'),  "",
      std::string("a\0b", 3), "a\u202egpj.exe",
      "\U0001F600",           "x\r\n-----BEGIN CERTIFICATE-----\r\n\x1b[2J"};
  std::size_t entries = 0;
  for (const std::string& description : hostile) {
    const std::string pem = ca().SelfSigned("h" + std::to_string(entries) + ".example.com");
    const json::array parts{json::object{{"pem", pem}, {"description", description}}};
    const Answer stored =
        appliance().Rpc("trust.upload", {{"store", "ipsec-trust"}, {"certificates", parts}});
    ASSERT_TRUE(stored.ok()) << stored.error;
    ++entries;
    const std::string shown = json::value_to<std::string>(
        appliance()
            .MustRpc("trust.show", {{"store", "ipsec-trust"}, {"id", Fingerprint(pem)}})
            .at("description"));
    EXPECT_LE(shown.size(), 300u);
    EXPECT_THAT(shown, Not(HasSubstr("\u202e")));
    for (const char c : shown) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << shown;
  }
  EXPECT_EQ(files(), before);
  const std::regex allowed("[A-Za-z0-9._-]{1,64}");
  for (const char* format : {"pem", "pkcs7", "pkcs12", "hashed"}) {
    const json::value made =
        appliance().MustRpc("trust.download", {{"store", "ipsec-trust"}, {"format", format}});
    std::vector<std::string> names = {json::value_to<std::string>(made.at("name"))};
    if (std::string(format) == "hashed") {
      for (const json::value& file : made.at("files").as_array())
        names.push_back(json::value_to<std::string>(file.at("name")));
      EXPECT_GE(names.size(), entries);
    }
    for (const std::string& name : names) EXPECT_TRUE(std::regex_match(name, allowed)) << name;
    if (std::string(format) == "pem") {
      const std::string text = json::value_to<std::string>(made.at("content"));
      EXPECT_EQ(CertificatesIn(text).size(),
                appliance().List("trust.list", {{"store", "ipsec-trust"}}).size());
    }
  }
  for (const char* name : {"../../etc/x", "a/b", "", "tomcat-trust\n", "\u202e"}) {
    Refused("TRUST_STORE_UNKNOWN", "trust.upload", Parts({ca().Issuer("root")}, name));
    EXPECT_EQ(appliance().Rpc("csr.download", {{"id", name}}).word(), "CSR_UNKNOWN");
  }
}

// ABUSE 103: addresses inside of a certificate are not fetched, neither to find its issuer nor to
// ask about it, when it is read.
TEST_F(TrustUpload, B103_AddressesInACertificateAreNotFetched) {
  const Listener trap;  // nobody answers there
  const std::string url = "http://" + trap.at() + "/x";
  const CertificateAuthority authority("Trap");
  const OwnCsr own = MakeCsr("cup-xmpp-ECDSA");
  CertificateAuthority::SignOptions options;
  options.extensions = {"authorityInfoAccess=OCSP;URI:" + url + ",caIssuers;URI:" + url,
                        "crlDistributionPoints=URI:" + url};
  const std::string pem = authority.Sign(own.pem, options);
  UploadRefused("CHAIN_INCOMPLETE", pem, "cup-xmpp-ECDSA");
  json::object pinned = Parts({pem}, "cup-xmpp-trust");
  pinned["as"] = "pinned";
  appliance().MustRpc("trust.upload", pinned);
  appliance().MustRpc("trust.upload", Parts({authority.Chain()}, "cup-xmpp-trust"));
  const Answer stored = Upload(pem, "cup-xmpp-ECDSA");
  EXPECT_TRUE(stored.ok()) << stored.error;
  EXPECT_FALSE(trap.Called(std::chrono::milliseconds(500)));
}

}  // namespace
}  // namespace signet::testing
