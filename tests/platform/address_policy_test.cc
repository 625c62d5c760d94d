#include "platform/address_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace signet {
namespace {

using ::testing::HasSubstr;

IpAddress Address(const char* text) { return boost::asio::ip::make_address(text); }

AddressPolicy Policy(const std::vector<std::string>& allow, const std::vector<std::string>& deny) {
  auto policy = AddressPolicy::Make(allow, deny);
  EXPECT_TRUE(policy) << policy.error().ToString();
  return policy ? std::move(policy).value() : AddressPolicy();
}

// ABUSE 102, 103.
TEST(AddressPolicy, PlacesThatAreNeverAnotherServerAreRefused) {
  for (const char* text : {"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "169.254.169.254",
                           "169.254.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
                           "255.255.255.255", "100.100.100.200", "::", "::1", "fe80::1", "febf::1",
                           "ff02::1", "fd00:ec2::254", "2001::1", "64:ff9b:1::7f00:1"}) {
    const Status status = AddressPolicy().Check(Address(text), 443);
    ASSERT_FALSE(status) << text;
    EXPECT_EQ(status.error().word, "ADDRESS_NOT_ALLOWED") << text;
    EXPECT_EQ(status.error().kind, Kind::kRefused) << text;
    EXPECT_THAT(status.error().remedy, HasSubstr("[outgoing] allow")) << text;
  }
}

// ABUSE 102.
TEST(AddressPolicy, AnIpv6FormOfARefusedAddressIsRefused) {
  for (const char* text :
       {"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "2002:7f00:1::", "2002:a9fe:a9fe::1"}) {
    const Status status = AddressPolicy().Check(Address(text), 443);
    ASSERT_FALSE(status) << text;
    EXPECT_EQ(status.error().word, "ADDRESS_NOT_ALLOWED") << text;
  }
}

TEST(AddressPolicy, PublicAndPrivateAddressesAreAllowed) {
  for (const char* text :
       {"192.0.2.1", "8.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "1.0.0.1",
        "126.255.255.255", "128.0.0.1", "169.253.255.255", "223.255.255.255", "fd00::1",
        "2001:db8::1", "fe00::1", "::ffff:10.0.0.1", "64:ff9b::192.0.2.1", "2002:c000:201::1"}) {
    EXPECT_TRUE(AddressPolicy().Check(Address(text), 443)) << text;
  }
}

TEST(AddressPolicy, TheLongestPrefixDecides) {
  const AddressPolicy policy =
      Policy({"127.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0"}, {"10.0.0.0/8", "127.0.0.5"});
  EXPECT_TRUE(policy.Check(Address("127.0.0.1"), 1));
  EXPECT_TRUE(policy.Check(Address("::ffff:127.0.0.1"), 1));
  EXPECT_FALSE(policy.Check(Address("127.0.0.5"), 1));
  EXPECT_TRUE(policy.Check(Address("10.1.2.3"), 1));
  EXPECT_FALSE(policy.Check(Address("10.2.0.1"), 1));
  // All of IPv4 does not mean the metadata service.
  EXPECT_FALSE(policy.Check(Address("169.254.169.254"), 1));
  EXPECT_TRUE(policy.Check(Address("192.0.2.1"), 1));
  EXPECT_FALSE(Policy({"10.0.0.0/8"}, {"10.0.0.0/8"}).Check(Address("10.0.0.1"), 1));
}

TEST(AddressPolicy, ADeniedPrefixIsNamedInTheRemedy) {
  const Status status = Policy({}, {"fd00:1::/32"}).Check(Address("fd00:1::9"), 25);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().detail, HasSubstr("fd00:1::9 port 25"));
  EXPECT_THAT(status.error().remedy, HasSubstr("fd00:1::/32 out of '[outgoing] deny'"));
}

// ABUSE 102.
TEST(AddressPolicy, OwnEndpointsAreRefusedWhateverIsAllowed) {
  AddressPolicy policy = Policy({"127.0.0.1/32", "0.0.0.0/32", "::1", "::"}, {});
  policy.AddOwn({Address("127.0.0.1"), 8443});
  policy.AddOwn({Address("::"), 9443});
  EXPECT_TRUE(policy.Check(Address("127.0.0.1"), 8444));
  for (const char* text : {"127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::"}) {
    const Status status = policy.Check(Address(text), 8443);
    ASSERT_FALSE(status) << text;
    EXPECT_THAT(status.error().detail, HasSubstr("the appliance itself")) << text;
  }
  EXPECT_TRUE(policy.Check(Address("::1"), 8443));
  EXPECT_FALSE(policy.Check(Address("::1"), 9443));
  EXPECT_FALSE(policy.Check(Address("127.0.0.1"), 9443));
  EXPECT_TRUE(policy.Check(Address("192.0.2.1"), 9443));  // not of this machine
}

TEST(AddressPolicy, ABadPrefixIsNamedWithItsList) {
  for (const char* text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08",
        "10.0.0.0/8x", "10.0.0.0/8/8", "fd00::/129", "010.0.0.0/8", "localhost", "10.0.0.1/8",
        "fd00::1/8", "fe80::1%lo", " 10.0.0.0/8", "10/8"}) {
    const auto policy = AddressPolicy::Make({"192.0.2.0/24"}, {text});
    ASSERT_FALSE(policy) << text;
    EXPECT_EQ(policy.error().word, "ADDRESS_PREFIX_INVALID") << text;
    EXPECT_THAT(policy.error().detail, HasSubstr("[outgoing] deny: '")) << text;
    EXPECT_FALSE(policy.error().remedy.empty()) << text;
  }
  EXPECT_THAT(AddressPolicy::Make({"10.1.2.3/12"}, {}).error().remedy, HasSubstr("10.0.0.0/12"));
}

TEST(AddressPolicy, APrefixOfMappedAddressesIsOneOfIpv4) {
  const auto prefix = AddressPrefix::Parse("::ffff:10.0.0.0/104");
  ASSERT_TRUE(prefix);
  EXPECT_EQ(prefix.value().ToString(), "10.0.0.0/8");
  EXPECT_FALSE(Policy({}, {"::ffff:10.0.0.0/104"}).Check(Address("10.9.9.9"), 1));
}

TEST(AddressPolicy, SocketAddressesBecomeAddresses) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(0xC0000207);
  EXPECT_EQ(AddressOf(reinterpret_cast<const sockaddr&>(v4)), Address("192.0.2.7"));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr.s6_addr[15] = 1;
  EXPECT_EQ(AddressOf(reinterpret_cast<const sockaddr&>(v6)), Address("::1"));
  sockaddr other{};
  other.sa_family = AF_UNIX;
  EXPECT_EQ(AddressOf(other), std::nullopt);
}

}  // namespace
}  // namespace signet
