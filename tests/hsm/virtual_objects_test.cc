// The view of services as objects: how a key is found while it moves from current to previous.
#include "hsm/keyd/virtual_objects.h"

#include <gtest/gtest.h>

#include "platform/encoding.h"
#include "tests/support/command.h"

namespace signet::hsm {
namespace {

using testing::MustRun;

constexpr char kFirst[] = "a1", kSecond[] = "b2";

std::string PublicKey() {
  const std::string key =
      MustRun({"openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"});
  return Base64Encode(MustRun({"openssl", "pkey", "-pubout", "-outform", "DER"}, {key, "", {}}));
}

ViewKey Key(const std::string& id, const std::string& label, const std::string& spki) {
  ViewKey key;
  key.purpose = "tomcat";
  key.label = label;
  key.id = id;
  key.spki = spki;
  return key;
}

// The ids of the private keys that a search finds; an empty text is not part of it.
std::vector<std::string> Find(const VirtualObjects& view, const std::string& id,
                              const std::string& label) {
  std::vector<wire::Attribute> match = {wire::NumberAttribute(CKA_CLASS, CKO_PRIVATE_KEY)};
  if (!id.empty()) match.push_back({CKA_ID, HexDecode(id).value()});
  if (!label.empty()) match.push_back({CKA_LABEL, label});
  std::vector<std::string> found;
  for (const VirtualObject& object : view.objects) {
    if (object.Matches(match)) found.push_back(view.keys[object.key].id);
  }
  return found;
}

// libp11 looks for a key that it knows by id and label, in each process that was forked since.
TEST(VirtualObjects, AKeyIsFoundByIdAndTheLabelThatItHadBeforeARenewalOrARollback) {
  using Ids = std::vector<std::string>;
  const std::string first = PublicKey(), second = PublicKey();
  const auto renewed = MakeVirtualObjects(
      {{Key(kSecond, "tomcat", second), Key(kFirst, "tomcat-previous", first)}}, 1);
  ASSERT_TRUE(renewed) << renewed.error().ToString();
  const VirtualObjects& view = *renewed.value();
  for (const char* label : {"tomcat", "tomcat-previous", ""}) {
    EXPECT_EQ(Find(view, kFirst, label), Ids{kFirst}) << label;
    EXPECT_EQ(Find(view, kSecond, label), Ids{kSecond}) << label;
  }
  // By the label alone it is the one that has it now, and no other label will do.
  EXPECT_EQ(Find(view, "", "tomcat"), Ids{kSecond});
  EXPECT_EQ(Find(view, "", "tomcat-previous"), Ids{kFirst});
  EXPECT_EQ(Find(view, kFirst, "cup"), Ids());
}

}  // namespace
}  // namespace signet::hsm
