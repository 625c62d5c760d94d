// CSRs and key fields: items 58 to 64 of the abuse list.
#include "tests/abuse/abuse.h"

namespace signet::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Field {
  std::string name;
  json::object params;
  std::string word;
};
void PrintTo(const Field& field, std::ostream* out) { *out << field.name; }

std::vector<Field> Fields() {
  std::vector<Field> all = {
      {"C58_NewlineInTheCommonName", {{"commonName", "a\nb"}}, "SUBJECT_INVALID"},
      {"C58_EscapeSequenceInTheCommonName", {{"commonName", "a\x1b[31m"}}, "SUBJECT_INVALID"},
      {"C58_NulInTheCommonName", {{"commonName", json::string("a\0b", 3)}}, "SUBJECT_INVALID"},
      {"C58_OverlongCommonName", {{"commonName", std::string(65, 'a')}}, "SUBJECT_INVALID"},
      {"C58_RightToLeftOverride", {{"organization", "a\u202egpj.exe"}}, "SUBJECT_INVALID"},
      {"C62_CountryOfThreeLetters", {{"country", "XYZ"}}, "SUBJECT_INVALID"},
      {"C62_CountryInSmallLetters", {{"country", "kr"}}, "SUBJECT_INVALID"},
      {"C63_KeyTooSmall", {{"key", "rsa:1024"}}, ""},
      {"C63_KeyTooLarge", {{"key", "rsa:16384"}}, ""},
      {"C63_KeyOfAnOddSize", {{"key", "rsa:2049"}}, ""},
      {"C63_CurveByOid", {{"key", "ec:1.2.840.10045.3.1.7"}}, ""},
      {"C63_OtherCurve", {{"key", "ec:secp256k1"}}, ""},
      {"C63_KeyOfTheOtherAlgorithm", {{"key", "rsa:2048"}}, "KEY_DOES_NOT_FIT"},
      {"C63_HashWeakerThanTheCurve", {{"key", "ec:P-384"}, {"hash", "sha256"}}, "HASH_TOO_WEAK"},
      {"C63_Sha1", {{"hash", "sha1"}}, ""},
      {"C63_UnknownPurpose", {{"purpose", "../../etc/x"}}, "PURPOSE_UNKNOWN"},
      {"C63_InternalPurpose", {{"purpose", "appliance"}}, "PURPOSE_UNKNOWN"},
      {"C63_UnknownNode", {{"distribution", "nowhere.example.com"}}, "DISTRIBUTION_NOT_ALLOWED"},
      {"C63_MultiServerWhereThereIsNone",
       {{"distribution", "multi-server"}},
       "DISTRIBUTION_NOT_ALLOWED"},
      {"C63_UnknownMember", {{"keyId", "00"}}, "PARAMETER_INVALID"},
  };
  for (Field& field : all) {
    if (field.word.empty())
      field.word = field.name == "C63_Sha1" ? "HASH_INVALID" : "KEY_SPEC_INVALID";
  }
  const std::pair<const char*, json::string> names[] = {
      {"C59_TwoNamesInOneField", "DNS:a,IP:127.0.0.1"},
      {"C59_EmailCopy", "email:copy"},
      {"C59_DirNameSection", "dirName:section"},
      {"C59_NewlineAndAnotherName", "DNS:a.example.com\nIP:127.0.0.1"},
      {"C59_OtherName", "otherName:1.2.3.4;UTF8:x"},
      {"C60_Nul", json::string("DNS:bank.com\0.evil", 18)},
      {"C60_TrailingDot", "DNS:a.example.com."},
      {"C60_WildcardMidLabel", "DNS:a*.example.com"},
      {"C60_WildcardBehind", "DNS:a.*.example.com"},
      {"C60_WildcardOfATopLevel", "DNS:*.com"},
      {"C60_Underscore", "DNS:a_b.example.com"},
      {"C60_ALabelThatIsNone", "DNS:xn--a.example.com"},
      {"C60_EmptyLabel", "DNS:a..example.com"},
      {"C61_AddressAsDnsName", "DNS:127.0.0.1"},
      {"C61_LeadingZeros", "IP:010.0.0.1"},
      {"C61_ZoneId", "IP:fe80::1%eth0"},
      {"C61_Prefix", "IP:10.0.0.0/8"},
      {"C61_DecimalAddress", "IP:2130706433"},
      {"C62_TwoAts", "email:a@b@example.com"},
      {"C62_FileUri", "URI:file:///etc/passwd"},
      {"C62_ScriptUri", "URI:javascript:alert(1)"},
      {"C62_NoKind", "a.example.com"},
  };
  for (const auto& [name, san] : names)
    all.push_back({name, {{"sans", json::array{san}}}, "NAME_INVALID"});
  json::array many;
  for (int i = 0; i < 100; ++i)
    many.push_back(json::string("DNS:h" + std::to_string(i) + ".example.com"));
  all.push_back({"C60_MoreThan100Names", {{"sans", many}}, "TOO_MANY_NAMES"});
  return all;
}

class BadField : public AbuseTest, public ::testing::WithParamInterface<Field> {};

// ABUSE 58-63: the rows above, by their numbers.
TEST_P(BadField, NoKeyIsMade) {
  const Answer answer = CsrRefused(GetParam().word, GetParam().params);
  if (GetParam().word == "NAME_INVALID") {
    EXPECT_EQ(answer.error.at("pointer"), "/sans/0");
  }
}
INSTANTIATE_TEST_SUITE_P(Abuse, BadField, ::testing::ValuesIn(Fields()),
                         [](const auto& field) { return field.param.name; });

class Request : public AbuseTest {
 protected:
  // What openssl reads in a CSR that was made for these parameters; the CSR is discarded.
  std::string Text(json::object params) {
    const OwnCsr own = MakeCsr(kPurpose, std::move(params));
    appliance().MustRpc("csr.discard", {{"id", own.id}});
    return MustRun(
        {"openssl", "req", "-noout", "-text", "-subject", "-nameopt", "multiline,utf8,-esc_msb"},
        {own.pem, "", {}});
  }
};

// ABUSE 58.
TEST_F(Request, C58_QuotesCommasAndSlashesAreOneAttribute) {
  const std::string text =
      Text({{"commonName", "a\"b, O=Evil + OU=x/CN=admin"}, {"organization", "R&D, \"Q\" \\ <b>"}});
  EXPECT_THAT(text, HasSubstr("commonName                = a\"b, O=Evil + OU=x/CN=admin"));
  EXPECT_THAT(text, HasSubstr("organizationName          = R&D, \"Q\" \\\\ <b>"));
  EXPECT_THAT(text, Not(HasSubstr("organizationalUnitName")));
}

// ABUSE 60.
TEST_F(Request, C60_NonAsciiNameBecomesItsALabel) {
  EXPECT_THAT(Text({{"sans", json::array{"DNS:bücher.example.com"}}}),
              HasSubstr("DNS:xn--bcher-kva.example.com"));
}

// ABUSE 61.
TEST_F(Request, C61_AddressesAreWrittenInCanonicalForm) {
  const std::string text = Text({{"sans", json::array{"IP:2001:DB8:0:0::1", "IP:192.0.2.1"}}});
  EXPECT_THAT(text, HasSubstr("IP Address:2001:DB8:0:0:0:0:0:1"));
  EXPECT_THAT(text, HasSubstr("IP Address:192.0.2.1"));
}

// ABUSE 63.
TEST_F(Request, C63_SelfSignedCertificateOfAForeignNodeIsRefused) {
  Refused("DISTRIBUTION_NOT_ALLOWED", "certificate.generate",
          {{"purpose", kPurpose}, {"distribution", "node2.signet.localhost"}});
  Refused("VALIDITY_INVALID", "certificate.generate",
          {{"purpose", kPurpose}, {"validityDays", 100000}});
}

// SPEC C1. ABUSE 68.
TEST_F(Request, C68_NoMethodGivesAPrivateKeyAway) {
  for (const char* method : {"key.export", "key.wrap", "key.unwrap", "key.copy", "key.download",
                             "key.decrypt", "token.export", "certificate.export"}) {
    const World before = Look();
    EXPECT_EQ(appliance().Rpc(method, {{"purpose", kPurpose}}).word(), "METHOD_NOT_FOUND")
        << method;
    EXPECT_EQ(Look(), before);
  }
  const json::value described = appliance().MustRpc("rpc.discover");
  for (const json::value& method : described.at("methods").as_array()) {
    const std::string name = json::value_to<std::string>(method.at("name"));
    for (const char* word : {"export", "wrap", "copy", "decrypt"})
      EXPECT_THAT(name, Not(HasSubstr(word)));
  }
}

// SPEC C1: sensitive and never extractable. ABUSE 68.
TEST_F(Request, C68_EveryKeyIsSensitiveAndNeverExtractable) {
  const std::string keys = appliance().TokenTool({"--list-objects", "--type", "privkey"});
  std::size_t count = 0;
  for (std::size_t at = 0; (at = keys.find("Access:", at)) != std::string::npos; ++count) {
    const std::string line = keys.substr(at, keys.find('\n', at) - at);
    EXPECT_THAT(line, HasSubstr("always sensitive"));
    EXPECT_THAT(line, HasSubstr("never extractable"));
    at += line.size();
  }
  EXPECT_EQ(count, appliance().PrivateKeysOnToken());
}

}  // namespace
}  // namespace signet::testing
