// Without a daemon: the real swanctl finds none, and scripts in its place answer in other ways.
// With two real daemons: tests/e2e/ike_peers_test.cc.
#include "services/connections/ike_peers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/command.h"

namespace signet::services {
namespace {

using namespace std::chrono_literals;
using signet::testing::MustRun;
using signet::testing::ReadWhole;
using signet::testing::ScratchFolder;
using signet::testing::WriteWhole;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Duration kLong = 30s;
constexpr char kSwanctl[] = "/usr/sbin/swanctl";

template <class T>
std::string Word(const Result<T>& result) {
  return result ? "" : result.error().word;
}

class IkePeersTest : public ::testing::Test {
 protected:
  // A script in swanctl's place; it is given swanctl's words.
  IkeDoor Script(const std::string& text) const {
    const std::string path = folder_ / "swanctl";
    WriteWhole(path, "#!/bin/sh\n" + text + "\n");
    std::filesystem::permissions(path, std::filesystem::perms(0755));
    return {SIGNET_RUN, path, ""};
  }
  IkeDoor Real(const std::string& socket) const {
    return {SIGNET_RUN, kSwanctl, "unix://" + folder_ / socket};
  }
  ScratchFolder folder_;
};

class RealSwanctl : public IkePeersTest {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kSwanctl)) GTEST_SKIP() << kSwanctl << " is not installed";
  }
};

TEST_F(RealSwanctl, WithoutStrongSwanItIsSaidThatItDoesNotRun) {
  // A socket that a daemon left, too.
  MustRun({"python3", "-c", "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])",
           folder_ / "left"});
  for (const char* socket : {"absent", "left"}) {
    const auto peers = ListIkePeers(Real(socket), kLong);
    ASSERT_EQ("IKE_DAEMON_NOT_RUNNING", Word(peers)) << peers.error().ToString();
    EXPECT_EQ(Kind::kUnavailable, peers.error().kind);
    EXPECT_THAT(peers.error().detail, HasSubstr(folder_ / socket));
    EXPECT_THAT(peers.error().remedy, HasSubstr("systemctl start strongswan"));
    EXPECT_EQ("IKE_DAEMON_NOT_RUNNING", Word(CloseIke(Real(socket), "1", kLong)));
  }
}

TEST_F(RealSwanctl, WhoIsNotLetInIsToldHowToBe) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  MustRun({"python3", "-c", "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])",
           folder_ / "vici"});
  std::filesystem::permissions(folder_ / "vici", std::filesystem::perms(0770));
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
  IkeDoor door = Script("exec setpriv --reuid=65534 --regid=65534 --clear-groups " +
                        std::string(kSwanctl) + " \"$@\"");
  door.uri = "unix://" + folder_ / "vici";
  const auto peers = ListIkePeers(door, kLong);
  ASSERT_EQ("IKE_SOCKET_DENIED", Word(peers)) << peers.error().ToString();
  EXPECT_THAT(peers.error().remedy, HasSubstr("strongswan.conf"));
}

TEST_F(RealSwanctl, AnAddressThatIsNoneIsSaidInItsWords) {
  IkeDoor door = Real("");
  door.uri = "nonsense";
  const auto peers = ListIkePeers(door, kLong);
  ASSERT_EQ("SWANCTL_FAILED", Word(peers));
  EXPECT_THAT(peers.error().detail, HasSubstr("connecting to 'nonsense' URI failed"));
}

TEST_F(IkePeersTest, WithoutSwanctlItIsSaidWhatToInstall) {
  const IkeDoor door{SIGNET_RUN, folder_ / "swanctl", ""};
  const auto peers = ListIkePeers(door, kLong);
  ASSERT_EQ("SWANCTL_NOT_STARTED", Word(peers));
  EXPECT_THAT(peers.error().detail, HasSubstr("No such file"));
  EXPECT_THAT(peers.error().remedy, HasSubstr("strongswan-swanctl"));
  EXPECT_EQ("SWANCTL_NOT_STARTED", Word(CloseIke(door, "1", kLong)));
  const IkeDoor alone{folder_ / "signet-run", kSwanctl, ""};
  EXPECT_EQ("HELPER_NOT_STARTED", Word(ListIkePeers(alone, kLong)));
}

TEST_F(IkePeersTest, OneThatHangsIsNotWaitedForLonger) {
  EXPECT_EQ("COMMAND_SLOW", Word(ListIkePeers(Script("exec sleep 1000"), 300ms)));
  EXPECT_EQ("COMMAND_SLOW", Word(CloseIke(Script("exec sleep 1000"), "1", 300ms)));
}

TEST_F(IkePeersTest, BothQuestionsTogetherHaveOneLimit) {
  const std::string list = std::string(IKE_RECORDINGS) + "/list-sas.txt";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ("COMMAND_SLOW",
            Word(ListIkePeers(
                Script("[ \"$1\" = --list-sas ] || exec sleep 1000; sleep 2; cat " + list), 3s)));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4800ms);
}

TEST_F(IkePeersTest, EstablishedIkeSasAreListedWithoutCertificatesWhereNoneFit) {
  const std::string list = std::string(IKE_RECORDINGS) + "/list-sas.txt";
  const auto peers = ListIkePeers(
      Script("case $1 in --list-sas) cat " + list +
             ";; *) echo 'plugin x: failed to load' >&2; printf -- "
             "'-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n';; esac"),
      kLong);
  ASSERT_EQ("", Word(peers));
  ASSERT_EQ(2U, peers.value().size()) << "one is connecting yet";
  EXPECT_EQ("2", peers.value()[0].id);
  EXPECT_EQ("other", peers.value()[0].connection);
  EXPECT_EQ("10.99.0.2", peers.value()[0].host);
  EXPECT_EQ("C=DE, O=??mlaut, CN=b} state=X, E=b@x.org", peers.value()[0].identity);
  EXPECT_THAT(peers.value()[0].chain, IsEmpty());
}

TEST_F(IkePeersTest, WithoutIkeSasNoCertificatesAreAskedFor) {
  const auto peers = ListIkePeers(
      Script("[ \"$1\" = --list-sas ] || exit 1; printf 'list-sas reply {\\n}\\n'"), kLong);
  ASSERT_EQ("", Word(peers));
  EXPECT_THAT(peers.value(), IsEmpty());
}

TEST_F(IkePeersTest, AnAnswerThatIsNoneIsAnError) {
  EXPECT_EQ("IKE_LISTING_ODD", Word(ListIkePeers(Script("exit 0"), kLong)));
  const auto failed = ListIkePeers(Script("printf 'Error: \\033[2J\\n' >&2; exit 7"), kLong);
  ASSERT_EQ("SWANCTL_FAILED", Word(failed));
  EXPECT_EQ("swanctl exited with 7: \\x1b[2J", failed.error().detail);
  const auto crashed = ListIkePeers(Script("kill -SEGV $$"), kLong);
  ASSERT_EQ("SWANCTL_FAILED", Word(crashed));
  EXPECT_EQ("swanctl killed by SIGSEGV", crashed.error().detail);
}

TEST_F(IkePeersTest, WhatIsNoIdNeverReachesStrongSwan) {
  const IkeDoor door = Script("touch " + folder_ / "called");
  for (const std::string id : {"", "0", "01", "-1", "+1", "1 ", "1x", "x", "4294967296",
                               "4294967297", "99999999999999999999", "--ike=site", "1\n"}) {
    const Status closed = CloseIke(door, id, kLong);
    ASSERT_EQ("IKE_SA_ID_INVALID", Word(closed)) << id;
    EXPECT_EQ(Kind::kUsage, closed.error().kind);
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "called"));
  EXPECT_EQ("", Word(CloseIke(door, "4294967295", kLong)));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "called"));
}

TEST_F(IkePeersTest, AnIkeSaThatStaysIsAnErrorAndOneThatWentIsClosed) {
  const std::string fail = "echo 'terminate failed: terminating SA failed' >&2; exit 1";
  const std::string list = std::string(IKE_RECORDINGS) + "/list-sas.txt";
  const IkeDoor door =
      Script("case $1 in --terminate) " + fail + ";; --list-sas) cat " + list + ";; esac");
  const Status stays = CloseIke(door, "1", kLong);
  ASSERT_EQ("IKE_SA_NOT_CLOSED", Word(stays));
  EXPECT_THAT(stays.error().detail, HasSubstr("terminating SA failed"));
  EXPECT_THAT(stays.error().remedy, HasSubstr("--ike-id 1 --force"));
  EXPECT_EQ("", Word(CloseIke(door, "12", kLong)));
}

TEST_F(IkePeersTest, OneThatIsGoneIsNotFound) {
  const Status gone =
      CloseIke(Script("echo 'terminate failed: no matching SAs to terminate found' >&2; exit 1"),
               "5", kLong);
  ASSERT_EQ("IKE_SA_GONE", Word(gone));
  EXPECT_EQ(Kind::kNotFound, gone.error().kind);
}

}  // namespace
}  // namespace signet::services
