#include "platform/starttls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/platform/tls_peer.h"

namespace signet {
namespace {

using namespace std::chrono_literals;
using namespace signet::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TlsFetched FetchBy(StartTls protocol, const Server& server, Duration limit = 20s) {
  TlsFetchRequest request = RequestTo("localhost", server.port());
  request.starttls = protocol;
  request.time_limit = limit;
  TlsFetched fetched = FetchTls(request);
  EXPECT_TRUE(fetched.reached);
  EXPECT_TRUE(!fetched.error || !fetched.error->remedy.empty());
  return fetched;
}

TEST(StartTls, EachProtocolLeadsToTheCertificate) {
  const ScratchFolder folder;
  const Pair pair = MakePair(folder / "ec", kEcKey);
  const std::vector<std::pair<StartTls, std::string>> cases{{StartTls::kSmtp, "smtp"},
                                                            {StartTls::kXmpp, "xmpp"},
                                                            {StartTls::kXmppServer, "xmpp"},
                                                            {StartTls::kLdap, "ldap"},
                                                            {StartTls::kLdap, "ldap-long"}};
  for (const auto& [protocol, mode] : cases) {
    const Peer peer(mode, pair.Files());
    const TlsFetched fetched = FetchBy(protocol, peer);
    ASSERT_FALSE(fetched.error) << mode << fetched.error->ToString();
    EXPECT_THAT(fetched.chain, ElementsAre(pair.Der())) << mode;
    EXPECT_EQ(peer.Await("sni (.*)\n"), "localhost");
    EXPECT_EQ(peer.Await("after (.*)\n"), "b''");
  }
}

TEST(StartTls, TheXmppStreamNamesTheHostAndItsKind) {
  const Peer client("xmpp-none"), server("xmpp-none");
  EXPECT_EQ(Word(FetchBy(StartTls::kXmpp, client)), "STARTTLS_REFUSED");
  EXPECT_THAT(client.Await("said (.*)\n"), HasSubstr("to='localhost' xmlns='jabber:client'"));
  EXPECT_EQ(Word(FetchBy(StartTls::kXmppServer, server)), "STARTTLS_REFUSED");
  EXPECT_THAT(server.Await("said (.*)\n"), HasSubstr("to='localhost' xmlns='jabber:server'"));
}

// A host may serve several domains, and be known by its address alone.
TEST(StartTls, TheXmppStreamNamesTheDomainThatIsAskedFor) {
  const Peer peer("xmpp-none");
  TlsFetchRequest request = RequestTo("127.0.0.1", peer.port());
  request.server_name = "example.com";
  request.starttls = StartTls::kXmpp;
  EXPECT_EQ(Word(FetchTls(request)), "STARTTLS_REFUSED");
  EXPECT_THAT(peer.Await("said (.*)\n"), HasSubstr("to='example.com'"));
}

TEST(StartTls, AServerThatDoesNotOfferItRefuses) {
  const std::vector<std::pair<StartTls, std::string>> cases{
      {StartTls::kSmtp, "smtp-none"},    {StartTls::kSmtp, "smtp-busy"},
      {StartTls::kSmtp, "smtp-inject"},  {StartTls::kXmpp, "xmpp-none"},
      {StartTls::kXmpp, "xmpp-failure"}, {StartTls::kXmpp, "xmpp-unknown"},
      {StartTls::kXmpp, "smtp"},         {StartTls::kXmpp, "http"},
      {StartTls::kSmtp, "banner"},       {StartTls::kLdap, "ldap-refused"},
      {StartTls::kLdap, "ldap-extra"},   {StartTls::kLdap, "ldap-huge"},
      {StartTls::kLdap, "smtp"},         {StartTls::kLdap, "close"}};
  for (const auto& [protocol, mode] : cases) {
    const Peer peer(mode);
    const TlsFetched fetched = FetchBy(protocol, peer);
    EXPECT_EQ(Word(fetched), "STARTTLS_REFUSED") << StartTlsName(protocol) << " at " << mode;
    EXPECT_TRUE(fetched.chain.empty());
  }
}

TEST(StartTls, TheServersWordsAreShownWithoutControlCharacters) {
  const Peer peer("smtp-busy");
  const TlsFetched fetched = FetchBy(StartTls::kSmtp, peer);
  ASSERT_TRUE(fetched.error);
  EXPECT_THAT(fetched.error->detail, HasSubstr("421 too many connections"));
  EXPECT_THAT(fetched.error->detail, Not(HasSubstr("\x1b")));
}

TEST(StartTls, ThePreambleHasABoundInOctetsAndTime) {
  const Peer endless("smtp-endless");
  const TlsFetched fetched = FetchBy(StartTls::kSmtp, endless);
  EXPECT_EQ(Word(fetched), "PEER_TOO_LARGE");
  EXPECT_LE(fetched.bytes_read, 16u * 1024);
  const Peer silent("silent"), zeros("ldap-zeros");
  EXPECT_EQ(Word(FetchBy(StartTls::kSmtp, silent, 300ms)), "HANDSHAKE_TIMED_OUT");
  // A header that has not ended yet: more is awaited, nothing beyond it is read.
  EXPECT_EQ(Word(FetchBy(StartTls::kLdap, zeros, 300ms)), "HANDSHAKE_TIMED_OUT");
}

TEST(StartTls, APortThatSpeaksTlsAtOnceIsNotMistaken) {
  const ScratchFolder folder;
  const Pair pair = MakePair(folder / "ec", kEcKey);
  const Peer peer("tls", pair.Files());
  const TlsFetched fetched = FetchBy(StartTls::kSmtp, peer, 300ms);
  EXPECT_EQ(Word(fetched), "HANDSHAKE_TIMED_OUT");
  EXPECT_THAT(fetched.error->remedy, HasSubstr("without --starttls"));
}

TEST(StartTls, NamesAreThoseOfTheCommandLine) {
  for (const StartTls protocol : {StartTls::kNone, StartTls::kXmpp, StartTls::kXmppServer,
                                  StartTls::kSmtp, StartTls::kLdap}) {
    EXPECT_EQ(StartTlsFromName(StartTlsName(protocol)), protocol);
  }
  EXPECT_EQ(StartTlsName(StartTls::kXmppServer), "xmpp-server");
  EXPECT_EQ(StartTlsFromName("imap"), std::nullopt);
}

}  // namespace
}  // namespace signet
